"""Every service of docker-compose.yml, outside Docker: its own command, variables and health check on real servers."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from collections.abc import Iterator, Mapping
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path

import httpx
import psycopg
import pytest
import yaml

from tests.app.running import free_port, run, start
from tests.deploy.composed import CHECKOUT, SERVICES, Places, listening_port, mounts
from tests.kafka.broker import READY_WITHIN_S, Broker
from tests.postgres import Postgres, binaries
from tests.web.world import bearer, now_ms, poll, swipe_event

pytestmark = [pytest.mark.kafka, pytest.mark.postgres, pytest.mark.timeout(240)]

PARTS = ("web", "ingestion", "worker-1", "worker-2", "video", "visitors")
TARGETS = [
    target
    for job in yaml.safe_load((CHECKOUT / "deploy/prometheus/prometheus.yml").read_text())["scrape_configs"]
    for group in job["static_configs"]
    for target in group["targets"]
]


@dataclass
class ComposedBroker(Broker):
    """A broker whose settings and storage the image's own program has made of the file's variables."""

    made_of: Mapping[str, str] = field(default_factory=dict)

    def place(self, port: int, controller_port: int) -> None:
        """Where it listens."""
        self.port, self._controller_port = port, controller_port

    def _format(self) -> None:
        folders = [self.directory / name for name in ("default", "mounted", "final")]
        for folder in folders:
            folder.mkdir(parents=True)
        options = zip(("--default-configs-dir", "--mounted-configs-dir", "--final-configs-dir"), folders, strict=True)
        words = ["setup", *(str(word) for pair in options for word in pair)]
        done = subprocess.run(
            self._java("kafka.docker.KafkaDockerWrapper", *words),
            env={"PATH": os.environ["PATH"], **self.made_of},
            capture_output=True,
            text=True,
            timeout=READY_WITHIN_S,
            check=False,
        )
        assert done.returncode == 0, done.stdout + done.stderr
        shutil.copy(folders[2] / "server.properties", self._properties)


@dataclass
class Running:
    """The services of the file that run here."""

    places: Places
    processes: dict[str, subprocess.Popen[str]] = field(default_factory=dict)

    def start(self, name: str) -> None:
        """The service runs, by the file's own command and variables."""
        with pytest.MonkeyPatch.context() as here:
            for variable in os.environ.keys() - self.places.environment(name).keys():
                here.delenv(variable)
            for variable, value in self.places.environment(name).items():
                here.setenv(variable, value)
            self.processes[name] = start(self.places.command(name), self.said(name), self.said(name, "err"))

    def said(self, name: str, kind: str = "out") -> Path:
        """Returns the file of what a service has written."""
        return self.places.folder / f"{name}.{kind}"

    def is_healthy(self, name: str) -> bool:
        """Returns what the file's own health check says."""
        if name in self.processes:
            assert self.processes[name].poll() is None, self.said(name, "err").read_text()
        words = self.places.health_command(name)
        if name == "postgres":
            folder = binaries()
            assert folder is not None
            words[0] = str(folder / words[0])
            words += ["--port", str(self.places.ports["postgres", 5432])]
        return subprocess.run(words, capture_output=True, timeout=30, check=False).returncode == 0

    def address(self, name: str) -> str:
        """Returns where a part of ours answers."""
        return f"http://127.0.0.1:{self.places.ports[name, listening_port(name)]}"

    def stop(self) -> list[int]:
        """Returns with which codes the parts ended that were told to stop."""
        for process in self.processes.values():
            process.terminate()
        return [process.wait(40) for process in self.processes.values()]


@pytest.fixture(scope="module")
def running(real_kafka: str, real_postgres: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    assert real_kafka
    assert real_postgres
    folder = tmp_path_factory.mktemp("composed")
    wanted = [("kafka", 9092), ("kafka", 9093), *((name, listening_port(name)) for name in PARTS)]
    ports = {place: free_port() for place in wanted}
    with ExitStack() as ends:
        words = SERVICES["postgres"]["command"]
        settings = dict(word.split("=", 1) for word in words if "=" in word)
        server = Postgres({"fsync": "off", **settings})
        ends.callback(server.remove)
        server.start()
        places = Places(folder, {**ports, ("postgres", 5432): server.port})
        make_secrets(folder)
        take_password(server, folder)
        broker = ComposedBroker(folder / "broker", made_of=kafka_variables(places))
        broker.place(ports["kafka", 9092], ports["kafka", 9093])
        ends.callback(broker.stop)
        broker.start()
        cluster = Running(places)
        ends.callback(cluster.stop)
        cluster.start("topics")
        assert cluster.processes.pop("topics").wait(60) == 0, cluster.said("topics", "err").read_text()
        for name in PARTS:
            for other, how in SERVICES[name]["depends_on"].items():
                if how["condition"] == "service_healthy":
                    poll(lambda other=other: cluster.is_healthy(other), 60)  # type: ignore[misc]
            cluster.start(name)
        yield cluster


def make_secrets(folder: Path) -> None:
    """The file's one-shot has run, its users being the one of this test."""
    for mount in mounts(SERVICES["secrets"]):
        if not mount.source.startswith("."):
            (folder / mount.source).mkdir()
    (folder / "secrets").mkdir()
    for mount in mounts(SERVICES["secrets"]):
        if mount.target.startswith("/secrets/"):
            (folder / mount.target[1:]).symlink_to(folder / mount.source)
    me = str(os.getuid())
    users = dict.fromkeys(("POSTGRES_USER_ID", "SWIPEWATCH_USER_ID", "GRAFANA_USER_ID"), me)
    script = CHECKOUT / "deploy" / "secrets.sh"
    for said in ("the passwords were made", "the passwords are there"):
        done = subprocess.run(
            ["sh", script, folder / "secrets"], env={**os.environ, **users}, capture_output=True, text=True, check=True
        )
        assert done.stdout.strip() == said


def take_password(server: Postgres, folder: Path) -> None:
    """The database is as the image makes it of the file's variables; clients find the password in their own file."""
    environment = SERVICES["postgres"]["environment"]
    password = (folder / "secret-of-postgres" / "password").read_text().strip()
    user, database = environment["POSTGRES_USER"], environment["POSTGRES_DB"]
    with psycopg.connect(server.url("postgres"), autocommit=True) as connection:
        connection.execute(f"ALTER ROLE {user} PASSWORD '{password}'")
        connection.execute(f"CREATE DATABASE {database} ENCODING 'UTF8' TEMPLATE template0")
    kept = folder / "secret-of-swipewatch" / "pgpass"
    assert kept.stat().st_mode & 0o777 == 0o400
    text = kept.read_text().replace("postgres:5432:", f"127.0.0.1:{server.port}:")
    kept.unlink()
    kept.write_text(text)
    kept.chmod(0o400)


def kafka_variables(places: Places) -> dict[str, str]:
    """Returns the broker's variables with the places of this machine."""
    given: dict[str, str] = {
        key: places.here("kafka", value) for key, value in SERVICES["kafka"]["environment"].items()
    }
    for host, port in places.ports:
        if host == "kafka":
            own = places.ports[host, port]
            given["KAFKA_LISTENERS"] = given["KAFKA_LISTENERS"].replace(f"://:{port}", f"://127.0.0.1:{own}")
    return given


# ------------------------------------------------------------------------------------------------- one start for all


def test_every_service_is_well_by_its_own_check_prometheus_is_answered_and_a_swipe_is_decided(running: Running) -> None:
    for name in ("kafka", "postgres", *PARTS):
        poll(lambda name=name: running.is_healthy(name), 60)  # type: ignore[misc]
    check_that_health_checks_can_fail(running)
    check_settings_of_the_broker(running)
    check_what_prometheus_asks(running)
    send_a_swipe(running)


def check_that_health_checks_can_fail(running: Running) -> None:
    nobody = free_port()
    away = Running(Places(running.places.folder, dict.fromkeys(running.places.ports, nobody)))
    assert not [name for name in ("kafka", "postgres", *PARTS) if away.is_healthy(name)]


def check_settings_of_the_broker(running: Running) -> None:
    """The broker runs with all of the file's settings and no other; what it does not know it says in its log."""
    properties = (running.places.folder / "broker" / "server.properties").read_text()
    written = dict(line.split("=", 1) for line in properties.splitlines() if "=" in line)
    variables = SERVICES["kafka"]["environment"].keys() - {"CLUSTER_ID", "KAFKA_HEAP_OPTS"}
    assert set(written) == {name.removeprefix("KAFKA_").lower().replace("_", ".") for name in variables}
    said = (running.places.folder / "broker" / "broker.log").read_text()
    assert "isn't a known config" not in said


def check_what_prometheus_asks(running: Running) -> None:
    assert {target.rsplit(":", 1)[0] for target in TARGETS} == set(PARTS)
    for target in TARGETS:
        name, port = target.rsplit(":", 1)
        assert int(port) == listening_port(name)
        answer = httpx.get(f"{running.address(name)}/metrics", timeout=10)
        assert answer.headers["content-type"].startswith("text/plain; version=0.0.4")
        assert "swipewatch_" in answer.text


def send_a_swipe(running: Running) -> None:
    """The first log-in is told once, by web; a swipe sent to ingestion is decided by the workers."""
    first = re.search(r"send events with token (\S+)", running.said("web").read_text())
    assert first
    assert "First start" not in running.said("ingestion").read_text()
    event = swipe_event("SETL-000001", at_ms=now_ms())

    def sent() -> bool:
        address = f"{running.address('ingestion')}/v1/events"
        return httpx.post(address, json=event, headers=bearer(first[1]), timeout=40).is_success

    poll(sent, 60)
    poll(lambda: of_workers(running, 'swipewatch_events_decided_total{status="accepted"}') >= 1, 60)
    words = SERVICES["topics"]["command"]
    partitions = int(words[words.index("--partitions") + 1])
    poll(lambda: of_workers(running, "swipewatch_partitions_held") == partitions, 60)
    exported = run("export", "--database", database_address(running))
    assert "SETL-000001" in exported.stdout, exported.stderr


def of_workers(running: Running, metric: str) -> float:
    """Returns the sum of a number over both workers."""
    said = [httpx.get(f"{running.address(name)}/metrics", timeout=10).text for name in ("worker-1", "worker-2")]
    lines = [line for text in said for line in text.splitlines() if line.startswith(f"{metric} ")]
    return sum(float(line.rsplit(" ", 1)[1]) for line in lines)


def database_address(running: Running) -> str:
    address = running.places.environment("web")["SWIPEWATCH__DATABASE_URL"]
    password = (running.places.folder / "secret-of-postgres" / "password").read_text().strip()
    return address.replace("swipewatch@", f"swipewatch:{password}@")

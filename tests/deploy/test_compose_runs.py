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

from tests.app.running import free_port, run
from tests.deploy.composed import CHECKOUT, SERVICES, Places, listening_port, mounts
from tests.kafka.broker import JARS, READY_WITHIN_S, Broker
from tests.postgres import Postgres, binaries
from tests.web.world import bearer, now_ms, poll, swipe_event

pytestmark = [pytest.mark.kafka, pytest.mark.postgres, pytest.mark.timeout(240)]

PARTS = ("web", "ingestion", "worker-1", "worker-2", "video")
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
    processes: dict[str, subprocess.Popen[bytes]] = field(default_factory=dict)

    def start(self, name: str) -> None:
        """The service runs, by the file's own command and variables."""
        with self.log(name).open("ab") as log:
            self.processes[name] = subprocess.Popen(
                self.places.command(name),
                cwd=CHECKOUT,
                env=self.places.environment(name),
                stdout=log,
                stderr=log,
                start_new_session=True,
            )

    def log(self, name: str) -> Path:
        return self.places.folder / f"{name}.log"

    def is_healthy(self, name: str) -> bool:
        """Returns what the file's own health check says."""
        if name in self.processes:
            assert self.processes[name].poll() is None, self.log(name).read_text()
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
        made = subprocess.run(
            places.command("topics"), env=places.environment("topics"), cwd=CHECKOUT, capture_output=True, check=False
        )
        assert made.returncode == 0, made.stderr
        cluster = Running(places)
        ends.callback(cluster.stop)
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


# --------------------------------------------------------------------------------------------------------------------


def test_the_broker_has_taken_every_setting_of_the_file(running: Running) -> None:
    properties = (running.places.folder / "broker" / "server.properties").read_text()
    written = dict(line.split("=", 1) for line in properties.splitlines() if "=" in line)
    no_property = {"KAFKA_HEAP_OPTS"}
    asked = {key[6:].lower().replace("_", ".") for key in SERVICES["kafka"]["environment"] if key.startswith("KAFKA_")}
    assert set(written) == {*asked} - {key[6:].lower().replace("_", ".") for key in no_property}
    said = running.places.folder / "broker" / "broker.log"
    assert "configuration" not in "".join(
        line for line in said.read_text().splitlines() if "unknown" in line.lower() or "isn't a known config" in line
    )
    assert any(JARS.glob("kafka_2.13-*.jar"))


@pytest.mark.parametrize("name", ["kafka", "postgres", *PARTS])
def test_a_health_check_is_well_once_the_service_runs(running: Running, name: str) -> None:
    poll(lambda: running.is_healthy(name), 60)


def test_a_health_check_fails_where_nobody_answers(running: Running) -> None:
    nobody = free_port()
    away = Running(Places(running.places.folder, dict.fromkeys(running.places.ports, nobody)))
    assert not [name for name in ("kafka", "postgres", *PARTS) if away.is_healthy(name)]


@pytest.mark.parametrize("target", TARGETS)
def test_what_prometheus_asks_answers_with_numbers(running: Running, target: str) -> None:
    name, port = target.rsplit(":", 1)
    assert int(port) == listening_port(name)
    poll(lambda: running.is_healthy(name), 60)
    answer = httpx.get(f"{running.address(name)}/metrics", timeout=10)
    assert answer.headers["content-type"].startswith("text/plain; version=0.0.4")
    assert "swipewatch_" in answer.text


def test_a_swipe_sent_to_ingestion_is_decided_by_the_workers(running: Running) -> None:
    poll(lambda: all(running.is_healthy(name) for name in PARTS), 60)
    first = re.search(r"send events with token (\S+)", running.log("web").read_text())
    assert first, "the first log-in is in the log of web"
    assert "First start" not in running.log("ingestion").read_text()
    event = swipe_event("SETL-000001", at_ms=now_ms())

    def sent() -> bool:
        answer = httpx.post(
            f"{running.address('ingestion')}/v1/events", json=event, headers=bearer(first[1]), timeout=40
        )
        return answer.is_success

    poll(sent, 60)
    poll(lambda: decided(running, "worker-1") + decided(running, "worker-2") >= 1, 60)
    words = SERVICES["topics"]["command"]
    partitions = int(words[words.index("--partitions") + 1])
    held = "swipewatch_partitions_held"
    poll(lambda: decided(running, "worker-1", held) + decided(running, "worker-2", held) == partitions, 60)
    exported = run("export", "--database", database_address(running))
    assert "SETL-000001" in exported.stdout, exported.stderr


def decided(running: Running, name: str, metric: str = 'swipewatch_events_decided_total{status="accepted"}') -> int:
    for line in httpx.get(f"{running.address(name)}/metrics", timeout=10).text.splitlines():
        if line.startswith(f"{metric} "):
            return int(float(line.rsplit(" ", 1)[1]))
    return 0


def database_address(running: Running) -> str:
    address = running.places.environment("web")["SWIPEWATCH__DATABASE_URL"]
    password = (running.places.folder / "secret-of-postgres" / "password").read_text().strip()
    return address.replace("swipewatch@", f"swipewatch:{password}@")

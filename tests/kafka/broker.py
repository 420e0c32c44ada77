"""A real Apache Kafka in a process of its own, on free ports of 127.0.0.1, with its data on disk; no Docker.

One node is controller and broker (KRaft). It is told to decide quickly about groups and sessions, and to be small. Its
jars come through Maven: `make setup-test`.
"""

from __future__ import annotations

import importlib.metadata
import importlib.util
import os
import shutil
import signal
import socket
import subprocess
import time
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from kafka.admin import KafkaAdminClient
from kafka.errors import KafkaError

CHECKOUT = Path(__file__).parents[2]
JARS = CHECKOUT / ".cache" / "kafka"
READY_WITHIN_S = 60.0
STOPS_WITHIN_S = 20.0
CLUSTER_ID = "c3dpcGV3YXRjaC10ZXN0cw"
JVM = ("-Xmx256m", "-Xms64m", "-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1", "-Xshare:auto")
QUIET = "-Dorg.apache.logging.log4j.level=WARN"

SMALL_AND_QUICK = {
    # One node: nothing is copied, and every internal topic is small.
    "offsets.topic.replication.factor": 1,
    "offsets.topic.num.partitions": 2,
    "transaction.state.log.replication.factor": 1,
    "transaction.state.log.min.isr": 1,
    "transaction.state.log.num.partitions": 1,
    "share.coordinator.state.topic.replication.factor": 1,
    "share.coordinator.state.topic.min.isr": 1,
    "share.coordinator.state.topic.num.partitions": 1,
    # A group starts at once, and a member may be missed after a second.
    "group.initial.rebalance.delay.ms": 0,
    "group.min.session.timeout.ms": 500,
    # A broker that was killed is let in again after two seconds.
    "broker.heartbeat.interval.ms": 500,
    "broker.session.timeout.ms": 2000,
    "controlled.shutdown.enable": "false",
    # A topic is made on purpose or not at all.
    "auto.create.topics.enable": "false",
    # Fits into a small heap.
    "log.cleaner.dedupe.buffer.size": 8 * 2**20,
    "num.network.threads": 2,
    "num.io.threads": 2,
    "log.index.size.max.bytes": 2**20,
    "log.segment.bytes": 64 * 2**20,
}


LEFT_OPEN = pytest.mark.filterwarnings("ignore:unclosed <socket:ResourceWarning")
"""For tests that pause a broker: kafka-python leaves a connection behind whose first request was never answered."""


class NoKafkaError(RuntimeError):
    """Kafka cannot run here; the message says what is missing and which command brings it."""


def missing() -> str | None:
    """Returns why no Kafka can be started on this machine, or None."""
    if shutil.which("java") is None:
        return "there is no Java: `make setup-test` installs it"
    if not any(JARS.glob("kafka_2.13-*.jar")):
        return f"Kafka's jars are not in {JARS}: `make setup-test` fetches them through Maven"
    return None


def version() -> str:
    """Returns the version of the Kafka that `make setup-test` has fetched."""
    (jar,) = JARS.glob("kafka_2.13-*.jar")
    return jar.stem.removeprefix("kafka_2.13-")


@dataclass
class Broker:
    """A Kafka whose data are in a folder; it can be killed, paused and started again with the same data and ports.

    Args:
        directory: where its data, settings and output are.
        settings: in addition to the small and quick ones, or instead of them.
    """

    directory: Path
    settings: dict[str, object] = field(default_factory=dict)
    port: int = field(default=0, init=False)
    _controller_port: int = field(default=0, init=False)
    _process: subprocess.Popen[bytes] | None = field(default=None, init=False)

    @property
    def address(self) -> str:
        """What clients are given to begin with."""
        return f"127.0.0.1:{self.port}"

    @property
    def pid(self) -> int:
        """The number of the process that runs."""
        assert self._process is not None, "the broker was not started"
        return self._process.pid

    def start(self) -> None:
        """Returns once clients are answered. Raises: NoKafkaError; AssertionError with what the broker said."""
        problem = missing()
        if problem is not None:
            raise NoKafkaError(problem)
        if not self._properties.exists():
            self._format()
        with self._log.open("ab") as log:
            self._process = subprocess.Popen(
                self._java("kafka.Kafka", str(self._properties)),
                cwd=self.directory,
                stdout=log,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
        self.wait_until_ready()

    def wait_until_ready(self) -> None:
        """Returns once clients are answered. Raises: AssertionError with what the broker said."""
        deadline = time.monotonic() + READY_WITHIN_S
        while time.monotonic() < deadline:
            assert self._process is not None, "the broker was not started"
            assert self._process.poll() is None, f"Kafka ended with {self._process.returncode}: {self.said()}"
            if self.answers():
                return
            time.sleep(0.05)
        raise AssertionError(f"Kafka does not answer within {READY_WITHIN_S} s: {self.said()}")

    def answers(self) -> bool:
        """Returns whether clients are answered within two seconds."""
        with socket.socket() as probe:
            probe.settimeout(1.0)
            if probe.connect_ex(("127.0.0.1", self.port)) != 0:
                return False
        try:
            admin = KafkaAdminClient(bootstrap_servers=self.address, bootstrap_timeout_ms=2000, request_timeout_ms=2000)
        except KafkaError:
            return False
        try:
            return bool(admin.describe_cluster()["brokers"])
        except KafkaError:
            return False
        finally:
            admin.close()

    def stop(self) -> None:
        """The broker ends in order; killed if it does not."""
        if self._process is None or self._process.poll() is not None:
            return
        os.killpg(self.pid, signal.SIGCONT)
        os.killpg(self.pid, signal.SIGTERM)
        try:
            self._process.wait(STOPS_WITHIN_S)
        except subprocess.TimeoutExpired:
            self.kill()

    def kill(self) -> None:
        """The broker ends at once (SIGKILL)."""
        with suppress(ProcessLookupError):
            os.killpg(self.pid, signal.SIGKILL)
        assert self._process is not None
        self._process.wait()

    def restart(self) -> None:
        """The broker ends in order and starts again with its data."""
        self.stop()
        self.start()

    def pause(self) -> None:
        """The broker keeps its connections and says nothing (SIGSTOP)."""
        os.killpg(self.pid, signal.SIGSTOP)

    def resume(self) -> None:
        """The broker goes on where it was paused (SIGCONT)."""
        os.killpg(self.pid, signal.SIGCONT)

    def said(self) -> str:
        """Returns the end of what the broker wrote."""
        return self._log.read_text(errors="replace")[-4000:] if self._log.exists() else ""

    # --------------------------------------------------------------------------------------------------------------

    @property
    def _properties(self) -> Path:
        return self.directory / "server.properties"

    @property
    def _log(self) -> Path:
        return self.directory / "broker.log"

    def _java(self, main: str, *arguments: str) -> list[str]:
        return ["java", *JVM, QUIET, "-cp", f"{JARS}/*", main, *arguments]

    def _format(self) -> None:
        self.directory.mkdir(parents=True, exist_ok=True)
        self.port, self._controller_port = free_ports(2)
        values = {
            "process.roles": "broker,controller",
            "node.id": 1,
            "controller.quorum.voters": f"1@127.0.0.1:{self._controller_port}",
            "controller.listener.names": "CONTROLLER",
            "listeners": f"PLAINTEXT://127.0.0.1:{self.port},CONTROLLER://127.0.0.1:{self._controller_port}",
            "advertised.listeners": f"PLAINTEXT://127.0.0.1:{self.port}",
            "listener.security.protocol.map": "PLAINTEXT:PLAINTEXT,CONTROLLER:PLAINTEXT",
            "log.dirs": self.directory / "data",
            **SMALL_AND_QUICK,
            **self.settings,
        }
        self._properties.write_text("".join(f"{name}={value}\n" for name, value in values.items()))
        done = subprocess.run(
            self._java("kafka.tools.StorageTool", "format", "-t", CLUSTER_ID, "-c", str(self._properties)),
            capture_output=True,
            text=True,
            timeout=READY_WITHIN_S,
            check=False,
        )
        if done.returncode != 0:
            self._properties.unlink()
            raise AssertionError(f"Kafka's storage cannot be formatted: {done.stdout}{done.stderr}")


BESIDE = "SWIPEWATCH_TEST_BROKER"
"""The variable that asks, with `noida`, for the small broker beside Kafka, or where Kafka cannot be had."""


def noida_version() -> str:
    """Returns the version of the small broker. Raises: PackageNotFoundError."""
    return importlib.metadata.version("noida-db")


@dataclass
class Noida:
    """noida-db, a small broker that speaks Kafka's protocol: no Kafka, and only taken where it is asked for.

    It never misses a member of a group that was killed: the group waits for it until the broker starts anew. Killed,
    it loses what it took within its last second; told to stop, nothing.
    """

    directory: Path
    port: int = field(default=0, init=False)
    _process: subprocess.Popen[bytes] | None = field(default=None, init=False)

    @property
    def address(self) -> str:
        """What clients are given to begin with."""
        return f"127.0.0.1:{self.port}"

    def start(self) -> None:
        """Returns once clients are answered. Raises: AssertionError with what the broker said."""
        found = importlib.util.find_spec("noida_db")
        assert found is not None and found.origin is not None, "noida-db is not installed: `make setup`"  # noqa: PT018
        program = Path(found.origin).with_name("noida-db")
        program.chmod(0o755)  # a wheel carries no such bits
        self.directory.mkdir(parents=True, exist_ok=True)
        if not self.port:
            (self.port,) = free_ports(1)
        options = ["--data-dir", str(self.directory / "data"), "--only", "kafka", "--kafka-port", str(self.port)]
        with (self.directory / "broker.log").open("ab") as log:
            self._process = subprocess.Popen(
                [program, "start", *options],
                cwd=self.directory,
                stdout=log,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
        deadline = time.monotonic() + READY_WITHIN_S
        while not self._answers():
            assert self._process.poll() is None, self.said()
            assert time.monotonic() < deadline, self.said()
            time.sleep(0.02)

    def stop(self) -> None:
        """The broker has ended in order; killed if it does not."""
        if self._process is None or self._process.poll() is not None:
            return
        self._process.terminate()
        try:
            self._process.wait(STOPS_WITHIN_S)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()

    def restart(self) -> None:
        """The broker has ended in order and started again with its data; it knows no member of any group."""
        self.stop()
        self.start()

    def said(self) -> str:
        """Returns the end of what the broker wrote."""
        return (self.directory / "broker.log").read_text(errors="replace")[-4000:]

    def _answers(self) -> bool:
        with socket.socket() as probe:
            probe.settimeout(1.0)
            return probe.connect_ex(("127.0.0.1", self.port)) == 0


def free_ports(count: int) -> list[int]:
    """Returns ports that nobody listens on, all different."""
    probes = [socket.socket() for _ in range(count)]
    try:
        for probe in probes:
            probe.bind(("127.0.0.1", 0))
        return [int(probe.getsockname()[1]) for probe in probes]
    finally:
        for probe in probes:
            probe.close()

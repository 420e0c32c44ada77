"""`swipewatch worker` processes of a test and their supervisor, on one broker and database."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import yaml
from kafka import KafkaProducer

from events.codec import decode_events
from events.dead_letters import InvalidEvent
from events.identity import joining_key
from events.topics import INPUT, SENDER_HEADER
from streams.store.key_index import hash_of
from tests.app.running import CHECKOUT, run
from tests.app.warm import RUNNING
from tests.detectors.test_laws import rules_of, told
from tests.web.world import now_ms
from tests.worlds import drawn_together

MAY_END_WITH = {-signal.SIGKILL, 0, 3}
"""Killed, told to stop, or fenced: what the supervisor starts again."""


@dataclass
class WorkerProcess:
    """A worker that is started again whenever it ends, as a supervisor does."""

    name: str
    arguments: Sequence[str]
    folder: Path
    codes: list[int] = field(default_factory=list)
    _process: subprocess.Popen[str] | None = None
    _ends: bool = False
    _thread: threading.Thread | None = None

    def start(self) -> None:
        """The worker runs until it is stopped."""
        self._ends = False
        self._thread = threading.Thread(target=self._supervise, daemon=True)
        self._thread.start()
        while self._process is None:
            time.sleep(0.01)

    def _supervise(self) -> None:
        while not self._ends:
            self._process = self._started()
            code = self._process.wait()
            self.codes.append(code)
            if code not in MAY_END_WITH:
                return

    def _started(self) -> subprocess.Popen[str]:
        """Returns a new process; forked where the product is imported already, which saves seconds."""
        said = self.folder / f"{self.name}.log"
        with said.open("ab") as log:
            if RUNNING:
                return RUNNING[0].start("app", self.arguments, Path(os.devnull), said, said)
            return subprocess.Popen(
                [sys.executable, "-m", "app", *self.arguments],
                cwd=CHECKOUT,
                stdout=log,
                stderr=log,
                text=True,
                start_new_session=True,
            )

    def signal(self, number: signal.Signals) -> None:
        """The process of this moment is sent a signal; it has no children."""
        assert self._process is not None
        if self._process.poll() is None:
            os.kill(self._process.pid, number)

    @property
    def pid(self) -> int:
        """The number of the process of this moment."""
        assert self._process is not None
        return self._process.pid

    def stop(self) -> None:
        """The worker has ended in order and is not started again."""
        self._ends = True
        self.signal(signal.SIGCONT)
        self.signal(signal.SIGTERM)
        assert self._thread is not None
        self._thread.join(30)
        if self._thread.is_alive():
            self.signal(signal.SIGKILL)
            self._thread.join()

    def said(self) -> str:
        """Returns the end of what it wrote."""
        return (self.folder / f"{self.name}.log").read_text(errors="replace")[-6000:]


@dataclass
class Fleet:
    """The workers of one test."""

    folder: Path
    broker: str
    url: str
    rules: Path
    settings: Mapping[str, dict[str, object]] = field(default_factory=dict)
    workers: dict[str, WorkerProcess] = field(default_factory=dict)

    def start(self, name: str) -> WorkerProcess:
        """A worker of that name runs, with its snapshots of before if it ran before."""
        config = self.folder / "settings.yaml"
        cluster = {"session_timeout": "1500ms", **self.settings.get("cluster", {})}
        config.write_text(yaml.safe_dump({**self.settings, "cluster": cluster}))
        arguments = ["worker", "--brokers", self.broker, "--database", self.url]
        arguments += ["--data", str(self.folder / name), "--config", str(config), "--rules", str(self.rules)]
        worker = WorkerProcess(name, [*arguments, "--port", "0"], self.folder)
        self.workers[name] = worker
        worker.start()
        return worker

    def findings(self, *, timeout: float = 110) -> list[bytes]:
        """Returns the findings that stand once everything is decided."""
        out = self.folder / "findings.jsonl"
        done = run(
            *("findings", "--wait", "--brokers", self.broker, "--database", self.url, "--out", str(out)),
            timeout=timeout,
        )
        assert done.returncode == 0, done.stderr + self.said()
        return out.read_bytes().splitlines()

    def accepted(self) -> list[bytes]:
        """Returns the accepted log."""
        log = self.folder / "accepted.jsonl"
        done = run("export", "--database", self.url, "--out", str(log))
        assert done.returncode == 0, done.stderr
        return log.read_bytes().splitlines()

    def replayed(self) -> list[bytes]:
        """Returns the findings that a replay of the accepted log finds."""
        self.accepted()
        out = self.folder / "replayed.jsonl"
        done = run("replay", str(self.folder / "accepted.jsonl"), "--rules", str(self.rules), "--out", str(out))
        assert done.returncode == 0, done.stderr
        return out.read_bytes().splitlines()

    def said(self) -> str:
        """Returns the end of what each worker wrote."""
        return "\n".join(f"--- {name} {worker.codes}\n{worker.said()}" for name, worker in self.workers.items())

    def stop(self) -> None:
        """No worker runs."""
        for worker in self.workers.values():
            worker.stop()


@contextmanager
def fleet_of(
    folder: Path, broker: str, url: str, seed: int, partitions: int, **settings: dict[str, object]
) -> Iterator[Fleet]:
    """Gives a fleet whose topics are there; its rules are those of a world. No worker runs yet, none at the end."""
    done = run("topics", "create", "--brokers", broker, "--partitions", str(partitions))
    assert done.returncode == 0, done.stderr
    rules = folder / "rules.yaml"
    rules.write_text(yaml.safe_dump(rules_of(seed), allow_unicode=True))
    fleet = Fleet(folder, broker, url, rules, settings)
    try:
        yield fleet
    finally:
        fleet.stop()


def world_of_now(seed: int) -> list[bytes]:
    """Returns a world's lines, in no order; all that is swiped is of the last six days."""
    return drawn_together(told(seed, conflicts=True), now_ms() - 5 * 60_000)


class Sender:
    """Writes lines to the input topic: most to the partition where they belong, some to another, as clients may."""

    def __init__(self, broker: str, partitions: int) -> None:
        self._producer = KafkaProducer(bootstrap_servers=broker, acks="all", enable_idempotence=True)
        self._partitions = partitions

    def send(self, lines: Sequence[bytes], sender: str = "sender") -> None:
        """Returns once the broker has the lines, a record each."""
        sent = []
        for number, (line, event) in enumerate(zip(lines, decode_events(lines), strict=True)):
            home = 0 if isinstance(event, InvalidEvent) else hash_of(joining_key(event)) % self._partitions
            partition = home if number % 7 else (home + 1) % self._partitions
            headers = [(SENDER_HEADER, sender.encode())]
            sent.append(self._producer.send(INPUT.name, line, partition=partition, headers=headers))
        for one in sent:
            one.get(60)

    def close(self) -> None:
        """The connection is closed."""
        self._producer.close()

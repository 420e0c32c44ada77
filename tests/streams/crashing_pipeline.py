"""A pipeline in a process of its own that ends itself at a named step: `python -m tests.streams.crashing_pipeline`.

Arguments: data folder, file of JSON lines, step or `none`, how many times the step is passed first, clock in ms.
Says, per answered request, which identities were accepted; `ready` once everything given is decided.
"""

from __future__ import annotations

import json
import os
import signal
import sys
import time
from collections.abc import Sequence
from pathlib import Path

from alerts.policy import Policy
from app.logs import configure_logs
from app.rule_files import read_rules
from config.settings import packaged
from events.types import AnyEvent
from storage.database import Database, default_url
from storage.progress import Progress
from storage.projector import AlertChange, Projector
from streams.acceptance import Accepted
from streams.embedded import Limits, Pipeline, Step

REQUEST_LINES = 20
FREEZE_EVENTS = 50
DEADLINE_S = 30.0
HOUR_MS = 3_600_000


class Silent:
    """A listener that only fails loudly."""

    def accepted(self, events: Sequence[AnyEvent]) -> None:
        """Nothing listens."""

    def alerts_changed(self, changes: Sequence[AlertChange]) -> None:
        """Nothing listens."""

    def failed(self, reason: str) -> None:
        """A failing pipeline ends the process with its own code."""
        sys.stderr.write(reason)
        os._exit(70)


def kill_at(step: str, passes: int):
    """Returns a function that kills this process when the step is taken for the (passes + 1)th time."""
    left = [passes]

    def on_step(taken: Step) -> None:
        if taken == step:
            if left[0] == 0:
                os.kill(os.getpid(), signal.SIGKILL)
            left[0] -= 1

    return on_step


def main() -> None:
    """Feeds the lines in requests of twenty and waits until they are decided."""
    configure_logs(quiet=True)
    folder, lines_file, step, passes, start_ms = sys.argv[1:6]
    clock_ms = [int(start_ms)]
    database = Database.open(default_url(Path(folder)))
    rulebook = read_rules(packaged("rules.yaml"))
    pipeline = Pipeline(
        database=database,
        projector=Projector(database, Policy(rules={})),
        rulebook=rulebook,
        listener=Silent(),
        clock_ms=lambda: clock_ms[0],
        store=Path(folder) / "store",
        limits=Limits(freeze_events=FREEZE_EVENTS),
        on_step=kill_at(step, int(passes)),
    )
    pipeline.start()
    wait(pipeline.is_ready)
    lines = Path(lines_file).read_bytes().splitlines()
    for number in range(0, len(lines), REQUEST_LINES):
        outcomes = pipeline.submit("test", lines[number : number + REQUEST_LINES]).result(DEADLINE_S)
        say([outcome.identity for outcome in outcomes if isinstance(outcome, Accepted)])
    clock_ms[0] += HOUR_MS
    wait(lambda: Progress(database).undecided() is None)
    pipeline.stop()
    database.close()
    say("ready")


def say(answer: object) -> None:
    """Tells the parent, at once, in one line of JSON."""
    sys.stdout.write(json.dumps(answer) + "\n")
    sys.stdout.flush()


def wait(is_true) -> None:
    """Returns once it is true; exits when that takes too long."""
    deadline = time.monotonic() + DEADLINE_S
    while not is_true():
        if time.monotonic() > deadline:
            sys.exit("waited too long")
        time.sleep(0.005)


if __name__ == "__main__":
    main()

"""A process that writes findings and alerts and dies by SIGKILL at the point named on its command line.

Usage: projector_child.py ADDRESS POINT, the story's steps on standard input.
"""

from __future__ import annotations

import os
import signal
import sys

import msgspec
from sqlalchemy import Engine, event
from sqlalchemy.orm import Session

from events.findings import Finding
from storage.database import Database
from storage.projector import Projector
from tests.alerts.builders import policy


class Step(msgspec.Struct, frozen=True, kw_only=True):
    """One turn of a pipeline: what was decided at `now_ms`."""

    raised: list[Finding]
    withdrawn: list[Finding]
    now_ms: int


POINTS = ("before_findings_commit", "after_findings", "at_first_notice", "before_alerts_commit", "after_alerts")


def die() -> None:
    """Ends the process without a chance to tidy up."""
    os.kill(os.getpid(), signal.SIGKILL)


def die_at_notice(_connection: object, _cursor: object, statement: str, *_rest: object) -> None:
    """Ends the process once a notice was written, before its transaction is committed."""
    if statement.startswith("INSERT INTO notice "):
        die()


def run(projector: Projector, steps: list[Step], point: str) -> None:
    """Takes every step; dies at the point of the last one."""
    for number, step in enumerate(steps, start=1):
        last = number == len(steps)
        if last and point == "before_findings_commit":
            event.listen(Session, "before_commit", lambda _session: die())
        projector.write_findings(step.raised, step.withdrawn, {}, step.now_ms)
        if last and point == "after_findings":
            die()
        if last and point == "at_first_notice":
            event.listen(Engine, "after_cursor_execute", die_at_notice)
        if last and point == "before_alerts_commit":
            event.listen(Session, "before_commit", lambda _session: die())
        projector.project_alerts(step.now_ms)
    die()


if __name__ == "__main__":
    database = Database.open(sys.argv[1])
    run(Projector(database, policy()), msgspec.json.decode(sys.stdin.buffer.read(), type=list[Step]), sys.argv[2])

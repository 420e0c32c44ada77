"""What a container starts: a part that starting again does not help stays down, all else ends as it ends."""

from __future__ import annotations

import os
import signal
import subprocess
from pathlib import Path

import pytest

from tests.deploy.composed import CHECKOUT
from tests.web.world import poll

ENTRYPOINT = CHECKOUT / "deploy" / "entrypoint.sh"


def start(folder: Path, script: str, *words: str) -> subprocess.Popen[str]:
    """Returns the entry point's process; `swipewatch` is this script."""
    program = folder / "swipewatch"
    program.write_text(f"#!/bin/sh\n{script}\n")
    program.chmod(0o755)
    with (folder / "said").open("w") as said:
        return subprocess.Popen(
            ["sh", ENTRYPOINT, *words],
            env={**os.environ, "PATH": f"{folder}:{os.environ['PATH']}"},
            stderr=said,
            text=True,
            start_new_session=True,
        )


@pytest.mark.parametrize(("command", "code"), [("worker", 0), ("worker", 3), ("web", 1), ("topics", 2), ("rules", 4)])
def test_what_may_help_to_start_again_and_every_other_command_end_as_they_end(tmp_path, command, code):
    assert start(tmp_path, f"exit {code}", command, "--data", "/data").wait(20) == code


@pytest.mark.parametrize(("command", "code"), [("worker", 4), ("web", 2), ("serve", 2), ("video", 2), ("visitors", 2)])
def test_a_part_that_starting_again_does_not_help_stays_down_until_it_is_stopped(tmp_path, command, code):
    process = start(tmp_path, f'echo "$@" >{tmp_path}/given; exit {code}', command, "--data", "a folder")
    said = tmp_path / "said"
    poll(lambda: f"ended with {code} and stays down" in said.read_text(), 20)
    assert process.poll() is None
    assert (tmp_path / "given").read_text() == f"{command} --data a folder\n"
    process.terminate()
    assert process.wait(20) == code


def test_being_told_to_stop_is_passed_on_and_waited_for(tmp_path):
    script = f"trap 'echo ended >{tmp_path}/ended; exit 0' TERM; echo >{tmp_path}/ready; while :; do sleep 0.05; done"
    process = start(tmp_path, script, "worker")
    poll((tmp_path / "ready").exists, 20)
    process.send_signal(signal.SIGTERM)
    assert process.wait(20) == 0
    assert (tmp_path / "ended").exists()

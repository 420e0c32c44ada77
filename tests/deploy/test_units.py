"""The systemd units: systemd's own checker accepts them, and what they start is there."""

from __future__ import annotations

import os
import re
import shlex
import shutil
import subprocess
from pathlib import Path

import pytest

from tests.app.running import run
from tests.deploy.composed import CHECKOUT

FOLDER = CHECKOUT / "deploy" / "systemd"
UNITS = sorted(path.name for path in FOLDER.glob("*.service"))
PROGRAM = "/opt/swipewatch/.venv/bin/swipewatch"
MOST_EXPOSED = 25
"""In tenths, of systemd's own judgement from 0 to 100; a unit that forbids nothing has 96."""


def started(name: str) -> list[str]:
    """Returns the words of what a unit starts."""
    found = re.search(r"^ExecStart=(.*)$", (FOLDER / name).read_text(), flags=re.MULTILINE)
    assert found
    return shlex.split(found[1])


@pytest.fixture
def systemd_analyze() -> str:
    """Returns systemd's own checker; without one CI fails and others skip."""
    found = shutil.which("systemd-analyze")
    if found is None and os.environ.get("CI") == "true":
        pytest.fail("no systemd-analyze: `make setup-test` installs systemd", pytrace=False)
    if found is None:
        pytest.skip("no systemd-analyze: `make setup-test` installs systemd")
    return found


def placed(name: str, folder: Path, text: str) -> Path:
    """Returns where a unit is written as it would stand on a machine with this program and user."""
    text = re.sub("^(User|Group)=swipewatch$", r"\1=daemon", text.replace(PROGRAM, "/usr/bin/env"), flags=re.MULTILINE)
    path = folder / name.replace("@.", "@101.")
    path.write_text(text)
    return path


def faults(checker: str, path: Path) -> str:
    """Returns what systemd's checker says of a unit."""
    done = subprocess.run([checker, "verify", "--man=no", path], capture_output=True, text=True, check=False)
    own = [line for line in (done.stdout + done.stderr).splitlines() if path.name in line]
    return "\n".join(own) if own else "" if done.returncode == 0 else done.stderr


@pytest.mark.parametrize("name", UNITS)
def test_systemd_accepts_a_unit_and_finds_little_exposed(systemd_analyze: str, name: str, tmp_path: Path) -> None:
    path = placed(name, tmp_path, (FOLDER / name).read_text())
    assert faults(systemd_analyze, path) == ""
    options = ("--offline=yes", "--no-pager", f"--threshold={MOST_EXPOSED}")
    done = subprocess.run([systemd_analyze, "security", *options, path], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout.splitlines()[-1]


def test_a_fault_in_a_unit_is_noticed(systemd_analyze: str, tmp_path: Path) -> None:
    text = (FOLDER / UNITS[0]).read_text().replace("ProtectSystem=strict", "ProtectSystems=strict")
    assert "ProtectSystems" in faults(systemd_analyze, placed(UNITS[0], tmp_path, text))


@pytest.mark.slow
@pytest.mark.parametrize("name", UNITS)
def test_a_unit_starts_a_command_with_options_that_it_knows(name: str) -> None:
    program, command, *words = started(name)
    assert program == PROGRAM
    said = run(command, "--help").stdout
    assert {word for word in words if word.startswith("--") and f"{word} " not in said} == set()


@pytest.mark.parametrize("name", UNITS)
def test_a_unit_is_started_again_only_where_that_helps(name: str) -> None:
    text = (FOLDER / name).read_text()
    for line in ("Restart=on-failure", "RestartPreventExitStatus=2 4", "StartLimitIntervalSec=0", "User=swipewatch"):
        assert f"\n{line}\n" in text
    data = started(name)[started(name).index("--data") + 1]
    assert f"\nStateDirectory={data.removeprefix('/var/lib/')}\n" in text


def test_what_the_pages_name_of_deploy_is_there():
    named = {
        (page.name, name.rstrip("/."))
        for page in [*(CHECKOUT / "docs").glob("*.md"), CHECKOUT / "README.md", CHECKOUT / "CHANGELOG.md"]
        for name in re.findall(r"\bdeploy/[\w/.*-]*", page.read_text())
    }
    assert named
    assert [one for one in named if not list(CHECKOUT.glob(one[1]))] == []


def test_the_units_that_the_pages_name_are_there():
    text = "".join(page.read_text() for page in (CHECKOUT / "docs").glob("*.md"))
    named = re.findall(r"systemctl \S+(?: --now)? ([\w@ '*-]+)", text)
    units = {re.sub(r"@.*", "@", word.strip("'")) for line in named for word in line.split()}
    assert units == {name.removesuffix(".service") for name in UNITS}

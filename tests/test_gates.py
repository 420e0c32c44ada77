"""The gates of `make lint`, each shown a fault that it must catch."""

from __future__ import annotations

import ast
import shutil
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

PROJECT = Path(__file__).resolve().parent.parent
TOOLS = Path(sys.executable).parent
PACKAGES = tomllib.loads((PROJECT / "pyproject.toml").read_text())["tool"]["importlinter"]["root_packages"]


def judge(*command: str | Path, cwd: Path, text: str = "") -> subprocess.CompletedProcess[str]:
    """Returns what a gate said of the text on its standard input, or of the folder it ran in."""
    return subprocess.run(command, cwd=cwd, input=text, capture_output=True, text=True, timeout=60, check=False)


# ---------------------------------------------------------------------------------------------- the import contracts


def judged_imports(folder: Path, module: str, statement: str) -> subprocess.CompletedProcess[str]:
    """Returns import-linter's verdict on ten empty packages of our names, one of which holds the statement."""
    for package in PACKAGES:
        (folder / package).mkdir()
        (folder / package / "__init__.py").touch()
    (folder / f"{module.replace('.', '/')}.py").write_text(f"{statement}\n")
    shutil.copy(PROJECT / "pyproject.toml", folder)
    return judge(TOOLS / "lint-imports", "--no-cache", cwd=folder)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("module", "statement", "contract"),
    [
        ("detectors.fault", "import storage", "Dependencies point inwards"),
        ("web.fault", "import streams", "Dependencies point inwards"),
        ("web.fault", "import config", "Only app reads the configuration"),
        ("config.fault", "import web", "The configuration knows values, not parts"),
        ("events.fault", "import time", "The core has no I/O, no clock and no chance"),
        ("alerts.fault", "import sqlalchemy", "The core has no I/O, no clock and no chance"),
        ("web.fault", "import sqlalchemy", "The database belongs to storage"),
        ("web.fault", "import cv2", "Pixels and faces belong to video"),
        ("streams.fault", "import fastapi", "The web framework belongs to web"),
        ("storage.fault", "import typer", "The command line belongs to app"),
        ("streams.fault", "import faust", "Only streams.faust_app knows Faust"),
        ("web.fault", "import aiokafka", "Kafka belongs to streams.cluster"),
        ("streams.fault", "import kafka", "Kafka belongs to streams.cluster"),
        ("detectors.fault", "import cel", "Only detectors.filters.expressions knows CEL"),
    ],
)
def test_a_forbidden_import_breaks_its_contract(tmp_path: Path, module: str, statement: str, contract: str) -> None:
    verdict = judged_imports(tmp_path, module, statement)
    assert verdict.returncode == 1
    assert f"{contract} BROKEN" in verdict.stdout


@pytest.mark.parametrize(
    ("module", "statement"),
    [
        ("app.allowed", "import config, web, streams, video, simulator, storage"),
        ("streams.allowed", "import storage, alerts, detectors, events"),
        ("streams.faust_app", "import faust"),
    ],
)
def test_an_inward_import_keeps_every_contract(tmp_path: Path, module: str, statement: str) -> None:
    verdict = judged_imports(tmp_path, module, statement)
    assert verdict.returncode == 0, verdict.stdout


# ------------------------------------------------------------------------------------------------ ruff and mypy


@pytest.mark.parametrize(
    ("fault", "rule"),
    [
        ("from unittest import mock", "TID251"),
        ("import pickle", "TID251"),
        ("def f() -> None:\n    try:\n        g()\n    except Exception:\n        pass", "BLE001"),
        ("import datetime\n\nNOW = datetime.datetime.now()", "DTZ005"),
        ("def f(x: int) -> int:\n" + "".join(f"    if x == {n}:\n        x += 1\n" for n in range(10)), "C901"),
        ("X = 1  # " + "x" * 120, "E501"),
    ],
)
def test_a_fault_of_style_is_found(fault: str, rule: str) -> None:
    options = ("--no-cache", "--output-format=concise", "--stdin-filename=events/fault.py", "-")
    found = judge(TOOLS / "ruff", "check", *options, cwd=PROJECT, text=f"{fault}\n")
    assert found.returncode == 1
    assert f" {rule} " in found.stdout


def test_a_function_without_types_is_found(tmp_path: Path) -> None:
    (tmp_path / "fault.py").write_text("def f(x):\n    return x\n")
    options = ("--config-file", PROJECT / "pyproject.toml", "--cache-dir", tmp_path / "cache")
    found = judge(TOOLS / "mypy", *options, "fault.py", cwd=tmp_path)
    assert found.returncode == 1
    assert "no-untyped-def" in found.stdout


# ------------------------------------------------------------------------------- what imports alone cannot show

CORE = ("alerts", "detectors", "events")
IMPURE = frozenset({"input", "now", "open", "print", "read_bytes", "read_text", "today", "utcnow", "write_text"})


def impure_calls(source: str) -> list[str]:
    """Returns the calls by which a module would read a clock or touch a file, in the order of the source."""
    calls = (node.func for node in ast.walk(ast.parse(source)) if isinstance(node, ast.Call))
    names = (call.attr if isinstance(call, ast.Attribute) else getattr(call, "id", "") for call in calls)
    return [name for name in names if name in IMPURE]


@pytest.mark.parametrize("package", CORE)
def test_the_core_reads_no_clock_and_no_file(package: str) -> None:
    modules = sorted((PROJECT / package).rglob("*.py"))
    assert modules
    assert {
        str(module): impure_calls(module.read_text()) for module in modules if impure_calls(module.read_text())
    } == {}


@pytest.mark.parametrize("call", ["datetime.now(UTC)", "date.today()", "open('x')", "path.read_text()", "print(1)"])
def test_a_clock_or_a_file_in_the_core_is_found(call: str) -> None:
    assert impure_calls(f"value = {call}") != []

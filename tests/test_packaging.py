from __future__ import annotations

import re
import shutil
import subprocess
import sys
import tomllib
import zipfile
from fnmatch import fnmatch
from pathlib import Path

import pytest

PROJECT = Path(__file__).resolve().parent.parent
SETTINGS = tomllib.loads((PROJECT / "pyproject.toml").read_text())
PACKAGES = tuple(pattern.rstrip("*") for pattern in SETTINGS["tool"]["setuptools"]["packages"]["find"]["include"])
PINNED = sorted([*PROJECT.glob("requirements*.lock"), *PROJECT.glob("requirements*.in"), *PROJECT.glob("*/*.lock")])
LOCKS = sorted(PROJECT.glob("requirements*.lock"))


def run(*command: str | Path, cwd: Path = PROJECT) -> str:
    done = subprocess.run(command, cwd=cwd, capture_output=True, text=True, timeout=100, check=False)
    assert done.returncode == 0, f"{command} ended with {done.returncode}: {done.stdout}{done.stderr}"
    return done.stdout


# ------------------------------------------------------------------------------------------- our packages are ours


@pytest.mark.parametrize("package", PACKAGES)
def test_a_top_level_import_is_ours_from_any_folder(package: str, tmp_path: Path) -> None:
    found = run(sys.executable, "-P", "-c", f"import {package}; print({package}.__file__)", cwd=tmp_path).strip()
    assert Path(found) == PROJECT / package / "__init__.py"


def test_every_package_of_the_project_is_listed() -> None:
    here = {folder.parent.name for folder in PROJECT.glob("*/__init__.py")} - {"tests", "bench"}
    assert here == set(PACKAGES)
    assert set(SETTINGS["tool"]["importlinter"]["root_packages"]) == set(PACKAGES)


def files_of(package: str) -> set[str]:
    """Returns what the package holds: Python modules and everything they read, without compiled leftovers."""
    found = (file for file in (PROJECT / package).rglob("*") if file.is_file() and file.suffix != ".pyc")
    return {str(file.relative_to(PROJECT)) for file in found}


@pytest.mark.slow
def test_the_wheel_carries_every_module_template_and_setting(tmp_path: Path) -> None:
    source, built = tmp_path / "source", tmp_path / "built"
    wanted = set().union(*(files_of(package) for package in PACKAGES))
    for name in [*wanted, "pyproject.toml", "README.md", "requirements.in"]:
        (source / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(PROJECT / name, source / name)
    build = ("-m", "pip", "wheel", "--quiet", "--no-deps", "--no-build-isolation", "--no-index", "--wheel-dir", built)
    run(sys.executable, *build, source, cwd=tmp_path)
    (wheel,) = built.glob("swipewatch-*.whl")
    assert wanted - set(zipfile.ZipFile(wheel).namelist()) == set()


# ------------------------------------------------------------------------------------------------ what is pinned


def addresses(text: str) -> list[str]:
    """Returns the lines that name a host, an index or a folder of one machine."""
    pattern = re.compile(
        r"://|^\s*(--(extra-)?index-url|--find-links|--trusted-host|-[fi])\b|\.(org|com|io|net)\b|=\s*/"
    )
    return [line for line in text.splitlines() if pattern.search(line)]


@pytest.mark.parametrize("file", PINNED, ids=lambda file: file.name)
def test_a_requirement_file_names_no_host(file: Path) -> None:
    assert addresses(file.read_text()) == []


@pytest.mark.parametrize(
    "line",
    [
        "--index-url https://mirror.example/simple",
        "--find-links /srv/wheels",
        "-i mirror",
        "a @ git+ssh://host/a",
        "pypi.org",
    ],
)
def test_a_host_in_a_requirement_file_is_noticed(line: str) -> None:
    assert addresses(f"numpy==2.4.6\n{line}\n") == [line]


def unhashed(text: str) -> list[str]:
    """Returns the requirements of a lock file that are not pinned to a version and a hash."""
    joined = text.replace("\\\n", " ").splitlines()
    requirements = [line for line in joined if line.strip() and not line.lstrip().startswith(("#", "--"))]
    return [line for line in requirements if not re.match(r"[\w.-]+==\S+\s.*--hash=sha256:[0-9a-f]{64}", line)]


@pytest.mark.parametrize("file", sorted([*LOCKS, *PROJECT.glob("*/*.lock")]), ids=lambda file: file.name)
def test_a_lock_file_pins_version_and_hash_of_every_package(file: Path) -> None:
    assert unhashed(file.read_text()) == []


@pytest.mark.parametrize("line", ["numpy==2.4.6", "numpy>=2 --hash=sha256:" + "0" * 64, "numpy"])
def test_an_unpinned_package_is_noticed(line: str) -> None:
    assert unhashed(f"# comment\n{line}\n") == [line]


def named(text: str) -> set[str]:
    """Returns the normalised names of the packages that a requirement file asks for."""
    names = re.findall(r"^([A-Za-z][\w.-]*)", text, flags=re.MULTILINE)
    return {re.sub(r"[-_.]+", "-", name).lower() for name in names}


def test_everything_asked_for_is_locked() -> None:
    asked = {name for file in PROJECT.glob("requirements*.in") for name in named(file.read_text())}
    locked = {name for file in LOCKS for name in named(file.read_text())}
    assert asked - locked == set()


# ------------------------------------------------------------------------------------- the commands that are promised

MAKEFILE = (PROJECT / "Makefile").read_text()
TARGETS = set(re.findall(r"^\.PHONY: ([a-z-]+)$", MAKEFILE, flags=re.MULTILINE))
# Commands between rules, not for a person to call.
INNER_TARGETS = {"new-venv", "require-python"}


def test_make_help_has_a_line_for_every_command() -> None:
    listed = set(re.findall(r"^  make ([a-z-]+) +\S", run("make", "help"), flags=re.MULTILINE))
    assert listed == TARGETS - INNER_TARGETS


def test_make_without_a_target_shows_the_help() -> None:
    assert run("make") == run("make", "help")


@pytest.mark.parametrize("name", ["README.md", "CHANGELOG.md", ".ci/run"])
def test_a_make_command_that_is_written_down_exists(name: str) -> None:
    written = set(re.findall(r"(?:^|`|\d\. )make ([a-z-]+)", (PROJECT / name).read_text(), flags=re.MULTILINE))
    assert written
    assert written <= TARGETS


def test_every_module_the_makefile_runs_exists() -> None:
    modules = re.findall(r"/python -m ([a-z_.]+)", MAKEFILE)
    places = {PROJECT.joinpath(*module.split(".")) for module in modules}
    assert places
    runnable = {place for place in places if place.with_suffix(".py").is_file() or (place / "__main__.py").is_file()}
    assert places - runnable == set()


def test_ci_runs_the_gates_and_the_readmes_test_command() -> None:
    script = (PROJECT / ".ci/run").read_text().splitlines()
    assert {"make lint", "make test", "set -euo pipefail"} <= set(script)


# ---------------------------------------------------------------------------------------------------------- the image

DOCKERFILE = (PROJECT / "Dockerfile").read_text()


def sent_to_docker(name: str) -> bool:
    """Tells whether .dockerignore lets a file of the project's top folder into the image's build."""
    patterns = (PROJECT / ".dockerignore").read_text().split()
    return any(fnmatch(name, pattern.lstrip("!").rstrip("/")) for pattern in patterns if pattern.startswith("!"))


def test_the_image_is_built_from_everything_the_product_needs_and_nothing_more() -> None:
    copied = re.findall(r"requirements[\w.-]*|README\.md", DOCKERFILE)
    assert all(sent_to_docker(name) for name in [*PACKAGES, *copied, "pyproject.toml", "README.md", "requirements.in"])
    assert not any(sent_to_docker(name) for name in [".venv", ".git", ".cache", "data", "tests", "bench"])

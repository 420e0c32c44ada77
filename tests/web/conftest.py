from __future__ import annotations

import shutil
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest
from playwright.sync_api import Browser

from tests.web.browsing import Complaints, chromium
from tests.web.world import InProcess, World, serving


@pytest.fixture(scope="module", autouse=True)
def _nothing_runs_on() -> Iterator[None]:
    """A server or a thread that a module leaves behind fails it; else the whole run would never end."""
    before = set(threading.enumerate())
    yield

    def left() -> list[str]:
        return [one.name for one in threading.enumerate() if one not in before and not one.daemon]

    ends = time.monotonic() + 10
    while left() and time.monotonic() < ends:  # a pool's thread ends a moment after its loop
        time.sleep(0.01)
    assert left() == [], f"still running: {left()}"


@pytest.fixture(scope="session")
def furnished(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A data directory with accounts and tokens, to be copied: making one takes a second."""
    directory = tmp_path_factory.mktemp("furnished") / "data"
    World.furnished(directory).close()
    return directory


@pytest.fixture
def data(furnished: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(furnished, tmp_path / "data"))


@pytest.fixture
def world(data: Path) -> Iterator[World]:
    made = World(data)
    yield made
    made.close()


@pytest.fixture
def address(world: World) -> Iterator[str]:
    with serving(world) as served:
        yield served


@pytest.fixture
def client(world: World) -> Iterator[httpx.Client]:
    with httpx.Client(transport=InProcess(world.app), base_url="http://127.0.0.1") as made:
        yield made


@pytest.fixture
def network_client(address: str) -> Iterator[httpx.Client]:
    with httpx.Client(base_url=address, timeout=20) as made:
        yield made


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with chromium() as launched:
        yield launched


@pytest.fixture
def complaints() -> Iterator[Complaints]:
    heard = Complaints()
    yield heard
    assert heard.said == []

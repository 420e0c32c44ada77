"""Real pixels for every test of the cameras: composed counters, real engines, and nothing in between replaced."""

from __future__ import annotations

from functools import lru_cache
from pathlib import Path

import cv2
import numpy as np
import pytest

from simulator.clips import Scene, compose_frames
from simulator.photographs import missing_photographs
from tests.video.counter import PHOTOGRAPHS, STEP_MS
from tests.video.seen_before import SeenBefore
from video.dlib_engine import DlibEngine, open_dlib
from video.engine import Embedding, FaceEngine, Image
from video.sface_engine import open_sface


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        if Path(__file__).parent in item.path.parents:
            item.add_marker(pytest.mark.video)


@pytest.fixture(scope="session")
def photographs() -> Path:
    if missing_photographs(PHOTOGRAPHS):
        pytest.skip(f"no photographs in {PHOTOGRAPHS}: `make setup` fetches them")
    return PHOTOGRAPHS


@pytest.fixture(scope="session")
def sface() -> FaceEngine:
    return SeenBefore(open_sface())


@pytest.fixture(scope="session")
def dlib() -> DlibEngine:
    return open_dlib()


@pytest.fixture(scope="session")
def dlib_seen_before(dlib: DlibEngine) -> FaceEngine:
    return SeenBefore(dlib)


@pytest.fixture(scope="session")
def counter_frames(photographs: Path):
    """Three seconds and a half of an empty counter, then a visit of seven, five pictures a second."""

    @lru_cache(maxsize=8)
    def compose(name: str | None) -> tuple[Image, ...]:
        person = None if name is None else photographs / name
        scenes = [Scene(None, 3.6), Scene(person, 7.4)]
        return tuple(compose_frames(scenes, size=(640, 360), fps=1000 // STEP_MS, seed=4))

    return compose


@pytest.fixture(scope="session")
def reference_of(photographs: Path):
    @lru_cache(maxsize=16)
    def embed(engine: FaceEngine, name: str) -> tuple[Embedding, ...]:
        image = np.asarray(cv2.imread(str(photographs / name)), dtype=np.uint8)
        return (engine.embed(image, engine.detect(image)[0]),)

    return embed

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest
from msgspec.structs import replace

from simulator.clips import Scene, compose_clip
from tests.video.counter import CAMERA
from video.camera import Camera
from video.sources import CameraThread, ClipEnded, FileSource, Frame, SourceError

EPOCH_MS = 1_780_000_000_000


class PassingTime:
    """A clock that goes on by itself a little whenever it is read, so that a source never really waits."""

    def __init__(self, now_ms: int) -> None:
        self.now_ms = now_ms

    def __call__(self) -> int:
        self.now_ms += 90
        return self.now_ms


@pytest.fixture(scope="module")
def clip(tmp_path_factory):
    path = tmp_path_factory.mktemp("clips") / "empty.avi"
    compose_clip(path, [Scene(None, 4.0)], fps=10, seed=3)
    return path


def _take(source: FileSource, count: int) -> list[Frame]:
    stop = threading.Event()
    frames: list[Frame] = []
    for frame in source.frames(stop):
        frames.append(frame)
        if len(frames) == count:
            return frames
    return frames


def _source(path: Path, clock: PassingTime, *, loop: bool = True) -> FileSource:
    settings = replace(CAMERA, source=str(path), epoch_ms=EPOCH_MS, loop=loop)
    return FileSource(settings, slot_ms=200, history_ms=2_000, clock=clock)


def test_a_picture_comes_every_slot_and_none_before_its_time(clip):
    clock = PassingTime(EPOCH_MS)
    stop = threading.Event()
    late = []
    for frame in _source(clip, clock).frames(stop):
        late.append(clock.now_ms - frame.raw_at_ms)
        if len(late) == 15:
            break
    assert min(late) >= 0
    frames = _take(_source(clip, PassingTime(EPOCH_MS)), 15)
    assert [frame.raw_at_ms - EPOCH_MS for frame in frames] == [200 * number for number in range(15)]


def test_what_is_shown_at_a_moment_is_settled_by_the_epoch(clip):
    """A source opened later shows at each moment what one opened earlier did: also over the end of the loop."""
    early = {frame.raw_at_ms: frame.image for frame in _take(_source(clip, PassingTime(EPOCH_MS)), 40)}
    late = _take(_source(clip, PassingTime(EPOCH_MS + 5_000)), 12)
    assert late[0].raw_at_ms == pytest.approx(EPOCH_MS + 3_000, abs=200)
    for frame in late:
        assert np.array_equal(frame.image, early[frame.raw_at_ms])
    assert np.array_equal(early[EPOCH_MS], early[EPOCH_MS + 4_000])


def test_opening_delivers_the_last_seconds_at_once(clip):
    clock = PassingTime(EPOCH_MS + 10_000)
    frames = _take(_source(clip, clock), 8)
    assert frames[0].raw_at_ms <= EPOCH_MS + 8_200
    assert clock.now_ms < EPOCH_MS + 12_000


def test_a_source_that_fell_behind_falls_back_into_step(clip):
    clock = PassingTime(EPOCH_MS)
    stop, seen = threading.Event(), []
    for frame in _source(clip, clock).frames(stop):
        seen.append(frame.raw_at_ms)
        if len(seen) == 5:
            clock.now_ms += 60_000
        if len(seen) == 8:
            break
    assert seen[5] - seen[4] > 55_000


def test_a_clip_that_is_not_looped_ends(clip):
    with pytest.raises(ClipEnded, match="has ended"):
        _take(_source(clip, PassingTime(EPOCH_MS), loop=False), 100)


def test_a_missing_file_is_a_clear_error(tmp_path):
    with pytest.raises(SourceError, match="there is no such file"):
        _take(_source(tmp_path / "none.avi", PassingTime(EPOCH_MS)), 1)


def test_a_file_that_is_no_video_is_a_clear_error(tmp_path):
    (tmp_path / "broken.avi").write_bytes(b"RIFF no video")
    with pytest.raises(SourceError, match="not a video"):
        _take(_source(tmp_path / "broken.avi", PassingTime(EPOCH_MS)), 1)


def test_a_file_that_breaks_off_is_a_clear_error(clip, tmp_path):
    whole = clip.read_bytes()
    broken = tmp_path / "half.avi"
    index = whole.rindex(b"idx1")
    middle = len(whole) // 2
    broken.write_bytes(whole[:middle] + bytes(index - middle) + whole[index:])
    with pytest.raises(SourceError, match=r"breaks off|not a video"):
        _take(_source(broken, PassingTime(EPOCH_MS)), 40)


class _Switchable:
    """A camera that can be unplugged: a real source of pictures for the thread, steered by the test."""

    def __init__(self) -> None:
        self.error: Exception | None = None
        self.opened = 0

    def frames(self, stop: threading.Event) -> Iterator[Frame]:
        self.opened += 1
        if self.error is not None:
            raise self.error
        number = 0
        while not stop.wait(0.01):
            if self.error is not None:
                raise self.error
            number += 1
            yield Frame(image=np.zeros((4, 4, 3), np.uint8), raw_at_ms=number)


def _until(condition: Callable[[], object], seconds: float = 5.0) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "it did not happen in time"
        time.sleep(0.01)


@pytest.fixture
def switchable():
    source = _Switchable()
    seen: list[Frame] = []
    away: list[str] = []
    thread = CameraThread("c-1", source, seen.append, away.append)
    yield source, seen, away, thread
    thread.stop()
    if thread.ident is not None:
        thread.join(5)
        assert not thread.is_alive()


def test_a_camera_that_comes_back_is_read_again(switchable):
    source, seen, away, thread = switchable
    thread.start()
    _until(lambda: seen)
    source.error = SourceError("unplugged")
    _until(lambda: away)
    source.error = None
    count = len(seen)
    _until(lambda: len(seen) > count)
    assert set(away) == {"unplugged"}


def test_a_camera_that_is_away_is_tried_ever_more_slowly(switchable):
    source, _, _, thread = switchable
    source.error = SourceError("unplugged")
    thread.start()
    time.sleep(1.0)
    assert 2 <= source.opened <= 4


def test_a_fault_of_our_own_ends_the_thread_and_stands_there(switchable):
    source, _, _, thread = switchable
    source.error = ZeroDivisionError("a bug")
    thread.start()
    _until(lambda: thread.failure is not None)
    assert isinstance(thread.failure, ZeroDivisionError)


def test_an_offline_camera_is_said_once_and_well_again_at_the_first_picture(sface, counter_frames):
    camera = Camera(CAMERA, sface, slot_ms=200, ring_ms=10_000)
    camera.away("unplugged", 1)
    camera.away("unplugged", 2)
    camera.see(Frame(image=counter_frames(None)[0], raw_at_ms=1_000))
    assert [(change.state, change.at_ms) for change in camera.take_changes()] == [("offline", 1), ("ok", 1_000)]
    assert camera.take_changes() == []


def test_only_the_last_seconds_are_remembered(sface, counter_frames):
    camera = Camera(CAMERA, sface, slot_ms=200, ring_ms=2_000)
    for number, frame in enumerate(counter_frames(None)[:30]):
        camera.see(Frame(image=frame, raw_at_ms=10_000 + 200 * number))
    kept = camera.samples(0, 1 << 50)
    assert (kept[0].at_ms, kept[-1].at_ms) == (13_800, 15_800)
    assert kept[-1].image().shape == (360, 640, 3)


def test_one_dark_picture_does_not_change_the_cameras_state(sface, counter_frames):
    camera = Camera(CAMERA, sface, slot_ms=200, ring_ms=10_000)
    frames = list(counter_frames(None)[:12])
    frames[6] = (frames[6] * 0.03).astype(np.uint8)
    for number, frame in enumerate(frames):
        camera.see(Frame(image=frame, raw_at_ms=10_000 + 200 * number))
    assert [change.state for change in camera.take_changes()] == ["ok"]
    assert [sample.state for sample in camera.samples(0, 1 << 50)].count("dark") == 1

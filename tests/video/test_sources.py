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
from tests.video.films import encode_film
from video.decoding import decode_key
from video.sources.file import FileSource
from video.sources.port import Packet, SourceEnded, SourceError
from video.sources.thread import CameraThread

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


def _take(source: FileSource, count: int) -> list[Packet]:
    packets: list[Packet] = []
    for packet in source.packets(threading.Event()):
        packets.append(packet)
        if len(packets) == count:
            break
    return packets


def _source(path: Path, clock: PassingTime, *, loop: bool = True) -> FileSource:
    settings = replace(CAMERA, source=str(path), epoch_ms=EPOCH_MS, loop=loop)
    return FileSource(settings, history_ms=2_000, clock=clock)


def test_every_picture_comes_in_its_order_and_none_before_its_time(clip):
    clock = PassingTime(EPOCH_MS)
    late, times = [], []
    for packet in _source(clip, clock).packets(threading.Event()):
        late.append(clock.now_ms - packet.raw_at_ms)
        times.append(packet.raw_at_ms - EPOCH_MS)
        if len(late) == 15:
            break
    assert min(late) >= 0
    assert times == [100 * number for number in range(15)]


def test_what_is_shown_at_a_moment_is_settled_by_the_epoch(clip):
    """A source opened later shows at each moment what one opened earlier did: also over the end of the loop."""
    early = {packet.raw_at_ms: packet for packet in _take(_source(clip, PassingTime(EPOCH_MS)), 80)}
    late = _take(_source(clip, PassingTime(EPOCH_MS + 5_000)), 24)
    assert late[0].raw_at_ms == pytest.approx(EPOCH_MS + 3_000, abs=200)
    for packet in late:
        assert packet == early[packet.raw_at_ms]
    assert early[EPOCH_MS].data == early[EPOCH_MS + 4_000].data


def test_opening_delivers_the_last_seconds_at_once(clip):
    clock = PassingTime(EPOCH_MS + 10_000)
    packets = _take(_source(clip, clock), 8)
    assert packets[0].raw_at_ms <= EPOCH_MS + 8_200
    assert clock.now_ms < EPOCH_MS + 12_000


def test_a_source_that_fell_behind_falls_back_into_step(clip):
    clock = PassingTime(EPOCH_MS)
    seen = []
    for packet in _source(clip, clock).packets(threading.Event()):
        seen.append(packet.raw_at_ms)
        if len(seen) == 5:
            clock.now_ms += 60_000
        if len(seen) == 8:
            break
    assert seen[5] - seen[4] > 55_000


@pytest.mark.parametrize("codec", ["libx264", "libx265"])
def test_each_key_picture_of_a_film_is_decoded_without_any_other(codec, tmp_path):
    film = tmp_path / "film.mp4"
    encode_film(film, [np.full((90, 160, 3), 40 + 5 * number, np.uint8) for number in range(40)], codec=codec, fps=10)
    packets = _take(_source(film, PassingTime(EPOCH_MS)), 60)
    keys = [packet for packet in packets if packet.is_key]
    assert 4 <= len(keys) <= 8
    assert {packet.raw_at_ms - EPOCH_MS for packet in packets} == {100 * number for number in range(60)}
    for key in keys:
        picture = decode_key(key)
        assert picture is not None
        assert picture.mean() == pytest.approx(40 + (key.raw_at_ms - EPOCH_MS) // 20 % 200, abs=5)


def test_a_clip_that_is_not_looped_ends(clip):
    with pytest.raises(SourceEnded, match="has ended"):
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
        _take(_source(broken, PassingTime(EPOCH_MS)), 80)


class _Switchable:
    """A camera that can be unplugged: a real source of pictures for the thread, steered by the test."""

    def __init__(self) -> None:
        self.error: Exception | None = None
        self.opened = 0

    def packets(self, stop: threading.Event) -> Iterator[Packet]:
        self.opened += 1
        if self.error is not None:
            raise self.error
        number = 0
        while not stop.wait(0.01):
            if self.error is not None:
                raise self.error
            number += 1
            yield Packet(raw_at_ms=number, data=b"", is_key=True, codec="mjpeg")


def _until(condition: Callable[[], object], seconds: float = 5.0) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "it did not happen in time"
        time.sleep(0.01)


@pytest.fixture
def switchable():
    source = _Switchable()
    seen: list[Packet] = []
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

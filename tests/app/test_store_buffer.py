"""What a store's agent has not sent yet: nothing is lost by a kill, and without room the least valuable goes first."""

from __future__ import annotations

import itertools
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from app.at_store.buffer import MESSAGE_BYTES, Kind, StoreBuffer
from events.errors import TransientError
from storage.sealing.crypto import Keyring
from tests.app.running import CHECKOUT
from video.messages import (
    CameraStateChanged,
    FromCameras,
    Observed,
    OriginalCut,
    decode_from_cameras,
)

KEY = b"k" * 32
STILL = b"\xff\xd8 a customer \xff\xd9" * 1_000
EVERYTHING: tuple[Kind, ...] = ("observation", "original")


def opened(directory: Path, most_bytes: int = 100_000_000) -> StoreBuffer:
    return StoreBuffer(directory, Keyring(KEY), most_bytes=most_bytes, clock_ms=lambda: 1_000)


def observed(number: int, still: bytes | None = STILL) -> Observed:
    return Observed(
        original=b'{"type":"face_observed","event_id":"fo-%d"}' % number,
        still=still,
        settlement_id=f"SETL{number}",
        camera_id="camera-1",
        captured_at_ms=1_000 + number,
    )


def original(number: int, size_bytes: int = 1_000) -> OriginalCut:
    return OriginalCut(
        settlement_id=f"SETL{number}",
        camera_id="camera-1",
        container="matroska",
        video=bytes(size_bytes),
        sha256="0" * 64,
        swipe_at_ms=1_000,
        first_at_ms=0,
        last_at_ms=2_000,
        first_raw_at_ms=0,
        clock_offset_ms=0,
    )


def emptied(buffer: StoreBuffer, kinds: tuple[Kind, ...] = EVERYTHING) -> list[FromCameras]:
    """Returns what was taken out, in order, as the centre would get it."""
    got = []
    while numbers := buffer.take(kinds, timeout_s=0):
        for number in numbers:
            message = buffer.read(number)
            if message is not None:
                got.append(decode_from_cameras(message))
                buffer.sent(number)
    return got


def counts(buffer: StoreBuffer) -> dict[Kind, int]:
    return {kind: level.messages for kind, level in buffer.levels().items() if level.messages}


def test_what_was_put_comes_out_whole_and_in_order_also_for_a_later_process(tmp_path: Path) -> None:
    put: list[FromCameras] = [
        observed(1),
        CameraStateChanged(camera_id="camera-1", state="dark", detail="", at_ms=5),
        observed(2, None),
    ]
    first = opened(tmp_path)
    for message in (*put, original(3)):
        first.put(message)
    assert emptied(opened(tmp_path)) == [*put, original(3)]
    assert counts(opened(tmp_path)) == {}


def test_a_message_that_was_not_confirmed_is_taken_again_and_numbers_go_on(tmp_path: Path) -> None:
    buffer = opened(tmp_path)
    buffer.put(observed(1))
    (number,) = buffer.take(EVERYTHING, timeout_s=0)
    buffer.put_back(number)
    later = opened(tmp_path)
    later.put(observed(2))
    assert emptied(later) == [observed(1), observed(2)]


def test_nothing_of_a_face_lies_open_and_nobody_else_may_read(tmp_path: Path) -> None:
    buffer = opened(tmp_path)
    buffer.put(observed(1))
    files = list(tmp_path.iterdir())
    assert len(files) == 2
    for file in files:
        assert b"customer" not in file.read_bytes()
        assert b"SETL1" not in file.read_bytes()
        assert file.stat().st_mode & 0o077 == 0


def test_without_room_originals_go_before_stills_and_observations_last(tmp_path: Path) -> None:
    buffer = opened(tmp_path, most_bytes=1_000_000)
    for number in range(4):
        buffer.put(observed(number, still=bytes(60_000)))
        buffer.put(original(number, 200_000))
    assert counts(buffer) == {"observation": 4, "still": 4, "original": 3}
    lost = [buffer.dropped()]
    for number in range(4, 14):
        buffer.put(observed(number, still=bytes(100_000)))
        lost.append(buffer.dropped())
        total_bytes = sum(level.size_bytes for level in buffer.levels().values())
        assert total_bytes <= 1_000_000
    assert lost[0] == {"original": 1, "still": 0, "observation": 0}
    for earlier, later in itertools.pairwise(lost):
        if later["still"] > earlier["still"]:
            assert later["original"] == 4
    assert lost[-1]["still"] > 0
    assert lost[-1]["observation"] == 0
    got = emptied(buffer)
    assert [message.settlement_id for message in got if isinstance(message, Observed)] == [
        f"SETL{number}" for number in range(14)
    ]
    assert opened(tmp_path).dropped() == buffer.dropped()


def test_what_is_worth_less_than_all_that_waits_is_not_taken_in(tmp_path: Path) -> None:
    buffer = opened(tmp_path, most_bytes=100_000)
    buffer.put(observed(1, still=bytes(80_000)))
    buffer.put(original(1, 50_000))
    assert counts(buffer) == {"observation": 1, "still": 1}
    assert buffer.dropped()["original"] == 1


def test_what_the_centre_would_never_take_is_counted_and_does_not_stop_the_rest(tmp_path: Path) -> None:
    buffer = opened(tmp_path)
    buffer.put(original(1, MESSAGE_BYTES + 1))
    buffer.put(observed(2))
    (tmp_path / "000000000002.observation.enc").write_bytes(b"SW1 altered by somebody" + bytes(100))
    buffer.put(observed(3))
    assert emptied(buffer) == [observed(3)]
    assert buffer.dropped() == {"original": 1, "still": 1, "observation": 1}


def test_a_picture_that_a_power_cut_emptied_does_not_take_its_observation_along(tmp_path: Path) -> None:
    opened(tmp_path).put(observed(1))
    (tmp_path / "000000000001.still.enc").write_bytes(b"")
    buffer = opened(tmp_path)
    assert emptied(buffer) == [observed(1, None)]
    assert buffer.dropped() == {"original": 0, "still": 1, "observation": 0}
    assert counts(buffer) == {}


def test_a_folder_that_cannot_be_written_is_said_at_once(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(TransientError):
        opened(tmp_path / "file" / "buffer")


def test_clips_that_an_earlier_version_kept_take_no_room_and_what_it_counted_stands(tmp_path: Path) -> None:
    opened(tmp_path).put(observed(1))
    (tmp_path / "000000000002.clip.enc").write_bytes(bytes(1_000))
    (tmp_path / "dropped.json").write_text('{"original":1,"clip":2,"still":3,"observation":4}')
    buffer = opened(tmp_path)
    assert sorted(path.name for path in tmp_path.glob("*.enc")) == [
        "000000000001.observation.enc",
        "000000000001.still.enc",
    ]
    assert buffer.dropped() == {"original": 1, "still": 3, "observation": 4}
    assert emptied(buffer) == [observed(1)]


PUTS = """
import itertools, sys
from pathlib import Path
from tests.app.test_store_buffer import observed, opened
buffer = opened(Path(sys.argv[1]))
for number in itertools.count(1):
    buffer.put(observed(number))
    print(number, flush=True)
"""


def test_a_killed_agent_has_lost_nothing_that_it_had_put(tmp_path: Path) -> None:
    said = tmp_path / "said"
    with said.open("w") as out:
        process = subprocess.Popen([sys.executable, "-c", PUTS, str(tmp_path / "buffer")], stdout=out, cwd=CHECKOUT)
        ends = time.monotonic() + 60
        while said.read_text().count("\n") < 20:
            assert time.monotonic() < ends
            assert process.poll() is None
            time.sleep(0.02)
        os.kill(process.pid, signal.SIGKILL)
        process.wait()
    put = int(said.read_text().split()[-1])
    got = emptied(opened(tmp_path / "buffer"))
    assert got[:put] == [observed(number) for number in range(1, put + 1)]
    assert len(got) <= put + 1


def test_what_is_small_goes_together_and_a_film_by_itself(tmp_path: Path) -> None:
    buffer = opened(tmp_path)
    for number in range(130):
        buffer.put(observed(number, still=None))
    for number in range(130, 140):
        buffer.put(observed(number, still=bytes(60_000)))
        buffer.put(original(number, 300_000))
    sizes = []
    while numbers := buffer.take(EVERYTHING, timeout_s=0):
        sizes.append(len(numbers))
        for number in numbers:
            buffer.sent(number)
    assert sizes == [100, 34, 4, 2, *[1] * 10]

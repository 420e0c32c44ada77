"""What survives of visitors: restarts, kill -9, a torn end, a full disk, another key; and that nothing is in clear."""

from __future__ import annotations

import os
import resource
import signal
import stat
import subprocess
import sys
import threading
from pathlib import Path

import numpy as np
import pytest

from events.errors import ConfigError
from tests.video.test_visitors import HERE, NOW_MS, THERE, person
from video.sealing import SealBroken, seal_with
from video.settings import SecretBytes, VisitorSettings
from video.visitors import index
from video.visitors.journal import NotKept
from video.visitors.memory import ERASED_WITHIN_MS, VisitorMemory
from video.visitors.records import Visitor
from video.visitors.salts import DAY_MS, begins_ms, ends_ms

KEY = b"k" * 32


def settings(folder: Path, key: bytes = KEY) -> VisitorSettings:
    return VisitorSettings(folder=str(folder), key=SecretBytes(key))


def opened(folder: Path, now_ms: int = NOW_MS) -> VisitorMemory:
    return VisitorMemory(settings(folder), now_ms)


def segments(folder: Path) -> list[Path]:
    return sorted(folder.iterdir())


def content(folder: Path) -> bytes:
    return b"".join(path.read_bytes() for path in segments(folder))


def remembered(memory: VisitorMemory) -> list[object]:
    return [record for piece in memory.index.pieces() for record in piece]


def lived(memory: VisitorMemory, people: int = 8) -> list[str | None]:
    """Returns the ids of people; two of whom were joined, one forgotten, one given a second look."""
    for seed in range(people):
        memory.recognise(person(seed), HERE if seed % 2 else THERE, NOW_MS + seed)
    ids = [memory.recognise(person(seed), THERE, NOW_MS + 100 + seed) for seed in range(people)]
    other = [np.float32(0.55) * person(0)[0] + np.float32(0.835) * person(99)[0]] * 2
    memory.recognise([face / np.linalg.norm(face) for face in other], HERE, NOW_MS + 200)
    assert memory.join(str(ids[1]), str(ids[2]))
    assert memory.forget(str(ids[3]))
    return ids


def test_a_restart_remembers_everything_and_goes_on_in_the_same_file(tmp_path):
    first = opened(tmp_path)
    ids = lived(first)
    before = remembered(first)
    first.close()
    second = opened(tmp_path)
    assert remembered(second) == before
    assert second.index.looks == 8
    assert second.recognise(person(2), HERE, NOW_MS + 300) == ids[1]
    assert second.recognise(person(3), HERE, NOW_MS + 300) not in ids
    second.close()
    assert len(segments(tmp_path)) == 1


def test_a_snapshot_says_the_same_and_nothing_older_is_left(tmp_path):
    first = opened(tmp_path)
    lived(first)
    before = remembered(first)
    gone = content(tmp_path)
    first.write_snapshot(NOW_MS, threading.Lock())
    assert [path.stem for path in segments(tmp_path)] == ["00000002", "00000003"]
    assert gone[:200] not in content(tmp_path)
    newest = first.recognise(person(50), HERE, NOW_MS + 400)
    first.close()
    second = opened(tmp_path)
    assert remembered(second)[: len(before)] == before
    assert second.recognise(person(50), HERE, NOW_MS + 500) == newest
    second.close()


def test_what_happens_while_a_snapshot_is_written_is_in_it_or_after_it(tmp_path, monkeypatch):
    """Between any two of its pieces everything there is happens once; a restart knows the same as the one before."""
    monkeypatch.setattr(index, "VISITORS_A_PIECE", 10)
    first = opened(tmp_path)
    ids = [first.recognise(person(seed), HERE, NOW_MS + seed) for seed in range(60)]
    seen: list[int] = []

    class Turnstile:
        """A lock between whose holders something happens."""

        def __enter__(self) -> None:
            pass

        def __exit__(self, *_what: object) -> None:
            step = len(seen)
            seen.append(step)
            first.recognise(person(1_000 + step), THERE, NOW_MS + 1_000 + step)
            first.recognise(person(step), THERE, NOW_MS + 1_000 + step)
            first.forget(str(ids[10 + 2 * step]))
            first.join(str(ids[30 + step]), str(ids[59 - step]))
            first.join(str(ids[58 - 2 * step]), str(ids[11 + 2 * step]))

    first.write_snapshot(NOW_MS, Turnstile())
    assert len(seen) >= 8
    everybody = [*range(60), *range(1_000, 1_000 + len(seen))]
    known = {seed: first.index.ask(person(seed), HERE, NOW_MS + 2_000) for seed in everybody}
    first.close()
    second = opened(tmp_path)
    assert (len(second.index), second.index.looks) == (len(first.index), first.index.looks)
    for seed, answer in known.items():
        again = second.index.ask(person(seed), HERE, NOW_MS + 2_000)
        assert again.is_new == answer.is_new
        assert again.is_new or again.visitor_id == answer.visitor_id
    second.close()


def test_a_snapshot_that_was_never_finished_costs_nothing(tmp_path):
    first = opened(tmp_path)
    ids = lived(first)
    assert first._journal is not None
    first._journal.begin_snapshot()
    after = first.recognise(person(60), HERE, NOW_MS + 400)
    before = remembered(first)
    first.close()
    (tmp_path / "00000002.enc.part").write_bytes(b"half of it")
    second = opened(tmp_path)
    assert remembered(second) == before
    assert second.recognise(person(60), HERE, NOW_MS + 500) == after
    assert second.recognise(person(0), HERE, NOW_MS + 500) == ids[0]
    second.write_snapshot(NOW_MS, threading.Lock())
    assert [path.stem for path in segments(tmp_path)] == ["00000004", "00000005"]
    second.close()


KILLED = """
import sys
from pathlib import Path
from tests.video.test_visitor_memory import opened
from tests.video.test_visitors import HERE, NOW_MS, person
memory = opened(Path(sys.argv[1]))
for seed in range(10_000):
    print(seed, memory.recognise(person(seed), HERE, NOW_MS + seed), flush=True)
"""


@pytest.mark.crash
def test_every_id_that_was_answered_is_known_after_kill_9(tmp_path):
    """The child is killed in the middle of writing: after a line of its own choosing, and wherever it is then."""
    answered: dict[int, str] = {}
    with subprocess.Popen(
        [sys.executable, "-c", KILLED, str(tmp_path)], stdout=subprocess.PIPE, text=True, env={**os.environ}
    ) as child:
        assert child.stdout is not None
        for line in child.stdout:
            number, name = line.split()
            answered[int(number)] = name
            if len(answered) == 60:
                child.send_signal(signal.SIGKILL)
    assert child.returncode == -signal.SIGKILL
    memory = opened(tmp_path)
    assert len(answered) >= 60
    assert len(memory.index) in {len(answered), len(answered) + 1}
    for seed, name in answered.items():
        assert memory.recognise(person(seed), HERE, NOW_MS + 20_000) == name
    memory.close()


def test_wherever_the_end_is_torn_only_the_last_piece_is_lost_and_it_goes_on(tmp_path):
    whole = tmp_path / "whole"
    memory = opened(whole)
    ids = [memory.recognise(person(seed), HERE, NOW_MS + seed) for seed in range(3)]
    memory.close()
    (file,) = segments(whole)
    written = file.read_bytes()
    last = written.rindex((len(written) - _start_of_last(written) - 4).to_bytes(4, "big"))
    for length in (last + 1, last + 3, last + 5, len(written) - 1):
        torn = tmp_path / f"torn-{length}"
        torn.mkdir()
        (torn / file.name).write_bytes(written[:length])
        again = opened(torn)
        assert again.torn_bytes == length - last
        again.close()
        again = opened(torn)
        assert again.torn_bytes == 0
        assert [again.recognise(person(seed), HERE, NOW_MS + 9) for seed in range(2)] == ids[:2]
        fresh = again.recognise(person(2), HERE, NOW_MS + 9)
        assert fresh not in ids
        again.close()
        once_more = opened(torn)
        assert once_more.torn_bytes == 0
        assert once_more.recognise(person(2), HERE, NOW_MS + 10) == fresh
        once_more.close()


def _start_of_last(written: bytes) -> int:
    at = start = 0
    while at < len(written):
        start, at = at, at + 4 + int.from_bytes(written[at : at + 4], "big")
    return start


def test_a_segment_of_which_not_even_the_head_was_written_is_nothing(tmp_path):
    for number, length in enumerate((0, 2, 10)):
        folder = tmp_path / str(length)
        memory = opened(folder)
        first = memory.recognise(person(1), HERE, NOW_MS)
        memory.close()
        (folder / "00000003.enc").write_bytes(bytes([number + 1]) * length)
        again = opened(folder)
        assert again.recognise(person(1), HERE, NOW_MS + 1) == first
        fresh = again.recognise(person(2), HERE, NOW_MS + 1)
        again.close()
        third = opened(folder)
        assert third.recognise(person(2), HERE, NOW_MS + 2) == fresh
        third.close()


def test_a_disk_that_is_full_gives_no_id_and_loses_nothing(tmp_path):
    memory = opened(tmp_path)
    first = memory.recognise(person(1), HERE, NOW_MS)
    (file,) = segments(tmp_path)
    size, limits = file.stat().st_size, resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size + 50, limits[1]))
    try:
        with pytest.raises(NotKept, match="50 of"):
            memory.recognise(person(2), HERE, NOW_MS + 1)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
    assert (len(memory.index), file.stat().st_size) == (1, size)
    second = memory.recognise(person(2), HERE, NOW_MS + 2)
    memory.close()
    again = opened(tmp_path)
    assert [again.recognise(person(seed), HERE, NOW_MS + 3) for seed in (1, 2)] == [first, second]
    again.close()


def test_a_disk_that_is_full_at_the_first_start_leaves_nothing_and_is_tried_again(tmp_path):
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (10, limits[1]))
    try:
        with pytest.raises(NotKept, match="10 of"):
            opened(tmp_path)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
    assert segments(tmp_path) == []
    memory = opened(tmp_path)
    assert memory.recognise(person(1), HERE, NOW_MS) is not None
    memory.close()
    (file,) = segments(tmp_path)
    file.rename(tmp_path / "aside")
    file.mkdir()  # what cannot be read as a file
    with pytest.raises(NotKept):
        opened(tmp_path)


def test_another_key_and_an_altered_segment_are_clear_errors(tmp_path):
    memory = opened(tmp_path)
    for seed in range(3):
        memory.recognise(person(seed), HERE, NOW_MS)
    memory.close()
    with pytest.raises(ConfigError, match="restore the key, or remove the folder"):
        VisitorMemory(settings(tmp_path, b"x" * 32), NOW_MS)
    (file,) = segments(tmp_path)
    written = bytearray(file.read_bytes())
    written[len(written) // 2] ^= 1
    file.write_bytes(bytes(written))
    with pytest.raises(ConfigError, match="altered"):
        opened(tmp_path)
    with pytest.raises(ConfigError, match="a key"):
        VisitorMemory(VisitorSettings(folder=str(tmp_path)), NOW_MS)


def test_segments_are_sealed_private_and_of_their_place(tmp_path):
    memory = opened(tmp_path)
    faces = person(1)
    name = memory.recognise(faces, HERE, NOW_MS)
    memory.write_snapshot(NOW_MS, threading.Lock())
    memory.recognise(person(2), HERE, NOW_MS)
    memory.close()
    written = content(tmp_path)
    looks = [look.tobytes() for seed in (1, 2) for look in person(seed)]
    looks += [look for one in remembered(memory) if isinstance(one, Visitor) for look in one.looks]
    for secret in (str(name).encode(), str(name)[2:].encode(), HERE.encode(), b"visitor", *(one[:16] for one in looks)):
        assert secret not in written
    assert {stat.S_IMODE(path.stat().st_mode) for path in segments(tmp_path)} == {0o600}
    one, other = segments(tmp_path)
    other.unlink()
    one.rename(other)
    with pytest.raises(ConfigError):
        opened(tmp_path)


def test_what_is_forgotten_is_gone_from_the_disk_within_the_hour(tmp_path):
    memory = opened(tmp_path)
    memory.recognise(person(1), HERE, NOW_MS)
    memory.recognise(person(2), HERE, NOW_MS + 1)
    over_ms = NOW_MS + 7 * DAY_MS
    assert not memory.is_to_be_written(over_ms)
    assert memory.is_to_be_written(over_ms + 1)
    memory.write_snapshot(over_ms + 1, threading.Lock())
    assert not memory.is_to_be_written(over_ms + ERASED_WITHIN_MS)  # the second visitor is gone, the hour is not over
    assert memory.is_to_be_written(over_ms + 1 + ERASED_WITHIN_MS)
    memory.close()
    again = opened(tmp_path, over_ms + 1)
    assert len(again.index) == 1
    name = again.recognise(person(2), HERE, over_ms + 1)
    assert not again.is_to_be_written(over_ms + 2)
    again.forget(str(name))
    assert again.is_to_be_written(over_ms + 2)  # at once: somebody has asked for it
    again.close()


def test_who_is_found_forgotten_at_a_start_is_gone_from_the_disk_at_once_however_often_it_starts(tmp_path):
    memory = opened(tmp_path)
    memory.recognise(person(1), HERE, NOW_MS)
    memory.close()
    over_ms = NOW_MS + 7 * DAY_MS + 1
    again = opened(tmp_path, over_ms)
    assert again.is_to_be_written(over_ms)
    again.write_snapshot(over_ms, threading.Lock())
    assert not again.is_to_be_written(over_ms)
    again.close()


@pytest.mark.parametrize("act", [lambda it, one, _: it.forget(one), lambda it, one, two: it.join(one, two)])
def test_what_was_to_be_forgotten_shortly_before_a_restart_is_gone_as_soon_after_it(tmp_path, act):
    memory = opened(tmp_path)
    one, two = (str(memory.recognise(person(seed), HERE, NOW_MS)) for seed in (1, 2))
    assert act(memory, one, two)
    memory.close()
    again = opened(tmp_path)
    assert again.is_to_be_written(NOW_MS)
    again.write_snapshot(NOW_MS, threading.Lock())
    again.close()
    third = opened(tmp_path)
    assert not third.is_to_be_written(NOW_MS)
    third.close()


def test_a_salt_is_destroyed_with_its_segment(tmp_path):
    born_ms = begins_ms(2_900)
    memory = opened(tmp_path, born_ms)
    (first,) = {memory.recognise(person(1), HERE, born_ms + day * DAY_MS) for day in range(14)}
    salt = memory.index._salts[2_900]
    assert memory.is_to_be_written(ends_ms(2_900))
    memory.write_snapshot(ends_ms(2_900), threading.Lock())
    memory.close()
    again = opened(tmp_path, ends_ms(2_900))
    assert salt not in again.index._salts.values()
    assert str(salt) not in str(remembered(again))
    assert again.recognise(person(1), HERE, ends_ms(2_900)) not in (first, None)
    assert len(again.index) == 1
    again.close()


def test_without_a_folder_nothing_is_written(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    memory = VisitorMemory(VisitorSettings(), NOW_MS)
    assert memory.recognise(person(1), HERE, NOW_MS) == memory.recognise(person(1), HERE, NOW_MS)
    assert not memory.is_to_be_written(NOW_MS + 30 * DAY_MS)
    memory.close()
    assert list(tmp_path.iterdir()) == []


def test_a_seal_opens_only_what_it_sealed_for_its_purpose():
    seal = seal_with(b"k" * 32, "visitors")
    sealed = seal.seal(b"face")
    assert seal.unseal(sealed) == b"face"
    for broken in (sealed[:-1], b"", sealed[:20] + bytes([sealed[20] ^ 1]) + sealed[21:]):
        with pytest.raises(SealBroken):
            seal.unseal(broken)
    with pytest.raises(SealBroken):
        seal_with(b"k" * 32, "stills").unseal(sealed)

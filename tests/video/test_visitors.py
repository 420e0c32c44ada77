from __future__ import annotations

import stat

import numpy as np
import pytest

from events.errors import ConfigError
from video.engine import Embedding, unit
from video.sealing import SealBroken, seal_with
from video.visitors import VisitorFile, VisitorIndex

DAY_MS = 86_400_000
NOW_MS = 1_780_000_000_000


def _person(seed: int, frames: int = 3, spread: float = 0.03) -> list[Embedding]:
    """Returns embeddings of one made-up face: a direction and its neighbours."""
    random = np.random.default_rng(seed)
    centre = unit(random.normal(size=128))
    return [unit(centre + random.normal(size=128) * spread) for _ in range(frames)]


def test_the_same_face_gets_the_same_id_and_another_face_another():
    index = VisitorIndex()
    first = index.recognise(_person(1), NOW_MS)
    assert index.recognise(_person(1), NOW_MS + 60_000) == first
    assert index.recognise(_person(2), NOW_MS) not in (first, None)
    assert len(index) == 2


def test_one_frame_gets_no_id_and_leaves_no_trace():
    index = VisitorIndex()
    assert index.recognise(_person(1)[:1], NOW_MS) is None
    assert index.recognise([], NOW_MS) is None
    assert len(index) == 0


def test_one_frame_of_a_known_face_among_others_gets_no_id():
    index = VisitorIndex()
    index.recognise(_person(1), NOW_MS)
    assert index.recognise([_person(1)[0], _person(2)[0], _person(2)[1]], NOW_MS) is None


def test_frames_of_different_people_get_no_id():
    index = VisitorIndex()
    assert index.recognise([_person(1)[0], _person(2)[0]], NOW_MS) is None
    assert len(index) == 0


def test_a_visitor_is_forgotten_after_the_time_to_live():
    index = VisitorIndex(ttl_ms=7 * DAY_MS)
    first = index.recognise(_person(1), NOW_MS)
    assert index.recognise(_person(1), NOW_MS + 7 * DAY_MS) == first
    assert index.recognise(_person(1), NOW_MS + 15 * DAY_MS) not in (first, None)
    assert len(index) == 1


def test_beyond_the_capacity_the_longest_unseen_is_forgotten():
    index = VisitorIndex(capacity=3)
    ids = [index.recognise(_person(seed), NOW_MS + seed) for seed in range(3)]
    index.recognise(_person(0), NOW_MS + 10)
    index.recognise(_person(3), NOW_MS + 20)
    assert index.recognise(_person(0), NOW_MS + 30) == ids[0]
    assert index.recognise(_person(1), NOW_MS + 40) != ids[1]


def test_ids_are_not_made_from_the_face():
    ids = {VisitorIndex().recognise(_person(1), NOW_MS) for _ in range(5)}
    assert len(ids) == 5


def test_a_restart_keeps_the_ids(tmp_path):
    file = VisitorFile(path=tmp_path / "visitors.enc", seal=seal_with(b"k" * 32, "visitors"))
    first = VisitorIndex(file=file).recognise(_person(1), NOW_MS)
    assert VisitorIndex(file=file).recognise(_person(1), NOW_MS + 1_000) == first


def test_the_file_is_sealed_and_private(tmp_path):
    file = VisitorFile(path=tmp_path / "visitors.enc", seal=seal_with(b"k" * 32, "visitors"))
    faces = _person(1)
    name = VisitorIndex(file=file).recognise(faces, NOW_MS)
    content = file.path.read_bytes()
    assert name is not None
    assert name.encode() not in content
    assert name.encode("utf-32-le") not in content
    assert unit(np.mean(faces, axis=0)).tobytes()[:16] not in content
    assert b"seen_ms" not in content
    assert stat.S_IMODE(file.path.stat().st_mode) == 0o600
    assert [path.name for path in tmp_path.iterdir()] == ["visitors.enc"]


def test_another_key_is_a_clear_error(tmp_path):
    path = tmp_path / "visitors.enc"
    VisitorIndex(file=VisitorFile(path=path, seal=seal_with(b"k" * 32, "visitors"))).recognise(_person(1), NOW_MS)
    with pytest.raises(ConfigError, match="restore the key"):
        VisitorIndex(file=VisitorFile(path=path, seal=seal_with(b"x" * 32, "visitors")))


def test_a_seal_opens_only_what_it_sealed_for_its_purpose():
    seal = seal_with(b"k" * 32, "visitors")
    sealed = seal.seal(b"face")
    assert seal.unseal(sealed) == b"face"
    for broken in (sealed[:-1], b"", sealed[:20] + bytes([sealed[20] ^ 1]) + sealed[21:]):
        with pytest.raises(SealBroken):
            seal.unseal(broken)
    with pytest.raises(SealBroken):
        seal_with(b"k" * 32, "stills").unseal(sealed)


def test_real_faces_same_person_same_id_different_people_different_ids(sface, counter_frames):
    index = VisitorIndex()
    ids = {}
    for name in ("obama.jpg", "obama3.jpg", "biden.jpg", "astronaut.png"):
        frames = counter_frames(name)[40:46:2]
        ids[name] = index.recognise([sface.embed(frame, sface.detect(frame)[0]) for frame in frames], NOW_MS)
    assert ids["obama.jpg"] == ids["obama3.jpg"] is not None
    assert len({ids["obama.jpg"], ids["biden.jpg"], ids["astronaut.png"]}) == 3

from __future__ import annotations

import numpy as np

from video import stranger_pairs
from video.calibration import calibrate, untrimmed_counts
from video.engine import Embedding, unit
from video.messages import PairsCounted, decode_from_cameras, encode_message
from video.stranger_pairs import StrangerPairs

DAY_MS = 86_400_000
NOON_MS = 1_772_539_200_000 - 1_772_539_200_000 % DAY_MS + DAY_MS // 2
DAY, NEXT_DAY = "2026-03-03", "2026-03-04"


def _face(number: int) -> Embedding:
    return unit(np.random.default_rng(number).standard_normal(128))


def _pairs(kept_ms: int = 7 * DAY_MS) -> StrangerPairs:
    return StrangerPairs("c-1", "one", kept_ms=kept_ms)


def _seen(pairs: StrangerPairs, number: int, at_ms: int = NOON_MS) -> PairsCounted | None:
    """A holder is recognised: the reference is one picture, what the camera sees another."""
    return pairs.add([_face(number + 10_000)], _face(number), at_ms)


def _last(pairs: StrangerPairs, numbers: range, at_ms: int = NOON_MS) -> PairsCounted:
    said = [_seen(pairs, number, at_ms) for number in numbers][-1]
    assert said is not None
    return said


def test_every_two_holders_of_a_camera_are_one_pair_as_if_calibrated_at_once():
    said = _last(_pairs(), range(12))
    whole = calibrate("one", [str(number) for number in range(12)], [_face(number) for number in range(12)])
    assert untrimmed_counts(said.first, said.counts) == whole.strangers
    assert (said.people, said.day, said.oldest_day) == (12, DAY, DAY)
    assert said.spread == round(whole.spread, 3)


def test_the_first_holder_and_one_who_comes_again_make_no_pair():
    pairs = _pairs()
    assert _seen(pairs, 1) is None
    assert _seen(pairs, 2) is not None
    assert pairs.add([_face(7), _face(10_001)], _face(99), NOON_MS) is None  # one of the references is known


def test_a_pair_across_midnight_counts_to_the_later_day_and_says_since_when_it_hangs_together():
    pairs = _pairs()
    _last(pairs, range(3))
    said = _seen(pairs, 3, NOON_MS + DAY_MS)
    assert said is not None
    assert (said.day, said.oldest_day, sum(said.counts), said.people) == (NEXT_DAY, DAY, 3, 4)
    late = _seen(pairs, 4, NOON_MS)
    assert late is not None
    assert (late.day, sum(late.counts)) == (NEXT_DAY, 7)


def test_whoever_is_forgotten_makes_no_pair():
    pairs = _pairs(kept_ms=DAY_MS)
    _last(pairs, range(3))
    assert _seen(pairs, 3, NOON_MS + DAY_MS) is None
    assert _seen(pairs, 1, NOON_MS + DAY_MS) is not None


def test_only_the_last_holders_are_remembered(monkeypatch):
    monkeypatch.setattr(stranger_pairs, "MOST_HOLDERS", 4)
    pairs = _pairs()
    before = _last(pairs, range(9))
    after = _seen(pairs, 9)
    assert after is not None
    assert sum(after.counts) - sum(before.counts) == 4
    assert _seen(pairs, 0) is not None


def test_what_is_said_has_counts_and_no_face():
    said = _last(_pairs(), range(3))
    sent = encode_message(said)
    assert decode_from_cameras(sent) == said
    assert len(sent) < 400
    assert all(_face(number).tobytes()[:8] not in sent for number in range(3))

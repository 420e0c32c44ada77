from __future__ import annotations

from itertools import product
from typing import get_args

import pytest
from hypothesis import given
from hypothesis import strategies as st

from events.types import Verdict
from video.engine import Thresholds
from video.verdict import FrameVote, count_votes, decide_together, verdict_of_frame, vote_together

THRESHOLDS = Thresholds(match=0.40, mismatch=0.30)
VOTES = st.lists(
    st.builds(FrameVote, similarity=st.floats(-1, 1), quality=st.floats(0.05, 1)),
    max_size=12,
)


def _votes(*pairs: tuple[float, float]) -> list[FrameVote]:
    return [FrameVote(similarity=similarity, quality=quality) for similarity, quality in pairs]


@pytest.mark.parametrize(
    ("similarity", "verdict"),
    [(0.40, "match"), (0.399, "inconclusive"), (0.301, "inconclusive"), (0.30, "mismatch"), (-0.2, "mismatch")],
)
def test_one_frame_speaks_by_the_thresholds(similarity, verdict):
    assert verdict_of_frame(similarity, THRESHOLDS) == verdict


def test_three_frames_below_the_band_are_a_mismatch_and_two_are_not():
    assert count_votes(_votes((0.1, 0.9), (0.1, 0.9), (0.1, 0.9)), THRESHOLDS).verdict == "mismatch"
    assert count_votes(_votes((0.1, 0.9), (0.1, 0.9)), THRESHOLDS).verdict == "inconclusive"


def test_two_frames_above_the_band_are_a_match_and_one_is_not():
    assert count_votes(_votes((0.7, 0.9), (0.6, 0.9)), THRESHOLDS).verdict == "match"
    assert count_votes(_votes((0.7, 0.9)), THRESHOLDS).verdict == "inconclusive"


def test_good_frames_outweigh_poor_ones():
    votes = _votes((0.7, 0.9), (0.7, 0.9), (0.1, 0.3), (0.1, 0.3), (0.1, 0.3))
    assert count_votes(votes, THRESHOLDS).verdict == "match"


def test_one_good_frame_among_poor_ones_decides_nothing():
    assert count_votes(_votes((0.1, 1.0), (0.35, 0.3), (0.35, 0.3)), THRESHOLDS).verdict == "inconclusive"
    assert count_votes(_votes((0.1, 1.0), (0.1, 0.3), (0.35, 0.3)), THRESHOLDS).verdict == "inconclusive"
    assert count_votes(_votes((0.7, 1.0), (0.35, 0.3), (0.35, 0.3)), THRESHOLDS).verdict == "inconclusive"


def test_frames_that_disagree_are_no_mismatch():
    votes = _votes((0.1, 0.9), (0.1, 0.9), (0.1, 0.9), (0.7, 0.9))
    assert count_votes(votes, THRESHOLDS).verdict == "inconclusive"


def test_no_frame_is_inconclusive_without_a_similarity():
    vote = count_votes([], THRESHOLDS)
    assert (vote.verdict, vote.similarity, vote.frames) == ("inconclusive", None, 0)


@given(VOTES, st.randoms(use_true_random=False))
def test_the_order_of_frames_does_not_matter(votes, random):
    shuffled = list(votes)
    random.shuffle(shuffled)
    assert count_votes(shuffled, THRESHOLDS).verdict == count_votes(votes, THRESHOLDS).verdict


@given(VOTES)
def test_fewer_than_three_frames_are_never_a_mismatch(votes):
    assert count_votes(votes[:2], THRESHOLDS).verdict != "mismatch"


@given(VOTES)
def test_a_mismatch_is_never_said_while_half_the_frames_match(votes):
    vote = count_votes(votes, THRESHOLDS)
    if vote.verdict == "mismatch":
        matching = sum(one.quality for one in votes if one.similarity >= THRESHOLDS.match)
        assert matching <= 0.21 * sum(one.quality for one in votes)


# ------------------------------------------------------------------------------------------------------- two engines

VERDICTS: tuple[Verdict, ...] = get_args(Verdict)


@pytest.mark.parametrize("voting", ["either", "both"])
@pytest.mark.parametrize(("first", "second"), list(product(VERDICTS, VERDICTS)))
def test_with_two_engines_a_mismatch_takes_both(voting, first, second):
    said = decide_together(first, second, voting)
    assert (said == "mismatch") == (first == second == "mismatch")
    assert said == decide_together(second, first, voting)


@pytest.mark.parametrize(("voting", "said"), [("first", "mismatch"), ("either", "match"), ("both", "inconclusive")])
def test_a_match_of_the_second_engine_alone_counts_as_was_chosen(voting, said):
    assert decide_together("mismatch", "match", voting) == said


def test_an_engine_without_a_picture_turns_no_match_into_a_mismatch():
    nothing = count_votes([], THRESHOLDS).verdict
    assert decide_together("match", nothing, "either") == "match"
    assert decide_together("match", nothing, "both") == "inconclusive"
    assert decide_together("mismatch", nothing, "either") == "inconclusive"


@given(VOTES, VOTES)
def test_a_vote_together_keeps_the_first_engines_similarity_and_tells_the_seconds(votes, others):
    first, second = count_votes(votes, THRESHOLDS), count_votes(others, THRESHOLDS)
    both = vote_together(first, second, "both")
    assert (both.similarity, both.frames, both.second) == (first.similarity, first.frames, second)
    assert both.verdict == decide_together(first.verdict, second.verdict, "both")

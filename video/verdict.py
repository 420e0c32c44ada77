"""Several frames vote, weighted by quality, whether a face is the card holder's. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Literal

from events.types import Verdict
from video.engine import Thresholds

Voting = Literal["first", "either", "both"]
"""Who decides: the first engine alone, or two engines of which either or both have to see a match."""

LEAST_FRAMES_FOR_MATCH = 2
LEAST_FRAMES_FOR_MISMATCH = 3
"""So many frames must each see it by themselves, however good one of them is: one frame, or two, never decide."""
MATCH_SHARE = 0.5
MISMATCH_SHARE = 0.6
LARGEST_DISSENT = 0.2
"""A mismatch is not said while more than this share of the weight sees a match."""


@dataclass(frozen=True, kw_only=True)
class FrameVote:
    """What one usable frame says of one face: its similarity with the holder's nearest reference, and its weight."""

    similarity: float
    quality: float


@dataclass(frozen=True, kw_only=True)
class Vote:
    """The verdict of the frames so far; similarity is their mean by weight, None before the first usable frame.

    `second` is what the second engine says by itself, where it has a vote.
    """

    verdict: Verdict
    similarity: float | None
    frames: int
    second: Vote | None = None


@dataclass(frozen=True, kw_only=True)
class Judging:
    """By which similarities frames decide; `second` are those of the second engine, None where it has no vote."""

    first: Thresholds
    second: Thresholds | None = None
    voting: Voting = "first"


def verdict_of_frame(similarity: float, thresholds: Thresholds) -> Literal["match", "mismatch", "inconclusive"]:
    """Returns what one similarity says alone; on a threshold it is decided, between the two it is not."""
    if similarity >= thresholds.match:
        return "match"
    return "mismatch" if similarity <= thresholds.mismatch else "inconclusive"


def count_votes(votes: Sequence[FrameVote], thresholds: Thresholds) -> Vote:
    """Returns the vote of the usable frames; their order does not matter.

    A match takes two frames that see one, with half the weight. A mismatch takes three frames that see one, with six
    tenths of the weight, and at most two tenths that see a match. All else, also no frame at all, is inconclusive.
    """
    weight = sum(vote.quality for vote in votes)
    if weight <= 0:
        return Vote(verdict="inconclusive", similarity=None, frames=len(votes))
    shares = {"match": 0.0, "mismatch": 0.0, "inconclusive": 0.0}
    seeing = dict.fromkeys(shares, 0)
    for vote in sorted(votes, key=lambda vote: (vote.similarity, vote.quality)):
        said = verdict_of_frame(vote.similarity, thresholds)
        shares[said] += vote.quality / weight
        seeing[said] += vote.quality > 0
    mean = sum(vote.similarity * vote.quality for vote in sorted(votes, key=lambda vote: vote.similarity)) / weight
    return Vote(verdict=_decide(shares, seeing), similarity=mean, frames=len(votes))


def decide_together(first: Verdict, second: Verdict, voting: Voting) -> Verdict:
    """Returns the verdict of two engines: a mismatch always takes both, a match both or either.

    With "either" one engine that sees the holder outweighs the other, whatever that says; all else that is not said by
    both is inconclusive. With "first" the second engine has no vote.
    """
    if first == second or voting == "first":
        return first
    return "match" if voting == "either" and "match" in (first, second) else "inconclusive"


def vote_together(first: Vote, second: Vote, voting: Voting) -> Vote:
    """Returns the first engine's vote with the verdict of both."""
    return replace(first, verdict=decide_together(first.verdict, second.verdict, voting), second=second)


def _decide(shares: dict[str, float], seeing: dict[str, int]) -> Verdict:
    if seeing["match"] >= LEAST_FRAMES_FOR_MATCH and shares["match"] >= MATCH_SHARE:
        return "match"
    clear = shares["mismatch"] >= MISMATCH_SHARE and shares["match"] <= LARGEST_DISSENT
    return "mismatch" if clear and seeing["mismatch"] >= LEAST_FRAMES_FOR_MISMATCH else "inconclusive"

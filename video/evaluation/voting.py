"""What two engines say together of pairs of pictures, one picture each, as they vote in the product."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from events.types import Verdict
from video.engine import Thresholds
from video.evaluation.accuracy import Embedded
from video.evaluation.folder import Pair
from video.evaluation.rates import Rate
from video.verdict import Voting, decide_together, verdict_of_frame


@dataclass(frozen=True, kw_only=True)
class Judge:
    """An engine's faces and the similarities that decide with it."""

    embedded: Embedded
    thresholds: Thresholds

    def verdict(self, first: Path, second: Path) -> Verdict:
        """Returns what the engine says of two pictures; where it finds no face in one it does not say."""
        one, other = self.embedded.faces[first], self.embedded.faces[second]
        return "inconclusive" if one is None or other is None else verdict_of_frame(float(one @ other), self.thresholds)


@dataclass(frozen=True, kw_only=True)
class Voted:
    """What two engines together make of pairs of one person and of two."""

    false_mismatch: Rate
    false_match: Rate
    undecided_same: Rate
    undecided_different: Rate


def measure_voting(pairs: Sequence[Pair], first: Judge, second: Judge, voting: Voting) -> Voted:
    """Returns the rates of the verdicts that two engines give together."""
    own: list[Verdict] = []
    strange: list[Verdict] = []
    for pair in pairs:
        each = [judge.verdict(pair.first, pair.second) for judge in (first, second)]
        (own if pair.same else strange).append(decide_together(each[0], each[1], voting))
    return Voted(
        false_mismatch=_share(own, "mismatch"),
        false_match=_share(strange, "match"),
        undecided_same=_share(own, "inconclusive"),
        undecided_different=_share(strange, "inconclusive"),
    )


def _share(said: Sequence[Verdict], verdict: Verdict) -> Rate:
    return Rate(hits=said.count(verdict), of=len(said))

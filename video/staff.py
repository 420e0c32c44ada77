"""Who is of a store's staff: said once two pictures agree, as alike as a holder who is recognised. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from video.engine import Embedding, Thresholds, similarity
from video.reading import Reading, SeenFace
from video.tracks import Track
from video.verdict import FrameVote, Judging, count_votes

StaffFaces = tuple[tuple[SeenFace, str], ...]
"""The faces of a picture that are of the staff, each with its role."""


@dataclass(frozen=True, kw_only=True, eq=False)
class KnownStaff:
    """One member of a store's staff: what they are there, and what they look like to the engine."""

    role: str
    references: tuple[Embedding, ...]


@dataclass(frozen=True, kw_only=True)
class StaffSeen:
    """What a picture shows of the staff; `sought` are the roles of whom the store has enrolled, each once."""

    faces: StaffFaces = ()
    sought: tuple[str, ...] = ()


NOBODY = StaffSeen()


def staff_seen(faces: StaffFaces, staff: Sequence[KnownStaff]) -> StaffSeen:
    """Returns what a picture shows of these staff."""
    return StaffSeen(faces=faces, sought=tuple(sorted({one.role for one in staff})))


def staff_role(track: Track, staff: Sequence[KnownStaff], judging: Judging) -> str | None:
    """Returns what somebody is at the store, None for whoever is not of its staff, and in doubt.

    One member has to be seen by a vote like a holder's. Whoever matches the swipe's holder is the holder: staff pay
    with cards of their own.
    """
    if track.vote(judging).verdict == "match":
        return None
    best: tuple[float, str] | None = None
    for member in staff:
        votes = [
            FrameVote(similarity=near, quality=sight.seen.quality.score)
            for sight in track.usable
            if (near := _near(sight.seen, member)) is not None
        ]
        vote = count_votes(votes, judging.first)
        if vote.verdict == "match" and vote.similarity is not None:
            best = max(best or (vote.similarity, member.role), (vote.similarity, member.role))
    return None if best is None else best[1]


class StaffAtCounter:
    """Who of the staff was seen at one counter at rest, where pictures are many seconds apart."""

    def __init__(self, agree_within_ms: int) -> None:
        """Nobody was seen. Args: pictures that are further apart do not agree on anybody."""
        self._agree_within_ms = agree_within_ms
        self._seen_ms: dict[KnownStaff, int] = {}

    def seen_in(self, reading: Reading, staff: Sequence[KnownStaff], thresholds: Thresholds) -> StaffFaces:
        """Returns the faces of a picture that an earlier one agrees with; one that is the first of somebody is kept."""
        found = []
        for seen in reading.faces:
            near = [(score, -at) for at, one in enumerate(staff) if (score := _near(seen, one)) is not None]
            score, at = max(near, default=(-1.0, 0))
            if score < thresholds.match:
                continue
            member = staff[-at]
            before_ms = self._seen_ms.get(member)
            if before_ms is not None and 0 < reading.at_ms - before_ms <= self._agree_within_ms:
                found.append((seen, member.role))
            self._seen_ms[member] = reading.at_ms
        return tuple(found)

    def forget(self) -> None:
        """Nobody was seen: the staff are others now."""
        self._seen_ms.clear()


def _near(seen: SeenFace, member: KnownStaff) -> float | None:
    return None if seen.embedding is None else similarity(seen.embedding, member.references)

"""One swipe before one camera: which pictures are looked at, and when something is said about them. Pure."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Literal

from events.types import Verdict
from video.engine import BoxXYXY, Embedding
from video.messages import CameraState, SwipeSeen
from video.reading import Reading, SeenFace
from video.staff import KnownStaff, StaffFaces, staff_role
from video.tracks import Sight, Track, Tracks
from video.verdict import LEAST_FRAMES_FOR_MISMATCH, Judging, Vote

Stage = Literal["presence", "provisional", "refined", "final"]

SETTLED_FRAMES = 6
"""So many usable pictures of the holder, or of one who cannot be compared, are enough: more add nothing."""
LEAST_EMPTY_PICTURES = 3
EMPTY_STEP_MS = 2_000


@dataclass(frozen=True, kw_only=True)
class Compared:
    """The customer of a swipe: best picture, vote (None without a reference), and what visitors are told by."""

    sight: Sight
    vote: Vote | None
    embeddings: tuple[Embedding, ...]


@dataclass(frozen=True, kw_only=True)
class Conclusion:
    """What is said of a swipe at one moment; first_ms and last_ms span the pictures it rests on."""

    stage: Stage
    reading: Reading
    compared: Compared | None
    staff: StaffFaces
    first_ms: int
    last_ms: int


class SwipeWatch:
    """Looks at the pictures from shortly before a swipe to shortly after, and says what they show as soon as they do.

    With three usable pictures of a face a provisional verdict is said, again whenever the vote changes, and a final one
    at the end of the window; the holder recognised six times settles it earlier. An empty counter is said three times.
    What is said depends on the pictures alone, not on when they were read.
    """

    def __init__(
        self,
        swipe: SwipeSeen,
        references: Sequence[Embedding],
        judging: Judging,
        *,
        look_before_ms: int,
        look_after_ms: int,
        second_references: Sequence[Embedding] = (),
        staff: Sequence[KnownStaff] = (),
    ) -> None:
        """Nothing was looked at yet.

        Args: second_references are the second engine's, where it has a vote; staff are asked only if alone to the end.
        """
        self.swipe = swipe
        self.first_ms = swipe.occurred_at_ms - look_before_ms
        self.last_ms = swipe.occurred_at_ms + look_after_ms
        self._judging, self._references = judging, tuple(references)
        self._second_references, self._staff = tuple(second_references), tuple(staff)
        self._tracks = Tracks(self._references, self._second_references)
        self._readings: list[Reading] = []
        self._said: Verdict | Literal["unknown"] | None = None
        self._said_empty_until_ms: int | None = None

    @property
    def read_until_ms(self) -> int:
        """Till time of the last picture that was taken; just before the window when none was."""
        return self._readings[-1].at_ms if self._readings else self.first_ms - 1

    @property
    def asks_second(self) -> bool:
        """Whether the second engine looks at its pictures too: where that has a vote and knows the holder."""
        return self._judging.second is not None and bool(self._second_references)

    @property
    def has_spoken(self) -> bool:
        """Whether anything was said yet."""
        return self._said is not None or self._said_empty_until_ms is not None

    @property
    def customer_sights(self) -> tuple[tuple[int, BoxXYXY], ...]:
        """Where the customer's face was seen so far, with the till time of each picture; none without a customer."""
        track = self._customer() or self._staff_alone()
        return () if track is None else tuple((one.reading.at_ms, one.seen.face.box) for one in track.sights)

    @property
    def state(self) -> CameraState:
        """What the camera was in most of the pictures that were taken; `ok` without any."""
        counted = Counter(reading.state for reading in self._readings).most_common(1)
        return counted[0][0] if counted else "ok"

    @property
    def is_settled(self) -> bool:
        """Whether further pictures could change nothing that matters: the customer is the holder, or not comparable."""
        track = self._customer()
        if track is None or len(track.usable) < SETTLED_FRAMES:
            return False
        return not self._references or track.vote(self._judging).verdict == "match"

    def take(self, reading: Reading) -> Conclusion | None:
        """Returns what is to be said after one more picture, None if nothing new. Pictures come in time order."""
        self._readings.append(reading)
        if reading.people is None:
            return None
        self._tracks.add(reading)
        return self._say_customer() or self._say_empty(reading)

    def finish(self) -> Conclusion | None:
        """Returns the last word: what a healthy picture shows, else the picture that shows why nothing can be said.

        None when there was no picture at all.
        """
        if not self._readings:
            return None
        track = self._customer() or self._staff_alone()
        if track is not None:
            return self._conclude("final", track.best.reading, track)
        told = [reading for reading in self._readings if reading.people is not None]
        if told:
            return self._conclude("final", max(told, key=lambda reading: (reading.people or 0, reading.at_ms)), None)
        at_ms = self.swipe.occurred_at_ms
        return self._conclude("final", min(self._readings, key=lambda reading: abs(reading.at_ms - at_ms)), None)

    def _say_customer(self) -> Conclusion | None:
        track = self._customer()
        if track is None or len(track.usable) < LEAST_FRAMES_FOR_MISMATCH:
            return None
        verdict = track.vote(self._judging).verdict if self._references else "unknown"
        if verdict == self._said:
            return None
        stage: Stage = "provisional" if self._said is None else "refined"
        self._said = verdict
        return self._conclude(stage, track.best.reading, track)

    def _say_empty(self, reading: Reading) -> Conclusion | None:
        told = [one for one in self._readings if one.people is not None]
        if len(told) < LEAST_EMPTY_PICTURES or any(one.people for one in told):
            return None
        first = self._said_empty_until_ms is None
        due_ms = self.swipe.occurred_at_ms if first else (self._said_empty_until_ms or 0) + EMPTY_STEP_MS
        if reading.at_ms < due_ms:
            return None
        self._said_empty_until_ms = reading.at_ms
        return self._conclude("provisional" if first else "refined", reading, None)

    def _customer(self) -> Track | None:
        """Returns whoever matches the holder, else the nearest not of the staff; of equal ones who came first."""
        tracks = [track for track in self._tracks.all if staff_role(track, self._staff, self._judging) is None]
        if not tracks:
            return None
        matching = [track for track in tracks if track.vote(self._judging).verdict == "match"]
        if matching:
            return max(matching, key=lambda track: track.vote(self._judging).similarity or 0.0)
        return max(tracks, key=lambda track: track.nearness)

    def _staff_alone(self) -> Track | None:
        """Returns the nearest of the staff: with nobody else there, it is they who use the card."""
        return max(self._tracks.all, key=lambda track: track.nearness, default=None)

    def _conclude(self, stage: Stage, reading: Reading, track: Track | None) -> Conclusion:
        compared = None
        if track is not None:
            vote = track.vote(self._judging) if self._references else None
            compared = Compared(sight=track.best, vote=vote, embeddings=tuple(track.embeddings(most=5)))
        return Conclusion(
            stage=stage,
            reading=reading,
            compared=compared,
            staff=tuple(self._staff_in(reading)),
            first_ms=self._readings[0].at_ms,
            last_ms=self._readings[-1].at_ms,
        )

    def _staff_in(self, reading: Reading) -> Iterator[tuple[SeenFace, str]]:
        for track in self._tracks.all:
            role = staff_role(track, self._staff, self._judging)
            if role is not None:
                yield from ((sight.seen, role) for sight in track.sights if sight.reading is reading)

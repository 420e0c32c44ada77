"""The camera worker's desk: swipes come in, pictures are looked at in the right order, observations go out."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Protocol

import av
import msgspec
import numpy as np
import structlog

from video.camera import Camera
from video.engine import BoxXYXY, Embedding, FaceEngine, Thresholds, similarity, unit
from video.messages import CameraState, FromWorker, Observed, StaffKnown, SwipeSeen
from video.observation import CustomerFace, Observation, Provenance, SecondLook, observe, observe_nothing
from video.original import Footage, cut_original
from video.reading import PictureReader
from video.sample import Sample
from video.settings import VideoSettings
from video.sources.port import Packet
from video.staff import KnownStaff, StaffAtCounter, staff_seen
from video.still import marked_still
from video.stranger_pairs import StrangerPairs
from video.verdict import Judging, verdict_of_frame
from video.watch import Compared, Conclusion, SwipeWatch

_LOG = structlog.get_logger(__name__)

STAFF_AGREES_INTERVALS = 3
"""A member of staff is said of a counter at rest once two pictures agree that are at most so many intervals apart."""
GRACE_MS = 1_500
"""So long after a window's end a camera that stands still is waited for; then it is taken for away."""


class Visitors(Protocol):
    """Who tells one visitor from another."""

    def recognise(self, frames: Sequence[Embedding], institution_id: str, at_ms: int) -> str | None:
        """Returns the visitor that the frames of one face at a store agree on, None in doubt."""


@dataclass(frozen=True, kw_only=True)
class SecondOpinion:
    """The second engine, opened when it is first needed, and its name and version for the record."""

    name: str
    open: Callable[[], FaceEngine]


@dataclass
class _Filming:
    """A swipe whose original is cut once its time is over and its customer is known, or nobody looks any more."""

    swipe: SwipeSeen
    camera: Camera
    is_watched: bool = True
    state: CameraState = "ok"
    customer: tuple[tuple[int, BoxXYXY], ...] = ()


@dataclass
class _Watching:
    """A swipe watched by one camera, and the pictures of which a still was kept."""

    watch: SwipeWatch
    camera: Camera
    film: _Filming
    stills: set[int] = field(default_factory=set)

    @property
    def is_silent(self) -> bool:
        """Whether the camera has said its last word of the swipe before, through a worker that is gone."""
        return self.camera.settings.camera_id in self.watch.swipe.said_by


class Desk:
    """Does one piece of work at a time: first verdicts before second looks, second opinions last."""

    def __init__(
        self,
        settings: VideoSettings,
        cameras: Sequence[Camera],
        engine: FaceEngine,
        visitors: Visitors,
        *,
        send: Callable[[FromWorker], None],
        second: SecondOpinion | None = None,
    ) -> None:
        """Nothing is watched yet. Args: send takes each message for the product."""
        self._settings, self._cameras, self._engine, self._visitors = settings, tuple(cameras), engine, visitors
        self._send, self._second = send, second
        voter = second.open() if second is not None and settings.vote != "first" else None
        self._reader = PictureReader(engine, min_face_px=settings.min_face_px, second=voter)
        self._judging = Judging(
            first=_thresholds(settings, engine), second=voter.thresholds if voter else None, voting=settings.vote
        )
        self._provenance = Provenance(
            engine=engine.name,
            engine_version=engine.version,
            second_engine=second.name if second else None,
            vote=settings.vote,
        )
        self._watching: list[_Watching] = []
        self._filming: list[_Filming] = []
        self._most_films = settings.most_watches * max(1, -(-settings.clip_after_ms // settings.look_after_ms))
        self._films_dropped = 0
        self._presence: dict[str, int] = {}
        self._pairs = {
            one.settings.camera_id: StrangerPairs(
                one.settings.camera_id, engine.version, kept_ms=settings.visitor_ttl_ms
            )
            for one in cameras
        }
        self._moved: dict[str, tuple[int | None, int]] = {}
        self._staff: dict[str, list[KnownStaff]] = {}
        agree_within_ms = STAFF_AGREES_INTERVALS * settings.presence_interval_ms
        self._at_counters = {one.settings.camera_id: StaffAtCounter(agree_within_ms) for one in cameras}
        self.dropped = 0

    def know_staff(self, known: StaffKnown) -> None:
        """Afterwards these are the staff, for swipes that come from now on and for cameras at rest."""
        self._staff = {}
        for one in known.faces:
            references = tuple(_embeddings(one.references, self._engine.name))
            self._staff.setdefault(one.institution_id, []).append(KnownStaff(role=one.role, references=references))
        for at_counter in self._at_counters.values():
            at_counter.forget()

    def _staff_of(self, camera: Camera) -> Sequence[KnownStaff]:
        return self._staff.get(camera.settings.institution_id, ())

    def swipe_seen(self, swipe: SwipeSeen) -> None:
        """Afterwards every camera of the swipe's till watches it; of too many the oldest is dropped.

        A camera that has said its last word of the swipe watches it in silence, for its original alone.
        """
        references = _embeddings(swipe.references, self._engine.name)
        second_references = _embeddings(swipe.references, self._second.name) if self._second else []
        for camera in self._cameras:
            if (camera.settings.institution_id, camera.settings.till_id) != (swipe.institution_id, swipe.till_id):
                continue
            camera.swiped(swipe.occurred_at_ms)
            watch = SwipeWatch(
                swipe,
                references,
                self._judging,
                look_before_ms=self._settings.look_before_ms,
                look_after_ms=self._settings.look_after_ms,
                second_references=second_references,
                staff=self._staff_of(camera),
            )
            film = _Filming(swipe=swipe, camera=camera)
            self._watching.append(_Watching(watch=watch, camera=camera, film=film))
            self._filming.append(film)
        while len(self._filming) > self._most_films:
            self._filming.pop(0)
            self._films_dropped += 1
            _LOG.warning("original.dropped", dropped_count=self._films_dropped)
        while len(self._watching) > self._settings.most_watches:
            self._watching.pop(0).film.is_watched = False
            self.dropped += 1
            _LOG.warning("watch.dropped", dropped_count=self.dropped)

    @property
    def watched(self) -> int:
        """How many swipes are being watched, counted once for each camera."""
        return len(self._watching)

    def work(self, now_ms: int) -> bool:
        """Does the most urgent piece of work and returns whether there was any. Args: now_ms is the time of day."""
        self._send_changes()
        return (
            self._finish_next(now_ms)
            or self._cut_next(now_ms)
            or self._look_at_rest(watched=True)
            or self._read_next(spoken=False)
            or self._read_next(spoken=True)
            or self._look_at_rest(watched=False)
        )

    def _send_changes(self) -> None:
        for camera in self._cameras:
            for change in camera.take_changes():
                self._send(change)

    # ---- swipes ---------------------------------------------------------------------------------------------------

    def _read_next(self, *, spoken: bool) -> bool:
        """Reads one picture for the watch that has read least far."""
        for watching in sorted(self._watching, key=lambda one: one.watch.read_until_ms):
            watch = watching.watch
            if watch.has_spoken != spoken or watch.is_settled:
                continue
            sample = self._next_sample(watching)
            if sample is None:
                continue
            read = self._reader.read_twice if watch.asks_second else self._reader.read
            reading = read(watching.camera, sample)
            watching.camera.saw_people(sample, reading.people)
            conclusion = watch.take(reading)
            if conclusion is not None and not watching.is_silent:
                self._say(watching, conclusion)
            return True
        return False

    def _next_sample(self, watching: _Watching) -> Sample | None:
        """Returns the next picture on the camera's grid, so that overlapping swipes look at the same pictures."""
        watch = watching.watch
        after_ms = max(watch.first_ms - 1, watch.read_until_ms)
        return watching.camera.next_sample(after_ms, watch.last_ms, self._settings.look_every_ms)

    def _finish_next(self, now_ms: int) -> bool:
        for watching in self._watching:
            if self._is_over(watching, now_ms):
                self._watching.remove(watching)
                if not watching.is_silent:
                    self._finish(watching)
                watching.film.is_watched = False
                watching.film.customer, watching.film.state = watching.watch.customer_sights, watching.watch.state
                return True
        return False

    def _is_over(self, watching: _Watching, now_ms: int) -> bool:
        """However much else there is to look at: whoever has seen the last picture says so."""
        if watching.watch.is_settled:
            return True
        return self._has_passed(watching.camera, watching.watch.last_ms, now_ms) and self._next_sample(watching) is None

    def _has_passed(self, camera: Camera, last_ms: int, now_ms: int) -> bool:
        """A camera that is behind, say because it was just opened, is waited for as long as it gets on."""
        latest_ms = camera.latest_at_ms
        if latest_ms is not None and latest_ms >= last_ms:
            return True
        before = self._moved.setdefault(camera.settings.camera_id, (latest_ms, now_ms))
        if before[0] != latest_ms:
            before = self._moved[camera.settings.camera_id] = (latest_ms, now_ms)
        return now_ms > max(last_ms, before[1]) + GRACE_MS

    def _finish(self, watching: _Watching) -> None:
        conclusion = watching.watch.finish()
        if conclusion is not None:
            self._say(watching, conclusion)
            self._count_pairs(watching, conclusion)
            return
        swipe, state = watching.watch.swipe, watching.camera.state
        if state not in (None, "offline"):
            _LOG.info("watch.missed", camera_id=watching.camera.settings.camera_id)  # older than what is remembered
            return
        nothing = observe_nothing(
            watching.camera.settings,
            swipe.occurred_at_ms,
            self._provenance,
            purpose=f"swipe/{swipe.settlement_id}/nothing",
            state="offline",
        )
        self._send(_observed(nothing, None, swipe.settlement_id))

    def _say(self, watching: _Watching, conclusion: Conclusion) -> None:
        swipe, camera = watching.watch.swipe, watching.camera.settings
        customer = self._customer(conclusion, swipe)
        purpose = f"swipe/{swipe.settlement_id}/{conclusion.stage}/{conclusion.first_ms}-{conclusion.last_ms}"
        observation = observe(
            camera,
            conclusion.reading,
            self._provenance,
            purpose=purpose,
            stage=conclusion.stage,
            customer=customer,
            staff=staff_seen(conclusion.staff, self._staff_of(watching.camera)),
        )
        still = self._still(watching, conclusion)
        self._send(_observed(observation, still, swipe.settlement_id))

    def _customer(self, conclusion: Conclusion, swipe: SwipeSeen) -> CustomerFace | None:
        compared = conclusion.compared
        if compared is None:
            return None
        is_staff = any(seen is compared.sight.seen for seen, _ in conclusion.staff)
        return CustomerFace(
            compared=compared,
            settlement_id=swipe.settlement_id,
            visitor_id=None if is_staff else self._recognise(compared, swipe, conclusion.reading.at_ms),
            second=self._second_look(conclusion, swipe),
        )

    def _recognise(self, compared: Compared, swipe: SwipeSeen, at_ms: int) -> str | None:
        return self._visitors.recognise(compared.embeddings, swipe.institution_id, at_ms)

    def _second_look(self, conclusion: Conclusion, swipe: SwipeSeen) -> SecondLook | None:
        """Returns what the second engine says: with its vote each time, and without one at the end."""
        voted = conclusion.compared.vote.second if conclusion.compared and conclusion.compared.vote else None
        if voted is None:
            return self._ask_second(conclusion, swipe) if conclusion.stage == "final" else None
        if voted.similarity is None or self._second is None:
            return None
        return SecondLook(
            similarity=voted.similarity, verdict=voted.verdict, engine_version=self._second.open().version
        )

    def _ask_second(self, conclusion: Conclusion, swipe: SwipeSeen) -> SecondLook | None:
        """Returns what the second engine says of the best picture, where the face and a reference allow it."""
        if self._second is None or conclusion.compared is None:
            return None
        references = _embeddings(swipe.references, self._second.name)
        sight = conclusion.compared.sight
        if not references or not sight.seen.quality.usable:
            return None
        engine = self._second.open()
        near = similarity(engine.embed(sight.reading.sample.image(), sight.seen.face), references)
        if near is None:
            return None
        verdict = verdict_of_frame(near, engine.thresholds)
        return SecondLook(similarity=near, verdict=verdict, engine_version=engine.version)

    def _count_pairs(self, watching: _Watching, conclusion: Conclusion) -> None:
        """A holder who was recognised is a stranger to all others: how alike they are says what a similarity means."""
        compared, swipe = conclusion.compared, watching.watch.swipe
        if compared is None or compared.vote is None or compared.vote.verdict != "match":
            return
        references = _embeddings(swipe.references, self._engine.name)
        pairs = self._pairs[watching.camera.settings.camera_id]
        counted = pairs.add(references, compared.embeddings[0], swipe.occurred_at_ms)
        if counted is not None:
            self._send(counted)

    def _still(self, watching: _Watching, conclusion: Conclusion) -> bytes | None:
        """Returns the marked picture, once for each picture that a swipe's observations rest on."""
        reading = conclusion.reading
        if reading.sample.raw_at_ms in watching.stills:
            return None
        watching.stills.add(reading.sample.raw_at_ms)
        customer = None
        if conclusion.compared is not None:
            seen = conclusion.compared.sight.seen
            customer = next((number for number, one in enumerate(reading.faces) if one is seen), None)
        boxes = [one.face.box for one in reading.faces]
        most_bytes = self._settings.still_bytes
        return marked_still(reading.sample.image(), boxes, customer, most_bytes, outside=reading.outside)

    # ---- originals ------------------------------------------------------------------------------------------------

    def _cut_next(self, now_ms: int) -> bool:
        """Cuts what the camera sent around one swipe whose time is over; without any picture there is no original."""
        for film in self._filming:
            at_ms = film.swipe.occurred_at_ms
            first_ms, last_ms = at_ms - self._settings.clip_before_ms, at_ms + self._settings.clip_after_ms
            if film.is_watched or not self._has_passed(film.camera, last_ms, now_ms):
                continue
            self._filming.remove(film)
            packets = film.camera.packets(first_ms, last_ms)
            if packets:
                self._cut(self._footage(film, packets, first_ms, last_ms))
            return True
        return False

    def _cut(self, footage: Footage) -> None:
        try:
            original = cut_original(footage)
        except av.error.FFmpegError as error:
            _LOG.warning("original.failed", camera_id=footage.camera_id, reason=error.strerror)
        else:
            self._send(original)

    def _footage(self, film: _Filming, packets: tuple[Packet, ...], first_ms: int, last_ms: int) -> Footage:
        return Footage(
            settlement_id=film.swipe.settlement_id,
            swipe_at_ms=film.swipe.occurred_at_ms,
            camera_id=film.camera.settings.camera_id,
            camera_state=film.state,
            clock_offset_ms=film.camera.settings.clock_offset_ms,
            first_at_ms=first_ms,
            last_at_ms=last_ms,
            step_ms=1_000 // self._settings.samples_per_s,
            packets=packets,
            customer=film.customer,
        )

    # ---- at rest --------------------------------------------------------------------------------------------------

    def _look_at_rest(self, *, watched: bool) -> bool:
        """Looks at one camera that is due; what is at its counter is said once an interval of till time.

        A camera that watches a swipe comes before the swipe's pictures, which are judged by what was known then; all
        others come after every swipe, however much there is of them.
        """
        watching = {one.camera.settings.camera_id for one in self._watching}
        for camera in self._cameras:
            if (camera.settings.camera_id in watching) != watched:
                continue
            sample = camera.next_at_rest()
            if sample is not None:
                self._say_presence(camera, sample)
                return True
        return False

    def _say_presence(self, camera: Camera, sample: Sample) -> None:
        """Says the first picture of each interval that tells anything."""
        name, period = camera.settings.camera_id, sample.at_ms // self._settings.presence_interval_ms
        tells_nothing = sample.state == "ok" and sample.foreground is None and not camera.shows_face
        if self._presence.get(name) == period or tells_nothing:
            return
        self._presence[name] = period
        reading = self._reader.read(camera, sample)
        camera.saw_people(sample, reading.people)
        staff = self._staff_of(camera)
        seen = staff_seen(self._at_counters[name].seen_in(reading, staff, self._judging.first), staff)
        observation = observe(
            camera.settings, reading, self._provenance, purpose="presence", stage="presence", staff=seen
        )
        self._send(_observed(observation, None, None))


def _thresholds(settings: VideoSettings, engine: FaceEngine) -> Thresholds:
    own = engine.thresholds
    match, mismatch = settings.match_similarity, settings.mismatch_similarity
    return Thresholds(
        match=own.match if match is None else match, mismatch=own.mismatch if mismatch is None else mismatch
    )


def _embeddings(references: Mapping[str, Sequence[Sequence[float]]], engine: str) -> list[Embedding]:
    return [unit(np.array(reference, dtype=np.float32)) for reference in references.get(engine, ())]


def _observed(observation: Observation, still: bytes | None, settlement_id: str | None) -> Observed:
    return Observed(
        original=msgspec.json.encode(observation),
        still=still,
        settlement_id=settlement_id,
        camera_id=observation.camera_id,
        captured_at_ms=observation.occurred_at_ms,
    )

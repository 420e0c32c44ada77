"""One camera as the worker knows it: what it sent, its health, and whether somebody is at its counter."""

from __future__ import annotations

import threading
from collections import OrderedDict, deque
from typing import Final

import msgspec

from video.clock_offset import ClockOffset, ClockOffsetEstimate
from video.decoding import SpanDecoder, decode_key
from video.engine import FaceEngine, Image
from video.judgement import Judged, Judgement
from video.messages import CameraState, CameraStateChanged, ClockOffsetEstimated
from video.packet_ring import PacketRing
from video.sample import Sample
from video.settings import CameraSettings, VideoSettings
from video.sources.port import Packet
from video.still import marked_still, with_margin
from video.zone_faces import faces_by_zone

WITHOUT_PICTURE: Final = frozenset({"ok", "clock_drift"})
"""States that no picture shows."""
STEADY_PICTURES: Final = 3
"""So many pictures in a row must agree before a camera's state is said to have changed."""
BROKEN_PICTURES: Final = 3
"""So many key pictures in a row that cannot be decoded, and the camera is as good as away."""
DECODED_WITHIN_MS: Final = 1_000
"""A picture that is not decoded though pictures so much later are there is broken."""
ONE_SEQUENCE_MS: Final = 5_000
"""Pictures this close to each other around a swipe are judged one after the other."""
CATCH_UP_MS: Final = 30_000
"""So far back a camera is looked at that was just opened, or that nobody had time for."""
LEAD_IN_MS: Final = 400
MOST_SAMPLES: Final = 32
FACE_STEP_MS: Final = 2_000
"""So often a counter is looked at that is not known yet because somebody shows a face there."""
LEARN_STEP_MS: Final = 200
LEARN_FOR_MS: Final = 8_000
"""So long in each interval more than key pictures is decoded of a counter that shows no face and is not known yet."""


class Camera:
    """The last minutes of one camera. A reader thread fills it; the worker decodes what it needs.

    At rest only key pictures are decoded: the first of each interval, and more while the empty counter is being learnt
    or the camera's state is in doubt. Around a swipe, the first picture of each cell of time.
    """

    def __init__(self, settings: CameraSettings, engine: FaceEngine, video: VideoSettings) -> None:
        """Nothing has been seen; the camera is neither well nor away until a picture or a failure comes."""
        self.settings, self._configured = settings, settings
        self._engine, self._interval_ms = engine, video.presence_interval_ms
        self._still_bytes = video.still_bytes
        self._clock, self._clock_limit_ms = ClockOffsetEstimate(), video.clock_drift_limit_ms
        self._offset: ClockOffset | None = None
        self._slot_ms, self._last_slot = 1_000 // video.samples_per_s, -1
        self._ring = PacketRing(keep_ms=video.ring_ms, most_bytes=video.ring_bytes)
        self._decoder, self._learner = SpanDecoder(self._ring), SpanDecoder(self._ring)
        self._learns_from_ms: int | None = None
        self._at_rest = Judgement(settings, engine)
        self._earlier: Judgement | None = None
        self._near: Judgement | None = None
        self._samples: OrderedDict[int, Sample] = OrderedDict()
        self._next_key = 0
        self._in_doubt, self._doubtful_from_ms = True, 0
        self._broken_count = 0
        self._lock = threading.Lock()
        self._recent: deque[CameraState] = deque(maxlen=STEADY_PICTURES)
        self._state: CameraState | None = None
        self._changes: list[CameraStateChanged | ClockOffsetEstimated] = []

    # ---- what any thread may call ---------------------------------------------------------------------------------

    def see(self, packet: Packet) -> None:
        """Afterwards the packet is remembered; of a stream of single pictures, one a slot is."""
        if packet.codec == "mjpeg":
            slot = packet.raw_at_ms // self._slot_ms
            if slot == self._last_slot:
                return
            self._last_slot = slot
        self._ring.add(packet)

    def away(self, detail: str, at_ms: int) -> None:
        """Afterwards the camera is offline, if it was not already, until a later picture is decoded."""
        with self._lock:
            self._next_key = self._ring.count
            self._recent.clear()
            self._change("offline", detail, at_ms)

    @property
    def latest_at_ms(self) -> int | None:
        """Till time of the latest picture; None before the first."""
        latest_ms = self._ring.latest_ms
        return None if latest_ms is None else latest_ms + self.settings.clock_offset_ms

    @property
    def state(self) -> CameraState | None:
        """What was last said of the camera; None before anything was."""
        with self._lock:
            return self._state

    def take_changes(self) -> list[CameraStateChanged | ClockOffsetEstimated]:
        """Returns each change of its state and of its clock once."""
        with self._lock:
            changes, self._changes = self._changes, []
            return changes

    def packets(self, first_ms: int, last_ms: int) -> tuple[Packet, ...]:
        """Returns what the camera sent in a span of till time, from the key picture before it."""
        offset_ms = self.settings.clock_offset_ms
        return self._ring.packets(first_ms - offset_ms, last_ms - offset_ms)

    # ---- around a swipe: the worker's thread alone ----------------------------------------------------------------

    def next_sample(self, after_ms: int, last_ms: int, cell_ms: int) -> Sample | None:
        """Returns the first picture of the next cell of time, later than after_ms and not later than last_ms.

        Cells are the same for all who ask, so overlapping swipes look at the same pictures. None where there is no
        such picture yet, or none will come.
        """
        offset_ms = self.settings.clock_offset_ms
        first_ms, end_ms = after_ms + 1 - offset_ms, last_ms - offset_ms
        for cell in range(first_ms // cell_ms, end_ms // cell_ms + 1):
            raw_at_ms = self._ring.first_between(cell * cell_ms, (cell + 1) * cell_ms)
            if raw_at_ms is None or not first_ms <= raw_at_ms <= end_ms:
                continue
            sample = self._sample_of(raw_at_ms)
            if sample is not None:
                return sample
            if (self._ring.latest_ms or 0) < raw_at_ms + DECODED_WITHIN_MS:
                return None
        return None

    def _sample_of(self, raw_at_ms: int) -> Sample | None:
        sample = self._samples.get(raw_at_ms)
        if sample is not None:
            return sample
        sequence = self._sequence_to(raw_at_ms)
        image = self._decoder.picture_at(raw_at_ms)
        if image is None:
            return None
        judged = sequence.judge(image, raw_at_ms)
        if self._is_doubtful(judged) and not self._in_doubt:
            self._in_doubt, self._doubtful_from_ms = True, raw_at_ms
        sample = self._samples[raw_at_ms] = self._sample(image, raw_at_ms, judged)
        while len(self._samples) > MOST_SAMPLES:
            self._samples.popitem(last=False)
        return sample

    def _sequence_to(self, raw_at_ms: int) -> Judgement:
        """Returns what goes on from the pictures just before this one, else from what was known at rest before it.

        In the second case it has seen one picture more, so that a picture that stands still is known at once.
        """
        near = self._near
        if near is not None and 0 < raw_at_ms - (near.last_raw_ms or 0) <= ONE_SEQUENCE_MS:
            return near
        known = self._at_rest
        if self._earlier is not None and (known.last_raw_ms or 0) > raw_at_ms:
            known = self._earlier
        near = self._near = known.fork()
        before_ms = self._ring.first_between(raw_at_ms - LEAD_IN_MS, raw_at_ms)
        before = None if before_ms is None else self._decoder.picture_at(before_ms)
        if before is not None and before_ms is not None:
            near.judge(before, before_ms)
        return near

    # ---- at rest: the worker's thread alone -----------------------------------------------------------------------

    def next_at_rest(self) -> Sample | None:
        """Returns the next picture that is due, decoded and judged; None when none is, or it is broken.

        That is the next key picture, or one between two of them where the empty counter is being learnt.
        """
        learnt_from = self._next_to_learn() if self.is_learning else None
        if learnt_from is not None:
            return learnt_from
        found = self._key_due()
        if found is None:
            return None
        number, packet = found
        with self._lock:
            self._next_key = max(number + 1, self._next_key)
        image = decode_key(packet)
        if image is None:
            self._count_broken(packet)
            return None
        self._broken_count = 0
        self._forget_other_size(image, packet)
        return self._look_at_rest(image, packet.raw_at_ms)

    @property
    def shows_face(self) -> bool:
        """Whether the last picture that was asked for a face, while the counter was being learnt, showed one."""
        return self._at_rest.saw_face

    @property
    def is_learning(self) -> bool:
        """Whether it is well and its empty counter is not known, so that more than key pictures is worth decoding."""
        at_ms, began_ms = self._at_rest.last_raw_ms, self._learns_from_ms
        if self.state != "ok" or self._at_rest.knows_counter or self._at_rest.saw_face or at_ms is None:
            return False
        if began_ms is None or not 0 <= at_ms - began_ms < max(self._interval_ms, LEARN_FOR_MS):
            began_ms = self._learns_from_ms = at_ms
        return at_ms - began_ms < LEARN_FOR_MS

    @property
    def _is_doubtful_now(self) -> bool:
        return self._in_doubt or self.state in (None, "offline")

    def _next_to_learn(self) -> Sample | None:
        last_ms = self._at_rest.last_raw_ms or 0
        raw_at_ms = self._ring.first_between(last_ms + LEARN_STEP_MS, last_ms + ONE_SEQUENCE_MS)
        image = None if raw_at_ms is None else self._learner.picture_at(raw_at_ms)
        return None if image is None or raw_at_ms is None else self._look_at_rest(image, raw_at_ms)

    def _look_at_rest(self, image: Image, raw_at_ms: int) -> Sample:
        self._keep_earlier(raw_at_ms)
        judged = self._at_rest.judge(image, raw_at_ms)
        with self._lock:
            self._count_towards(judged, image, raw_at_ms + self.settings.clock_offset_ms)
        is_first_of_known = judged.state == "ok" and judged.foreground is None and self._at_rest.knows_counter
        self._in_doubt = self._is_doubtful(judged) or is_first_of_known
        return self._sample(image, raw_at_ms, judged)

    def _key_due(self) -> tuple[int, Packet] | None:
        with self._lock:
            keys = self._ring.keys(self._next_key)
        latest_ms, last_ms = self._ring.latest_ms, self._at_rest.last_raw_ms
        if not keys or latest_ms is None:
            return None
        if last_ms is None or last_ms > latest_ms:
            first_ms = latest_ms - CATCH_UP_MS
        elif self._is_doubtful_now or not self._at_rest.knows_counter:
            step_ms = self._slot_ms if self._is_doubtful_now else FACE_STEP_MS
            first_ms = max(latest_ms - CATCH_UP_MS, last_ms + step_ms, self._doubtful_from_ms)
        elif self._interval_of(latest_ms) > self._interval_of(last_ms):
            first_ms = self._interval_of(latest_ms) * self._interval_ms - self.settings.clock_offset_ms
        else:
            return None
        return next(((number, key) for number, key in keys if key.raw_at_ms >= first_ms), None)

    def _interval_of(self, raw_at_ms: int) -> int:
        return (raw_at_ms + self.settings.clock_offset_ms) // self._interval_ms

    def _count_broken(self, packet: Packet) -> None:
        self._broken_count += 1
        if self._broken_count >= BROKEN_PICTURES:
            at_ms = packet.raw_at_ms + self.settings.clock_offset_ms
            self.away(f"sends pictures that cannot be decoded ({packet.codec})", at_ms)

    def _forget_other_size(self, image: Image, packet: Packet) -> None:
        """Looks anew at a camera whose pictures have another size: the view may be another, too."""
        size, before = (image.shape[1], image.shape[0]), self._at_rest.size
        if before is None or before == size:
            return
        self._at_rest, self._earlier, self._near = Judgement(self.settings, self._engine), None, None
        sizes = " to ".join(f"{width}×{height}" for width, height in (before, size))
        with self._lock:
            self._recent.clear()
            self._state = None  # said also of a camera that was away and is back
            self._change(
                "offline", f"the picture changed from {sizes}", packet.raw_at_ms + self.settings.clock_offset_ms
            )

    def _keep_earlier(self, raw_at_ms: int) -> None:
        """Keeps what was known an interval ago, for a swipe that is heard of late."""
        last_ms = self._earlier.last_raw_ms if self._earlier is not None else None
        if self._at_rest.knows_counter and (last_ms is None or raw_at_ms - last_ms >= self._interval_ms):
            self._earlier = self._at_rest.fork()

    def _sample(self, image: Image, raw_at_ms: int, judged: Judged) -> Sample:
        return Sample(
            at_ms=raw_at_ms + self.settings.clock_offset_ms,
            raw_at_ms=raw_at_ms,
            picture=image,
            state=judged.state,
            foreground=judged.foreground,
            size=(image.shape[1], image.shape[0]),
        )

    def _is_doubtful(self, judged: Judged) -> bool:
        known = "ok" if self.state == "clock_drift" else self.state
        return judged.report.state != known or judged.report.repeated

    # ---- its clock: the worker's thread alone ---------------------------------------------------------------------

    def swiped(self, at_ms: int) -> None:
        """Afterwards a swipe at its till, by the till's clock, tells of its own clock."""
        self._clock.swiped(at_ms)

    def saw_people(self, sample: Sample, people: int | None) -> None:
        """Afterwards what a picture shows tells of its clock, and a correction that follows from it is in force."""
        if people is None:
            return
        at_ms = sample.raw_at_ms + self._configured.clock_offset_ms
        self._clock.saw(at_ms, bool(people))
        found = self._clock.reckoned()
        if found is None or found == self._offset:
            return
        self._offset = found
        offset_ms = self._configured.clock_offset_ms + found.correction_ms
        self.settings = msgspec.structs.replace(self._configured, clock_offset_ms=offset_ms)
        estimate = ClockOffsetEstimated(
            camera_id=self.settings.camera_id,
            offset_ms=self._configured.clock_offset_ms + found.offset_ms,
            error_ms=found.error_ms,
            swipes=found.swipes,
            at_ms=at_ms,
        )
        with self._lock:
            self._changes.append(estimate)

    def _or_clock_drift(self, state: CameraState, detail: str) -> tuple[CameraState, str]:
        offset = self._offset
        if state != "ok" or offset is None or not offset.is_beyond(self._clock_limit_ms):
            return state, detail
        seconds = f"{abs(offset.offset_ms) / 1000:.0f} s {'slow' if offset.offset_ms > 0 else 'fast'}"
        return "clock_drift", f"its clock is {seconds}, ± {offset.error_ms / 1000:.0f} s, by {offset.swipes} swipes"

    # ---- its state ------------------------------------------------------------------------------------------------

    def _count_towards(self, judged: Judged, image: Image, at_ms: int) -> None:
        """Says a change once three pictures in a row agree; the first picture after nothing or `offline` at once."""
        state, detail = self._or_clock_drift(judged.report.state, judged.report.detail)
        self._recent.append(state)
        steady = len(self._recent) == STEADY_PICTURES and len(set(self._recent)) == 1
        if steady or self._state in (None, "offline"):
            self._change(state, detail, at_ms, image)

    def _change(self, state: CameraState, detail: str, at_ms: int, image: Image | None = None) -> None:
        if self._state == state:
            return
        self._state = state
        picture = self._without_faces(image) if image is not None and state not in WITHOUT_PICTURE else None
        self._changes.append(
            CameraStateChanged(
                camera_id=self.settings.camera_id, state=state, detail=detail, at_ms=at_ms, picture=picture
            )
        )

    def _without_faces(self, image: Image) -> bytes:
        inside, outside = faces_by_zone(self._engine, image, None)
        boxes = [with_margin(face.box) for face in (*inside, *outside)]
        return marked_still(image, [], None, self._still_bytes, outside=boxes)

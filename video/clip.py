"""The clip of a swipe: the customer as seen, everybody else's face made unrecognisable, as WebM that browsers play."""

from __future__ import annotations

import contextlib
import io
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from fractions import Fraction

import av
import cv2
import msgspec
import numpy as np
from av.video.frame import VideoFrame
from av.video.stream import VideoStream

from events.errors import InvariantError
from video.decoding import decode_all
from video.engine import BoxXYXY, DetectedFace, Image
from video.messages import CameraState, OriginalCut
from video.original import packets_of
from video.sources.port import Packet, SourceError
from video.still import HIGHLIGHT, frame_face, pixelate, with_margin
from video.tracks import SAME_PLACE, overlap_of

WIDEST_PX = 640
SEARCHED_PX = 480
"""Faces are looked for at this width: of a face that is too small to be found there nobody is recognised."""
FOLLOWED_MS = 600
"""So long a face may be missed and still be the same one by its place."""
GAP_MS = 1_500
"""After so long without a picture the clip is blank: no old picture stands for what the camera did not give."""
SAME_FACE = 0.1
BLANK_GREY = 38
ENCODER = {"deadline": "realtime", "cpu-used": "8", "crf": "20", "g": "25"}
"""libvpx at its quickest and of constant quality; a key picture every 25, for who jumps about in the film."""
MOST_BITS_PER_S = 1_000_000

Detect = Callable[[Image], Sequence[DetectedFace]]
Boxes = tuple[BoxXYXY, ...]


class ClipMade(msgspec.Struct, frozen=True, kw_only=True, tag="clip_made"):
    """The film of a swipe: `pictures` of the camera, one every `step_ms`, those that it did not give left blank.

    Times are the till's, `first_raw_at_ms` is the camera's. `camera_state` is what most of the pictures were. `cpu_ms`
    is the processor time that it took.
    """

    webm: bytes
    settlement_id: str
    camera_id: str
    camera_state: CameraState
    swipe_at_ms: int
    first_at_ms: int
    last_at_ms: int
    first_raw_at_ms: int
    clock_offset_ms: int
    pictures: int
    step_ms: int
    cpu_ms: int


@dataclass(frozen=True, kw_only=True)
class _Wanted:
    """What a clip shows: its span in till time, and a picture every step."""

    first_at_ms: int
    last_at_ms: int
    step_ms: int
    clock_offset_ms: int


@dataclass(frozen=True, kw_only=True)
class Seen:
    """The faces of one picture, and which of them is the customer's, if any is."""

    at_ms: int
    boxes: Boxes
    customer: int | None = None

    @property
    def others(self) -> Boxes:
        """The faces that are hidden."""
        return tuple(box for number, box in enumerate(self.boxes) if number != self.customer)


@dataclass(frozen=True, kw_only=True)
class _Shot:
    """One picture of the clip at the size of the clip; `scale` is that of the camera's picture."""

    at_ms: int
    picture: Image
    scale: float


def make_clip(original: OriginalCut, detect: Detect) -> ClipMade | None:
    """Returns the clip of an original; None where nothing in it can be decoded.

    The picture at time t of the clip is the one of till time `first_at_ms` + t. Whoever is not surely the customer is
    hidden: a face stays in sight only where it was compared, or follows from there picture by picture.

    Raises: InvariantError for an original that does not say what its clip shows.
    """
    began_s, wanted = time.thread_time(), _wanted_of(original)
    shots = _shots_of(original, wanted)
    if not shots:
        return None
    seen = [Seen(at_ms=shot.at_ms, boxes=_faces_in(shot.picture, detect)) for shot in shots]
    known = [(at_ms, _scaled(box, shots[0].scale)) for at_ms, box in original.customer]
    webm = encode_webm(_frames(wanted.step_ms, shots, follow_customer(seen, known)), wanted.step_ms)
    if webm is None:
        return None
    first, last = shots[0], shots[-1]
    return ClipMade(
        webm=webm,
        settlement_id=original.settlement_id,
        camera_id=original.camera_id,
        camera_state=original.camera_state or "ok",
        swipe_at_ms=original.swipe_at_ms,
        first_at_ms=first.at_ms,
        last_at_ms=last.at_ms,
        first_raw_at_ms=first.at_ms - original.clock_offset_ms,
        clock_offset_ms=original.clock_offset_ms,
        pictures=len(shots),
        step_ms=wanted.step_ms,
        cpu_ms=round((time.thread_time() - began_s) * 1_000),
    )


def follow_customer(seen: Sequence[Seen], known: Sequence[tuple[int, BoxXYXY]]) -> list[Seen]:
    """Returns the pictures with the customer's face named: where it is known, and from there on by its place."""
    at = dict(known)
    names = [_same_place(one.boxes, at[one.at_ms]) if one.at_ms in at else None for one in seen]
    for order in (range(len(seen)), range(len(seen) - 1, -1, -1)):
        last: tuple[int, BoxXYXY] | None = None
        for index in order:
            one = seen[index]
            if names[index] is None and last is not None and abs(one.at_ms - last[0]) <= FOLLOWED_MS:
                names[index] = _same_place(one.boxes, last[1])
            number = names[index]
            if number is not None:
                last = (one.at_ms, one.boxes[number])
    return [Seen(at_ms=one.at_ms, boxes=one.boxes, customer=number) for one, number in zip(seen, names, strict=True)]


def hidden_in(seen: Sequence[Seen], index: int) -> list[BoxXYXY]:
    """Returns what is hidden in a picture: its bystanders, and those of its neighbours who were missed in it."""
    one = seen[index]
    hidden = list(one.others)
    for other in seen[max(index - 2, 0) : index + 3]:
        if abs(other.at_ms - one.at_ms) <= FOLLOWED_MS:
            hidden += [box for box in other.others if all(overlap_of(box, each) < SAME_FACE for each in one.boxes)]
    return hidden


def _same_place(boxes: Boxes, place: BoxXYXY) -> int | None:
    overlaps = [overlap_of(box, place) for box in boxes]
    best = max(range(len(boxes)), key=overlaps.__getitem__, default=None)
    return None if best is None or overlaps[best] < SAME_PLACE else best


def _wanted_of(original: OriginalCut) -> _Wanted:
    first_ms, last_ms, step_ms = original.clip_first_at_ms, original.clip_last_at_ms, original.step_ms
    if first_ms is None or last_ms is None or step_ms is None:
        raise InvariantError("the original does not say what its clip shows")
    return _Wanted(first_at_ms=first_ms, last_at_ms=last_ms, step_ms=step_ms, clock_offset_ms=original.clock_offset_ms)


def _shots_of(original: OriginalCut, wanted: _Wanted) -> list[_Shot]:
    """Returns what can be decoded; none of what is no film at all."""
    shots: list[_Shot] = []
    with contextlib.suppress(av.error.FFmpegError, SourceError):
        shots.extend(_shots(packets_of(original), wanted))
    return shots


def _shots(packets: Iterable[Packet], wanted: _Wanted) -> Iterator[_Shot]:
    """Yields the first picture of each step of the camera's time, at one size."""
    size, last_step = None, None
    for frame, decoder in decode_all(packets):
        raw_at_ms = frame.pts or 0
        at_ms, step = raw_at_ms + wanted.clock_offset_ms, raw_at_ms // wanted.step_ms
        if step == last_step or not wanted.first_at_ms <= at_ms <= wanted.last_at_ms:
            continue
        last_step = step
        picture = decoder.picture(frame, WIDEST_PX)
        size = size or (picture.shape[1], picture.shape[0])
        if (picture.shape[1], picture.shape[0]) != size:
            picture = np.asarray(cv2.resize(picture, size, interpolation=cv2.INTER_AREA), dtype=np.uint8)
        yield _Shot(at_ms=at_ms, picture=picture, scale=picture.shape[1] / frame.width)


def _frames(step_ms: int, shots: Sequence[_Shot], seen: Sequence[Seen]) -> Iterator[Image]:
    """Yields one picture a step from the first shot to the last: the latest taken, or a blank one in a gap."""
    number, shown = 0, _marked(shots[0].picture, seen, 0)
    steps = round((shots[-1].at_ms - shots[0].at_ms) / step_ms)
    for step in range(steps + 1):
        due_ms = shots[0].at_ms + step * step_ms
        before = number
        while number + 1 < len(shots) and shots[number + 1].at_ms <= due_ms + step_ms // 2:
            number += 1
        if number != before:
            shown = _marked(shots[number].picture, seen, number)
        is_gap = due_ms - shots[number].at_ms > GAP_MS
        yield np.full_like(shown, BLANK_GREY) if is_gap else shown


def _marked(picture: Image, seen: Sequence[Seen], index: int) -> Image:
    marked = picture.copy()
    for box in hidden_in(seen, index):
        pixelate(marked, with_margin(box))
    number = seen[index].customer
    if number is not None:
        frame_face(marked, seen[index].boxes[number], HIGHLIGHT, 2)
    return marked


def _faces_in(picture: Image, detect: Detect) -> Boxes:
    scale = min(SEARCHED_PX / picture.shape[1], 1.0)
    searched = cv2.resize(picture, None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA) if scale < 1 else picture
    return tuple(_scaled(face.box, 1 / scale) for face in detect(np.asarray(searched, dtype=np.uint8)))


def _scaled(box: BoxXYXY, scale: float) -> BoxXYXY:
    return (box[0] * scale, box[1] * scale, box[2] * scale, box[3] * scale)


def encode_webm(frames: Iterable[Image], step_ms: int) -> bytes | None:
    """Returns the pictures as VP8 in WebM; None without any. The film is only ever in memory, never on a disk."""
    film = io.BytesIO()
    with av.open(film, "w", format="webm") as container:
        stream: VideoStream | None = None
        for number, frame in enumerate(frames):
            if stream is None:
                stream = container.add_stream("libvpx", rate=Fraction(1_000, step_ms), options=ENCODER)
                stream.height, stream.width = frame.shape[:2]
                stream.pix_fmt, stream.bit_rate = "yuv420p", MOST_BITS_PER_S
                stream.codec_context.thread_count = 1
            picture = VideoFrame.from_ndarray(frame, format="bgr24")
            picture.pts, picture.time_base = number, Fraction(step_ms, 1_000)
            container.mux(stream.encode(picture))
        if stream is None:
            return None
        container.mux(stream.encode(None))
    return film.getvalue()

"""The clip of a swipe: the customer as seen, everybody else's face made unrecognisable, as WebM that browsers play."""

from __future__ import annotations

import os
import tempfile
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np

from video.camera import Sample
from video.engine import BoxXYXY, DetectedFace, Image
from video.messages import ClipMade
from video.still import HIGHLIGHT, frame_face, pixelate
from video.tracks import SAME_PLACE, overlap_of

WIDEST_PX = 640
SEARCHED_PX = 480
"""Faces are looked for at this width: of a face that is too small to be found there nobody is recognised."""
FOLLOWED_MS = 600
"""So long a face may be missed and still be the same one by its place."""
GAP_MS = 1_500
"""After so long without a picture the clip is blank: no old picture stands for what the camera did not give."""
SAME_FACE = 0.1
MARGIN_RATIO = 0.2
"""How far beyond its box a face is hidden, of its width and height."""
BLANK_GREY = 38

Detect = Callable[[Image], Sequence[DetectedFace]]
Boxes = tuple[BoxXYXY, ...]


@dataclass(frozen=True, kw_only=True)
class ClipJob:
    """What a clip is made of; `customer` is where the customer's face was seen, in pixels, with till times."""

    settlement_id: str
    swipe_at_ms: int
    camera_id: str
    clock_offset_ms: int
    step_ms: int
    samples: tuple[Sample, ...]
    customer: tuple[tuple[int, BoxXYXY], ...]


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


def make_clip(job: ClipJob, detect: Detect, go_on: Callable[[], bool] = lambda: True) -> ClipMade | None:
    """Returns the clip of a job; None once `go_on` says no, or where there is no picture.

    The picture at time t of the clip is the one of till time `first_at_ms` + t. Whoever is not surely the customer is
    hidden: a face stays in sight only where it was compared, or follows from there picture by picture.
    """
    if not job.samples:
        return None
    scale = min(WIDEST_PX / job.samples[0].size[0], 1.0)
    seen = []
    for sample in job.samples:
        if not go_on():
            return None
        seen.append(Seen(at_ms=sample.at_ms, boxes=_faces_in(_picture(sample, scale), detect)))
    known = [(at_ms, _scaled(box, scale)) for at_ms, box in job.customer]
    webm = encode_webm(_frames(job, scale, follow_customer(seen, known), go_on), job.step_ms)
    if webm is None or not go_on():
        return None
    first, last = job.samples[0], job.samples[-1]
    return ClipMade(
        webm=webm,
        settlement_id=job.settlement_id,
        camera_id=job.camera_id,
        camera_state=Counter(sample.state for sample in job.samples).most_common(1)[0][0],
        swipe_at_ms=job.swipe_at_ms,
        first_at_ms=first.at_ms,
        last_at_ms=last.at_ms,
        first_raw_at_ms=first.raw_at_ms,
        clock_offset_ms=job.clock_offset_ms,
        pictures=len(job.samples),
        step_ms=job.step_ms,
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


def _frames(job: ClipJob, scale: float, seen: Sequence[Seen], go_on: Callable[[], bool]) -> Iterator[Image]:
    """Yields one picture a step from the first sample to the last: the latest taken, or a blank one in a gap."""
    number, shown = 0, _marked(job.samples[0], scale, seen, 0)
    steps = round((job.samples[-1].at_ms - job.samples[0].at_ms) / job.step_ms)
    for step in range(steps + 1):
        if not go_on():
            return
        due_ms = job.samples[0].at_ms + step * job.step_ms
        before = number
        while number + 1 < len(job.samples) and job.samples[number + 1].at_ms <= due_ms + job.step_ms // 2:
            number += 1
        if number != before:
            shown = _marked(job.samples[number], scale, seen, number)
        is_gap = due_ms - job.samples[number].at_ms > GAP_MS
        yield np.full_like(shown, BLANK_GREY) if is_gap else shown


def _marked(sample: Sample, scale: float, seen: Sequence[Seen], index: int) -> Image:
    picture = _picture(sample, scale)
    for box in hidden_in(seen, index):
        pixelate(picture, _with_margin(box))
    number = seen[index].customer
    if number is not None:
        frame_face(picture, seen[index].boxes[number], HIGHLIGHT, 2)
    return picture


def _picture(sample: Sample, scale: float) -> Image:
    image = sample.image()
    size = tuple(max(round(side * scale) // 2 * 2, 2) for side in sample.size)  # encoders want even sides
    if size == sample.size:
        return image
    return np.asarray(cv2.resize(image, size, interpolation=cv2.INTER_AREA), dtype=np.uint8)


def _faces_in(picture: Image, detect: Detect) -> Boxes:
    scale = min(SEARCHED_PX / picture.shape[1], 1.0)
    searched = cv2.resize(picture, None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA) if scale < 1 else picture
    return tuple(_scaled(face.box, 1 / scale) for face in detect(np.asarray(searched, dtype=np.uint8)))


def _scaled(box: BoxXYXY, scale: float) -> BoxXYXY:
    return (box[0] * scale, box[1] * scale, box[2] * scale, box[3] * scale)


def _with_margin(box: BoxXYXY) -> BoxXYXY:
    aside, above = (box[2] - box[0]) * MARGIN_RATIO, (box[3] - box[1]) * MARGIN_RATIO
    return (box[0] - aside, box[1] - above, box[2] + aside, box[3] + above)


def encode_webm(frames: Iterator[Image], step_ms: int) -> bytes | None:
    """Returns the pictures as VP8 in WebM; None without any. The film is only ever in memory, never on a disk.

    OpenCV writes to a path whose ending says the format: a link to a file in memory.
    """
    memory = os.memfd_create("clip")
    try:
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder) / "clip.webm"
            path.symlink_to(f"/proc/self/fd/{memory}")
            _write(path, frames, step_ms)
        return os.pread(memory, os.fstat(memory).st_size, 0) or None
    finally:
        os.close(memory)


def _write(path: Path, frames: Iterator[Image], step_ms: int) -> None:
    writer: cv2.VideoWriter | None = None
    for frame in frames:
        if writer is None:
            size = (frame.shape[1], frame.shape[0])
            code = cv2.VideoWriter.fourcc(*"VP80")
            writer = cv2.VideoWriter(str(path), cv2.CAP_FFMPEG, code, 1_000 / step_ms, size)
        writer.write(frame)
    if writer is not None:
        writer.release()

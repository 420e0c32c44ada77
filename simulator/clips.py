"""Composes simulated counter clips: a drawn counter, and people cut out of photographs who step in, sway and leave.

Nobody in these clips stood at a counter. The room is drawn, the person is a still photograph that is moved; what a
camera adds to a real picture is added too: sensor noise that is new in every frame. So a detector sees real faces, a
moving foreground and a living signal, but no turning heads, no expression and no changing light.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from math import floor, pi, sin
from pathlib import Path

import cv2
import numpy as np
import numpy.typing as npt

from events.errors import ConfigError

Image = npt.NDArray[np.uint8]
Floats = npt.NDArray[np.float32]

STEP_S = 1.0
BEHIND_COUNTER_PX = 8
SHORTEST_VISIT_S = 3.0
NOISE_SIGMA = 2.0
MARGIN_PX = 40
"""Noise tiles are this much larger than the picture, so that each frame can take its own part."""
JPEG_QUALITY = 82
FULL_SHELF_RATIO = 0.85
COUNTER_HEIGHT_RATIO = 0.2
FACE_WIDTH_RATIO = 0.15
"""Width of a standing person's face against the picture's width: 96 px of 640."""


@dataclass(frozen=True)
class Scene:
    """So many seconds of the person in the photograph at the counter, or of an empty counter where it is None.

    The person steps in during the first second and is gone at the end of the last; a visit takes three at least.
    """

    photograph: Path | None
    seconds: float


@dataclass(frozen=True, kw_only=True)
class Person:
    """A cut-out of H×W×4: blue, green and red times alpha, and alpha 0..1; its face's middle and side in pixels."""

    layer: Floats
    face_x: float
    face_y: float
    face_px: float


@dataclass(frozen=True, kw_only=True)
class Room:
    """The empty place in two layers: all of it, and the counter (with its alpha) that stands before everybody."""

    back: Floats
    counter: Floats
    counter_alpha: Floats
    counter_top_px: int


def compose_clip(
    path: Path, scenes: Sequence[Scene], size: tuple[int, int] = (640, 360), fps: int = 10, seed: int = 0
) -> None:
    """Afterwards the file holds the scenes one after another, as an AVI of JPEG frames; same arguments, same frames.

    Args: size is (width, height) in pixels; seed decides the goods on the shelves, the sway and the noise.
    Raises: ConfigError when a photograph cannot be read or shows no face, or a visit is shorter than three seconds.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    part = path.with_name(f".{path.stem}.part.avi")
    writer = cv2.VideoWriter(str(part), cv2.CAP_OPENCV_MJPEG, cv2.VideoWriter.fourcc(*"MJPG"), fps, size)
    if not writer.isOpened():
        raise ConfigError(str(path), "clip", str(size), "OpenCV cannot write a clip here")
    writer.set(cv2.VIDEOWRITER_PROP_QUALITY, JPEG_QUALITY)
    try:
        for frame in compose_frames(scenes, size=size, fps=fps, seed=seed):
            writer.write(frame)
    finally:
        writer.release()
    part.replace(path)


def compose_frames(scenes: Sequence[Scene], *, size: tuple[int, int], fps: int, seed: int) -> Iterator[Image]:
    """Yields the pictures of the scenes, BGR; seconds × fps of each scene, rounded."""
    random = np.random.default_rng(seed)
    room = draw_room(size, random)
    empty = room.back * (1 - room.counter_alpha) + room.counter
    add_noise = sensor_noise(size, random)
    for scene in scenes:
        person = None if scene.photograph is None else cut_out(scene.photograph, size, room.counter_top_px)
        if person is not None and scene.seconds < SHORTEST_VISIT_S:
            raise ConfigError(str(scene.photograph), "seconds", scene.seconds, f"{SHORTEST_VISIT_S} or more")
        walk = _Walk(seconds=scene.seconds, width=size[0], phase=float(random.uniform(0, 2 * pi)))
        for number in range(round(scene.seconds * fps)):
            if person is None:
                yield add_noise(empty)
            else:
                offset = walk.offset(number / fps, person.layer.shape[1])
                yield add_noise(draw_person(room, empty, person, offset))


@dataclass(frozen=True, kw_only=True)
class _Walk:
    """Where a visitor is against the middle of the picture at each moment: in from the left, out to the right."""

    seconds: float
    width: int
    phase: float

    def offset(self, at_s: float, person_width: int) -> tuple[float, float]:
        away = (self.width + person_width) / 2
        sway_x = 4.0 * sin(2 * pi * at_s / 3.1 + self.phase) + 1.5 * sin(2 * pi * at_s / 1.3)
        sway_y = 1.5 * sin(2 * pi * at_s / 2.3 + self.phase)
        missing = max(1 - at_s / STEP_S, 0.0)
        gone = max(1 - (self.seconds - at_s) / STEP_S, 0.0)
        step_bob = 3.0 * abs(sin(2 * pi * at_s * 1.8)) if missing or gone else 0.0
        return sway_x - away * missing**2 + away * gone**2, sway_y - step_bob


def draw_person(room: Room, empty: Floats, person: Person, offset: tuple[float, float]) -> Floats:
    """Returns the room with the person between its back and its counter; only their own part is drawn anew."""
    height, width = empty.shape[:2]
    exact_left = width / 2 - person.face_x + offset[0]
    exact_top = room.counter_top_px - person.layer.shape[0] + BEHIND_COUNTER_PX + offset[1]
    left, top = floor(exact_left), floor(exact_top)
    right, bottom = left + person.layer.shape[1] + 1, top + person.layer.shape[0] + 1
    x0, y0, x1, y1 = max(left, 0), max(top, 0), min(right, width), min(bottom, height)
    picture = empty.copy()
    if x0 >= x1 or y0 >= y1:
        return picture
    shift = np.array([[1, 0, exact_left - left], [0, 1, exact_top - top]], dtype=np.float32)
    moved = np.asarray(cv2.warpAffine(person.layer, shift, (right - left, bottom - top)), dtype=np.float32)
    moved = moved[y0 - top : y1 - top, x0 - left : x1 - left]
    part = room.back[y0:y1, x0:x1] * (1 - moved[:, :, 3:]) + moved[:, :, :3]
    picture[y0:y1, x0:x1] = part * (1 - room.counter_alpha[y0:y1, x0:x1]) + room.counter[y0:y1, x0:x1]
    return picture


def sensor_noise(size: tuple[int, int], random: np.random.Generator) -> Callable[[Floats], Image]:
    """Returns a function that adds sensor noise: of a larger field another part, mirrored or not, in every frame."""
    width, height = size
    field = random.normal(0, NOISE_SIGMA, (height + MARGIN_PX, width + MARGIN_PX, 3)).astype(np.float32)
    fields = [field, cv2.flip(field, 0), cv2.flip(field, 1), cv2.flip(field, -1)]

    def add_noise(picture: Floats) -> Image:
        y, x, turned = (int(value) for value in random.integers(0, (MARGIN_PX, MARGIN_PX, len(fields))))
        noisy = cv2.add(picture, fields[turned][y : y + height, x : x + width])
        return np.clip(noisy, 0, 255, out=noisy).astype(np.uint8)

    return add_noise


# ---- the room -----------------------------------------------------------------------------------------------------


def draw_room(size: tuple[int, int], random: np.random.Generator) -> Room:
    """Returns an empty pharmacy as seen from behind the till: shelves out of focus, the counter in front."""
    width, height = size
    picture = _wall(width, height)
    _draw_shelves(picture, random)
    _draw_sign(picture)
    back = np.asarray(cv2.GaussianBlur(picture, (0, 0), width / 400), dtype=np.float32)
    back *= _light(width, height)
    counter_top = round(height * (1 - COUNTER_HEIGHT_RATIO))
    counter, alpha = _counter(width, height, counter_top)
    return Room(back=back, counter=counter * alpha, counter_alpha=alpha, counter_top_px=counter_top)


def _wall(width: int, height: int) -> Floats:
    down = np.linspace(0, 1, height, dtype=np.float32)[:, None, None]
    top, bottom = np.array([214, 219, 222], np.float32), np.array([176, 186, 194], np.float32)
    wall: Floats = np.repeat(top * (1 - down) + bottom * down, width, axis=1)
    return wall


def _draw_shelves(picture: Floats, random: np.random.Generator) -> None:
    """Draws two racks of three boards with medicine packs, left and right of a gap."""
    height, width = picture.shape[:2]
    palette = [(150, 120, 60), (90, 150, 90), (225, 225, 228), (70, 95, 185), (200, 190, 160), (110, 165, 205)]
    for rack_left, rack_right in ((0.02, 0.36), (0.64, 0.98)):
        left, right = round(rack_left * width), round(rack_right * width)
        cv2.rectangle(picture, (left, round(0.1 * height)), (right, height), (150, 158, 165), -1)
        for board in range(4):
            y = round((0.31 + 0.2 * board) * height)
            _draw_packs(picture, left + 6, right - 6, y, palette, random)
            cv2.rectangle(picture, (left, y), (right, y + max(height // 90, 2)), (222, 226, 228), -1)


def _draw_packs(
    picture: Floats,
    left: int,
    right: int,
    bottom: int,
    palette: list[tuple[int, int, int]],
    random: np.random.Generator,
) -> None:
    height = picture.shape[0]
    x = left
    while x < right - 12:
        pack_width = int(random.integers(round(0.025 * height) + 4, round(0.08 * height) + 6))
        pack_height = int(random.integers(round(0.07 * height), round(0.16 * height)))
        if random.random() < FULL_SHELF_RATIO:
            colour = np.array(palette[int(random.integers(len(palette)))]) * random.uniform(0.8, 1.1)
            end = min(x + pack_width, right)
            box = tuple(int(min(value, 255)) for value in colour)
            cv2.rectangle(picture, (x, bottom - pack_height), (end, bottom), box, -1)
            band = bottom - round(pack_height * float(random.uniform(0.3, 0.7)))
            cv2.rectangle(picture, (x, band), (end, band + max(pack_height // 6, 2)), (236, 238, 240), -1)
            cv2.line(picture, (end, bottom - pack_height), (end, bottom), (120, 125, 130), 1)
        x += pack_width + int(random.integers(1, 5))


def _draw_sign(picture: Floats) -> None:
    """Draws the green cross of a pharmacy over the gap between the racks."""
    height, width = picture.shape[:2]
    x, y, arm, thick = width // 2, round(0.16 * height), round(0.075 * height), round(0.024 * height)
    cv2.rectangle(picture, (x - arm, y - thick), (x + arm, y + thick), (95, 160, 60), -1)
    cv2.rectangle(picture, (x - thick, y - arm), (x + thick, y + arm), (95, 160, 60), -1)


def _light(width: int, height: int) -> Floats:
    """Returns a factor per pixel: a lamp above the middle, darker corners."""
    across = np.linspace(-1, 1, width, dtype=np.float32)[None, :]
    down = np.linspace(0, 1, height, dtype=np.float32)[:, None]
    light: Floats = (1.02 - 0.22 * across**2 - 0.18 * down)[:, :, None].astype(np.float32)
    return light


def _counter(width: int, height: int, top: int) -> tuple[Floats, Floats]:
    """Returns the counter with a card reader on it, and its alpha."""
    colour = np.zeros((height, width, 3), np.float32)
    alpha = np.zeros((height, width, 1), np.float32)
    down = np.linspace(1.05, 0.72, height - top, dtype=np.float32)[:, None, None]
    colour[top:] = np.array([118, 142, 168], np.float32) * down
    cv2.rectangle(colour, (0, top), (width, top + height // 60), (196, 208, 218), -1)
    alpha[top:] = 1
    reader_left, reader_right = round(0.71 * width), round(0.8 * width)
    reader_top = top - round(0.05 * height)
    for layer, value in ((colour, (62, 58, 55)), (alpha, (1,))):
        cv2.rectangle(layer, (reader_left, reader_top), (reader_right, top + height // 20), value, -1)
    inset = max(width // 160, 3)
    screen = (reader_left + inset, reader_top + inset), (reader_right - inset, top + height // 60)
    cv2.rectangle(colour, screen[0], screen[1], (196, 190, 150), -1)
    soft = np.asarray(cv2.GaussianBlur(colour, (0, 0), 0.8), dtype=np.float32)
    return soft, np.asarray(cv2.GaussianBlur(alpha, (0, 0), 0.8), dtype=np.float32)[:, :, None]


# ---- the person ---------------------------------------------------------------------------------------------------


def cut_out(photograph: Path, size: tuple[int, int], counter_top_px: int) -> Person:
    """Returns head and shoulders of the largest face in the photograph, scaled for a picture of this size.

    The face is found with OpenCV's own cascade, not with the engine under test; the outline comes from GrabCut.

    Raises: ConfigError when the file is no picture or shows no face.
    """
    picture = cv2.imread(str(photograph), cv2.IMREAD_COLOR)
    if picture is None:
        raise ConfigError(str(photograph), "photograph", photograph.name, "a readable picture")
    x, y, side = _find_face(np.asarray(picture, dtype=np.uint8), photograph)
    scale = FACE_WIDTH_RATIO * size[0] / (side * 0.78)
    left, right = max(round(x - 1.35 * side), 0), min(round(x + 2.35 * side), picture.shape[1])
    top = max(round(y - 0.55 * side), 0)
    bottom = min(picture.shape[0], top + round((counter_top_px - 0.05 * size[1]) / scale))
    part = cv2.resize(picture[top:bottom, left:right], None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA)
    face = ((x - left) * scale, (y - top) * scale, side * scale)
    alpha = _outline(np.asarray(part, dtype=np.uint8), face)
    layer = np.concatenate([np.asarray(part, dtype=np.float32) * alpha, alpha], axis=2)
    return Person(layer=layer, face_x=face[0] + face[2] / 2, face_y=face[1] + face[2] / 2, face_px=face[2])


def _find_face(picture: Image, photograph: Path) -> tuple[float, float, float]:
    """Returns left, top and side of the square of the face that the cascade is surest of, in pixels."""
    shrink = min(500 / max(picture.shape[:2]), 1.0)
    grey = cv2.cvtColor(cv2.resize(picture, None, fx=shrink, fy=shrink), cv2.COLOR_BGR2GRAY)
    folder = Path(cv2.__file__).parent / "data"
    cascade = cv2.CascadeClassifier(str(folder / "haarcascade_frontalface_default.xml"))
    found, _, sureness = cascade.detectMultiScale3(
        grey, scaleFactor=1.05, minNeighbors=5, minSize=(40, 40), outputRejectLevels=True
    )
    if len(found) == 0:
        raise ConfigError(str(photograph), "photograph", photograph.name, "a picture of one person facing the camera")
    x, y, side, _ = (float(value) for value in found[int(np.argmax(sureness))])
    return x / shrink, y / shrink, side / shrink


def _outline(part: Image, face: tuple[float, float, float]) -> Floats:
    """Returns the alpha (H×W×1) of the person: GrabCut from a head and a torso that are guessed from the face."""
    height, width = part.shape[:2]
    mask = np.full((height, width), cv2.GC_BGD, np.uint8)
    _ellipse(mask, face, (0.3, 0.85, 1.05), cv2.GC_PR_BGD)
    _torso(mask, face, ((0.3, 1.0), (1.2, 1.25), (1.75, 3.5)), cv2.GC_PR_BGD)
    _torso(mask, face, ((0.2, 1.05), (1.15, 1.65), (1.4, 3.5)), cv2.GC_PR_FGD)
    _ellipse(mask, face, (0.42, 0.5, 0.68), cv2.GC_PR_FGD)
    _ellipse(mask, face, (0.44, 0.36, 0.62), cv2.GC_FGD)
    _torso(mask, face, ((0.2, 0.9), (0.65, 1.8), (0.85, 3.5)), cv2.GC_FGD)
    model_back, model_front = np.zeros((1, 65)), np.zeros((1, 65))
    cv2.setRNGSeed(1)
    cv2.grabCut(part, mask, (0, 0, width, height), model_back, model_front, 6, cv2.GC_INIT_WITH_MASK)
    return _soft_largest_part((mask == cv2.GC_FGD) | (mask == cv2.GC_PR_FGD))


def _ellipse(mask: Image, face: tuple[float, float, float], shape: tuple[float, float, float], label: int) -> None:
    """Labels a head; shape is (centre below the square's top, half width, half height) in sides of the square."""
    x, y, side = face
    centre, half_width, half_height = shape
    middle = round(x + side / 2), round(y + centre * side)
    cv2.ellipse(mask, middle, (round(half_width * side), round(half_height * side)), 0, 0, 360, label, -1)


def _torso(mask: Image, face: tuple[float, float, float], half: Sequence[tuple[float, float]], label: int) -> None:
    """Labels neck and shoulders; half is one side's outline as (out from the middle, below the top) in sides."""
    x, y, side = face
    middle = x + side / 2
    right = [(_within(middle + out * side, mask.shape[1], below), y + below * side) for out, below in half]
    left = [(_within(middle - out * side, mask.shape[1], below), y + below * side) for out, below in reversed(half)]
    cv2.fillPoly(mask, [np.array(right + left, dtype=np.int32)], label)


def _within(x: float, width: int, below: float) -> float:
    """Keeps an outline inside a photograph that cuts the shoulders off, slanting outwards like an arm."""
    edge = width * 0.06 * max(2.6 - below, 0.0)
    return min(max(x, edge), width - edge)


def _soft_largest_part(inside: npt.NDArray[np.bool_]) -> Floats:
    """Returns the largest connected part without holes, its edge blended over a few pixels."""
    solid = cv2.morphologyEx(inside.astype(np.uint8), cv2.MORPH_OPEN, np.ones((5, 5), np.uint8))
    solid = cv2.morphologyEx(solid, cv2.MORPH_CLOSE, np.ones((9, 9), np.uint8))
    contours, _ = cv2.findContours(solid, cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_NONE)
    alone = np.zeros_like(solid)
    cv2.drawContours(alone, [max(contours, key=cv2.contourArea)], -1, 1, -1)
    alone = cv2.erode(alone, np.ones((3, 3), np.uint8))
    return np.asarray(cv2.GaussianBlur(alone.astype(np.float32), (0, 0), 1.4), dtype=np.float32)[:, :, None]

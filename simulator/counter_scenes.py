"""What happens at a counter besides visits: lamps, shadows, a door, and people who show no face; each with its truth.

A scene is a drawn room and what is in it at any moment that is asked for, with the noise of a sensor and the sway of
whoever stands there. So the same scene can be looked at five times a second or once in twenty seconds.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import replace
from math import pi, sin
from pathlib import Path
from typing import Literal, get_args

import cv2
import numpy as np

from simulator.clips import Floats, Image, Person, Room, cut_out, draw_person, draw_room, sensor_noise

SceneKind = Literal[
    "empty",
    "lamps_switched",
    "half_the_lamps",
    "moving_shadow",
    "swinging_door",
    "facing",
    "averted",
    "standing_still",
    "half_in_zone",
    "lamps_switched_on_someone",
    "shadow_on_someone",
]
SCENE_KINDS: tuple[SceneKind, ...] = get_args(SceneKind)
WITHOUT_ANYBODY: frozenset[SceneKind] = frozenset(
    {"empty", "lamps_switched", "half_the_lamps", "moving_shadow", "swinging_door"}
)
ZONE = ((0.22, 0.0), (0.85, 0.0), (0.85, 0.85), (0.22, 0.85))
"""The counter zone of these rooms, corners in 0..1; the door's leaf ends a little inside it."""
SWITCH_S = 4.0
LAMPS = ((0.65, 0.5, 0.42), (1.0, 1.0, 1.0), (1.05, 1.25, 1.5))
"""Blue, green and red of the light, in turn: only daylight from outside, the usual lamps, and warm ones besides."""
DOOR_PERIOD_S, DOOR_WIDTH_RATIO = 5.0, 0.27
SHADOW_PERIOD_S, SHADOW_LIGHT = 7.0, 0.55
STILL_SWAY_PX = 1.5
USUAL_SWAY_PX = 4.0


def scene_pictures(
    kind: SceneKind, photograph: Path, times_s: Iterable[float], *, size: tuple[int, int] = (640, 360), seed: int = 0
) -> Iterator[Image]:
    """Yields what the scene shows at these moments, BGR; rooms of one seed are one room.

    Args: photograph is whoever comes, in scenes with somebody; size is (width, height) in pixels.
    Raises: ConfigError when the photograph cannot be read or shows no face.
    """
    random = np.random.default_rng(seed)
    room = draw_room(size, random)
    add_noise = sensor_noise(size, random)
    person = None if kind in WITHOUT_ANYBODY else _person_of(kind, photograph, size, room)
    for at_s in times_s:
        yield add_noise(_lit(kind, _furnished(kind, room, person, at_s), at_s))


def _person_of(kind: SceneKind, photograph: Path, size: tuple[int, int], room: Room) -> Person:
    person = cut_out(photograph, size, room.counter_top_px)
    return person if kind == "facing" else turned_away(person)


def turned_away(person: Person) -> Person:
    """Returns the person with hair where the face was: a back of a head, as a camera sees it."""
    height, width = person.layer.shape[:2]
    mask = np.zeros((height, width), np.float32)
    middle = (round(person.face_x), round(person.face_y - 0.08 * person.face_px))
    cv2.ellipse(mask, middle, (round(0.52 * person.face_px), round(0.68 * person.face_px)), 0, 0, 360, (1,), -1)
    soft = cv2.GaussianBlur(mask, (0, 0), person.face_px / 25)[:, :, None]
    strands = cv2.GaussianBlur(np.random.default_rng(1).normal(0, 60, (height, width)), (0, 0), sigmaX=1, sigmaY=6)
    hair = np.array([38, 46, 58], np.float32) + strands[:, :, None].astype(np.float32)
    layer = person.layer.copy()
    layer[:, :, :3] += soft * (hair * layer[:, :, 3:] - layer[:, :, :3])
    return replace(person, layer=np.asarray(np.clip(layer, 0, 255), dtype=np.float32))


def _furnished(kind: SceneKind, room: Room, person: Person | None, at_s: float) -> Floats:
    empty = room.back * (1 - room.counter_alpha) + room.counter
    if kind == "swinging_door":
        return _with_door(empty, DOOR_WIDTH_RATIO * abs(sin(pi * at_s / DOOR_PERIOD_S)))
    if person is None:
        return empty
    sway_px = STILL_SWAY_PX if kind == "standing_still" else USUAL_SWAY_PX
    aside_px = -0.28 * empty.shape[1] if kind == "half_in_zone" else 0.0
    offset = aside_px + sway_px * sin(2 * pi * at_s / 3.1), 0.4 * sway_px * sin(2 * pi * at_s / 2.3)
    return draw_person(room, empty, person, offset)


def _with_door(empty: Floats, open_ratio: float) -> Floats:
    """Returns the room with a door's leaf, hinged at the left edge, that reaches so far into the picture."""
    height, width = empty.shape[:2]
    reach = round(open_ratio * width)
    picture = empty.copy()
    if reach < width // 80:
        return picture
    leaf = np.full((height, 120, 3), (72, 96, 128), np.float32)
    cv2.rectangle(leaf, (18, height // 9), (102, round(0.45 * height)), (205, 200, 190), -1)
    cv2.rectangle(leaf, (100, height // 2), (112, height // 2 + height // 20), (210, 210, 210), -1)
    seen = np.asarray(cv2.resize(leaf, (reach, height), interpolation=cv2.INTER_AREA), dtype=np.float32)
    picture[:, :reach] = seen
    return picture


def _lit(kind: SceneKind, picture: Floats, at_s: float) -> Floats:
    """Returns the picture in the light of the moment; every `SWITCH_S` a lamp is switched."""
    lamps = np.array(LAMPS[int(at_s / SWITCH_S) % len(LAMPS)], np.float32)
    if kind in {"lamps_switched", "lamps_switched_on_someone"}:
        return picture * lamps
    if kind == "half_the_lamps":
        across = np.linspace(-4, 4, picture.shape[1], dtype=np.float32)[None, :, None]
        return np.asarray(picture * (1 + (lamps - 1) / (1 + np.exp(-across))), dtype=np.float32)
    if kind in {"moving_shadow", "shadow_on_someone"}:
        return picture * _shadow(picture.shape[1], picture.shape[0], at_s / SHADOW_PERIOD_S % 1)
    return picture


def _shadow(width: int, height: int, way: float) -> Floats:
    """Returns a factor per pixel: the shadow of somebody outside, a third of the picture wide, on its way across."""
    shade = np.ones((height, width), np.float32)
    left = (1.4 * way - 0.35) * width
    outline = [(left, height), (left + 0.1 * width, 0.25 * height), (left + 0.25 * width, 0.2 * height)]
    outline.append((left + 0.32 * width, height))
    cv2.fillPoly(shade, [np.array(outline, dtype=np.int32)], (SHADOW_LIGHT,))
    soft: Floats = np.asarray(cv2.GaussianBlur(shade, (0, 0), width / 160), dtype=np.float32)[:, :, None]
    return soft

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

import cv2
import numpy as np
import pytest

from simulator.counter_scenes import WITHOUT_ANYBODY, ZONE, SceneKind, scene_pictures
from video.engine import Image
from video.presence import CounterBackground, in_zone, zone_mask

VISITOR = 40


def _nobody() -> bool:
    return False


def _learnt(frames: Sequence[Image], zone: Sequence[tuple[float, float]] | None = None) -> CounterBackground:
    background = CounterBackground(zone)
    for number, frame in enumerate(frames[:18]):
        background.see(frame, 200 * number, _nobody)
    assert background.see(frames[17], 3_600, _nobody).known
    return background


@pytest.fixture(scope="module")
def empty(counter_frames):
    return counter_frames(None)


@pytest.fixture(scope="module")
def visit(counter_frames):
    return counter_frames("obama.jpg")


def test_an_empty_counter_stays_empty_through_sensor_noise(empty):
    background = _learnt(empty)
    seen = [background.see(frame, 4_000 + 200 * number, _nobody) for number, frame in enumerate(empty)]
    assert not any(one.present for one in seen)
    assert max(one.ratio for one in seen) < 0.005


def test_somebody_stepping_in_is_foreground_before_the_face_is_seen(visit):
    background = _learnt(visit)
    seen = [background.see(frame, 4_000 + 200 * number, _nobody).present for number, frame in enumerate(visit[18:50])]
    assert seen[3:] == [True] * len(seen[3:])


def test_a_person_who_stands_still_for_a_minute_is_not_absorbed(empty, visit):
    background = _learnt(empty)
    noise = np.random.default_rng(2)
    still = visit[VISITOR].astype(np.int16)
    field = noise.normal(0, 2, still.shape).astype(np.int16)
    for second in range(61):
        picture = np.clip(still + np.roll(field, int(noise.integers(500)), axis=1), 0, 255).astype(np.uint8)
        assert background.see(picture, 4_000 + 1_000 * second, _nobody).present
    assert not background.see(empty[20], 66_000, _nobody).present


def test_a_person_whose_face_shows_is_never_absorbed(empty, visit):
    background = _learnt(empty)
    for minute in range(15):
        assert background.see(visit[VISITOR], 4_000 + 60_000 * minute, lambda: True).present


def test_a_thing_put_down_becomes_background_after_half_an_hour(empty):
    background = _learnt(empty)
    boxes = [frame.copy() for frame in empty]
    for frame in boxes:
        cv2.rectangle(frame, (60, 200), (200, 300), (40, 60, 90), -1)
    said = [background.see(boxes[n % 50], 4_000 + 20_000 * n, _nobody).present for n in range(100)]
    assert said == [True] * 91 + [False] * 9


def _scene(kind: SceneKind, photographs: Path, times_s: Iterable[float]) -> Iterator[Image]:
    return scene_pictures(kind, photographs / "biden.jpg", times_s, size=(320, 180))


def _rest(kind: SceneKind, photographs: Path, minutes: float) -> tuple[Iterator[Image], list[int]]:
    """The scene as it is seen at rest, about once in twenty seconds, and the times of its pictures."""
    times_s = np.arange(10, 10 + 60 * minutes, 19.3)
    return _scene(kind, photographs, times_s), [round(1_000 * at_s) for at_s in times_s]


def _knows_the_room(photographs: Path) -> CounterBackground:
    background = CounterBackground(ZONE)
    for number, frame in enumerate(_scene("empty", photographs, np.arange(0, 4, 0.2))):
        background.see(frame, 200 * number, _nobody)
    assert not background.wants_pictures
    return background


@pytest.mark.parametrize("kind", sorted(WITHOUT_ANYBODY))
def test_lamps_shadows_and_a_door_beside_the_zone_are_nobody(photographs, kind):
    background = _knows_the_room(photographs)
    moments = np.arange(0, 14, 0.7)
    often = [
        background.see(frame, 5_000 + round(1_000 * at_s), _nobody).present
        for at_s, frame in zip(moments, _scene(kind, photographs, moments), strict=True)
    ]
    pictures, times_ms = _rest(kind, photographs, minutes=5)
    at_rest = [
        background.see(frame, 20_000 + at_ms, _nobody).present for at_ms, frame in zip(times_ms, pictures, strict=True)
    ]
    assert (sum(often), sum(at_rest)) == (0, 0)


@pytest.mark.parametrize("kind", ["averted", "half_in_zone", "lamps_switched_on_someone", "shadow_on_someone"])
def test_who_shows_no_face_is_somebody(photographs, kind):
    background = _knows_the_room(photographs)
    pictures, times_ms = _rest(kind, photographs, minutes=4)
    for at_ms, frame in zip(times_ms, pictures, strict=True):
        assert background.see(frame, at_ms, _nobody).present


def test_who_stands_still_for_forty_minutes_is_still_somebody(photographs):
    background = _knows_the_room(photographs)
    pictures, times_ms = _rest("standing_still", photographs, minutes=40)
    for at_ms, frame in zip(times_ms, pictures, strict=True):
        assert background.see(frame, at_ms, _nobody).present


def test_the_empty_place_is_learnt_from_sparse_pictures_too(photographs):
    background = CounterBackground(ZONE)
    pictures, times_ms = _rest("empty", photographs, minutes=5)
    known = [background.see(frame, at_ms, _nobody).known for at_ms, frame in zip(times_ms, pictures, strict=True)]
    assert (known[0], known[-1], background.wants_pictures) == (False, True, False)


def test_the_empty_place_is_not_learnt_while_somebody_without_a_face_sways_there(photographs):
    background = CounterBackground(ZONE)
    moments = np.arange(0, 8, 0.2)
    for at_s, frame in zip(moments, _scene("averted", photographs, moments), strict=True):
        assert not background.see(frame, round(1_000 * at_s), _nobody).known
    empty = enumerate(_scene("empty", photographs, np.arange(0, 8, 0.2)))
    seen = [background.see(frame, 8_000 + 200 * number, _nobody) for number, frame in empty]
    assert (seen[-1].known, seen[-1].present) == (True, False)


def test_a_clip_that_starts_with_a_face_is_learnt_once_it_has_gone(empty, visit):
    background = CounterBackground()
    for number, frame in enumerate(visit[26:56]):
        assert not background.see(frame, 200 * number, lambda: True).known
    for number, frame in enumerate(empty[:20]):
        background.see(frame, 7_000 + 200 * number, _nobody)
    assert not background.see(empty[21], 12_000, _nobody).present
    assert background.see(visit[VISITOR], 12_200, _nobody).present


def _living(picture: Image, count: int) -> Iterator[Image]:
    """The picture again and again, with a sensor's noise and nothing else that is new."""
    noise = np.random.default_rng(3)
    for _ in range(count):
        yield np.clip(picture + noise.normal(0, 2, picture.shape), 0, 255).astype(np.uint8)


def test_who_does_not_stir_at_the_start_leaves_a_place_that_counts_as_somebody(empty, visit):
    background = CounterBackground()
    for number, frame in enumerate(_living(visit[30], 20)):
        background.see(frame, 200 * number, _nobody)
    assert background.see(empty[0], 6_000, _nobody).present


def test_dimmed_light_is_not_a_person_and_a_person_in_dimmed_light_is(empty, visit):
    background = _learnt(empty)
    dim = [(frame * 0.75).astype(np.uint8) for frame in (empty[20], visit[VISITOR])]
    assert [background.see(frame, 5_000 + n, _nobody).present for n, frame in enumerate(dim)] == [False, True]


def test_a_slow_sunset_is_followed(empty):
    background = _learnt(empty)
    for number in range(0, 200, 4):
        picture = (empty[number % 50] * (1 - 0.002 * number)).astype(np.uint8)
        assert not background.see(picture, 4_000 + 1_000 * number, _nobody).present


def test_only_the_zone_counts(empty, visit):
    corner = ((0.0, 0.0), (0.12, 0.0), (0.12, 1.0), (0.0, 1.0))
    assert not _learnt(empty, corner).see(visit[VISITOR], 5_000, _nobody).present
    middle = ((0.3, 0.0), (0.7, 0.0), (0.7, 1.0), (0.3, 1.0))
    assert _learnt(empty, middle).see(visit[VISITOR], 5_000, _nobody).present


def test_a_zone_covers_its_part_of_the_picture():
    half = ((0.0, 0.0), (0.5, 0.0), (0.5, 1.0), (0.0, 1.0))
    assert zone_mask(half, (100, 50)).mean() == pytest.approx(0.5, abs=0.02)
    assert zone_mask(None, (100, 50)).all()
    assert [in_zone(point, half) for point in ((0.2, 0.5), (0.5, 0.5), (0.7, 0.5))] == [True, True, False]

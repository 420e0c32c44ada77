from __future__ import annotations

from collections.abc import Sequence

import cv2
import numpy as np
import pytest

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


def test_a_thing_put_down_becomes_background_after_five_minutes(empty):
    background = _learnt(empty)
    boxes = [frame.copy() for frame in empty]
    for frame in boxes:
        cv2.rectangle(frame, (60, 200), (200, 300), (40, 60, 90), -1)
    assert background.see(boxes[0], 4_000, _nobody).present
    assert background.see(boxes[1], 120_000, _nobody).present
    background.see(boxes[2], 305_000, _nobody)
    for number, frame in enumerate(boxes[:20]):
        background.see(frame, 306_000 + 200 * number, _nobody)
    seen = background.see(boxes[21], 311_000, _nobody)
    assert (seen.known, seen.present) == (True, False)


def test_a_clip_that_starts_with_a_face_is_learnt_once_it_has_gone(empty, visit):
    background = CounterBackground()
    for number, frame in enumerate(visit[26:56]):
        assert not background.see(frame, 200 * number, lambda: True).known
    for number, frame in enumerate(empty[:20]):
        background.see(frame, 7_000 + 200 * number, _nobody)
    assert not background.see(empty[21], 12_000, _nobody).present
    assert background.see(visit[VISITOR], 12_200, _nobody).present


def test_a_clip_that_starts_with_somebody_unseen_says_somebody_too_often_never_nobody(empty, visit):
    background = CounterBackground()
    for number, frame in enumerate(visit[30:52]):
        background.see(frame, 200 * number, _nobody)
    assert background.see(empty[0], 6_000, _nobody).present


def test_dimmed_light_is_not_a_person_and_a_person_in_dimmed_light_is(empty, visit):
    background = _learnt(empty)
    dim = [(frame * 0.75).astype(np.uint8) for frame in (empty[20], visit[VISITOR])]
    assert [background.see(frame, 5_000 + n, _nobody).present for n, frame in enumerate(dim)] == [False, True]


def test_a_slow_sunset_is_followed(empty):
    background = _learnt(empty)
    for number in range(200):
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

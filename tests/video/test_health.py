from __future__ import annotations

from collections.abc import Iterable

import cv2
import numpy as np
import pytest

from video.engine import Image
from video.health import CameraHealth


def _say(health: CameraHealth, pictures: Iterable[Image]) -> list[str]:
    return [health.judge(picture, 200 * number).state for number, picture in enumerate(pictures)]


@pytest.fixture(scope="module")
def empty(counter_frames):
    return counter_frames(None)[:30]


def test_a_living_counter_is_well(counter_frames):
    assert set(_say(CameraHealth(), counter_frames("obama.jpg"))) == {"ok"}


def test_a_black_picture_is_dark_without_any_history():
    black = np.random.default_rng(0).integers(0, 8, (360, 640, 3)).astype(np.uint8)
    assert _say(CameraHealth(), [black]) == ["dark"]


def test_a_picture_far_darker_than_usual_is_dark(empty):
    health = CameraHealth()
    _say(health, empty)
    dusk = (empty[0] * 0.28).astype(np.uint8)
    assert dusk.mean() > 40
    assert health.judge(dusk, 10_000).state == "dark"
    assert CameraHealth().judge(dusk, 0).state == "ok"


def test_a_hand_before_the_lens_covers_it(empty):
    health = CameraHealth()
    _say(health, empty)
    hand = np.random.default_rng(0).normal(90, 3, empty[0].shape).astype(np.uint8)
    assert health.judge(hand, 10_000).state == "covered"
    assert CameraHealth().judge(hand, 0).state == "covered"


def test_a_blurred_lens_is_covered_against_its_history(empty):
    health = CameraHealth()
    _say(health, empty)
    smeared = np.asarray(cv2.GaussianBlur(empty[0], (0, 0), 25), dtype=np.uint8)
    assert health.judge(smeared, 10_000).state == "covered"


def test_identical_pictures_are_frozen_after_three_seconds_and_repeated_at_once(empty):
    health = CameraHealth()
    _say(health, empty[:5])
    reports = [health.judge(empty[5], 1_000 + 200 * number) for number in range(20)]
    assert [report.repeated for report in reports] == [False] + [True] * 19
    assert [report.state for report in reports] == ["ok"] * 15 + ["frozen"] * 5


def test_a_camera_that_moves_again_is_well_at_once(empty):
    health = CameraHealth()
    _say(health, [empty[0]] * 25)
    assert health.judge(empty[1], 6_000).state == "ok"


def test_the_noise_of_a_sensor_is_enough_to_live(empty):
    noise = np.random.default_rng(1)
    base = empty[0].astype(np.int16)
    pictures = [np.clip(base + noise.integers(-2, 3, base.shape), 0, 255).astype(np.uint8) for _ in range(20)]
    assert set(_say(CameraHealth(), pictures)) == {"ok"}

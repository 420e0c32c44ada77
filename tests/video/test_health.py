from __future__ import annotations

from collections.abc import Iterable

import cv2
import numpy as np
import pytest

from simulator.camera_faults import covered, darkened, defocused, shifted, turned
from video.engine import Image
from video.health import CameraHealth

AT_REST_MS = 20_000


def _say(health: CameraHealth, pictures: Iterable[Image], step_ms: int = 200) -> list[str]:
    return [health.judge(picture, step_ms * number).state for number, picture in enumerate(pictures)]


@pytest.fixture(scope="module")
def empty(counter_frames):
    return counter_frames(None)[:30]


@pytest.fixture(scope="module")
def visit(counter_frames):
    return counter_frames("obama.jpg")


@pytest.fixture
def known(visit):
    """A camera that has been watched for five minutes, a picture in twenty seconds, some with a customer."""
    health = CameraHealth()
    assert set(_say(health, visit[::4], AT_REST_MS)) == {"ok"}
    return health


def test_a_living_counter_is_well(visit):
    assert set(_say(CameraHealth(), visit)) == {"ok"}


def test_a_black_picture_is_dark_without_any_history():
    black = np.random.default_rng(0).integers(0, 8, (360, 640, 3)).astype(np.uint8)
    assert _say(CameraHealth(), [black]) == ["dark"]


def test_a_picture_far_darker_than_usual_is_dark_and_one_of_another_camera_is_not(known, empty):
    dusk = darkened(empty[0], 0.28)
    assert dusk.mean() > 40
    report = known.judge(dusk, 400_000)
    assert (report.state, report.detail) == ("dark", "mean grey 43, usually 144")
    assert CameraHealth().judge(dusk, 0).state == "ok"


def test_light_that_stays_low_but_not_black_becomes_usual(known, empty):
    said = [known.judge(darkened(frame, 0.28), 400_000 + 20_000 * n).state for n, frame in enumerate(empty)]
    assert (said[0], said[-1]) == ("dark", "ok")


def test_a_hand_before_the_lens_covers_it(known, empty):
    assert known.judge(covered(empty[0]), 400_000).state == "covered"
    assert known.judge(covered(empty[0], part=0.85), 420_000).state == "covered"
    flat = np.random.default_rng(0).normal(90, 3, empty[0].shape).astype(np.uint8)
    assert CameraHealth().judge(flat, 0).state == "covered"


@pytest.mark.parametrize("blur_ratio", [0.006, 0.012, 0.04])
def test_a_lens_out_of_focus_is_not_called_covered(known, empty, blur_ratio):
    report = known.judge(defocused(empty[0], blur_ratio), 400_000)
    assert report.state == "defocused"
    assert report.detail.endswith("% of the view has lost its fine detail")


@pytest.mark.parametrize("right_ratio", [0.03, 0.1, 0.3])
def test_a_pushed_camera_is_moved_by_so_much_whoever_stands_there(known, visit, right_ratio):
    for number in (5, 40):
        report = known.judge(shifted(visit[number], right_ratio), 400_000)
        assert (report.state, report.detail) == ("moved", f"the view is shifted by {right_ratio:.0%} of its width")


@pytest.mark.parametrize("degrees", [4, 10, 180])
def test_a_turned_camera_is_moved(known, visit, degrees):
    assert known.judge(turned(visit[40], degrees), 400_000).state == "moved"


def test_a_mount_that_trembles_has_not_moved(known, visit):
    said = {known.judge(shifted(visit[40], x, y), 400_000).state for x in (-0.003, 0.003) for y in (-0.003, 0.0)}
    assert said == {"ok"}


def test_neither_a_lamp_nor_a_customer_is_a_fault_of_the_camera(known, visit):
    across = np.linspace(0.4, 1.1, 640)[None, :, None]
    for factor in (0.5, 1.4, across):
        lit = np.clip(visit[40] * factor, 0, 255).astype(np.uint8)
        assert known.judge(lit, 400_000).state == "ok"


def test_a_moved_camera_stays_moved_until_it_is_turned_back(known, visit):
    aside = [shifted(frame, 0.1) for frame in visit[:30]]
    said = [known.judge(frame, 400_000 + AT_REST_MS * number).state for number, frame in enumerate(aside)]
    assert set(said) == {"moved"}
    assert known.judge(visit[40], 1_200_000).state == "ok"


def test_shelves_that_are_filled_anew_bit_by_bit_are_followed(known, empty):
    for board in range(8):
        for number in range(12):
            frame = empty[number].copy()
            for done in range(board + 1):
                left = 10 + 78 * done
                cv2.rectangle(frame, (left, 60), (left + 40, 200), (20, 30 + 20 * done, 160), -1)
            at_ms = 400_000 + (board * 12 + number) * AT_REST_MS
            assert known.judge(frame, at_ms).state == "ok", board


def test_nothing_is_said_of_a_scene_that_is_not_known_yet(empty, visit):
    health = CameraHealth()
    assert set(_say(health, [empty[0], empty[1], empty[2]], AT_REST_MS)) == {"ok"}
    assert health.judge(turned(visit[40], 90), 60_000).state == "ok"


def test_identical_pictures_are_frozen_after_three_seconds_and_repeated_at_once(empty):
    health = CameraHealth()
    _say(health, empty[:5])
    reports = [health.judge(empty[5], 1_000 + 200 * number) for number in range(20)]
    assert [report.repeated for report in reports] == [False] + [True] * 19
    assert [report.state for report in reports] == ["ok"] * 15 + ["frozen"] * 5
    assert reports[-1].detail == "the same picture 20 times in 4 s"


def test_seen_every_twenty_seconds_the_third_same_picture_is_frozen(empty):
    assert _say(CameraHealth(), [empty[0]] * 4, AT_REST_MS) == ["ok", "ok", "frozen", "frozen"]


def test_a_camera_that_moves_again_is_well_at_once(empty):
    health = CameraHealth()
    _say(health, [empty[0]] * 25)
    assert health.judge(empty[1], 6_000).state == "ok"


def test_the_noise_of_a_sensor_is_enough_to_live(empty):
    noise = np.random.default_rng(1)
    base = empty[0].astype(np.int16)
    pictures = [np.clip(base + noise.integers(-2, 3, base.shape), 0, 255).astype(np.uint8) for _ in range(20)]
    assert set(_say(CameraHealth(), pictures)) == {"ok"}

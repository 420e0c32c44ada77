from __future__ import annotations

from dataclasses import replace

import cv2
import numpy as np
import pytest

from video.engine import FaceEngine, Image
from video.evaluation.degraded import Degrading, degradings
from video.evaluation.folder import read_picture
from video.quality import FaceQuality, judge_face

VISITOR = 40


@pytest.fixture(scope="module")
def picture(counter_frames):
    return counter_frames("biden.jpg")[VISITOR]


def _judge(sface: FaceEngine, picture: Image) -> FaceQuality:
    return judge_face(picture, sface.detect(picture)[0])


def test_a_plain_view_is_usable_and_worth_more_than_half(sface, picture):
    quality = _judge(sface, picture)
    assert quality.usable
    assert quality.score >= 0.6


@pytest.mark.parametrize(
    ("spoil", "problem"),
    [
        (lambda frame: cv2.resize(frame, None, fx=0.3, fy=0.3, interpolation=cv2.INTER_AREA), "too_small"),
        (lambda frame: cv2.GaussianBlur(frame, (0, 0), 5), "blurred"),
        (lambda frame: (frame * 0.2).astype(np.uint8), "too_dark"),
        (lambda frame: np.clip(frame * 2.5 + 110.0, 0, 255).astype(np.uint8), "too_bright"),
    ],
)
def test_a_spoilt_view_is_unusable_and_says_why(spoil, problem, sface, picture):
    spoilt = np.asarray(spoil(picture), dtype=np.uint8)
    face = sface.detect(picture if spoilt.shape == picture.shape else spoilt)[0]
    quality = judge_face(spoilt, face)
    assert problem in quality.problems
    assert quality.score < 0.3


@pytest.mark.parametrize("name", ["blue mask", "white mask", "black mask", "sunglasses"])
@pytest.mark.parametrize("width_px", [48, 95, 160])
def test_a_covered_face_is_unusable(name, width_px, sface, photographs):
    photograph = read_picture(photographs / "biden.jpg")
    face = sface.detect(photograph)[0]
    (cover,) = (way.cover for way in degradings() if way.name == name)
    far = Degrading(name=name, width_px=width_px, cover=cover).take(photograph, face, np.random.default_rng(3))
    assert _judge(sface, far).problems == ("covered",)
    bare = Degrading(name="bare", width_px=width_px).take(photograph, face, np.random.default_rng(3))
    assert _judge(sface, bare).usable


@pytest.mark.parametrize("name", ["obama.jpg", "obama2.jpg", "obama3.jpg", "biden.jpg", "astronaut.png"])
@pytest.mark.parametrize("grey", [45, 60, 160])
def test_a_bare_face_is_not_covered_in_any_light(name, grey, sface, photographs):
    photograph = read_picture(photographs / name)
    face = sface.detect(photograph)[0]
    seen = Degrading(name="lit", width_px=80, face_grey=grey).take(photograph, face, np.random.default_rng(4))
    assert "covered" not in _judge(sface, seen).problems


def test_a_dark_beard_covers_nothing(sface, photographs):
    """Darker than anything under the eyes, but with a mouth in it."""
    photograph = read_picture(photographs / "biden.jpg")
    face = sface.detect(photograph)[0]
    bearded = photograph.astype(np.float32)
    shade = np.ones(photograph.shape[:2], dtype=np.float32)
    (left, mouth_y), (right, _) = face.landmarks[3:]
    middle, half = ((left + right) / 2, mouth_y), (right - left) / 2
    cv2.ellipse(shade, (round(middle[0]), round(middle[1])), (round(half * 2), round(half * 1.9)), 0, 0, 360, 0.3, -1)
    cv2.ellipse(shade, (round(middle[0]), round(middle[1])), (round(half), round(half * 0.35)), 0, 0, 360, 1.0, -1)
    bearded *= cv2.GaussianBlur(shade, (0, 0), 2)[:, :, None]
    assert "covered" not in judge_face(bearded.astype(np.uint8), face).problems


def test_half_a_face_at_the_edge_is_cut_off(sface, picture):
    face = sface.detect(picture)[0]
    middle = round((face.box[0] + face.box[2]) / 2)
    assert judge_face(np.ascontiguousarray(picture[:, :middle]), face).problems == ("cut_off",)


def test_a_nose_beside_an_eye_is_turned_away(sface, picture):
    face = sface.detect(picture)[0]
    points = list(face.landmarks)
    points[2] = (points[1][0], points[2][1])
    turned = replace(face, landmarks=tuple(points))
    assert "turned_away" in judge_face(picture, turned).problems
    assert judge_face(picture, turned).score < judge_face(picture, face).score


def test_a_nearer_face_is_worth_more(sface, picture):
    far = np.asarray(cv2.resize(picture, None, fx=0.5, fy=0.5, interpolation=cv2.INTER_AREA), dtype=np.uint8)
    assert _judge(sface, far).score < _judge(sface, picture).score


def test_forty_pixels_are_the_least(sface, picture):
    face = sface.detect(picture)[0]
    assert judge_face(picture, face, min_face_px=face.width_px).usable
    assert "too_small" in judge_face(picture, face, min_face_px=face.width_px + 0.1).problems

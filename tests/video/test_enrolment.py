from __future__ import annotations

import cv2
import numpy as np
import pytest

from video.engine import Image
from video.enrolment import ADVICE, PhotoRefused, Reference, embed_photo


def _png(picture: Image) -> bytes:
    return cv2.imencode(".png", np.asarray(picture, dtype=np.uint8))[1].tobytes()


@pytest.fixture(scope="module")
def astronaut(photographs):
    return np.asarray(cv2.imread(str(photographs / "astronaut.png")), dtype=np.uint8)


def test_a_good_photograph_becomes_a_reference(sface, photographs, reference_of):
    reference = embed_photo(sface, (photographs / "obama.jpg").read_bytes())
    assert isinstance(reference, Reference)
    assert (reference.engine, reference.engine_version) == ("sface", sface.version)
    assert reference.quality >= 0.5
    assert float(reference.embedding @ reference_of(sface, "obama2.jpg")[0]) >= sface.thresholds.match


def test_the_second_engine_may_use_the_first_ones_eyes(sface, dlib, astronaut):
    reference = embed_photo(dlib, _png(astronaut), finder=sface)
    assert isinstance(reference, Reference)
    assert reference.engine == "dlib"


@pytest.mark.parametrize(
    ("spoil", "reason"),
    [
        (lambda picture: picture[250:], "no_face"),
        (lambda picture: np.hstack([picture, picture]), "several_faces"),
        (lambda picture: cv2.resize(picture, None, fx=0.5, fy=0.5, interpolation=cv2.INTER_AREA), "too_small"),
        (lambda picture: picture * 0.12, "too_dark"),
        (lambda picture: cv2.GaussianBlur(picture, (0, 0), 5), "blurred"),
    ],
)
def test_a_poor_photograph_is_refused_with_advice(spoil, reason, sface, astronaut):
    refused = embed_photo(sface, _png(spoil(astronaut)))
    assert isinstance(refused, PhotoRefused)
    assert reason in refused.reasons
    assert ADVICE[reason] in refused.advice


@pytest.mark.parametrize("content", [b"", b"not a picture", b"\x89PNG\r\n\x1a\n" + b"\0" * 50])
def test_what_is_no_picture_is_refused(content, sface):
    assert embed_photo(sface, content) == PhotoRefused(reasons=("not_a_picture",))


def test_a_small_face_in_the_background_does_not_matter(sface, astronaut):
    scene = np.asarray(cv2.resize(astronaut, None, fx=2, fy=2), dtype=np.uint8)
    scene[-150:, :150] = cv2.resize(astronaut[40:240, 120:320], (150, 150))
    assert isinstance(embed_photo(sface, _png(scene)), Reference)

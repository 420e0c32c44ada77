from __future__ import annotations

from io import BytesIO

import pytest
from PIL import Image

from tests.web.world import counter_jpeg, observation_bytes
from web.observations import Observation, observation_of
from web.pictures import blurred_still


def observation(**changes: object) -> Observation:
    found = observation_of(observation_bytes("fo-1", "S1", 1_790_000_000_000, **changes))
    assert found is not None
    return found


@pytest.fixture
def face() -> bytes:
    return counter_jpeg()


def is_recognisable(jpeg: bytes) -> bool:
    """Whether the drawn eyes (dark on light at known places) are still there."""
    return all(colour_at(jpeg, (x, 114))[0] < 60 for x in (283, 317))


def colour_at(jpeg: bytes, point: tuple[int, int]) -> tuple[int, ...]:
    """The colour at a point of the picture as if it were 640 × 360."""
    with Image.open(BytesIO(jpeg)) as opened:
        colour = opened.convert("RGB").resize((640, 360)).getpixel(point)
    assert isinstance(colour, tuple)
    return colour


def test_the_drawn_face_is_recognisable_before(face: bytes) -> None:
    assert is_recognisable(face)


def test_a_face_with_a_box_is_hidden_and_the_rest_stays(face: bytes) -> None:
    blurred = blurred_still(face, observation())
    assert not is_recognisable(blurred)
    with Image.open(BytesIO(blurred)) as picture:
        assert picture.size == (480, 270)
    assert colour_at(blurred, (27, 27)) == pytest.approx(colour_at(face, (27, 27)), abs=12)
    assert colour_at(blurred, (27, 345)) == pytest.approx(colour_at(face, (27, 345)), abs=12)


def test_the_box_is_found_when_the_picture_is_smaller_than_the_frame(face: bytes) -> None:
    doubled = observation(boxes=[[500, 120, 700, 380]], frame_size=[1280, 720])
    assert not is_recognisable(blurred_still(face, doubled))


@pytest.mark.parametrize(
    "changes",
    [
        {"boxes": [], "frame_size": None},
        {"boxes": []},
        {"boxes": [[0, 0, 10, 10]], "people": 2},
        {"frame_size": [0, 0]},
        {"faces": [], "boxes": [], "people": 1},
    ],
    ids=["no boxes told", "a face without a box", "more people than boxes", "no frame size", "somebody, no face"],
)
def test_where_a_face_may_be_anywhere_everything_is_coarse(face: bytes, changes: dict[str, object]) -> None:
    assert not is_recognisable(blurred_still(face, observation(**changes)))


def test_a_picture_of_which_nothing_is_known_is_coarse(face: bytes) -> None:
    assert not is_recognisable(blurred_still(face, None))


def test_an_empty_counter_is_shown_as_it_is() -> None:
    empty = observation(people=0, faces=[], boxes=[])
    jpeg = counter_jpeg(face=False)
    assert colour_at(blurred_still(jpeg, empty), (320, 268)) == pytest.approx(colour_at(jpeg, (320, 268)), abs=25)


@pytest.mark.parametrize("box", [[-50, -50, 10, 10], [600, 300, 900, 900], [300, 100, 300, 100], [9, 9, 1, 1]])
def test_a_box_that_lies_partly_outside_breaks_nothing(face: bytes, box: list[float]) -> None:
    assert blurred_still(face, observation(boxes=[box]))


def test_extra_fields_of_another_sender_are_not_trusted() -> None:
    assert observation_of(observation_bytes("fo-1", "S1", 1_790_000_000_000, boxes="none")) is None
    assert observation_of(b"{}") is None

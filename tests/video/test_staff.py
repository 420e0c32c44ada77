"""Staff at the counter: two pictures have to agree, they are nobody's customer, and who is the holder is the holder."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from msgspec.structs import replace

from events.codec import decode_event
from events.types import FaceObserved
from tests.video.counter import CAMERA, SETTINGS, Counter
from video.engine import Embedding, Image
from video.messages import StaffFace, StaffKnown

STEPPED_IN = 26
"""Pictures until the visitor has stepped in."""


def known(references: Sequence[Embedding], *, institution_id: str = CAMERA.institution_id) -> StaffKnown:
    faces = {"sface": [one.tolist() for one in references]}
    return StaffKnown(faces=[StaffFace(institution_id=institution_id, role="pharmacist", references=faces)])


def beside(left: Sequence[Image], right: Sequence[Image]) -> list[Image]:
    """Two counters as one, each person in the middle of a half."""
    return [np.hstack([one[:, 160:480], other[:, 160:480]]) for one, other in zip(left, right, strict=True)]


def swiped(counter: Counter, frames: Sequence[Image], **references: Sequence[Embedding]) -> dict[str, Any]:
    """Returns the last word on a card that is swiped while these pictures are shown."""
    counter.show(frames[STEPPED_IN - 12 : STEPPED_IN])
    counter.swipe("S1", **references)
    counter.show(frames[STEPPED_IN : STEPPED_IN + 22])
    return counter.events("S1", "final")[0]


def test_the_customer_is_whoever_is_not_of_the_staff(sface, counter_frames, reference_of):
    counter = Counter(sface)
    counter.desk.know_staff(known(reference_of(sface, "biden.jpg")))
    frames = beside(counter_frames("biden.jpg"), counter_frames("obama.jpg"))
    event = swiped(counter, frames, sface=reference_of(sface, "obama2.jpg"))
    assert event["staff_sought"] == ["pharmacist"]
    staff, customer = sorted(event["faces"], key=lambda face: face.get("staff") is None)
    assert (staff["staff"], staff["staff_role"]) == (True, "pharmacist")
    assert not {"visitor_id", "settlement_id", "verdict", "similarity"} & staff.keys()
    assert (customer["settlement_id"], customer["verdict"]) == ("S1", "match")
    assert customer["visitor_id"].startswith("v-")
    decoded = decode_event(counter.observed[-1].original)
    assert isinstance(decoded, FaceObserved)
    assert sum(face.staff is True for face in decoded.faces) == 1


def test_staff_who_are_alone_are_compared_with_the_holder_at_the_end_and_are_no_visitor(
    sface, counter_frames, reference_of
):
    counter = Counter(sface)
    counter.desk.know_staff(known(reference_of(sface, "obama3.jpg")))
    event = swiped(counter, counter_frames("obama.jpg"), sface=reference_of(sface, "biden.jpg"))
    (face,) = event["faces"]
    assert (face["staff"], face["settlement_id"], face["verdict"]) == (True, "S1", "mismatch")
    assert "visitor_id" not in face
    assert [one["stage"] for one in counter.events("S1")] == ["final"]


def test_staff_who_pay_with_a_card_of_their_own_are_its_holder_whoever_stands_beside(
    sface, counter_frames, reference_of
):
    counter = Counter(sface)
    counter.desk.know_staff(known(reference_of(sface, "obama.jpg")))  # more alike than the holder's reference
    frames = beside(counter_frames("obama.jpg"), counter_frames("biden.jpg"))
    event = swiped(counter, frames, sface=reference_of(sface, "obama2.jpg"))
    assert not any(face.get("staff") for face in event["faces"])
    said = {face.get("verdict") for one in counter.events("S1") for face in one["faces"] if "settlement_id" in face}
    assert said == {"match"}


def test_staff_of_another_store_are_customers_here(sface, counter_frames, reference_of):
    counter = Counter(sface)
    counter.desk.know_staff(known(reference_of(sface, "biden.jpg"), institution_id="P32990000002"))
    event = swiped(counter, counter_frames("biden.jpg"))
    assert "staff_sought" not in event or event["staff_sought"] == []
    assert event["faces"][0]["visitor_id"].startswith("v-")


def test_at_rest_the_second_picture_says_that_staff_is_there(sface, counter_frames, reference_of):
    counter = Counter(sface, settings=replace(SETTINGS, presence_interval_ms=1_600))
    counter.desk.know_staff(known(reference_of(sface, "biden.jpg")))
    counter.show(counter_frames("biden.jpg")[18:48])
    seen = [[face.get("staff", False) for face in event["faces"]] for event in counter.events(None)]
    with_face = [faces for faces in seen if faces]
    assert len(with_face) >= 3
    assert with_face[0] == [False]
    assert with_face[-1] == [True]
    assert {tuple(event["staff_sought"]) for event in counter.events(None)} == {("pharmacist",)}

"""Enrolling on the page: photographs told good or not, opting out, erasing, one face under two persons."""

from __future__ import annotations

import base64
import dataclasses

import cv2
import httpx
import numpy as np
import pytest

from app.photo_reading import ChildPhotoReader
from simulator.photographs import missing_photographs
from tests.alerts.builders import STORE
from tests.app.running import CHECKOUT
from tests.storage.faces import GROUNDS, face_of
from tests.web.world import World, drawn_face, form_token, log_in
from video.calibration_file import GENERAL, read_calibration
from web.enrolment import MOST_BYTES, MOST_PHOTOS

PHOTOGRAPHS = CHECKOUT / ".cache" / "demo"
PERSON = "329900199001011234"


@pytest.fixture
def administrator(client: httpx.Client) -> httpx.Client:
    return log_in(client, "administrator")


def send(client: httpx.Client, *photos: bytes, **changes: object) -> httpx.Response:
    wanted = {"person_id": PERSON, "basis": "consent", "day": "2026-01-31", "proof": "file 17", **changes}
    wanted["photos"] = [base64.b64encode(photo).decode() for photo in photos]
    return client.post(
        "/enrolment/photos", json=wanted, headers={"X-CSRF-Token": form_token(client), "accept-language": "en"}
    )


def post(client: httpx.Client, path: str, **fields: str) -> httpx.Response:
    return client.post(path, data={"csrf": form_token(client), **fields}, headers={"accept-language": "en"})


def test_good_photographs_are_kept_with_the_grounds_and_who_enrolled(administrator, world):
    told = send(administrator, b"one", b"two").json()
    assert (told["is_kept"], told["photos"]) == (True, [[], []])
    kept = world.enrolment.status(PERSON).references
    assert [one.grounds.day for one in kept] == ["2026-01-31"] * 2
    assert {(one.grounds.basis, one.grounds.proof, one.grounds.by) for one in kept} == {
        ("consent", "file 17", "administrator")
    }


def test_a_photograph_that_is_refused_says_what_to_change_and_nothing_is_kept(administrator, world):
    world.photo_reader.refuses[b"dark"] = ("too_dark", "blurred")
    told = send(administrator, b"one", b"dark").json()
    assert not told["is_kept"]
    assert told["photos"][0] == []
    assert [text.partition(":")[0] for text in told["photos"][1]] == ["The face is too dark", "The face is blurred"]
    assert world.enrolment.people_count() == 0


@pytest.mark.parametrize(
    ("changes", "photos", "status"),
    [
        ({"day": "2999-01-01"}, 1, 200),
        ({"day": "yesterday"}, 1, 200),
        ({"person_id": " "}, 1, 200),
        ({"basis": "because"}, 1, 422),
        ({"proof": ""}, 1, 422),
        ({"person_id": ""}, 1, 422),
        ({}, 0, 422),
        ({}, MOST_PHOTOS + 1, 422),
    ],
)
def test_what_is_incomplete_is_refused_before_any_photograph_is_read(administrator, world, changes, photos, status):
    world.photo_reader.fails = "failed"
    answer = send(administrator, *[b"one"] * photos, **changes)
    assert answer.status_code == status
    assert status == 422 or "person id" in answer.json()["told"]
    assert world.enrolment.people_count() == 0


def test_a_body_larger_than_all_photographs_together_is_refused_unread(administrator):
    headers = {"X-CSRF-Token": form_token(administrator)}
    assert administrator.post("/enrolment/photos", content=b"x" * (MOST_BYTES + 1), headers=headers).status_code == 413


def test_a_reader_that_is_busy_or_fails_is_told_and_nothing_is_kept(administrator, world):
    for reason, text in (("busy", "Other photographs"), ("failed", "did not work")):
        world.photo_reader.fails = reason
        assert text in send(administrator, b"one").json()["told"]
    assert world.enrolment.people_count() == 0


def test_an_opted_out_person_is_not_enrolled_until_that_is_withdrawn(administrator, world):
    send(administrator, b"one")
    assert (
        post(administrator, "/enrolment/opt-out", person_id=PERSON, basis="letter", day="2026-02-01").status_code == 303
    )
    assert "opted out" in send(administrator, b"one").json()["told"]
    assert world.enrolment.people_count() == 0
    page = administrator.get(f"/enrolment?person={PERSON}", headers={"accept-language": "en"}).text
    assert "letter" in page
    assert post(administrator, "/enrolment/withdraw", person_id=PERSON).status_code == 303
    assert send(administrator, b"one").json()["is_kept"]
    assert post(administrator, "/enrolment/opt-out", person_id=PERSON, basis="x", day="2999-01-01").status_code == 422


def test_erasing_answers_with_what_went_and_what_stays(administrator, world):
    send(administrator, b"one")
    page = post(administrator, "/enrolment/erase", person_id=PERSON).text
    assert "Removed references: 1." in page
    assert "Stays by law" in page
    assert world.enrolment.people_count() == 0


def test_how_alike_two_persons_are_is_told_by_the_general_calibration(client: httpx.Client, world: World) -> None:
    version = read_calibration(GENERAL / "sface.yaml").engine_version
    for person in (PERSON, "329900-other"):
        world.enrolment.enrol(person, [face_of(drawn_face(b"one").embedding, version=version)], GROUNDS, 1)
    page = log_in(client, "supervisor").get("/enrolment", headers={"accept-language": "en"}).text
    assert "1 stranger in" in page
    assert "general calibration · 1.000 sface" in page


def test_of_a_look_alike_a_supervisor_hears_and_nobody_else(administrator, world):
    world.enrolment.enrol("329900-other", [drawn_face(b"one")], GROUNDS, 1)
    told = send(administrator, b"one")
    assert told.json()["is_kept"]
    seen = told.text + administrator.get(f"/enrolment?person={PERSON}").text + administrator.get("/access-changes").text
    assert "alike" not in seen
    (pair,) = world.enrolment.duplicates.found()
    log_in(administrator, "supervisor")
    page = administrator.get("/enrolment", headers={"accept-language": "en"}).text
    assert "alike" in page
    assert "no calibration for this engine version · sface" in page
    path = "/enrolment/settle"
    assert post(administrator, path, duplicate_id="99", outcome="same_person").status_code == 404
    assert post(administrator, path, duplicate_id=str(pair.duplicate_id), outcome="same_person").status_code == 303
    assert world.enrolment.duplicates.waiting_count() == 0
    assert world.enrolment.people_count() == 2


def test_the_list_of_enrolled_people_is_for_who_may_see_person_ids(administrator, world):
    world.enrolment.enrol(PERSON, [face_of(drawn_face(b"one").embedding)], GROUNDS, 1)
    assert PERSON not in administrator.get("/enrolment").text
    log_in(administrator, "supervisor")
    assert PERSON in administrator.get("/enrolment").text


@pytest.fixture
def real(administrator: httpx.Client, world: World) -> httpx.Client:
    """The page with real engines in their process."""
    if missing_photographs(PHOTOGRAPHS):
        pytest.skip(f"no photographs in {PHOTOGRAPHS}: `make setup` fetches them")
    world.app.state.services = dataclasses.replace(world.services, photo_reader=ChildPhotoReader(("sface",)))
    return administrator


@pytest.mark.video
def test_real_photographs_are_read_in_a_process_of_their_own(real, world):
    photo, other = ((PHOTOGRAPHS / name).read_bytes() for name in ("obama.jpg", "biden.jpg"))
    wall = cv2.imencode(".png", np.full((400, 400, 3), 200, np.uint8))[1].tobytes()
    told = send(real, photo, other, wall, b"no picture").json()
    assert not told["is_kept"]
    assert [[text.partition(":")[0] for text in one] for one in told["photos"]] == [
        [],
        ["This shows another person than the first photograph."],
        ["No face was found"],
        ["This is no picture"],
    ]
    assert world.enrolment.people_count() == 0
    assert send(real, photo).json()["is_kept"]
    (kept,) = world.enrolment.status(PERSON).references
    assert kept.engine == "sface"


def test_staff_are_enrolled_by_store_and_their_own_word_and_go_as_holders_do(administrator, world):
    headers = {"X-CSRF-Token": form_token(administrator), "accept-language": "en"}
    wanted = {
        "institution_id": STORE,
        "staff_id": "17",
        "role": "pharmacist",
        "basis": "consent",
        "day": "2026-01-31",
        "proof": "file 18",
        "photos": [base64.b64encode(b"one").decode()],
    }
    for wrong, status in (
        ({"role": "owner"}, 422),
        ({"institution_id": "P00000000000"}, 200),
        ({"staff_id": " "}, 200),
    ):
        answer = administrator.post("/enrolment/staff", json=wanted | wrong, headers=headers)
        assert answer.status_code == status
        assert status == 422 or not answer.json()["is_kept"]
    assert not send(administrator, b"one", person_id=f"staff:{STORE}/17").json()["is_kept"]
    assert administrator.post("/enrolment/staff", json=wanted, headers=headers).json()["is_kept"]
    (member,) = world.enrolment.staff.enrolled()
    assert (member.institution_id, member.staff_id, member.role) == (STORE, "17", "pharmacist")
    page = administrator.get("/enrolment", headers={"accept-language": "en"}).text
    assert "Ankang Pharmacy</td>" in page
    assert f"/enrolment?person=staff%3A{STORE}/17" in page
    assert "file 18" in administrator.get("/enrolment", params={"person": member.subject_id}).text
    assert "Removed references: 1." in post(administrator, "/enrolment/erase", person_id=member.subject_id).text
    assert world.enrolment.staff.enrolled() == []

"""Adding and setting up cameras over HTTP: who may, what is kept, and what is never shown again."""

from __future__ import annotations

import re

import httpx
import pytest

from storage.cameras.clocks import CameraClock
from storage.cameras.states import CameraStates
from tests.alerts.builders import OTHER_STORE, STORE
from tests.web.world import CAMERA, World, form_token, log_in
from web.texts import Catalogue

ENGLISH = {"Accept-Language": "en"}
ADDRESS = "rtsp://10.0.0.7:554/stream1?token=abc"
ZONE = "[[0.1,0.2],[0.9,0.2],[0.5,0.9]]"
NEW = f"{STORE}-2-1"


@pytest.fixture
def administrator(client: httpx.Client) -> httpx.Client:
    client.headers.update(ENGLISH)
    return log_in(client, "administrator")


def post(client: httpx.Client, path: str, **fields: str) -> httpx.Response:
    return client.post(path, data={"csrf": form_token(client), **fields})


def add(client: httpx.Client, **fields: str) -> httpx.Response:
    reached = {"till": f"{STORE}/2", "address": ADDRESS, "username": "admin", "password": "s3cret"}
    return post(client, "/cameras/add", **{**reached, **fields})


def test_an_added_camera_is_in_the_list_and_its_password_is_on_no_page(
    network_client: httpx.Client, world: World
) -> None:
    network_client.headers.update(ENGLISH)
    administrator = log_in(network_client, "administrator")
    answer = add(administrator, zone=ZONE)
    assert (answer.status_code, answer.headers["location"]) == (303, f"/cameras/edit?camera_id={NEW}")
    pages = [administrator.get(path).text for path in ("/cameras", answer.headers["location"], "/access-changes")]
    for page in pages:
        assert NEW in page
        assert "s3cret" not in page
        assert "token=abc" not in page
    assert "Ankang Pharmacy · Till 2" in pages[0]
    assert "rtsp://10.0.0.7:554" in pages[1]
    added = world.services.cameras.camera(NEW)
    assert added.source == "rtsp://admin:s3cret@10.0.0.7:554/stream1?token=abc"
    assert added.zone == ((0.1, 0.2), (0.9, 0.2), (0.5, 0.9))
    assert added.changed_by == "administrator"


def test_what_the_test_button_showed_is_the_new_cameras_first_picture(
    administrator: httpx.Client, world: World
) -> None:
    told = post(administrator, "/cameras/try", address=ADDRESS, username="admin", password="s3cret").json()  # noqa: S106
    assert told["told"] == "640 × 360 · H264 · 15 frames a second"
    assert "/cameras/picture" not in administrator.get("/cameras").text
    add(administrator)
    picture = re.search(rf"/cameras/picture\?camera_id={NEW}&amp;at=\d+", administrator.get("/cameras").text)
    assert picture is not None
    jpeg = administrator.get(picture[0].replace("&amp;", "&"))
    assert (jpeg.headers["content-type"], jpeg.content[:2]) == ("image/jpeg", b"\xff\xd8")
    assert world.camera_probe.tried == ["rtsp://admin:s3cret@10.0.0.7:554/stream1?token=abc"]


def test_a_camera_that_shows_nothing_says_why_and_never_its_password(administrator: httpx.Client, world: World) -> None:
    for reason, words in (("refused", "password"), ("not_found", "404"), ("too_slow", "rtsp://10.0.0.7:554")):
        world.camera_probe.fails = {"10.0.0.7": reason}  # type: ignore[dict-item]
        answer = post(administrator, "/cameras/try", address=ADDRESS, password="s3cret")  # noqa: S106
        assert answer.json()["problem"] == reason
        assert words in answer.json()["told"]
        assert "s3cret" not in answer.text


@pytest.mark.parametrize("given", ["file:///etc/passwd", "../../etc/passwd", "gopher://10.0.0.7/", "/etc/passwd", ""])
def test_the_product_connects_to_nothing_but_cameras(administrator: httpx.Client, world: World, given: str) -> None:
    answer = post(administrator, "/cameras/try", address=given)
    assert answer.status_code == 422 if not given else "problem" in answer.json()
    assert add(administrator, address=given, username="", password="").status_code == 422
    assert world.camera_probe.tried == []
    assert [camera.camera_id for camera in world.services.cameras.listed()] == [CAMERA]


def test_a_till_that_the_registry_does_not_have_gets_no_camera(administrator: httpx.Client) -> None:
    assert add(administrator, till=f"{OTHER_STORE}/1").status_code == 404
    assert add(administrator, till="nowhere").status_code == 404


def test_zone_and_clock_of_a_camera_of_the_file_are_set_by_an_operator_and_set_back(
    client: httpx.Client, world: World
) -> None:
    log_in(client, "operator")
    assert post(client, "/cameras/change", camera_id=CAMERA, zone=ZONE, clock_offset_s="-1,5").status_code == 303
    camera = world.services.cameras.camera(CAMERA)
    assert (camera.clock_offset_ms, camera.zone) == (-1_500, ((0.1, 0.2), (0.9, 0.2), (0.5, 0.9)))
    page = client.get(f"/cameras/edit?camera_id={CAMERA}").text
    assert 'value="-1.5"' in page
    assert "[[0.1,0.2],[0.9,0.2],[0.5,0.9]]" in page.replace("&#34;", '"')
    assert "/cameras/disable" not in page
    log_in(client, "administrator")
    assert post(client, "/cameras/remove", camera_id=CAMERA).status_code == 303
    assert world.services.cameras.camera(CAMERA).zone is None


@pytest.mark.parametrize(
    ("fields", "problem"),
    [
        ({"zone": "[[0.1,0.1],[0.9,0.9]]", "clock_offset_s": "0"}, "zone"),
        ({"zone": "[[0.1,", "clock_offset_s": "0"}, "zone"),
        ({"zone": '[["a","b"]]', "clock_offset_s": "0"}, "zone"),
        ({"zone": "[[NaN,0],[1,0],[1,1]]", "clock_offset_s": "0"}, "zone"),
        ({"zone": "", "clock_offset_s": "soon"}, "clock_offset"),
        ({"zone": "", "clock_offset_s": "99999"}, "clock_offset"),
    ],
)
def test_what_cannot_be_is_said_on_the_page_and_changes_nothing(
    client: httpx.Client, world: World, fields: dict[str, str], problem: str
) -> None:
    log_in(client, "operator")
    answer = post(client, "/cameras/change", camera_id=CAMERA, **fields)
    assert answer.status_code == 422
    assert Catalogue.load().text(f"camera_problem.{problem}", "zh", address="") in answer.text
    assert world.services.cameras.revision() == 0


def test_a_camera_switched_off_is_on_its_page_and_nowhere_else(administrator: httpx.Client, world: World) -> None:
    CameraStates(world.database).put(CAMERA, "offline", "no pictures", world.now_ms())
    assert "1 unhealthy" in administrator.get("/cameras").text
    assert f'data-camera="{CAMERA}"' in administrator.get("/").text
    assert 'swipewatch_cameras{state="offline"} 1.0' in administrator.get("/metrics").text
    post(administrator, "/cameras/disable", camera_id=CAMERA)
    listed = administrator.get("/cameras").text
    assert "switched off" in listed
    assert "1 unhealthy" not in listed
    assert f'data-camera="{CAMERA}"' not in administrator.get("/").text
    assert 'swipewatch_cameras{state="offline"} 0.0' in administrator.get("/metrics").text
    post(administrator, "/cameras/enable", camera_id=CAMERA)
    assert "1 unhealthy" in administrator.get("/cameras").text


def test_what_swipes_say_of_a_cameras_clock_is_shown_with_its_error(client: httpx.Client, world: World) -> None:
    states = CameraStates(world.database)
    states.put_clock(CAMERA, CameraClock(offset_ms=-2_400, error_ms=1_300, swipes=9, at_ms=2_000))
    states.put_clock(CAMERA, CameraClock(offset_ms=9_000, error_ms=9_000, swipes=5, at_ms=1_000))
    client.headers.update(ENGLISH)
    log_in(client, "operator")
    for path in ("/cameras", f"/cameras/edit?camera_id={CAMERA}"):
        page = client.get(path).text
        assert "-2.4 ± 1.3 s" in page, path
        assert "estimated from 9 swipes" in page, path


def test_a_picture_now_is_kept_and_shown(client: httpx.Client, world: World) -> None:
    log_in(client, "operator")
    assert client.get(f"/cameras/picture?camera_id={CAMERA}").status_code == 404
    assert "picture" in post(client, "/cameras/look", camera_id=CAMERA).json()
    assert f"/cameras/picture?camera_id={CAMERA}" in client.get("/cameras").text
    assert post(client, "/cameras/look", camera_id="nobody's").status_code == 404
    assert world.camera_probe.tried == ["/nowhere/counter.avi"]


def test_a_camera_is_looked_through_at_the_store_or_at_the_centre(administrator: httpx.Client, world: World) -> None:
    add(administrator, who="store")
    assert world.services.cameras.camera(NEW).at_store
    assert "own machine, which only calls outwards</dd>" in administrator.get(f"/cameras/edit?camera_id={NEW}").text
    post(administrator, "/cameras/who", camera_id=NEW, who="centre")
    assert not world.services.cameras.camera(NEW).at_store


def test_every_change_is_on_record_with_who_made_it(administrator: httpx.Client) -> None:
    add(administrator)
    post(administrator, "/cameras/address", camera_id=NEW, address="http://10.0.0.9/mjpg")
    post(administrator, "/cameras/change", camera_id=NEW, zone=ZONE, clock_offset_s="2")
    post(administrator, "/cameras/remove", camera_id=NEW)
    record = administrator.get("/access-changes").text
    said = (
        "camera added",
        "camera&#39;s address changed",
        "counter zone drawn",
        "clock offset changed",
        "camera removed",
    )
    for words in said:
        assert words in record, words
    assert record.count("administrator</a>") >= len(said)


def test_whoever_may_only_look_is_offered_no_changes(client: httpx.Client) -> None:
    for role, offers in (("viewer", ()), ("operator", ("/cameras/edit",)), ("administrator", ("/cameras/new",))):
        page = log_in(client, role).get("/cameras").text
        for link in ("/cameras/edit", "/cameras/new"):
            assert (link in page) == (link in offers or role == "administrator"), (role, link)

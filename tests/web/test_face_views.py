"""No face is seen sharp without a record of who, when and why; a walk over all routes holds it."""

from __future__ import annotations

import re
from io import BytesIO

import httpx
import msgspec
import pytest
from fastapi import Depends
from PIL import Image
from starlette.responses import Response

from storage.access.accounts import ROLES
from storage.faces.views import FaceView, FaceViews
from storage.queries.alerts import AlertQueries
from tests.alerts.builders import VISITOR
from tests.web.walking import declared, filled, requests_of
from tests.web.world import World, log_in, observation_bytes, swipe_event
from web.access import Person
from web.permissions import MAY


@pytest.fixture
def places(world: World, client: httpx.Client) -> dict[str, str]:
    """An alert with a picture and a clip, and a face with many cards; what stands for them in addresses."""
    settlement, at_ms = world.settlement(), world.now_ms() - 5_000
    swipe = msgspec.json.encode(swipe_event(settlement, at_ms=at_ms))
    world.log(swipe, observation_bytes("fo-1", settlement, at_ms + 1_000))
    still_id = world.keep_still("fo-1", settlement, at_ms + 1_000)
    clip_id = world.keep_clip(settlement, at_ms, b"\x1a\x45\xdf\xa3 a film of a face")
    world.raise_alert(settlement=settlement, at_ms=at_ms, evidence=["fo-1"])
    (alert,) = AlertQueries(world.database).recent_alerts(10)
    world.raise_alert("one_face_many_cards", settlement=settlement, at_ms=at_ms)
    log_in(client, "operator")
    return {"alert_id": alert.alert_id, "still_id": still_id, "clip_id": clip_id, "visitor_id": VISITOR}


def is_sharp(answer: httpx.Response) -> bool:
    """Whether a face can be recognised in the answer: a picture with the drawn eyes in it, or any film or bytes."""
    kind = answer.headers.get("content-type", "").partition(";")[0]
    if kind.startswith("image/") and kind != "image/svg+xml":
        with Image.open(BytesIO(answer.content)) as opened:
            picture = opened.convert("RGB").resize((640, 360))
        eyes = [picture.getpixel((x, 114)) for x in (283, 317)]
        return all(isinstance(eye, tuple) and eye[0] < 60 for eye in eyes)
    return kind.startswith("video/") or kind in {"application/octet-stream", "multipart/x-mixed-replace"}


def views(world: World) -> list[FaceView]:
    return FaceViews(world.database).latest(1_000)


def seen_unrecorded(client: httpx.Client, world: World, places: dict[str, str], role: str) -> list[str]:
    """Returns every address at which somebody of the role sees a face of which no record is left."""
    log_in(client, role)
    found = []
    for request, _route in requests_of(world.app):
        method, _, template = request.partition(" ")
        if method != "GET" or template.startswith("/static/"):
            continue
        before = len(views(world))
        answer = client.get(filled(template, places), params={"alert_id": places["alert_id"]})
        added = views(world)[: len(views(world)) - before]
        good = [view for view in added if view.username == role and view.reason and view.at_ms]
        if answer.status_code == 200 and is_sharp(answer) and not good:
            found.append(template)
    return found


@pytest.mark.slow
@pytest.mark.parametrize("role", ROLES)
def test_nobody_sees_a_face_without_a_record(
    client: httpx.Client, world: World, places: dict[str, str], role: str
) -> None:
    world.feed.close()  # streams end at once
    assert seen_unrecorded(client, world, places, role) == []
    assert bool(views(world)) == (role in MAY["see_faces"])


def test_a_route_that_sends_a_face_without_a_record_is_found(
    client: httpx.Client, world: World, places: dict[str, str]
) -> None:
    world.feed.close()

    @world.app.get("/planted", dependencies=[Depends(Person("see_alerts"))])
    def planted() -> Response:
        return Response(world.evidence.read(places["still_id"]), media_type="image/jpeg")

    assert seen_unrecorded(client, world, places, "viewer") == ["/planted"]


def test_every_route_for_sharp_pictures_was_walked_with_a_picture(
    client: httpx.Client, world: World, places: dict[str, str]
) -> None:
    log_in(client, "auditor")
    sharp = [request for request, route in requests_of(world.app) if declared(route) == ["see_faces"]]
    assert sharp
    for request in sharp:
        method, _, template = request.partition(" ")
        named = set(re.findall(r"{(\w+)", template))
        assert named <= set(places), f"{template}: say in `places` what stands for {named - set(places)}"
        if method == "GET":
            answer = client.get(filled(template, places), params={"alert_id": places["alert_id"]})
            assert answer.status_code == 200, request


def test_the_record_says_who_when_and_why_and_is_read_by_those_who_watch(
    client: httpx.Client, world: World, places: dict[str, str]
) -> None:
    before_ms = world.now_ms()
    address = f"/stills/{places['still_id']}"
    assert client.get(address, params={"alert_id": places["alert_id"]}).status_code == 200
    (view,) = views(world)
    assert (view.username, view.still_id, view.reason) == (
        "operator",
        places["still_id"],
        f"alert {places['alert_id']}",
    )
    assert before_ms <= view.at_ms <= world.now_ms()
    log_in(client, "auditor")
    page = client.get("/face-views", headers={"Accept-Language": "en"}).text
    assert "operator" in page
    assert f"/alerts/{places['alert_id']}" in page
    assert "operator" not in client.get("/face-views?username=auditor").text.partition("<table")[2]


def test_a_picture_of_another_alert_is_not_shown(client: httpx.Client, world: World, places: dict[str, str]) -> None:
    assert client.get(f"/stills/{places['still_id']}", params={"alert_id": "other"}).status_code == 404
    assert views(world) == []

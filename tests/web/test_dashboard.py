from __future__ import annotations

import json
import re
import threading
from io import BytesIO

import httpx
import msgspec
import pytest
from httpx_sse import connect_sse
from PIL import Image

from events.findings import Finding
from storage.models import FaceViewRow
from storage.queries.alerts import AlertQueries
from storage.queries.numbers import NumberQueries
from tests.alerts.builders import OTHER_STORE, STORE
from tests.web.world import (
    World,
    bearer,
    counter_jpeg,
    form_token,
    log_in,
    observation_bytes,
    poll,
    swipe_event,
)

ENGLISH = {"Accept-Language": "en"}
DAY_MS = 86_400_000


def newest(world: World) -> str:
    return AlertQueries(world.database).recent_alerts(1)[0].alert_id


def mismatch(world: World, *, still: bool = True) -> Finding:
    """A holder mismatch whose swipe, observation and picture are all there."""
    settlement, at_ms = world.settlement(), world.clock_ms() - 3_000
    observation_id = f"fo-{settlement}"
    world.log(
        msgspec.json.encode(swipe_event(settlement, at_ms=at_ms)),
        observation_bytes(observation_id, settlement, at_ms + 1_000),
    )
    if still:
        world.keep_still(observation_id, settlement, at_ms + 1_000)
    return world.raise_alert(
        settlement=settlement,
        at_ms=at_ms,
        severity="high",
        evidence=[observation_id],
        measure={"mismatches": 1, "household": False, "fund_fen": 1200},
    )


def still_id(world: World) -> str:
    found = AlertQueries(world.database).recent_alerts(1)[0].still_id
    assert found is not None
    return found


def face_views(world: World) -> list[tuple[str, str, str]]:
    with world.database.read() as session:
        return [(row.still_id, row.username, row.reason) for row in session.query(FaceViewRow)]


def test_the_wall_shows_the_alert_with_store_rule_state_and_fact(client: httpx.Client, world: World) -> None:
    mismatch(world)
    page = log_in(client).get("/", headers=ENGLISH).text
    assert "Not the card holder" in page
    assert "Ankang Pharmacy · Till 1" in page
    assert "sev-high" in page
    assert "The buyer" in page
    assert f"/stills/{still_id(world)}/blurred" in page
    assert "人证不符" in client.get("/", headers={"Accept-Language": "zh"}).text


def test_the_wall_says_that_all_is_quiet_before_the_first_alert(client: httpx.Client) -> None:
    page = log_in(client).get("/", headers=ENGLISH).text
    assert re.search(r'id="quiet">', page)


@pytest.mark.parametrize(
    ("till", "camera", "said"),
    [
        ("2", "ok", "No camera mapped"),
        ("1", "covered", "Camera unhealthy · covered"),
        ("1", "ok", "No picture kept"),
        ("1", "", "No picture kept"),
    ],
)
def test_an_alert_without_a_picture_says_why(
    client: httpx.Client, world: World, till: str, camera: str, said: str
) -> None:
    if camera:
        world.camera(camera)
    world.raise_alert("nobody_at_counter", till=till)
    log_in(client)
    for page in (client.get("/", headers=ENGLISH), client.get(f"/alerts/{newest(world)}", headers=ENGLISH)):
        assert said in page.text


def test_a_camera_that_is_ill_is_seen_on_the_wall(client: httpx.Client, world: World) -> None:
    world.camera("frozen", "the picture has not changed for 9 s")
    page = log_in(client).get("/", headers=ENGLISH).text
    assert 'data-camera="camera-1" data-state="frozen">camera frozen' in page


def test_the_alert_page_shows_every_value_behind_it(client: httpx.Client, world: World) -> None:
    found = mismatch(world)
    page = log_in(client).get(f"/alerts/{newest(world)}", headers=ENGLISH).text
    for value in (
        found.finding_id,
        found.rules_version,
        found.settlement_id,
        "faces that differ",
        "paid by the fund",
        "¥12.00",
        "¥86.50",
        "0.091",
        "0.412",
        "sface",
        "dlib",
        "mismatch",
        "-1.2 s",
        "The buyer does not look like the photograph",
        "购药人与预留照片不一致",
    ):
        assert value in page, value


def test_the_alert_page_shows_the_swipes_that_were_counted(client: httpx.Client, world: World) -> None:
    settlements = [world.settlement() for _ in range(5)]
    for number, settlement in enumerate(settlements):
        world.log(msgspec.json.encode(swipe_event(settlement, person_id=f"329900-{number:04d}", till_id="2")))
    world.raise_alert("card_batch", settlement=settlements[-1], till="2", evidence=settlements)
    page = log_in(client).get(f"/alerts/{newest(world)}", headers=ENGLISH).text
    assert all(f"329900-{number:04d}" in page for number in range(5))
    assert page.count("this swipe") == 1


def test_a_viewer_sees_no_whole_person_id(client: httpx.Client, world: World) -> None:
    found = mismatch(world)
    person = str(found.key["person_id"])
    path = f"/alerts/{newest(world)}"
    assert person not in log_in(client, "viewer").get(path).text
    assert person in log_in(client, "operator").get(path).text


def test_an_unknown_institution_is_called_by_its_code(client: httpx.Client, world: World) -> None:
    world.raise_alert("frequent_purchase", store="P99999999999")
    assert "P99999999999" in log_in(client).get("/").text
    assert client.get(f"/alerts/{newest(world)}").status_code == 200


def test_a_finding_that_was_withdrawn_is_still_shown_as_such(client: httpx.Client, world: World) -> None:
    found = mismatch(world)
    world.withdraw(found)
    page = log_in(client).get(f"/alerts/{newest(world)}", headers=ENGLISH).text
    assert "Withdrawn" in page
    assert found.finding_id in page


def test_the_history_names_who_did_what(client: httpx.Client, world: World) -> None:
    mismatch(world)
    alert_id, now = newest(world), world.clock_ms()
    world.projector.acknowledge(alert_id, "ankang", now)
    world.projector.answer(alert_id, "ankang", "agent_registered", "儿子代购", now + 5_000)
    page = log_in(client).get(f"/alerts/{alert_id}", headers=ENGLISH).text
    for said in (
        "Not the card holder raised",
        "Noted by the store",
        "Agent registered: 儿子代购",
        "ankang",
        "Answered",
    ):
        assert said in page, said


def test_an_operator_closes_with_a_reason_and_it_stands_in_the_history(client: httpx.Client, world: World) -> None:
    mismatch(world)
    path = f"/alerts/{newest(world)}"
    log_in(client)
    form = {"reason": "authorised", "note": "家属代购", "csrf": form_token(client)}
    assert client.post(f"{path}/close", data=form).status_code == 303
    page = client.get(path, headers=ENGLISH).text
    assert "Bought for family, authorised: 家属代购" in page
    assert "Close this alert" not in page
    assert client.post(f"{path}/close", data=form).status_code == 409


@pytest.mark.parametrize(
    ("reason", "note"), [("other", ""), ("other", "  "), ("because", "x"), ("", ""), ("other", "x" * 501)]
)
def test_a_close_without_a_proper_reason_changes_nothing(
    client: httpx.Client, world: World, reason: str, note: str
) -> None:
    mismatch(world)
    log_in(client)
    form = {"reason": reason, "note": note, "csrf": form_token(client)}
    assert client.post(f"/alerts/{newest(world)}/close", data=form).status_code == 422
    assert AlertQueries(world.database).recent_alerts(1)[0].state == "open"


def test_each_sharp_picture_is_on_record_with_who_and_why(client: httpx.Client, world: World) -> None:
    mismatch(world)
    log_in(client)
    answer = client.get(f"/stills/{still_id(world)}", params={"alert_id": newest(world)})
    assert answer.headers["content-type"] == "image/jpeg"
    assert answer.headers["cache-control"] == "no-store"
    assert answer.content == counter_jpeg()
    assert face_views(world) == [(still_id(world), "operator", f"alert {newest(world)}")]


def test_a_sharp_picture_is_given_only_for_an_alert_it_belongs_to(client: httpx.Client, world: World) -> None:
    mismatch(world)
    picture = still_id(world)
    world.raise_alert("card_batch")
    log_in(client)
    for alert_id in (newest(world), "nonsense"):
        assert client.get(f"/stills/{picture}", params={"alert_id": alert_id}).status_code == 404
    assert face_views(world) == []


def test_a_picture_that_was_altered_is_refused(client: httpx.Client, world: World) -> None:
    mismatch(world)
    world.evidence.path_of(still_id(world)).write_bytes(b"altered, and long enough to be a sealed file of some sort")
    log_in(client)
    assert client.get(f"/stills/{still_id(world)}", params={"alert_id": newest(world)}).status_code == 410


def test_the_walls_picture_hides_the_face_and_is_no_view(client: httpx.Client, world: World) -> None:
    mismatch(world)
    answer = log_in(client, "viewer").get(f"/stills/{still_id(world)}/blurred")
    assert answer.status_code == 200
    assert face_views(world) == []
    with Image.open(BytesIO(answer.content)) as picture:
        assert picture.size == (480, 270)


def test_the_days_numbers_stand_beside_those_of_the_same_weekday(client: httpx.Client, world: World) -> None:
    noon_ms = 1_790_827_200_000
    world.clock_ms = lambda: noon_ms
    for days, hours in ((0, 1), (0, 2), (7, 1), (7, -1), (6, 1)):
        at_ms = noon_ms - days * DAY_MS - hours * 3_600_000
        world.log(msgspec.json.encode(swipe_event(world.settlement(), at_ms=at_ms, total_fen=100_000 + days)))
    page = log_in(client).get("/", headers=ENGLISH).text
    assert re.search(r'data-number="swipes"[^>]*>2<', page)
    assert re.search(r'data-number="total_fen"[^>]*>¥2,000<', page)
    assert re.search(r'data-before="swipes"[^>]*>1 a week ago<', page)
    assert re.search(r'data-before="total_fen"[^>]*>¥1,000 a week ago<', page)


def test_an_institutions_tile_says_how_camera_terminal_and_day_are(client: httpx.Client, world: World) -> None:
    mismatch(world)
    world.camera("dark")
    tiles = log_in(client).get("/", headers=ENGLISH).text.partition('id="tiles"')[2]
    here, elsewhere = tiles.split('data-institution="')[1:3]
    assert "<b data-today>1</b>" in here
    assert "camera dark" in here
    assert "terminal OK" in here
    assert "<b data-today>0</b>" in elsewhere
    assert "no camera" in elsewhere


def test_a_terminal_that_was_revoked_is_none(client: httpx.Client, world: World) -> None:
    world.accounts.revoke_token("chengxi", world.now_ms())
    tiles = log_in(client).get("/", headers=ENGLISH).text.partition('id="tiles"')[2]
    assert "no terminal" in tiles.split('data-institution="')[2]


def test_institutions_are_on_the_map_where_they_reported_to_be(client: httpx.Client, world: World) -> None:
    assert "No institution has reported its position" in log_in(client).get("/", headers=ENGLISH).text
    for number, (institution_id, latitude) in enumerate(((STORE, 31.5), (OTHER_STORE, 31.6), ("P99999999999", None))):
        world.log(msgspec.json.encode(place_event(f"i{number}", institution_id, latitude)))
    page = client.get("/", headers=ENGLISH).text
    south, north = (re.search(f'data-spot="{one}".*?cy="([0-9.]+)"', page, re.DOTALL) for one in (STORE, OTHER_STORE))
    assert south is not None
    assert north is not None
    assert float(north[1]) < float(south[1])
    assert 'data-spot="P99999999999"' not in page
    world.log(msgspec.json.encode(place_event("i9", "P99999999998", 31.7)))
    assert ">Somewhere</text>" in client.get("/", headers=ENGLISH).text


def place_event(event_id: str, institution_id: str, latitude: float | None) -> dict[str, object]:
    return {
        "type": "institution",
        "event_id": event_id,
        "occurred_at_ms": 1_700_000_000_000,
        "institution_id": institution_id,
        "kind": "pharmacy",
        "name": "Somewhere",
        "latitude": latitude,
        "longitude": 120.3,
        "agreement": "active",
        "effective_from_ms": 1_700_000_000_000,
    }


def test_what_one_has_reviewed_leaves_ones_own_filmstrip_only(client: httpx.Client, world: World) -> None:
    mismatch(world)
    alert_id = newest(world)
    form = {"X-CSRF-Token": form_token(log_in(client))}
    assert f'data-alert="{alert_id}"' in client.get("/").text
    assert client.post(f"/alerts/{alert_id}/review", headers=form).status_code == 204
    assert client.get("/unreviewed").json() == {"cards": [], "count": 0}
    assert client.post(f"/alerts/{alert_id}/review", headers=form).status_code == 204
    log_in(client, "viewer")
    assert [card["alert_id"] for card in client.get("/unreviewed").json()["cards"]] == [alert_id]
    log_in(client)
    client.post(f"/alerts/{alert_id}/unreview", headers={"X-CSRF-Token": form_token(client)})
    assert client.get("/unreviewed").json()["count"] == 1


def test_an_alert_that_does_not_exist_cannot_be_reviewed(client: httpx.Client) -> None:
    form = {"X-CSRF-Token": form_token(log_in(client))}
    assert client.post("/alerts/none/review", headers=form).status_code == 404


def test_a_theme_that_was_chosen_stays_with_the_browser(client: httpx.Client) -> None:
    log_in(client)
    assert 'data-theme="auto"' in client.get("/").text
    assert client.get("/theme/dark", params={"to": "/alerts?rule=x"}).headers["location"] == "/alerts?rule=x"
    assert 'data-theme="dark"' in client.get("/").text
    client.get("/theme/pink")
    assert 'data-theme="dark"' in client.get("/").text


def test_an_alert_and_its_answer_appear_on_an_open_wall(network_client: httpx.Client, world: World) -> None:
    log_in(network_client)
    events: list[tuple[str, dict[str, object]]] = []

    def listen() -> None:
        with connect_sse(network_client, "GET", "/stream?after=0", headers=dict(ENGLISH)) as source:
            events.extend((event.event, json.loads(event.data)) for event in source.iter_sse() if event.data)

    thread = threading.Thread(target=listen)
    thread.start()
    poll(lambda: [body for name, body in events if name == "overview"])
    mismatch(world)
    card = poll(lambda: next((body for name, body in events if name == "alert"), None))
    assert "Not the card holder" in str(card["html"])
    path = f"{network_client.base_url}/v1/terminal/alerts/{card['alert_id']}/answer"
    httpx.post(path, json={"kind": "need_help"}, headers=bearer(world.terminal)).raise_for_status()
    poll(lambda: [body for name, body in events if name == "alert" and "Need help" in str(body["html"])])
    numbers = poll(lambda: [body["numbers"] for name, body in events if name == "overview" and _answered(body) == 1])
    assert numbers
    world.feed.close()
    thread.join(10)


def _answered(overview: dict[str, object]) -> object:
    numbers = overview["numbers"]
    assert isinstance(numbers, dict)
    return numbers["answered"]


def test_a_wall_that_was_away_catches_up(network_client: httpx.Client, world: World) -> None:
    for _ in range(3):
        mismatch(world)
    log_in(network_client)
    first = AlertQueries(world.database).changed_after(0, 10)[0][0]
    cards: list[str] = []
    with connect_sse(network_client, "GET", "/stream", headers={"Last-Event-ID": str(first)}) as source:
        for event in source.iter_sse():
            if event.event == "alert":
                cards.append(json.loads(event.data)["alert_id"])
            if event.event == "overview":
                break
    assert len(cards) == 2


def test_dead_letters_are_listed_with_their_bytes(client: httpx.Client, world: World) -> None:
    client.post("/v1/events", content='{"名": <b>'.encode(), headers=bearer(world.sender_for_all))
    page = log_in(client).get("/dead-letters", headers=ENGLISH).text
    assert "not_json" in page
    assert "{&#34;名&#34;: &lt;b&gt;" in page


def test_the_waiting_are_counted_per_institution(world: World) -> None:
    world.raise_alert("card_batch", severity="critical")
    world.raise_alert("frequent_purchase")
    world.raise_alert("frequent_purchase", store=OTHER_STORE)
    assert NumberQueries(world.database).waiting_by_institution() == {
        "P32020000001": {"critical": 1, "medium": 1},
        OTHER_STORE: {"medium": 1},
    }


def test_a_page_that_does_not_exist_says_so_as_a_page(client: httpx.Client) -> None:
    answer = log_in(client).get("/nowhere", headers={"Accept": "text/html", **ENGLISH})
    assert answer.status_code == 404
    assert "There is no such page" in answer.text

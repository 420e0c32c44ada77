"""A face that pays with many cards has a page: what it says, to whom, and what it puts on record."""

from __future__ import annotations

import re
from io import BytesIO

import httpx
import pytest
from PIL import Image

from storage.faces.views import FaceViews
from tests.alerts.builders import OTHER_STORE, VISITOR
from tests.web.many_cards import finding_of, three_cards, use_card
from tests.web.world import World, log_in
from web.ports import RuleEntry, RulesInForce
from web.visitors import face_of

EN = {"Accept": "text/html", "Accept-Language": "en"}
PAGE = f"/visitors/{VISITOR}"


def page_of(client: httpx.Client, role: str = "operator") -> str:
    log_in(client, role)
    answer = client.get(PAGE, headers=EN)
    assert answer.status_code == 200
    return answer.text


def test_the_page_says_cards_stores_times_and_the_tier_that_was_reached(client: httpx.Client, world: World) -> None:
    swipes, _ = three_cards(world)
    elsewhere = use_card(world, "329900-4-secret", world.now_ms() - 10_000, store=OTHER_STORE, picture=False)
    finding_of(world, [*swipes, elsewhere], world.now_ms() - 10_000, cards=4, severity="high", store=OTHER_STORE)
    page = page_of(client)
    assert "The same face within 4 min" in page
    assert "Cards: 4, stores: 2, swipes: 4." in page
    assert "Ankang Pharmacy" in page
    assert "Chengxi Clinic" in page
    assert page.count("data-still=") == 3
    assert "No picture kept" in page
    assert page.count(">329900-2-secret<") == 1
    assert "3 cards or more within 30 min" in page
    assert "Reached. Cards: 4, stores: 1" in page


def test_tiers_in_force_that_are_not_reached_are_said_too(world: World) -> None:
    three_cards(world)
    values = [
        (f"tiers[{number}].{key}", value)
        for number, tier in enumerate((("30m", "3", "1", "medium"), ("7d", "4", "2", "high")))
        for key, value in zip(("window", "buyers", "institutions", "severity"), tier, strict=True)
    ]
    rule = RuleEntry(detector="one_face_many_cards", mode="live", route="both", breaker=None, values=tuple(values))
    face = face_of(VISITOR, world.app.state.queries, RulesInForce(rules=(rule,)))
    assert face is not None
    assert [(one.window_ms, one.least_buyers, one.buyers) for one in face.tiers] == [
        (1_800_000, 3, 3),
        (604_800_000, 4, None),
    ]


@pytest.mark.parametrize("role", ["viewer", "administrator", "rule_editor"])
def test_who_may_not_sees_neither_whole_person_ids_nor_faces(client: httpx.Client, world: World, role: str) -> None:
    three_cards(world)
    page = page_of(client, role)
    assert "329900-" not in page
    assert "••••cret" in page
    assert "Show the faces" not in page
    (still_id, *_) = re.findall(r'data-still="([0-9a-f]+)"', page)
    assert client.get(f"{PAGE}/stills/{still_id}", headers=EN).status_code == 403
    assert FaceViews(world.database).latest(10) == []


def test_a_face_is_cut_out_of_its_picture_and_the_view_is_on_record(client: httpx.Client, world: World) -> None:
    three_cards(world)
    (still_id, *_) = re.findall(r'data-still="([0-9a-f]+)"', page_of(client))
    answer = client.get(f"{PAGE}/stills/{still_id}")
    with Image.open(BytesIO(answer.content)) as picture:
        assert 150 < picture.width < 640
        assert picture.width / picture.height == pytest.approx(16 / 9, abs=0.02)
    (view,) = FaceViews(world.database).latest(10)
    assert (view.username, view.still_id, view.reason) == ("operator", still_id, f"visitor {VISITOR}")
    log_in(client, "auditor")
    assert f'href="{PAGE}"' in client.get("/face-views", headers=EN).text


def test_a_picture_of_somebody_else_is_not_the_visitors(client: httpx.Client, world: World) -> None:
    three_cards(world)
    other = world.keep_still("fo-other", "SETL-OTHER", world.now_ms())
    log_in(client, "operator")
    assert client.get(f"{PAGE}/stills/{other}").status_code == 404
    assert FaceViews(world.database).latest(10) == []


def test_once_withdrawn_the_page_stays_and_says_so(client: httpx.Client, world: World) -> None:
    _, found = three_cards(world)
    world.withdraw(found)
    page = page_of(client)
    assert "No finding about this face stands any more" in page
    assert page.count("no longer counted") == 3
    assert "not reached" in page or "Reached" not in page
    log_in(client, "operator")
    wall = client.get("/", headers=EN).text
    assert PAGE not in wall
    assert "Withdrawn" in client.get("/visitors", headers=EN).text


def test_the_face_is_found_from_the_wall_the_list_and_its_alert(client: httpx.Client, world: World) -> None:
    three_cards(world)
    log_in(client, "viewer")
    wall = client.get("/", headers=EN).text
    (alert_id,) = set(re.findall(r"/alerts/([0-9a-f]{16,})", wall))
    for page in (wall, client.get("/visitors", headers=EN).text, client.get(f"/alerts/{alert_id}", headers=EN).text):
        assert f'href="{PAGE}"' in page


def test_the_list_goes_on_after_its_last_face(client: httpx.Client, world: World) -> None:
    for number in range(26):
        at_ms = world.now_ms() - 60_000 + number
        settlement = use_card(world, "329900-1", at_ms, picture=False)
        world.raise_alert("one_face_many_cards", settlement=settlement, at_ms=at_ms, visitor=f"v{number:02d}")
    log_in(client, "viewer")
    first = client.get("/visitors", headers=EN).text
    (older,) = re.findall(r'href="(/visitors\?before_ms=[^"]+)"', first)
    second = client.get(older.replace("&amp;", "&"), headers=EN).text
    seen = [re.findall(r'href="/visitors/(v\d\d)"', page) for page in (first, second)]
    assert [len(one) for one in seen] == [24, 2]
    assert len({*seen[0], *seen[1]}) == 26


def test_a_visitor_of_no_alert_has_no_page(client: httpx.Client) -> None:
    log_in(client, "viewer")
    assert client.get("/visitors/nobody", headers=EN).status_code == 404
    assert "No face has paid with many cards" in client.get("/visitors", headers=EN).text

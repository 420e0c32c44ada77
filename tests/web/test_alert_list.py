from __future__ import annotations

import re
from urllib.parse import parse_qs, urlsplit

import httpx
import msgspec
import pytest

from tests.alerts.builders import OTHER_STORE, STORE
from tests.web.world import World, form_token, log_in, swipe_event

ENGLISH = {"Accept-Language": "en"}


def listed(client: httpx.Client, query: str = "") -> list[str]:
    page = client.get(f"/alerts?{query}", headers=ENGLISH)
    assert page.status_code == 200, page.text
    return re.findall(r'data-alert="([^"]+)"', page.text)


@pytest.fixture
def some(client: httpx.Client, world: World) -> dict[str, str]:
    """Alerts of two stores and three rules, by rule; the newest is `card_batch`'s."""
    settlement = world.settlement()
    world.log(msgspec.json.encode(swipe_event(settlement, person_id="329900-00042")))
    world.raise_alert("frequent_purchase", settlement=settlement, severity="low")
    world.raise_alert("closed_hours", store=OTHER_STORE, severity="high")
    world.raise_alert("card_batch", severity="critical", till="2")
    newest_first = listed(log_in(client))
    return dict(zip(("card_batch", "closed_hours", "frequent_purchase"), newest_first, strict=True))


@pytest.mark.parametrize(
    ("query", "rule"),
    [
        ("receipt=000001", "frequent_purchase"),
        ("person=329900-00042", "frequent_purchase"),
        (f"store={OTHER_STORE}", "closed_hours"),
        ("store=chengxi", "closed_hours"),
        ("store=城西", "closed_hours"),
        ("rule=card_batch", "card_batch"),
        ("severity=high", "closed_hours"),
        ("state=waiting&severity=critical", "card_batch"),
        ("rule=card_batch&store=ankang&from=2020-01-01T00:00&to=2099-01-01T00:00", "card_batch"),
    ],
)
def test_the_address_is_the_search(client: httpx.Client, some: dict[str, str], query: str, rule: str) -> None:
    assert listed(client, query) == [some[rule]]


@pytest.mark.parametrize(
    "query", ["receipt=999999", "person=nobody", "store=P99999999999", "rule=none", "state=closed", "to=2020-01-01"]
)
def test_a_search_that_nothing_matches_shows_nothing(client: httpx.Client, some: dict[str, str], query: str) -> None:
    assert len(some) == 3
    assert listed(client, query) == []
    assert "No alert matches" in client.get(f"/alerts?{query}", headers=ENGLISH).text


@pytest.mark.parametrize(
    ("query", "said"),
    [
        ("receipt=1", "at least three characters"),
        ("severity=awful", "no such severity"),
        ("state=odd", "no such state"),
        ("from=yesterday", "cannot be read"),
    ],
)
def test_a_field_that_means_nothing_is_said_and_nothing_is_shown(
    client: httpx.Client, some: dict[str, str], query: str, said: str
) -> None:
    assert len(some) == 3
    assert listed(client, query) == []
    assert said in client.get(f"/alerts?{query}", headers=ENGLISH).text


def test_the_fields_show_what_the_address_asks_for(client: httpx.Client, some: dict[str, str]) -> None:
    page = client.get("/alerts?receipt=000001&rule=card_batch&reviewed=no", headers=ENGLISH).text
    assert len(some) == 3
    assert 'name="receipt" value="000001"' in page
    assert '<option value="card_batch" selected>' in page
    assert 'value="no" checked' in page


@pytest.mark.parametrize(
    ("typed", "asked"),
    [
        ("Batch of cards", {"rule": ["card_batch"]}),
        ("集中刷卡", {"rule": ["card_batch"]}),
        ("329900-00042", {"person": ["329900-00042"]}),
        ("chengxi", {"store": ["chengxi"]}),
        (STORE, {"store": [STORE]}),
        ("00471", {"receipt": ["00471"]}),
        ("", {}),
    ],
)
def test_one_field_finds_a_rule_a_person_a_store_or_a_receipt(
    client: httpx.Client, some: dict[str, str], typed: str, asked: dict[str, list[str]]
) -> None:
    assert len(some) == 3
    led_to = urlsplit(client.get("/search", params={"q": typed}).headers["location"])
    assert led_to.path == "/alerts"
    assert parse_qs(led_to.query) == asked


@pytest.mark.slow
def test_pages_have_addresses_and_follow_without_gap_or_repeat(client: httpx.Client, world: World) -> None:
    for number in range(120):
        world.raise_alert("frequent_purchase", person=f"p-{number}")
    world.raise_alert("card_batch")
    log_in(client)
    address, seen = "/alerts?rule=frequent_purchase", []
    while address:
        page = client.get(address).text
        seen.append(re.findall(r'data-alert="([^"]+)"', page))
        following = re.search(r'rel="next" href="([^"]+)"', page)
        address = following[1].replace("&amp;", "&") if following else ""
    assert [len(some) for some in seen] == [50, 50, 20]
    assert len({one for some in seen for one in some}) == 120


def test_a_saved_search_is_its_owners_alone(client: httpx.Client, some: dict[str, str]) -> None:
    form = {"csrf": form_token(client), "name": "批量", "query": "rule=card_batch&state=waiting"}
    for _ in range(2):
        assert client.post("/searches", data=form).headers["location"] == "/alerts?rule=card_batch&state=waiting"
    page = client.get("/alerts", headers=ENGLISH).text
    assert page.count("/alerts?rule=card_batch&amp;state=waiting") == 1
    number = re.search(r"/searches/(\d+)/forget", page)
    assert number is not None
    log_in(client, "viewer")
    assert "批量" not in client.get("/alerts").text
    client.post(f"/searches/{number[1]}/forget", data={"csrf": form_token(client)})
    log_in(client)
    assert "批量" in client.get("/alerts").text
    client.post(f"/searches/{number[1]}/forget", data={"csrf": form_token(client)})
    assert "批量" not in client.get("/alerts").text
    assert len(some) == 3


def test_a_search_needs_a_name_to_be_saved(client: httpx.Client) -> None:
    form = {"csrf": form_token(log_in(client)), "name": "  ", "query": "rule=x"}
    assert client.post("/searches", data=form).status_code == 422


def test_unreviewed_only_are_those_that_this_person_has_not_reviewed(
    client: httpx.Client, some: dict[str, str]
) -> None:
    client.post(f"/alerts/{some['card_batch']}/review", headers={"X-CSRF-Token": form_token(client)})
    assert listed(client, "reviewed=no") == [some["closed_hours"], some["frequent_purchase"]]
    assert 'aria-pressed="true"' in client.get("/alerts").text


def test_before_the_first_alert_the_list_says_that_there_is_none_yet(client: httpx.Client) -> None:
    log_in(client)
    assert "No alert yet" in client.get("/alerts", headers=ENGLISH).text
    assert "No alert matches" in client.get("/alerts?state=closed", headers=ENGLISH).text

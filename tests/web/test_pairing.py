"""A terminal comes to its store by a short code from the centre, and goes when the centre says so."""

from __future__ import annotations

import re
from pathlib import Path

import httpx
import pytest

from storage.terminals.pairing import ALPHABET, CODE_LIFETIME_MS, Pairing
from tests.alerts.builders import OTHER_STORE, STORE
from tests.web.world import World, bearer, form_token, log_in
from web.access import csrf_of


def code_for(client: httpx.Client, institution_id: str = STORE, till_id: str = "") -> str:
    """Returns the code that an operator is shown."""
    log_in(client, "operator")
    form = {"institution_id": institution_id, "till_id": till_id, "csrf": form_token(client)}
    page = client.post("/terminals/pair", data=form, headers={"Accept-Language": "en"})
    assert page.status_code == 200, page.text
    (code,) = re.findall(r'<p class="code"[^>]*>([^<]+)</p>', page.text)
    assert page.headers["cache-control"] == "no-store"
    return str(code)


def type_in(client: httpx.Client, code: str) -> httpx.Response:
    client.get("/terminal/login")
    return client.post("/terminal/login", data={"token": code, "csrf": csrf_of(client.cookies["swipewatch_form"])})


def test_whoever_types_the_code_is_the_stores_terminal(client: httpx.Client, world: World) -> None:
    code = code_for(client, till_id="2")
    assert re.fullmatch(f"[{ALPHABET}]{{4}}-[{ALPHABET}]{{4}}", code)
    client.cookies.clear()
    answer = type_in(client, code)
    assert answer.status_code == 303
    cookie = answer.headers["set-cookie"]
    assert "HttpOnly" in cookie
    assert "SameSite=strict" in cookie
    assert client.get(answer.headers["location"]).status_code == 200
    (token,) = [one for one in world.accounts.tokens("terminal") if one.name.startswith(STORE)]
    assert (token.institution_ids, token.till_id, token.created_by) == ((STORE,), "2", "operator")


@pytest.mark.parametrize(
    "written", [str.lower, lambda code: code.replace("-", ""), lambda code: f" {code[:6]} {code[6:]} "]
)
def test_the_code_may_be_typed_as_people_type(client: httpx.Client, written) -> None:
    assert type_in(client, written(code_for(client))).status_code == 303


def test_the_code_works_once(client: httpx.Client) -> None:
    code = code_for(client)
    assert type_in(client, code).status_code == 303
    assert type_in(client, code).status_code == 401


def test_the_code_is_over_after_ten_minutes(client: httpx.Client, world: World) -> None:
    code, began_ms = code_for(client), world.now_ms()
    world.clock_ms = lambda: began_ms + CODE_LIFETIME_MS
    assert type_in(client, code).status_code == 401


def test_codes_cannot_be_guessed_from_an_address_for_long(client: httpx.Client, world: World) -> None:
    code = code_for(client)
    for number in range(world.services.limits.failed_logins):
        assert type_in(client, f"AAAA-{number:04d}").status_code == 401
    answer = type_in(client, code)
    assert answer.status_code == 429
    assert int(answer.headers["Retry-After"]) > 0


def test_the_code_cannot_be_read_from_the_database(client: httpx.Client, world: World) -> None:
    code = code_for(client)
    folder = Path(world.database.engine.url.database or "").parent
    content = b"".join(file.read_bytes() for file in folder.glob("*.db*"))
    assert b"pairing_code" in content
    assert code.encode() not in content
    assert code.replace("-", "").encode() not in content


def test_no_two_characters_of_a_code_look_alike() -> None:
    for alike in ("0ODQ", "1IL", "2Z", "5S", "8B", "UV"):
        assert len(set(alike) & set(ALPHABET)) <= (2 if alike == "0ODQ" else 0) + ("V" in alike), alike
    assert len(ALPHABET) ** 8 > 10**10


def test_a_store_that_nobody_knows_gets_no_code(client: httpx.Client) -> None:
    log_in(client, "operator")
    for form in ({"institution_id": "P00000000000"}, {"institution_id": STORE, "till_id": "99"}):
        assert client.post("/terminals/pair", data={**form, "csrf": form_token(client)}).status_code == 404


def test_a_revoked_terminal_is_out_at_once(client: httpx.Client, world: World) -> None:
    assert type_in(client, code_for(client, OTHER_STORE)).status_code == 303
    (token,) = [one for one in world.accounts.tokens("terminal") if one.name.startswith(OTHER_STORE)]
    assert client.get("/v1/terminal/notices").status_code == 200
    log_in(client, "operator")
    assert token.name in client.get("/terminals").text
    form = {"name": token.name, "csrf": form_token(client)}
    assert client.post("/terminals/revoke", data=form).status_code == 303
    assert client.get("/v1/terminal/notices").status_code == 401
    assert token.name not in client.get("/terminals", params={"q": OTHER_STORE}).text


def test_who_pairs_terminals_revokes_no_sender(client: httpx.Client, world: World) -> None:
    log_in(client, "operator")
    assert client.post("/terminals/revoke", data={"name": "city", "csrf": form_token(client)}).status_code == 404
    assert world.accounts.token("sender", world.sender_for_all) is not None


def test_a_store_is_found_by_name_code_or_device(client: httpx.Client) -> None:
    log_in(client, "operator")
    for words in ("城西", "chengxi", OTHER_STORE[-5:]):
        page = client.get("/terminals", params={"q": words}, headers={"Accept-Language": "zh"}).text
        assert "城西诊所" in page
        assert "安康药店" not in page
    assert "<section" not in client.get("/terminals", params={"q": "nowhere"}).text


def test_a_sender_made_here_hands_in_events_until_it_is_revoked(client: httpx.Client) -> None:
    log_in(client, "administrator")
    form = {"name": "his-7", "institutions": f"{STORE}, {OTHER_STORE}", "csrf": form_token(client)}
    page = client.post("/senders/add", data=form)
    (token,) = re.findall(r"sws_[\w-]+", page.text)
    assert client.post("/v1/events", json=[], headers=bearer(token)).status_code == 200
    assert token not in client.get("/senders").text
    again = client.post("/senders/add", data=form)
    assert again.status_code == 422
    assert "sws_" not in again.text
    assert client.post("/senders/revoke", data={"name": "his-7", "csrf": form_token(client)}).status_code == 303
    assert client.post("/v1/events", json=[], headers=bearer(token)).status_code == 401


@pytest.mark.parametrize("name", ["", "ankang"])
def test_a_sender_that_cannot_be_is_refused_in_words(client: httpx.Client, name: str) -> None:
    log_in(client, "administrator")
    form = {"name": name, "institutions": "*", "csrf": form_token(client)}
    assert client.post("/senders/add", data=form).status_code == 422


def test_two_devices_never_come_of_one_code(world: World) -> None:
    pairing = Pairing(world.database, world.accounts)
    code = pairing.new_code(STORE, None, "operator", 1_000)
    assert pairing.pair(code, 1_001) is not None
    assert pairing.pair(code, 1_002) is None
    assert pairing.pair(pairing.new_code(STORE, None, "operator", 1_000), 1_000 + CODE_LIFETIME_MS) is None

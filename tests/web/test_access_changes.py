"""Who changed an account, a token or a terminal is on record with the change, and is read by those who watch."""

from __future__ import annotations

import httpx
import pytest

from storage.access.accounts import AccountError
from storage.access.changes import CHANGE_ACTIONS, AccessChange, AccessChanges
from tests.alerts.builders import STORE
from tests.web.world import World, form_token, log_in
from web.access import csrf_of
from web.texts import Catalogue

HTML = {"Accept": "text/html", "Accept-Language": "en"}


def since(world: World, change_id: int) -> list[AccessChange]:
    return [one for one in AccessChanges(world.database).latest(100)[::-1] if one.change_id > change_id]


def newest(world: World) -> int:
    return AccessChanges(world.database).latest(1)[0].change_id


def post(client: httpx.Client, path: str, **form: str) -> httpx.Response:
    return client.post(path, data={**form, "csrf": form_token(client)}, headers=HTML)


def test_every_change_of_an_account_says_who_when_and_what(client: httpx.Client, world: World) -> None:
    before, before_ms = newest(world), world.now_ms()
    log_in(client, "administrator")
    post(client, "/accounts/add", username="wang", role="viewer")
    post(client, "/accounts/role", username="wang", role="operator")
    post(client, "/accounts/role", username="wang", role="operator")  # nothing changes
    post(client, "/accounts/reset", username="wang")
    post(client, "/accounts/disable", username="wang")
    post(client, "/accounts/enable", username="wang")
    changes = since(world, before)
    assert [(one.action, one.detail) for one in changes] == [
        ("added", "viewer"),
        ("role_changed", "viewer → operator"),
        ("password_reset", ""),
        ("disabled", ""),
        ("enabled", ""),
    ]
    assert {(one.actor, one.kind, one.subject) for one in changes} == {("administrator", "account", "wang")}
    assert all(before_ms <= one.at_ms <= world.now_ms() for one in changes)


def test_a_pairing_is_on_record_from_its_code_to_its_end(client: httpx.Client, world: World) -> None:
    before = newest(world)
    log_in(client, "operator")
    page = post(client, "/terminals/pair", institution_id=STORE, till_id="2")
    code = page.text.partition('<p class="code" role="status">')[2].partition("<")[0]
    client.get("/terminal/login")
    client.post("/terminal/login", data={"token": code, "csrf": csrf_of(client.cookies["swipewatch_form"])})
    name = since(world, before)[-1].subject
    log_in(client, "supervisor")
    assert post(client, "/terminals/revoke", name=name).status_code == 303
    assert [(one.actor, one.action, one.detail) for one in since(world, before)] == [
        ("operator", "code_made", ""),
        ("operator", "token_made", f"{STORE} 2"),
        ("supervisor", "token_revoked", ""),
    ]
    assert code.replace("-", "") not in repr(since(world, before))


def test_a_senders_token_is_on_record_and_its_value_is_not(client: httpx.Client, world: World) -> None:
    before = newest(world)
    log_in(client, "administrator")
    page = post(client, "/senders/add", name="his-9", institutions=STORE).text
    token = page.partition('secret-value long">')[2].partition("<")[0]
    post(client, "/senders/revoke", name="his-9")
    changes = since(world, before)
    assert [(one.kind, one.action, one.detail) for one in changes] == [
        ("sender", "token_made", STORE),
        ("sender", "token_revoked", ""),
    ]
    assert token not in repr(changes)


def test_what_is_refused_is_not_on_record(world: World) -> None:
    before = newest(world)
    for act in (
        lambda: world.accounts.disable("administrator", 1),
        lambda: world.accounts.add_account("viewer", "viewer", 1),
        lambda: world.accounts.reset_password("nobody"),
    ):
        with pytest.raises(AccountError):
            act()
    assert not world.accounts.revoke_token("no-such", 1)
    assert since(world, before) == []


def test_the_page_shows_all_and_one_names_own(client: httpx.Client, world: World) -> None:
    world.accounts.acting_as("li", 1_790_827_200_000).set_role("operator", "auditor")
    log_in(client, "auditor")
    page = client.get("/access-changes", headers=HTML).text
    assert "role changed" in page
    assert "operator → auditor" in page
    assert "on this machine" in page
    own = client.get("/access-changes", params={"name": "li"}, headers=HTML).text.partition("<tbody>")[2]
    assert own.count("<tr>") == 1
    older = client.get("/access-changes", params={"before": 1}, headers=HTML).text
    assert "Nothing on record" in older


def test_the_pages_of_accounts_senders_and_terminals_show_their_newest(client: httpx.Client) -> None:
    log_in(client, "administrator")
    for path, says in (("/accounts", "account and password set"), ("/senders", "token made"), ("/terminals", "paired")):
        trail = client.get(path, headers=HTML).text.partition("newest-changes")[2]
        assert says in trail, path
        assert "/access-changes" in trail
    log_in(client, "operator")
    assert 'href="/access-changes' not in client.get("/terminals", headers=HTML).text


def test_every_change_has_a_name_in_both_languages() -> None:
    keys = Catalogue.load().keys()
    named = {key.rpartition(".")[2] for key in keys if key.startswith("change_action.")}
    assert named == set(CHANGE_ACTIONS)

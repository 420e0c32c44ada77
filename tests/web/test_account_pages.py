"""Passwords and accounts as people change them."""

from __future__ import annotations

import re

import httpx
import pytest

from storage.access.accounts import AccountError
from tests.web.world import PASSWORD, World, form_token, log_in
from web.access import csrf_of

OWN = "a password of my own"
HTML = {"Accept": "text/html", "Accept-Language": "en"}


def come_in(client: httpx.Client, username: str, password: str) -> httpx.Response:
    client.get("/login")
    form = {"username": username, "password": password, "csrf": csrf_of(client.cookies["swipewatch_form"])}
    return client.post("/login", data=form)


def change(client: httpx.Client, current: str, password: str, again: str = "") -> httpx.Response:
    form = {"current": current, "password": password, "again": again or password, "csrf": form_token(client)}
    return client.post("/account/password", data=form, headers=HTML)


def added(client: httpx.Client, username: str, role: str = "operator") -> str:
    """Returns the one-time password that an administrator is shown for a new account."""
    log_in(client, "administrator")
    form = {"username": username, "role": role, "csrf": form_token(client)}
    page = client.post("/accounts/add", data=form, headers=HTML)
    assert page.status_code == 200
    return one_time(page)


def one_time(page: httpx.Response) -> str:
    (password,) = re.findall(r'secret-value">([^<]+)<', page.text)
    return str(password)


def test_a_one_time_password_opens_nothing_but_its_change(client: httpx.Client) -> None:
    password = added(client, "wang")
    assert password not in client.get("/accounts").text
    assert come_in(client, "wang", password).status_code == 303
    answer = client.get("/dead-letters", headers=HTML)
    assert (answer.status_code, answer.headers["location"]) == (303, "/account/password?to=%2Fdead-letters")
    refused = client.get("/dead-letters", headers={"Accept": "application/json"})
    assert (refused.status_code, refused.json()["error"]["code"]) == (403, "password_change")
    assert client.get("/account/password", headers=HTML).status_code == 200
    done = change(client, password, OWN)
    assert done.status_code == 303
    assert client.get("/dead-letters", headers=HTML).status_code == 200
    assert come_in(client, "wang", password).status_code == 401
    assert come_in(client, "wang", OWN).status_code == 303


@pytest.mark.parametrize(
    ("current", "password", "again", "says"),
    [
        ("wrong", OWN, OWN, "The current password is not right"),
        (PASSWORD, OWN, OWN + "2", "The two new passwords differ"),
        (PASSWORD, PASSWORD, PASSWORD, "must differ"),
        (PASSWORD, "short", "short", "at least 10 characters"),
    ],
)
def test_a_password_that_cannot_be_is_refused_in_words(
    client: httpx.Client, current: str, password: str, again: str, says: str
) -> None:
    log_in(client, "viewer")
    answer = change(client, current, password, again)
    assert answer.status_code == 422
    assert says in answer.text
    assert come_in(client, "viewer", PASSWORD).status_code == 303


def test_a_changed_password_ends_the_other_sessions_and_keeps_this_one(client: httpx.Client) -> None:
    log_in(client, "viewer")
    elsewhere = client.cookies["swipewatch_session"]
    log_in(client, "viewer")
    assert change(client, PASSWORD, OWN).status_code == 303
    assert client.get("/", headers=HTML).status_code == 200
    client.cookies.set("swipewatch_session", elsewhere)
    assert client.get("/", headers=HTML).status_code == 303


def test_a_stolen_session_does_not_let_one_guess_the_password(client: httpx.Client, world: World) -> None:
    log_in(client, "viewer")
    for _ in range(world.services.limits.failed_logins):
        assert change(client, "wrong", OWN).status_code == 422
    assert change(client, PASSWORD, OWN).status_code == 429


def test_an_administrator_resets_disables_and_enables(client: httpx.Client, world: World) -> None:
    log_in(client, "administrator")

    def post(what: str, **form: str) -> httpx.Response:
        data = {"username": "operator", "csrf": form_token(client), **form}
        return client.post(f"/accounts/{what}", data=data, headers=HTML)

    fresh = one_time(post("reset"))
    assert world.accounts.log_in("operator", PASSWORD, 1) is None
    assert world.accounts.log_in("operator", fresh, 1) is not None
    assert post("disable").status_code == 303
    assert world.accounts.log_in("operator", fresh, 1) is None
    assert "disabled" in client.get("/accounts", headers=HTML).text
    assert post("enable").status_code == 303
    assert post("role", role="auditor").status_code == 303
    roles = {account.username: account.role for account in world.accounts.accounts()}
    assert roles["operator"] == "auditor"
    assert post("role", role="root").status_code == 422


@pytest.mark.parametrize("what", ["disable", "role"])
def test_the_last_administrator_stays(client: httpx.Client, world: World, what: str) -> None:
    log_in(client, "administrator")
    form = {"username": "administrator", "role": "viewer", "csrf": form_token(client)}
    answer = client.post(f"/accounts/{what}", data=form, headers=HTML)
    assert answer.status_code == 422
    assert "last administrator" in answer.text
    world.accounts.add_account("second", "administrator", 1)
    assert client.post(f"/accounts/{what}", data=form, headers=HTML).status_code == 303


def test_a_name_that_is_taken_or_none_is_refused(client: httpx.Client, world: World) -> None:
    log_in(client, "administrator")
    for username in ("viewer", " "):
        form = {"username": username, "role": "viewer", "csrf": form_token(client)}
        answer = client.post("/accounts/add", data=form, headers=HTML)
        assert answer.status_code == 422
        assert "secret-value" not in answer.text
    assert world.accounts.log_in("viewer", PASSWORD, 1) is not None


def test_an_unknown_account_is_none_to_change(world: World) -> None:
    accounts = world.accounts
    for act in (lambda: accounts.enable("x"), lambda: accounts.disable("x", 1), lambda: accounts.reset_password("x")):
        with pytest.raises(AccountError, match="no account x"):
            act()


def test_a_name_is_shown_as_text_whatever_is_in_it(client: httpx.Client) -> None:
    added(client, "<script>alert(1)</script>")
    assert "<script>alert" not in client.get("/accounts", headers=HTML).text

"""Single sign-on against a small OpenID Connect provider in a process of its own."""

from __future__ import annotations

import dataclasses
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from tests.app.running import free_port
from tests.web.oidc_provider import CLIENT_ID, CLIENT_SECRET
from tests.web.world import PASSWORD, InProcess, World, log_in, poll
from web.app import create_app
from web.ports import SignOnSettings

pytestmark = pytest.mark.slow

CHECKOUT = Path(__file__).parents[2]
HTML = {"Accept": "text/html", "Accept-Language": "en"}


@pytest.fixture(scope="module")
def issuer() -> Iterator[str]:
    port = free_port()
    process = subprocess.Popen([sys.executable, "-m", "tests.web.oidc_provider", str(port)], cwd=CHECKOUT)
    address = f"http://127.0.0.1:{port}"

    def is_up() -> bool:
        try:
            return httpx.get(f"{address}/keys").is_success
        except httpx.TransportError:
            return False

    try:
        poll(is_up, 60)
        yield address
    finally:
        process.terminate()
        process.wait(15)


@pytest.fixture
def settings(issuer: str) -> SignOnSettings:
    return SignOnSettings(
        issuer=issuer,
        client_id=CLIENT_ID,
        client_secret=CLIENT_SECRET,
        scope="openid profile",
        username_claim="preferred_username",
        role_claim="roles",
        roles={"centre-staff": "operator", "audit": "auditor"},
    )


@pytest.fixture
def centre(world: World, settings: SignOnSettings) -> Iterator[httpx.Client]:
    """A browser before a centre that has single sign-on."""
    yield from browser(world, settings)


def browser(world: World, settings: SignOnSettings) -> Iterator[httpx.Client]:
    app = create_app(dataclasses.replace(world.services, sign_on=settings))
    with httpx.Client(transport=InProcess(app), base_url="http://127.0.0.1", headers=HTML) as made:
        yield made


def way_back(client: httpx.Client, user: str, to: str = "/") -> str:
    """Returns the address to which the provider sends a browser whose user has logged in there."""
    begun = client.get("/sign-on", params={"to": to})
    assert begun.status_code == 303, begun.text
    sent = httpx.get(begun.headers["location"], params=dict(httpx.URL(begun.headers["location"]).params, user=user))
    assert sent.status_code == 303, sent.text
    return sent.headers["location"]


def come_in(client: httpx.Client, user: str, to: str = "/") -> httpx.Response:
    return client.get(way_back(client, user, to))


def roles(world: World) -> dict[str, str]:
    return {account.username: account.role for account in world.accounts.accounts()}


@pytest.mark.parametrize(("user", "role"), [("wang", "operator"), ("audrey", "auditor")])
def test_the_provider_says_who_and_in_which_role(centre: httpx.Client, world: World, user: str, role: str) -> None:
    answer = come_in(centre, user, "/dead-letters")
    assert (answer.status_code, answer.headers["location"]) == (303, "/dead-letters")
    assert centre.get("/dead-letters").status_code == 200
    assert roles(world)[user] == role


def test_the_log_in_page_offers_it_only_where_there_is_one(centre: httpx.Client, client: httpx.Client) -> None:
    assert 'href="/sign-on?to=%2F"' in centre.get("/login").text.replace("to=/", "to=%2F")
    assert "/sign-on" not in client.get("/login").text
    assert client.get("/sign-on").status_code == 404
    assert client.get("/sign-on/return?code=x&state=y").status_code == 404


def test_a_role_that_the_provider_changes_is_changed_at_the_next_log_in(world: World, settings: SignOnSettings) -> None:
    for client in browser(world, settings):
        come_in(client, "wang")
    for client in browser(world, dataclasses.replace(settings, roles={"canteen": "viewer"})):
        come_in(client, "wang")
    assert roles(world)["wang"] == "viewer"


def test_whose_claims_stand_for_no_role_stays_out(centre: httpx.Client, world: World) -> None:
    answer = come_in(centre, "visitor")
    assert answer.status_code == 401
    assert "no role here" in answer.text
    assert "visitor" not in roles(world)
    assert "swipewatch_session" not in centre.cookies


def test_a_name_that_has_a_password_here_is_not_taken_over(centre: httpx.Client, world: World) -> None:
    answer = come_in(centre, "operator")
    assert answer.status_code == 401
    assert "somebody else" in answer.text
    assert world.accounts.log_in("operator", PASSWORD, world.now_ms()) is not None


def test_a_disabled_account_stays_out_whatever_the_provider_says(centre: httpx.Client, world: World) -> None:
    come_in(centre, "wang")
    world.accounts.disable("wang", world.now_ms())
    assert centre.get("/").status_code == 303
    assert come_in(centre, "wang").status_code == 401


def test_an_account_of_the_provider_has_no_password_here(centre: httpx.Client, world: World) -> None:
    come_in(centre, "wang")
    assert "single sign-on" in centre.get("/account/password").text
    assert world.accounts.log_in("wang", "", world.now_ms()) is None
    log_in(centre, "administrator")
    page = centre.get("/accounts").text
    assert "wang" in page
    assert page.count('value="wang"') == 1  # it can be disabled, and nothing else


@pytest.mark.parametrize("fault", ["iss", "aud", "exp", "nonce", "key", "nobody"])
def test_an_id_token_that_does_not_hold_opens_nothing(centre: httpx.Client, world: World, fault: str) -> None:
    before = roles(world)
    answer = come_in(centre, f"forged-{fault}")
    assert answer.status_code == 401
    assert "did not succeed" in answer.text
    assert roles(world) == before
    assert "swipewatch_session" not in centre.cookies


def test_an_answer_that_another_browser_asked_for_opens_nothing(
    centre: httpx.Client, world: World, settings: SignOnSettings
) -> None:
    address = way_back(centre, "wang")
    for other in browser(world, settings):
        assert other.get(address).status_code == 401
        way_back(other, "audrey")
        assert other.get(address).status_code == 401
    assert "wang" not in roles(world)
    assert centre.get(address).status_code == 303


def test_an_answer_works_once(centre: httpx.Client) -> None:
    address = way_back(centre, "wang")
    assert centre.get(address).status_code == 303
    assert centre.get(address).status_code == 401


def test_a_provider_that_is_away_or_is_another_is_said_so(world: World, settings: SignOnSettings, issuer: str) -> None:
    for wrong in (f"http://127.0.0.1:{free_port()}", f"{issuer}/", "http://127.0.0.1:1"):
        for client in browser(world, dataclasses.replace(settings, issuer=wrong)):
            answer = client.get("/sign-on")
            assert answer.status_code == 401
            assert "did not succeed" in answer.text


def test_a_wrong_secret_opens_nothing(world: World, settings: SignOnSettings) -> None:
    for client in browser(world, dataclasses.replace(settings, client_secret="wrong")):  # noqa: S106 - not a secret
        assert come_in(client, "wang").status_code == 401
    assert "wrong" not in repr(dataclasses.replace(settings, client_secret="wrong"))  # noqa: S106


def test_the_way_back_never_leads_to_another_site(centre: httpx.Client) -> None:
    assert come_in(centre, "wang", "//evil.example").headers["location"] == "/"

"""`swipewatch accounts …` and `swipewatch tokens …` as a person types them."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from typer.testing import CliRunner

from app.commands import commands
from app.configuration import read_configuration
from app.first_start import first_start
from config.settings import Registry, packaged
from events.errors import ConfigError
from storage.access.accounts import Accounts
from storage.database import Database, default_url

pytestmark = pytest.mark.slow

WRONG_ARGUMENTS = 2


class Desk:
    """A data folder after its first start, and a person who types."""

    def __init__(self, data: Path) -> None:
        self.data = data
        self.database = Database.open(default_url(data))
        self.accounts = Accounts(self.database)
        self.first_lines = list(first_start(self.accounts, Registry(), 1))

    def types(self, *arguments: str) -> str:
        """Returns what a command printed. Raises: ConfigError, which ends it with 2."""
        done = CliRunner().invoke(commands, [*arguments, "--data", str(self.data)], catch_exceptions=False)
        assert done.exit_code == 0, done.output
        return done.output.strip()

    def password(self, *arguments: str) -> str:
        """Returns the one-time password that a command printed."""
        return self.types(*arguments).rpartition(" ")[2]


@pytest.fixture
def desk(tmp_path: Path) -> Iterator[Desk]:
    made = Desk(tmp_path / "data")
    yield made
    made.database.close()


def test_the_first_administrator_has_to_change_the_printed_password(desk: Desk) -> None:
    (line,) = [line for line in desk.first_lines if "log in as admin" in line]
    password = line.split("password ")[1].split(",", maxsplit=1)[0]
    session = desk.accounts.log_in("admin", password, 1)
    assert session is not None
    account = desk.accounts.session_account(session, 2)
    assert account is not None
    assert (account.role, account.must_change_password) == ("administrator", True)


def test_an_account_is_added_listed_reset_disabled_and_enabled(desk: Desk) -> None:
    password = desk.password("accounts", "add", "wang", "--role", "auditor")
    assert desk.accounts.log_in("wang", password, 1) is not None
    assert desk.types("accounts", "list").splitlines() == [
        "admin  administrator  one-time password",
        "wang  auditor  one-time password",
    ]
    fresh = desk.password("accounts", "reset", "wang")
    assert desk.accounts.log_in("wang", password, 1) is None
    assert desk.accounts.log_in("wang", fresh, 1) is not None
    desk.types("accounts", "disable", "wang")
    assert "wang  auditor  disabled" in desk.types("accounts", "list")
    desk.types("accounts", "enable", "wang")
    desk.types("accounts", "role", "wang", "--role", "viewer")
    assert "wang  viewer  one-time password" in desk.types("accounts", "list")


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (("accounts", "disable", "admin"), "last administrator"),
        (("accounts", "reset", "nobody"), "no account nobody"),
        (("accounts", "add", "admin", "--role", "viewer"), "already"),
        (("tokens", "revoke", "none"), "tokens list"),
        (("tokens", "add", "t", "--kind", "terminal", "--institution", "*"), "one store"),
        (("tokens", "add", "t", "--till", "1", "--institution", "*"), "only a terminal"),
    ],
)
def test_what_cannot_be_is_refused_with_the_reason(desk: Desk, arguments: tuple[str, ...], says: str) -> None:
    with pytest.raises(ConfigError, match=says):
        desk.types(*arguments)


def test_a_role_that_is_none_is_refused(desk: Desk) -> None:
    arguments = ["accounts", "add", "x", "--role", "root", "--data", str(desk.data)]
    assert CliRunner().invoke(commands, arguments).exit_code == WRONG_ARGUMENTS


def test_a_token_is_added_listed_and_revoked(desk: Desk) -> None:
    token = desk.types("tokens", "add", "his-7", "--institution", "H32990000007")
    assert desk.accounts.token("sender", token) is not None
    listed = desk.types("tokens", "list")
    assert "sender  first-sender  *  since" in listed
    assert "sender  his-7  H32990000007  since" in listed
    assert token not in listed
    desk.types("tokens", "revoke", "his-7")
    assert desk.accounts.token("sender", token) is None
    assert "his-7" not in desk.types("tokens", "list")


def test_a_revoked_terminal_of_the_registry_stays_revoked_at_the_next_start(desk: Desk) -> None:
    registry = read_configuration(registry_file=packaged("demo.yaml")).registry
    assert [line for line in first_start(desk.accounts, registry, 2) if "pairs with token" in line]
    name = desk.accounts.tokens("terminal")[0].name
    desk.types("tokens", "revoke", name)
    assert list(first_start(desk.accounts, registry, 4)) == []

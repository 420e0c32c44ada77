from __future__ import annotations

import pytest
from sqlalchemy import text

from storage.access.accounts import AccountError
from tests.web.world import PASSWORD, World


def everything(world: World) -> str:
    with world.database.read() as session:
        tables = ("account", "session", "token")
        return repr([session.execute(text(f"select * from {table}")).all() for table in tables])  # noqa: S608


def test_neither_passwords_nor_tokens_can_be_read_from_the_database(world: World) -> None:
    session_token = world.accounts.log_in("operator", PASSWORD, 1)
    kept = everything(world)
    assert session_token is not None
    for secret in (PASSWORD, session_token, world.sender_for_all, world.terminal):
        assert secret not in kept
    assert "$argon2id$" in kept


def test_a_session_belongs_to_its_account_until_it_ends(world: World) -> None:
    session_token = world.accounts.log_in("viewer", PASSWORD, 1_000)
    assert session_token is not None
    account = world.accounts.session_account(session_token, 2_000)
    assert account is not None
    assert (account.username, account.role) == ("viewer", "viewer")
    assert world.accounts.session_account(session_token, 1_000 + 12 * 3_600_000) is None
    world.accounts.log_out(session_token)
    assert world.accounts.session_account(session_token, 2_000) is None


def test_a_new_password_ends_all_sessions(world: World) -> None:
    session_token = world.accounts.log_in("viewer", PASSWORD, 1)
    assert session_token is not None
    world.accounts.put_account("viewer", PASSWORD + "2", "operator", 2)
    assert world.accounts.session_account(session_token, 3) is None
    assert world.accounts.log_in("viewer", PASSWORD, 3) is None
    assert world.accounts.log_in("viewer", PASSWORD + "2", 3) is not None


def test_an_account_that_is_removed_is_gone_with_its_sessions(world: World) -> None:
    session_token = world.accounts.log_in("viewer", PASSWORD, 1)
    assert session_token is not None
    assert world.accounts.remove_account("viewer")
    assert not world.accounts.remove_account("viewer")
    assert world.accounts.session_account(session_token, 2) is None
    assert "viewer" not in [account.username for account in world.accounts.accounts()]


@pytest.mark.parametrize(
    ("username", "password", "role"),
    [("", PASSWORD, "viewer"), (" a", PASSWORD, "viewer"), ("a", "short", "viewer"), ("a", PASSWORD, "root")],
)
def test_an_account_that_cannot_be_is_refused(world: World, username: str, password: str, role: str) -> None:
    with pytest.raises(AccountError):
        world.accounts.put_account(username, password, role, 1)  # type: ignore[arg-type]


def test_a_token_is_replaced_under_its_name_and_the_old_one_opens_nothing(world: World) -> None:
    renewed = world.accounts.put_token("terminal", "ankang", ["P1", "P2"], 1, till_id="7")
    assert world.accounts.token("terminal", world.terminal) is None
    token = world.accounts.token("terminal", renewed)
    assert token is not None
    assert (token.name, token.institution_ids, token.till_id) == ("ankang", ("P1", "P2"), "7")
    assert token.speaks_for("P2")
    assert not token.speaks_for("P3")


def test_a_token_of_one_kind_is_none_of_the_other(world: World) -> None:
    assert world.accounts.token("sender", world.terminal) is None
    with pytest.raises(AccountError, match="terminal"):
        world.accounts.put_token("sender", "ankang", ["*"], 1)


def test_a_revoked_token_is_listed_no_more(world: World) -> None:
    assert [token.name for token in world.accounts.tokens("sender")] == ["city", "store-his"]
    assert world.accounts.revoke_token("city", 1)
    assert not world.accounts.revoke_token("city", 2)
    assert [token.name for token in world.accounts.tokens("sender")] == ["store-his"]


def test_a_token_needs_a_name_and_an_institution(world: World) -> None:
    for name, ids in (("", ["*"]), ("x", [])):
        with pytest.raises(AccountError):
            world.accounts.put_token("sender", name, ids, 1)

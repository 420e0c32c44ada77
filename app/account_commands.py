"""`swipewatch accounts …` and `swipewatch tokens …`: who may come in, changed while the product runs or is stopped."""

from __future__ import annotations

import getpass
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated

import typer

from app.clock import now_ms
from app.options import DEFAULT_DATA, DatabaseAddress, DataDirectory, existing_database
from events.errors import ConfigError
from storage.access.accounts import TOKEN_PREFIXES, AccountError, Accounts, Role, Token, TokenKind
from storage.database import Database

accounts = typer.Typer(
    help="Lists and changes the people who may log in.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
)
tokens = typer.Typer(
    help="Lists, makes and revokes the tokens of senders, terminals and camera agents.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
)

Username = Annotated[str, typer.Argument(help="The name to log in with.")]
RoleOption = Annotated[Role, typer.Option("--role", help="What the person may do.")]
TokenName = Annotated[str, typer.Argument(help="The sender's or device's name.")]


@accounts.command("list")
def list_accounts(data: DataDirectory = DEFAULT_DATA, database: DatabaseAddress = None) -> None:
    """Prints everybody who may log in: name, role, state."""
    with _opened(data, database) as opened:
        for account in opened.accounts():
            state = "one-time password" if account.must_change_password else "active"
            typer.echo(f"{account.username}  {account.role}  {'disabled' if account.disabled else state}")


@accounts.command("add")
def add_account(
    username: Username, role: RoleOption, data: DataDirectory = DEFAULT_DATA, database: DatabaseAddress = None
) -> None:
    """Makes an account and prints its one-time password, which has to be changed at the first log-in."""
    with _opened(data, database) as opened:
        typer.echo(f"one-time password of {username}: {opened.add_account(username, role, now_ms())}")


@accounts.command("role")
def set_role(
    username: Username, role: RoleOption, data: DataDirectory = DEFAULT_DATA, database: DatabaseAddress = None
) -> None:
    """Gives an account another role; its sessions end."""
    with _opened(data, database) as opened:
        opened.set_role(username, role)
        typer.echo(f"{username} is {role} now")


@accounts.command("disable")
def disable_account(username: Username, data: DataDirectory = DEFAULT_DATA, database: DatabaseAddress = None) -> None:
    """Shuts an account: its sessions end, and nobody can log in by it."""
    with _opened(data, database) as opened:
        opened.disable(username, now_ms())
        typer.echo(f"{username} is disabled")


@accounts.command("enable")
def enable_account(username: Username, data: DataDirectory = DEFAULT_DATA, database: DatabaseAddress = None) -> None:
    """Opens a disabled account again."""
    with _opened(data, database) as opened:
        opened.enable(username)
        typer.echo(f"{username} is active")


@accounts.command("reset")
def reset_account(username: Username, data: DataDirectory = DEFAULT_DATA, database: DatabaseAddress = None) -> None:
    """Prints a new one-time password; the old password and all sessions end."""
    with _opened(data, database) as opened:
        typer.echo(f"one-time password of {username}: {opened.reset_password(username)}")


@tokens.command("list")
def list_tokens(data: DataDirectory = DEFAULT_DATA, database: DatabaseAddress = None) -> None:
    """Prints the tokens that are not revoked: kind, name, institutions, till, since when, by whom."""
    with _opened(data, database) as opened:
        for token in [one for kind in TOKEN_PREFIXES for one in opened.tokens(kind)]:
            typer.echo(_line(token))


@tokens.command("add")
def add_token(
    name: TokenName,
    institution: Annotated[list[str], typer.Option("--institution", help="Its code; `*` for all. Several: repeat.")],
    kind: Annotated[TokenKind, typer.Option(help="What the token is for.")] = "sender",
    till: Annotated[str | None, typer.Option(help="A terminal's till; else it shows the whole store.")] = None,
    data: DataDirectory = DEFAULT_DATA,
    database: DatabaseAddress = None,
) -> None:
    """Prints a new token; it is not shown again. An old one of that name ends."""
    if kind == "terminal" and (len(institution) != 1 or "*" in institution):
        raise ConfigError("command line", "--institution", ", ".join(institution), "one store for a terminal")
    if kind != "terminal" and till is not None:
        raise ConfigError("command line", "--till", till, "only a terminal has a till")
    with _opened(data, database) as opened:
        maker = getpass.getuser()
        typer.echo(opened.put_token(kind, name, institution, now_ms(), till_id=till, created_by=maker))


@tokens.command("revoke")
def revoke_token(name: TokenName, data: DataDirectory = DEFAULT_DATA, database: DatabaseAddress = None) -> None:
    """Ends a token; open terminals of it end within seconds."""
    with _opened(data, database) as opened:
        if not opened.revoke_token(name, now_ms()):
            raise ConfigError("command line", "NAME", name, "the name of a token that `tokens list` shows")
        typer.echo(f"{name} is revoked")


def _line(token: Token) -> str:
    since = datetime.fromtimestamp(token.created_at_ms / 1000, UTC)
    till = f"  till {token.till_id}" if token.till_id else ""
    maker = f" by {token.created_by}" if token.created_by else ""
    return f"{token.kind}  {token.name}  {' '.join(token.institution_ids)}{till}  since {since:%Y-%m-%d}{maker}"


@contextmanager
def _opened(data: Path, database: str | None) -> Iterator[Accounts]:
    """Gives the accounts of a product's database; what cannot be is a mistake on the command line."""
    opened = Database.open(existing_database(data, database))
    try:
        yield Accounts(opened)
    except AccountError as error:
        raise ConfigError("command line", "argument", error.problem, str(error)) from error
    finally:
        opened.close()

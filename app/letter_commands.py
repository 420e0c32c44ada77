"""`swipewatch dead-letters …`: what was set aside, looked at, and fed back once its reason is gone."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated

import msgspec
import typer

from app.clock import now_ms
from app.logs import configure_logs
from app.options import DEFAULT_DATA, DatabaseAddress, DataDirectory, existing_database
from app.publishing import publish_lines
from events.dead_letters import Place
from events.durations import duration_ms
from events.errors import ConfigError
from storage.database import Database
from storage.log import AcceptedLog, KeptLetter

TOGETHER = 1_000

letters = typer.Typer(
    help="Lists what was set aside, shows its bytes, and feeds it back.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
)

Reason = Annotated[str | None, typer.Option(help="Only what was set aside for this reason, such as too_late.")]
Since = Annotated[str | None, typer.Option(help="Only what was set aside so recently, such as 2h.")]


@letters.command("list")
def list_letters(
    data: DataDirectory = DEFAULT_DATA, database: DatabaseAddress = None, reason: Reason = None, since: Since = None
) -> None:
    """Prints a line for each letter: number, time, reason, place, detail. Never their bytes."""
    configure_logs()
    with _log_of(database, data) as log:
        count = 0
        for kept in _wanted(log, reason, since):
            letter, at = kept.letter, datetime.fromtimestamp(kept.at_ms / 1000, UTC)
            typer.echo(
                f"{kept.letter_id}  {at:%Y-%m-%d %H:%M:%SZ}  {letter.reason}  {_words(letter.place)}  {letter.detail}"
            )
            count += 1
    typer.echo(f"{count} dead letters", err=True)


@letters.command()
def show(
    number: Annotated[int, typer.Argument(help="The letter, as `list` numbers it.")],
    data: DataDirectory = DEFAULT_DATA,
    database: DatabaseAddress = None,
) -> None:
    """Writes the letter's original bytes to standard output, and why it was set aside to standard error."""
    configure_logs()
    with _log_of(database, data) as log:
        kept = _letter(log, number)
    letter = kept.letter
    typer.echo(f"{letter.reason} ({letter.stage}): {letter.detail}; {_words(letter.place)}", err=True)
    sys.stdout.buffer.write(letter.original)
    sys.stdout.buffer.flush()


@letters.command()
def feed(  # noqa: PLR0913 - an option each
    to: Annotated[str, typer.Option(help="Where to: http://HOST:PORT of a running product, or kafka://HOST:PORT.")],
    numbers: Annotated[list[int] | None, typer.Argument(help="The letters; or choose by --reason and --since.")] = None,
    data: DataDirectory = DEFAULT_DATA,
    database: DatabaseAddress = None,
    reason: Reason = None,
    since: Since = None,
    *,
    token: Annotated[str | None, typer.Option(envvar="SWIPEWATCH_TOKEN", help="The sender's token.")] = None,
    history: Annotated[
        bool, typer.Option("--history", help="To Kafka: never too late, and nobody is reminded.")
    ] = False,
) -> None:
    """Sends letters once more, as their senders would; what is refused again becomes a letter of its own."""
    configure_logs()
    if not numbers and reason is None and since is None:
        raise ConfigError("command line", "dead-letters feed", None, "numbers of letters, --reason or --since")
    with _log_of(database, data) as log:
        chosen = [_letter(log, number) for number in numbers] if numbers else list(_wanted(log, reason, since))
    lines = (kept.letter.original.replace(b"\n", b" ") for kept in chosen)
    done = publish_lines(lines, to, token, None, lambda _bytes: None, is_history=history)
    said = f"{len(chosen)} fed: {done.accepted} accepted, {done.duplicate} duplicates, {done.dead_letter} dead letters"
    typer.echo(said, err=True)


@contextmanager
def _log_of(database: str | None, data: Path) -> Iterator[AcceptedLog]:
    opened = Database.open(existing_database(data, database))
    try:
        yield AcceptedLog(opened)
    finally:
        opened.close()


def _wanted(log: AcceptedLog, reason: str | None, since: str | None) -> Iterator[KeptLetter]:
    since_ms = 0 if since is None else now_ms() - _ms("--since", since)
    after = 0
    while some := log.dead_letters(TOGETHER, after, reason=reason, since_ms=since_ms):
        yield from some
        after = some[-1].letter_id


def _letter(log: AcceptedLog, number: int) -> KeptLetter:
    kept = log.dead_letter(number)
    if kept is None:
        raise ConfigError("command line", "dead letter", number, "a number that `swipewatch dead-letters list` shows")
    return kept


def _ms(option: str, text: str) -> int:
    try:
        return duration_ms(text)
    except ValueError as error:
        raise ConfigError("command line", option, text, "a time such as 90s, 10m, 24h or 7d") from error


def _words(place: Place) -> str:
    return " ".join(f"{key} {value}" for key, value in msgspec.to_builtins(place).items())

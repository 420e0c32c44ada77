"""`swipewatch enrolment …`: what is kept of somebody's face, opting out, erasure, and faces under two persons."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Annotated

import typer

from app.clock import now_ms
from app.options import DEFAULT_DATA, DatabaseAddress, DataDirectory, existing_database
from app.vault import Vault
from events.errors import ConfigError
from storage.access.changes import MACHINE, By
from storage.evidence.kept_files import KindName
from storage.faces.enrolment import Enrolment, Erased
from storage.faces.references import Basis

enrolment = typer.Typer(
    help="What is kept of the faces of holders and staff: shows it, opts out, erases.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
)
PersonId = Annotated[str, typer.Argument(help="The insured person, or a member of staff as `staff list` names them.")]
Day = Annotated[str | None, typer.Option("--since", help="The day since which it holds, YYYY-MM-DD; else today.")]
Photographs = Annotated[list[Path], typer.Argument(help="One or several photographs of that person alone.")]
Consent = Annotated[str, typer.Option(help="What proves it, such as 'written consent, file 17'.")]
GivenBasis = Annotated[Basis, typer.Option(help="Why the face may be kept.")]


@enrolment.command()
def status(person_id: PersonId, data: DataDirectory = DEFAULT_DATA, database: DatabaseAddress = None) -> None:
    """Prints what is kept of a person's face and why, and whether the person has opted out."""
    with opened_enrolment(data, database) as kept:
        found = kept.status(person_id)
    for one in found.references:
        grounds = one.grounds
        typer.echo(
            f"{one.engine} {one.engine_version}, quality {one.quality:.2f}, enrolled {_day(one.enrolled_at_ms)}"
            f" by {grounds.by}: {grounds.basis} since {grounds.day}, {grounds.proof}"
        )
    if found.opt_out is not None:
        typer.echo(f"opted out since {found.opt_out.since_day}: {found.opt_out.basis}")
    if not found.references:
        typer.echo("no reference is kept")


@enrolment.command("opt-out")
def opt_out(
    person_id: PersonId,
    basis: Annotated[str, typer.Option(help="Who asked and how, such as 'letter of 2026-03-01'.")],
    since: Day = None,
    data: DataDirectory = DEFAULT_DATA,
    database: DatabaseAddress = None,
) -> None:
    """Removes a person's references for good: they are compared with nobody, and cannot be enrolled."""
    with opened_enrolment(data, database) as kept:
        removed = kept.opt_out(_person(person_id), basis, checked_day(since), By(MACHINE, now_ms()))
    typer.echo(f"opted out; {removed} references removed")


@enrolment.command("withdraw-opt-out")
def withdraw_opt_out(person_id: PersonId, data: DataDirectory = DEFAULT_DATA, database: DatabaseAddress = None) -> None:
    """Lets a person be enrolled again; nothing of before comes back."""
    with opened_enrolment(data, database) as kept:
        if not kept.withdraw_opt_out(person_id, By(MACHINE, now_ms())):
            raise ConfigError("command line", "PERSON_ID", person_id, "somebody who has opted out")
    typer.echo("the opt-out is withdrawn")


@enrolment.command()
def erase(
    person_id: PersonId,
    data: DataDirectory = DEFAULT_DATA,
    database: DatabaseAddress = None,
    *,
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask once more.")] = False,
) -> None:
    """Removes a person's references, and pictures and films of their swipes that no alert cites; says what stays."""
    with opened_enrolment(data, database) as kept:
        if not yes:
            typer.confirm(f"erase the face of {person_id}? This cannot be taken back", abort=True)
        erased = kept.erase(person_id, By(MACHINE, now_ms()))
    for line in report_of(erased):
        typer.echo(line)


@enrolment.command()
def duplicates(data: DataDirectory = DEFAULT_DATA, database: DatabaseAddress = None) -> None:
    """Prints pairs of persons whose enrolled faces look like one and that nobody has settled; the page settles them."""
    with opened_enrolment(data, database) as kept:
        for one in kept.duplicates.found():
            if one.outcome is None:
                typer.echo(f"{one.person_id} and {one.other_person_id}: {one.engine} {one.similarity:.2f}")


def checked_day(text: str | None) -> str:
    """Returns the day as an ISO date, today for None. Raises: ConfigError for anything else, or a day to come."""
    today = datetime.now(UTC).astimezone().date()
    try:
        day = today if text is None else date.fromisoformat(text)
    except ValueError:
        raise ConfigError("command line", "--since", text, "a day, YYYY-MM-DD") from None
    if day > today:
        raise ConfigError("command line", "--since", text, "today or a day before")
    return day.isoformat()


def report_of(erased: Erased) -> Iterator[str]:
    """Yields the report of an erasure, a line each: what went, what stays and why."""
    yield f"removed: {erased.references} references, {erased.duplicates} notes of a look-alike"
    yield f"removed of {erased.swipes} swipes: {_counted(erased.removed)}"
    if erased.cited:
        yield f"stays: {_counted(erased.cited)}, because an alert cites it as evidence; it goes with the alert's time"
    yield f"stays: accepted events and findings ({erased.alerts} alerts), which are records of settlements; no face"
    yield f"forgotten within seconds: {erased.visitors} visitors seen at the person's swipes, if their ids still hold"
    if erased.is_opted_out:
        yield "stays: the opt-out, so that nobody enrols the person again"


def _counted(files: Mapping[KindName, int]) -> str:
    return ", ".join(f"{count} {kind}s" for kind, count in sorted(files.items())) or "nothing was kept"


def _person(person_id: str) -> str:
    if not person_id.strip():
        raise ConfigError("command line", "PERSON_ID", person_id, "the id of a person")
    return person_id


def _day(at_ms: int) -> str:
    return datetime.fromtimestamp(at_ms / 1000, UTC).date().isoformat()


@contextmanager
def opened_enrolment(data: Path, database: str | None) -> Iterator[Enrolment]:
    """Opens what is kept of enrolled faces. Raises: ConfigError where no product's database is."""
    existing_database(data, database)
    vault = Vault(data, database=database)
    try:
        yield vault.enrolment
    finally:
        vault.close()

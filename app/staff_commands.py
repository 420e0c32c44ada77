"""`swipewatch staff …`: enrols an institution's staff, whom no visitor rule counts then, and lists who is enrolled."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from app.clock import now_ms
from app.configuration import Configuration, read_configuration
from app.enrolment import enrol_photographs
from app.enrolment_commands import Consent, Day, GivenBasis, Photographs, checked_day, opened_enrolment
from app.logs import configure_logs
from app.options import DEFAULT_DATA, DatabaseAddress, DataDirectory, SettingsFile
from app.photo_reading import engines_of
from app.vault import Vault
from events.errors import ConfigError
from storage.access.changes import MACHINE
from storage.faces.references import Grounds
from storage.faces.staff import StaffMember, StaffRole

staff = typer.Typer(
    help="Staff of institutions: enrols them, lists them. `enrolment` opts them out and erases them, by the id listed.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
)


@staff.command()
def enrol(  # noqa: PLR0913, PLR0917 - an option each; typer passes them by name
    institution_id: Annotated[str, typer.Argument(help="Where the person works.")],
    staff_id: Annotated[str, typer.Argument(help="The institution's own word for the person; no name.")],
    photographs: Photographs,
    consent: Consent,
    role: Annotated[StaffRole, typer.Option(help="What the person is there.")] = "pharmacist",
    basis: GivenBasis = "consent",
    since: Day = None,
    data: DataDirectory = DEFAULT_DATA,
    config: SettingsFile = None,
    registry: Annotated[Path | None, typer.Option(help="Institutions, to check the id against (YAML).")] = None,
    database: DatabaseAddress = None,
) -> None:
    """Keeps reference faces of a member of staff, encrypted; the photographs themselves are not kept."""
    configure_logs()
    configuration = read_configuration(config, registry_file=registry)
    member = StaffMember(
        institution_id=known_institution(institution_id, configuration), staff_id=staff_id.strip(), role=role
    )
    if not member.staff_id:
        raise ConfigError("command line", "STAFF_ID", staff_id, "what the institution calls the person")
    grounds = Grounds(basis=basis, day=checked_day(since), proof=consent, by=MACHINE)
    vault = Vault(data, database=database or configuration.effective.settings.database_url)
    try:
        engines = engines_of(configuration)
        for line in enrol_photographs(vault.enrolment, engines, member, photographs, grounds, now_ms()):
            typer.echo(line)
    finally:
        vault.close()


@staff.command("list")
def list_(
    institution_id: Annotated[str | None, typer.Argument(help="Of this institution alone.")] = None,
    data: DataDirectory = DEFAULT_DATA,
    database: DatabaseAddress = None,
) -> None:
    """Prints the enrolled staff: the id that `enrolment status`, `opt-out` and `erase` take, and the role."""
    with opened_enrolment(data, database) as kept:
        for member in kept.staff.enrolled(None if institution_id is None else {institution_id}):
            typer.echo(f"{member.subject_id} {member.role}")


def known_institution(institution_id: str, configuration: Configuration) -> str:
    """Returns the institution. Raises: ConfigError for one that the registry, if it has any, does not have."""
    known = {one.institution_id for one in configuration.registry.institutions}
    if not institution_id.strip() or (known and institution_id not in known):
        raise ConfigError("command line", "INSTITUTION_ID", institution_id, "an institution of the registry")
    return institution_id

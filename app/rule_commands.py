"""`swipewatch rules …`: look at the rules that a product keeps, and change them while it runs."""

from __future__ import annotations

import getpass
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated

import typer
import yaml

from app.clock import now_ms
from app.kept_rules import KeptRules
from app.logs import configure_logs
from app.options import DEFAULT_DATA, DatabaseAddress, DataDirectory, existing_database
from app.rule_files import RuleFile, parse_rules, read_rule_file, read_rule_files, read_rules
from app.rule_words import differences, in_words, longer_looks
from config.settings import packaged, parse_yaml
from detectors.catalogue import EFFECTIVE_FROM, RuleMode, Ruleset, read_time
from events.errors import ConfigError
from storage.database import FILE_NAME, Database
from storage.rule_halts import RuleHalts
from storage.rule_versions import StoredVersion

PREFIX_CHARACTERS = 4

rules = typer.Typer(
    help="Lists, checks, activates and rolls back the rules of a product, running or stopped.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
)

File = Annotated[Path, typer.Argument(help="A rule file (YAML).")]
Rule = Annotated[str, typer.Argument(help="The rule's name.")]
Since = Annotated[
    str | None,
    typer.Option("--from", help="In force from then on (a date with time and offset, or ms UTC) instead of now."),
]
Note = Annotated[str, typer.Option(help="Why, for those who read `rules list` later.")]


@rules.command("list")
def list_versions(data: DataDirectory = DEFAULT_DATA, database: DatabaseAddress = None) -> None:
    """Prints every version with the time from which it is, was or will be in force; rules that are halted."""
    with _opened(data, database) as product:
        for line in _version_lines(product.kept.timeline(), now_ms()):
            typer.echo(line)
        for halt in product.halts.standing():
            typer.echo(
                f"halted: {halt.detector} since {in_words(halt.halted_at_ms)}, at more than {halt.breaker} findings "
                f"an hour; {halt.held} recorded without an alert since"
            )


@rules.command()
def check(file: File, data: DataDirectory = DEFAULT_DATA, database: DatabaseAddress = None) -> None:
    """Checks a rule file, or a folder of versions, whole and prints what it would change; exit 2 if it is wrong."""
    newest = read_rule_files(file)[-1]
    if database is None and not (data / FILE_NAME).exists():
        shipped = read_rules(packaged("rules.yaml"))
        typer.echo(f"version {newest.ruleset.version} is valid; compared with the rules that ship:")
        _print_changes(shipped.versions[-1], newest.ruleset)
        return
    with _opened(data, database) as product:
        current = product.in_force(now_ms())
        typer.echo(f"version {newest.ruleset.version} is valid; compared with {current.version}, in force now:")
        _print_changes(current, newest.ruleset)
        for line in longer_looks(product.kept.rulebook(), newest.ruleset):
            typer.echo(line)


@rules.command()
def activate(
    file: File,
    since: Since = None,
    note: Note = "",
    data: DataDirectory = DEFAULT_DATA,
    database: DatabaseAddress = None,
) -> None:
    """Puts a rule file into force from now on, or from a given time; a running product follows within seconds."""
    new, at_ms = read_rule_file(file), now_ms()
    with _opened(data, database) as product:
        product.activate(new, _since_ms(new, since, at_ms), at_ms, note)


@rules.command()
def rollback(
    version: Annotated[
        str | None, typer.Argument(help="The version (its first characters); else the one before.")
    ] = None,
    note: Note = "",
    data: DataDirectory = DEFAULT_DATA,
    database: DatabaseAddress = None,
) -> None:
    """Puts an earlier version into force again, from now on."""
    at_ms = now_ms()
    with _opened(data, database) as product:
        earlier = _earlier(product.kept.timeline(), product.in_force(at_ms), version, at_ms)
        said = note or f"rolled back to number {earlier.number}"
        product.activate(_as_file(earlier.content, f"rule version {earlier.number}"), at_ms, at_ms, said)


@rules.command()
def mode(
    rule: Rule,
    to: Annotated[RuleMode, typer.Argument(help="live; shadow: recorded, told to nobody; off.")],
    note: Note = "",
    data: DataDirectory = DEFAULT_DATA,
    database: DatabaseAddress = None,
) -> None:
    """Changes the mode of one rule of the version in force, from now on: a new version with nothing else changed."""
    at_ms = now_ms()
    with _opened(data, database) as product:
        current = product.stored_in_force(at_ms)
        said = parse_yaml(current.content, f"rule version {current.number}")
        entry = said.get(rule)
        if not isinstance(entry, dict):
            raise ConfigError(
                "command line", "RULE", rule, f"one of {', '.join(sorted(said.keys() - {EFFECTIVE_FROM}))}"
            )
        entry["mode"] = to
        content = yaml.safe_dump(said, allow_unicode=True, sort_keys=False)
        product.activate(_as_file(content, "command line"), at_ms, at_ms, note or f"{rule}: {to}")


@rules.command()
def resume(rule: Rule, data: DataDirectory = DEFAULT_DATA, database: DatabaseAddress = None) -> None:
    """Lets a rule that was halted make alerts again; what was recorded meanwhile makes none."""
    with _opened(data, database) as product:
        if not product.halts.resume(rule, _who(), now_ms()):
            halted = ", ".join(halt.detector for halt in product.halts.standing()) or "none is"
            raise ConfigError("command line", "RULE", rule, f"a rule that is halted ({halted})")
    typer.echo(f"{rule} makes alerts again")


@rules.command()
def export(
    folder: Annotated[Path, typer.Argument(help="A folder; made if absent.")],
    data: DataDirectory = DEFAULT_DATA,
    database: DatabaseAddress = None,
) -> None:
    """Writes the versions as a folder that `--rules` takes: a replay with it judges as the product did."""
    with _opened(data, database) as product:
        versions = product.kept.timeline()
    try:
        folder.mkdir(parents=True, exist_ok=True)
        for number, one in enumerate(versions, start=1):
            said = parse_yaml(one.content, f"rule version {one.number}")
            dated = {
                EFFECTIVE_FROM: one.effective_from_ms,
                **{name: said[name] for name in said if name != EFFECTIVE_FROM},
            }
            text = yaml.safe_dump(dated, allow_unicode=True, sort_keys=False)
            (folder / f"{number:04}-{one.version}.yaml").write_text(text, encoding="utf-8")
    except OSError as error:
        raise ConfigError("command line", "FOLDER", str(folder), f"cannot be written: {error.strerror}") from error
    typer.echo(f"{len(versions)} versions in {folder}")


class _ProductRules:
    """The rules of one product's database, and the one way to change them."""

    def __init__(self, database: Database) -> None:
        self.kept, self.halts = KeptRules(database), RuleHalts(database)

    def stored_in_force(self, at_ms: int) -> StoredVersion:
        """Returns the version in force then. Raises: ConfigError when there is none."""
        begun = [one for one in self.kept.timeline() if one.effective_from_ms <= at_ms]
        if not begun:
            raise ConfigError("command line", "--data", "no version is in force", "the data of a product that has run")
        return begun[-1]

    def in_force(self, at_ms: int) -> Ruleset:
        """Returns what is in force then. Raises: ConfigError."""
        return self.kept.ruleset_of(self.stored_in_force(at_ms))

    def activate(self, file: RuleFile, since_ms: int, at_ms: int, note: str) -> None:
        """Afterwards the rules are in force from then on, and it is said what that changes."""
        before, rulebook = self.kept.timeline(), self.kept.rulebook()
        current = rulebook.in_force_at(since_ms)
        if current is not None and (current.version, before[-1].version) == (file.ruleset.version,) * 2:
            typer.echo(f"version {current.version} is in force already")
            return
        self.kept.store(file, since_ms, "command", at_ms, _who(), note)
        typer.echo(f"version {file.ruleset.version} is in force from {in_words(since_ms)}")
        for gone in (one for one in before if one.effective_from_ms >= since_ms):
            typer.echo(f"in the place of {gone.version}, from {in_words(gone.effective_from_ms)}")
        _print_changes(current, file.ruleset)
        for line in longer_looks(rulebook, file.ruleset):
            typer.echo(line)


@contextmanager
def _opened(data: Path, database: str | None) -> Iterator[_ProductRules]:
    configure_logs()
    opened = Database.open(existing_database(data, database))
    try:
        yield _ProductRules(opened)
    finally:
        opened.close()


def _since_ms(file: RuleFile, since: str | None, at_ms: int) -> int:
    """Returns the time that the command or else the file says, or now. Raises: ConfigError for a file's past one."""
    if since is not None:
        return read_time(int(since) if since.isdecimal() else since, "command line", "--from")
    said_ms = file.ruleset.effective_from_ms
    if 0 < said_ms < at_ms:
        allowed = "a time to come; with --from, a past one: what was found since then is judged anew"
        raise ConfigError(file.source, EFFECTIVE_FROM, said_ms, allowed)
    return said_ms or at_ms


def _earlier(versions: list[StoredVersion], current: Ruleset, wanted: str | None, at_ms: int) -> StoredVersion:
    """Returns the latest version that began before now, is another than the current one, and is the wanted one."""
    others = [one for one in versions if one.effective_from_ms <= at_ms and one.version != current.version]
    if wanted is not None:
        if len(wanted) < PREFIX_CHARACTERS:
            raise ConfigError(
                "command line", "VERSION", wanted, f"at least {PREFIX_CHARACTERS} characters of a version"
            )
        others = [one for one in others if one.version.startswith(wanted)]
    if len({one.version for one in others}) > 1 and wanted is not None:
        raise ConfigError("command line", "VERSION", wanted, "more characters: several versions begin so")
    if not others:
        known = ", ".join(dict.fromkeys(one.version for one in versions if one.version != current.version)) or "none"
        raise ConfigError(
            "command line", "VERSION", wanted or "the one before", f"an earlier version; there is {known}"
        )
    return others[-1]


def _version_lines(versions: list[StoredVersion], at_ms: int) -> Iterator[str]:
    begun = [one.number for one in versions if one.effective_from_ms <= at_ms]
    for one in versions:
        mark = "*" if begun and one.number == begun[-1] else " "
        yield (
            f"{mark} {one.number:3} {one.version}  from {in_words(one.effective_from_ms)}  "
            f"({one.origin}, by {one.stored_by} on {in_words(one.stored_at_ms)}{f': {one.note}' if one.note else ''})"
        )


def _print_changes(old: Ruleset | None, new: Ruleset) -> None:
    lines = list(differences(old or Ruleset(version="", entries=()), new))
    for line in lines or ["nothing changes"]:
        typer.echo(line)


def _as_file(content: str, source: str) -> RuleFile:
    return RuleFile(source=source, content=content, ruleset=parse_rules(content, source))


def _who() -> str:
    try:
        return getpass.getuser()
    except (KeyError, OSError):  # a container without an entry for its user
        return "unknown"

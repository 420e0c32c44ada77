"""Every command of the command line; each does its work elsewhere and only reads and prints here."""

from __future__ import annotations

import dataclasses
import sys
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Annotated, Literal

import msgspec
import typer

from app.account_commands import accounts as account_commands
from app.account_commands import tokens as token_commands
from app.at_store.token import token_source
from app.clock import now_ms
from app.configuration import Configuration, read_configuration, sign_on
from app.enrolment import enrol_photographs
from app.enrolment_commands import Consent, Day, GivenBasis, Photographs, checked_day
from app.enrolment_commands import enrolment as enrolment_commands
from app.face_commands import faces as face_commands
from app.first_start import first_start
from app.importing import Imported, import_history
from app.kept_rules import KeptRules
from app.key_commands import keys as key_commands
from app.letter_commands import letters as letter_commands
from app.logs import configure_logs, hush, take_in_library_logs
from app.options import (
    BROKERS_VARIABLE,
    DEFAULT_DATA,
    ConfiguredBrokers,
    DatabaseAddress,
    DataDirectory,
    SettingsFile,
    existing_database,
    given_brokers,
    shared_database,
)
from app.photo_reading import engines_of
from app.product import Product, free_port
from app.progress import byte_progress
from app.publishing import Published, publish_files
from app.rule_commands import rules as rule_commands
from app.rule_files import read_rules
from app.rule_words import in_words, written
from app.staff_commands import staff as staff_commands
from app.standing import wait_until_decided
from app.topic_commands import topics as topic_commands
from app.vault import DirectoryLock, Vault
from app.webhook import WEBHOOK_KEY, secret_text
from config.settings import (
    AgentSettings,
    CameraWorkSettings,
    VisitorsSettings,
    WebSettings,
    WorkerSettings,
    packaged,
)
from events.dead_letters import DeadLetter, Place, dead_letter_json
from events.durations import duration_ms
from events.errors import ConfigError
from events.findings import finding_json, replay_order
from storage.access.changes import MACHINE
from storage.database import Database, shown_url
from storage.faces.references import Grounds
from storage.findings import standing_json
from storage.log import AcceptedLog
from storage.sealing.crypto import open_key
from streams.changes import Changes
from streams.logged_engine import LoggedEngine
from streams.parts import parts_for
from streams.places import Offer
from streams.replay import PartedResult, ReplayResult, replay_files, replay_in_parts
from streams.sources import events_in, read_offers

commands = typer.Typer(
    name="swipewatch",
    help="Joins card swipes with camera frames, finds anomalies exactly, and reminds the store while it happens.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
)

RulesFile = Annotated[
    Path | None,
    typer.Option("--rules", help="Rules instead of the configured ones: a YAML file, or a folder of versions."),
]
RegistryFile = Annotated[
    Path | None, typer.Option("--registry", help="Institutions, tills, cameras and terminals (YAML).")
]
Files = Annotated[
    list[Path], typer.Argument(help="Event files in order of arrival: JSON Lines (.jsonl, .jsonl.gz) or .parquet.")
]
OutFile = Annotated[Path | None, typer.Option("--out", help="Write there instead of standard output.")]
commands.add_typer(rule_commands, name="rules")
commands.add_typer(account_commands, name="accounts")
commands.add_typer(token_commands, name="tokens")
commands.add_typer(enrolment_commands, name="enrolment")
commands.add_typer(staff_commands, name="staff")
commands.add_typer(face_commands, name="faces")
commands.add_typer(key_commands, name="keys")
commands.add_typer(topic_commands, name="topics")
commands.add_typer(letter_commands, name="dead-letters")


@commands.command()
def demo(
    port: Annotated[int, typer.Option(help="Port of the dashboard on 127.0.0.1; 0 takes a free one.")] = 8000,
    for_: Annotated[str | None, typer.Option("--for", help="End by itself after a while, such as 120s.")] = None,
    data: DataDirectory = Path(".cache/demo/data"),
    photographs: Annotated[Path, typer.Option(help="Folder of the demo's photographs (`make setup`).")] = Path(
        ".cache/demo"
    ),
) -> None:
    """Runs everything on one machine with a simulated city, on real input: dashboard, terminals, cameras, faces."""
    from app.demo import run_demo  # the simulator is loaded by the demo alone

    configure_logs(quiet=True)
    seconds = None if for_ is None else _duration_ms("--for", for_) / 1000
    run_demo(directory=data, photographs=photographs, port=port, seconds=seconds)


@commands.command()
def serve(  # noqa: PLR0917 - an option each; typer passes them by name
    data: DataDirectory = DEFAULT_DATA,
    config: SettingsFile = None,
    rules: RulesFile = None,
    registry: RegistryFile = None,
    host: Annotated[str | None, typer.Option(help="Address to listen on instead of the configured one.")] = None,
    port: Annotated[int | None, typer.Option(help="Port to listen on instead of the configured one.")] = None,
    database: DatabaseAddress = None,
) -> None:
    """Runs the product for one city on this machine: ingestion, detection, cameras, alerts, web."""
    configure_logs()
    configuration = _listening(read_configuration(config, rules, registry), "web", host, port)
    web = configuration.effective.settings.web
    vault = Vault(data, database=_database(configuration, database), held="alone")
    for line in first_start(vault.accounts, configuration.registry, now_ms()):
        typer.echo(line)
    product = Product(configuration, vault)
    product.start()
    typer.echo(f"swipewatch serves http://{web.host}:{web.port} from {data.absolute()}")
    product.run()


@commands.command()
def web(  # noqa: PLR0913, PLR0917 - an option each; typer passes them by name
    brokers: ConfiguredBrokers = None,
    data: DataDirectory = DEFAULT_DATA,
    config: SettingsFile = None,
    rules: RulesFile = None,
    registry: RegistryFile = None,
    host: Annotated[str | None, typer.Option(help="Address to listen on instead of the configured one.")] = None,
    port: Annotated[int | None, typer.Option(help="Port to listen on instead of the configured one.")] = None,
    database: DatabaseAddress = None,
) -> None:
    """On a cluster: ingestion, the centre's pages, terminals and API; any number of these beside the workers."""
    from app.cluster_web import ClusterWeb  # Kafka's client is loaded by those who need it

    configure_logs()
    take_in_library_logs()
    hush("kafka")
    configuration = _listening(read_configuration(config, rules, registry), "web", host, port)
    settings = configuration.effective.settings
    kafka = given_brokers(brokers, settings.cluster.brokers)
    vault = Vault(data, database=shared_database(database, settings.database_url), held="beside")
    with vault.database.starting():
        for line in first_start(vault.accounts, configuration.registry, now_ms()):
            typer.echo(line)
    one = ClusterWeb(configuration, vault, kafka)
    one.start()
    typer.echo(f"swipewatch web on http://{settings.web.host}:{settings.web.port}, events to {kafka}")
    one.run()


@commands.command()
def worker(  # noqa: PLR0917 - an option each; typer passes them by name
    brokers: ConfiguredBrokers = None,
    data: DataDirectory = DEFAULT_DATA,
    config: SettingsFile = None,
    rules: RulesFile = None,
    host: Annotated[str | None, typer.Option(help="Address of /healthz, /readyz and /metrics.")] = None,
    port: Annotated[int | None, typer.Option(help="Port of these, instead of the configured one.")] = None,
    database: DatabaseAddress = None,
) -> None:
    """On a cluster: decides and judges what is swiped; as many of these as there are partitions share the work."""
    from app.cluster_worker import ClusterWorker  # Kafka's clients are loaded by those who need them

    configure_logs()
    configuration = _listening(read_configuration(config, rules), "worker", host, port)
    settings = configuration.effective.settings
    kafka = given_brokers(brokers, settings.cluster.brokers)
    lock = DirectoryLock(data)  # a worker that was paused would write into its successor's snapshots
    opened = Database.open(shared_database(database, settings.database_url))
    opened.claim(alone=False)
    working = ClusterWorker(configuration, opened, kafka, data)
    typer.echo(f"swipewatch worker on {kafka}; how it is: http://{settings.worker.host}:{settings.worker.port}/readyz")
    try:
        working.run()
    finally:
        opened.close()
        lock.release()


@commands.command()
def video(  # noqa: PLR0913, PLR0917 - an option each; typer passes them by name
    brokers: ConfiguredBrokers = None,
    data: DataDirectory = DEFAULT_DATA,
    config: SettingsFile = None,
    registry: RegistryFile = None,
    cameras: Annotated[
        str | None, typer.Option(help="The cameras to look at, by their ids with commas; else all of the registry.")
    ] = None,
    host: Annotated[str | None, typer.Option(help="Address of /healthz, /readyz and /metrics.")] = None,
    port: Annotated[int | None, typer.Option(help="Port of these, instead of the configured one.")] = None,
    database: DatabaseAddress = None,
    to: Annotated[
        str | None, typer.Option(help="At a store: the centre's address, https://HOST. Its cameras are looked through.")
    ] = None,
    token_file: Annotated[
        Path | None, typer.Option(help="With --to: the file with the agent's token; else SWIPEWATCH_TOKEN.")
    ] = None,
) -> None:
    """Looks through cameras at what is swiped: on a cluster, or with --to at a store for its centre."""
    wanted = None if cameras is None else [one.strip() for one in cameras.split(",") if one.strip()]
    if to is not None:
        for option, given in (("--brokers", brokers), ("--database", database), ("--registry", registry)):
            if given is not None:
                shown = shown_url(str(given)) if option == "--database" else str(given)
                raise ConfigError("command line", option, shown, "not with --to: the centre has these")
        _look_at_store(to, token_file, data, _listening(read_configuration(config), "agent", host, port), wanted)
        return
    from app.cluster_video import ClusterVideo  # Kafka's client is loaded by those who need it

    configure_logs()
    take_in_library_logs()
    hush("kafka")
    configuration = _listening(read_configuration(config, None, registry), "video", host, port)
    settings = configuration.effective.settings
    kafka = given_brokers(brokers, settings.cluster.brokers)
    vault = Vault(data, database=shared_database(database, settings.database_url), held="beside")
    looking = ClusterVideo(configuration, vault, kafka, wanted)
    looking.start()
    typer.echo(f"swipewatch video looks through {len(looking.camera_ids)} cameras, events from and to {kafka}")
    looking.run()


@commands.command()
def visitors(
    data: DataDirectory = DEFAULT_DATA,
    config: SettingsFile = None,
    host: Annotated[str | None, typer.Option(help="Address to be asked at, instead of the configured one.")] = None,
    port: Annotated[int | None, typer.Option(help="Port to be asked at, instead of the configured one.")] = None,
) -> None:
    """On a cluster: remembers visitors for all of a region, so that a face has one id everywhere; one process alone."""
    from app.visitors.service import VisitorService

    configure_logs()
    configuration = _listening(read_configuration(config), "visitors", host, port)
    where = configuration.effective.settings.visitors
    answering = VisitorService(configuration, data)
    answering.start()
    typer.echo(f"swipewatch visitors remembers {answering.visitors.sizes[0]} on http://{where.host}:{where.port}")
    answering.run()


def _look_at_store(
    to: str, token_file: Path | None, data: Path, configuration: Configuration, wanted: Sequence[str] | None
) -> None:
    from app.at_store.agent import StoreAgent  # whatever a store needs is loaded there

    configure_logs()
    looking = StoreAgent(configuration.effective.settings.agent, data, to, token_source(token_file), wanted)
    looking.start()
    typer.echo(f"swipewatch video looks through {len(looking.camera_ids)} cameras for {to}")
    looking.run()


@commands.command("replay")
def replay_command(
    files: Files,
    rules: RulesFile = None,
    batch: Annotated[
        int | None, typer.Option(min=1, help="Accept and judge so many lines at a time, as the live product does.")
    ] = None,
    out: OutFile = None,
    dead_letters: Annotated[Path | None, typer.Option(help="Write what was set aside there (JSON Lines).")] = None,
    emissions: Annotated[
        Path | None, typer.Option(help="Write every raised and withdrawn finding there, in order (needs --batch).")
    ] = None,
    *,
    parts: Annotated[
        int | None,
        typer.Option(min=1, help="Cut the input into so many parts on disk (TMPDIR); else as memory needs it."),
    ] = None,
) -> None:
    """Runs the rules over event files and prints the findings that stand at the end (JSON Lines)."""
    configure_logs()
    if emissions is not None and batch is None:
        raise ConfigError(
            "command line", "--emissions", str(emissions), "needs --batch N: one judgement has no history"
        )
    if parts is not None and batch is not None:
        raise ConfigError("command line", "--parts", parts, "a replay in batches is never cut")
    rulebook = read_rules(rules or packaged("rules.yaml"))
    changes: list[Changes] = []
    with TemporaryDirectory(prefix="swipewatch-") as scratch:
        with byte_progress("replay", sum(_size(file) for file in files)) as progress:
            result: ReplayResult | PartedResult
            if batch is None and (cut := parts or parts_for(events_in(files))) > 1:
                result = replay_in_parts(files, rulebook, cut, Path(scratch), progress)
            else:
                on_changes = changes.append if emissions else None
                result = replay_files(files, rulebook, batch=batch, on_changes=on_changes, progress=progress)
        _write(out, (finding_json(finding) for finding in result.findings))
    if dead_letters is not None:
        _write(dead_letters, (dead_letter_json(letter) for letter in result.dead_letters), "--dead-letters")
    if emissions is not None:
        _write(emissions, _emissions(changes), "--emissions")
    typer.echo(_summary(result), err=True)


@commands.command()
def publish(
    files: Files,
    to: Annotated[str, typer.Option(help="Where to: http://HOST:PORT of a running product, or kafka://HOST:PORT.")],
    token: Annotated[str | None, typer.Option(envvar="SWIPEWATCH_TOKEN", help="The sender's token.")] = None,
    rate: Annotated[str | None, typer.Option(help="At most so many events a second, such as 50/s.")] = None,
    *,
    history: Annotated[
        bool, typer.Option("--history", help="To Kafka: the events are history, never too late; nobody is reminded.")
    ] = False,
) -> None:
    """Sends events as a sender would, with retries, until each is accepted or set aside."""
    configure_logs()
    with byte_progress("publish", sum(_size(file) for file in files)) as progress:
        published = publish_files(files, to, token, _rate(rate), progress, is_history=history)
    typer.echo(_published(published), err=True)


@commands.command()
def findings(
    data: DataDirectory = DEFAULT_DATA,
    database: DatabaseAddress = None,
    *,
    wait: Annotated[bool, typer.Option("--wait", help="Wait until all that was accepted is decided.")] = False,
    brokers: Annotated[
        str | None,
        typer.Option(envvar=BROKERS_VARIABLE, help="Of a cluster: its Kafka, whose topics --wait compares as well."),
    ] = None,
    out: OutFile = None,
) -> None:
    """Prints the findings that stand (JSON Lines), from a running or stopped product's database."""
    configure_logs()
    opened = Database.open(existing_database(data, database))
    try:
        if wait:
            wait_until_decided(opened, brokers)
        _write(out, standing_json(opened))
    finally:
        opened.close()


@commands.command()
def export(
    data: DataDirectory = DEFAULT_DATA,
    database: DatabaseAddress = None,
    out: OutFile = None,
) -> None:
    """Prints the accepted log (JSON Lines): the original bytes of every accepted event, in order of acceptance.

    To a file that ends in .parquet it writes the events as rows.
    """
    configure_logs()
    opened = Database.open(existing_database(data, database))
    try:
        originals = (logged.original for logged in AcceptedLog(opened).read())
        if out is not None and out.suffix == ".parquet":
            _write_parquet(out, ((original, Place()) for original in originals))
        else:
            _write(out, originals)
    finally:
        opened.close()


@commands.command()
def convert(
    files: Files,
    out: Annotated[Path, typer.Option("--out", help="The file to write, .parquet.")],
    dead_letters: Annotated[Path | None, typer.Option(help="Write what is no event there (JSON Lines).")] = None,
) -> None:
    """Writes event files as one Parquet file, a row an event; what is no event is left out and counted."""
    configure_logs()
    if out.suffix != ".parquet":
        raise ConfigError("command line", "--out", str(out), "a name that ends in .parquet")
    with byte_progress("convert", sum(_size(file) for file in files)) as progress:
        letters = _write_parquet(out, (offer for file in files for offer in read_offers(file, progress)))
    if dead_letters is not None:
        _write(dead_letters, (dead_letter_json(letter) for letter in letters), "--dead-letters")
    typer.echo(f"{out}: {len(letters)} dead letters left out", err=True)


def _write_parquet(out: Path, offers: Iterable[Offer]) -> list[DeadLetter]:
    from streams.parquet.writer import write_parquet  # loaded by those who write Parquet alone

    return write_parquet(out, offers)


@commands.command("import")
def import_command(
    files: Files,
    data: DataDirectory = DEFAULT_DATA,
    config: SettingsFile = None,
    rules: RulesFile = None,
    database: DatabaseAddress = None,
) -> None:
    """Loads history into a stopped product, however old: findings are recorded, and nobody is reminded of them."""
    configure_logs()
    configuration = read_configuration(config, rules)
    vault = Vault(data, database=_database(configuration, database), held="alone")
    try:
        kept = KeptRules(vault.database)
        kept.take_in(
            configuration.rule_files, configuration.rules_path, given=configuration.rules_given, now_ms=now_ms()
        )
        logged = LoggedEngine(vault.database, kept.rulebook(), now_ms, vault.store)
        with byte_progress("import", sum(_size(file) for file in files)) as progress:
            offers = (offer for file in files for offer in read_offers(file, progress))
            imported = import_history(vault.database, logged, offers, now_ms)
    finally:
        vault.close()
    typer.echo(_imported(imported), err=True)


@commands.command()
def enrol(  # noqa: PLR0913, PLR0917 - an option each; typer passes them by name
    person_id: Annotated[str, typer.Argument(help="The insured person.")],
    photographs: Photographs,
    consent: Consent,
    basis: GivenBasis = "consent",
    since: Day = None,
    data: DataDirectory = DEFAULT_DATA,
    config: SettingsFile = None,
    database: DatabaseAddress = None,
) -> None:
    """Keeps reference faces of a person, encrypted; the photographs themselves are not kept.

    All photographs are kept or none: of each that is not good it says what to change.
    """
    configure_logs()
    configuration = read_configuration(config)
    grounds = Grounds(basis=basis, day=checked_day(since), proof=consent, by=MACHINE)
    vault = Vault(data, database=_database(configuration, database))
    try:
        engines = engines_of(configuration)
        for line in enrol_photographs(vault.enrolment, engines, person_id, photographs, grounds, now_ms()):
            typer.echo(line)
    finally:
        vault.close()


@commands.command("webhook-secret")
def webhook_secret(data: DataDirectory = DEFAULT_DATA) -> None:
    """Prints the secret that the webhook's receiver checks pushes with; made if there is none yet."""
    typer.echo(secret_text(open_key(data / "keys" / WEBHOOK_KEY)))


@commands.command("check-config")
def check_config(config: SettingsFile = None, rules: RulesFile = None, registry: RegistryFile = None) -> None:
    """Prints the effective configuration with where each value came from; exit 2 when something is wrong."""
    configuration = read_configuration(config, rules, registry)
    sign_on(configuration)
    for line in _configuration_lines(configuration):
        typer.echo(line)


def _database(configuration: Configuration, given: str | None) -> str | None:
    """Returns the address of the database, or None for the data directory's own."""
    return given or configuration.effective.settings.database_url


def _listening(
    configuration: Configuration,
    part: Literal["web", "worker", "video", "agent", "visitors"],
    host: str | None,
    port: int | None,
) -> Configuration:
    """Returns the configuration with the address of the command line, where that part listens or says how it is."""
    effective = configuration.effective
    there: WebSettings | WorkerSettings | CameraWorkSettings | AgentSettings | VisitorsSettings = getattr(
        effective.settings, part
    )
    listen_on = host or there.host
    chosen = msgspec.structs.replace(
        there, host=listen_on, port=free_port(listen_on, there.port if port is None else port)
    )
    settings = msgspec.structs.replace(effective.settings, **{part: chosen})
    return dataclasses.replace(configuration, effective=msgspec.structs.replace(effective, settings=settings))


def _configuration_lines(configuration: Configuration) -> Iterator[str]:
    effective = configuration.effective
    values = msgspec.to_builtins(effective.settings, enc_hook=written)
    for key, source in effective.sources.items():
        value: object = values
        for step in key.split("."):
            value = value[step] if isinstance(value, dict) else None
        if key == "database_url" and isinstance(value, str):
            value = shown_url(value)
        yield f"{key} = {value}    ({source})"
    registry = configuration.registry
    tills = [till for institution in registry.institutions for till in institution.tills]
    cameras = sum(len(till.cameras) for till in tills)
    yield f"registry: {len(registry.institutions)} institutions, {len(tills)} tills, {cameras} cameras"
    for ruleset in configuration.rules.versions:
        since = in_words(ruleset.effective_from_ms)
        yield f"rules version {ruleset.version} from {since}    ({configuration.rules_path})"
        for entry in ruleset.entries:
            settings = entry.settings
            parameters = msgspec.to_builtins(entry.parameters, enc_hook=written)
            yield f"  {entry.name}: {settings.mode}, route {settings.route}, {parameters}"


def _size(file: Path) -> int:
    try:
        return file.stat().st_size
    except OSError as error:
        raise ConfigError("command line", "FILE", str(file), f"cannot be read: {error.strerror}") from error


def _duration_ms(option: str, text: str) -> int:
    try:
        return duration_ms(text)
    except ValueError as error:
        raise ConfigError("command line", option, text, str(error)) from error


def _rate(text: str | None) -> float | None:
    """Returns events a second of `50/s`, or None."""
    if text is None:
        return None
    number = text.removesuffix("/s")
    if not number.replace(".", "", 1).isdigit() or float(number) <= 0:
        raise ConfigError("command line", "--rate", text, "events a second, such as 50/s")
    return float(number)


def _write(out: Path | None, lines: Iterable[bytes], option: str = "--out") -> None:
    """Writes lines to the file that the option names or to standard output."""
    if out is None:
        sys.stdout.buffer.writelines(line + b"\n" for line in lines)
        sys.stdout.buffer.flush()
        return
    try:
        with out.open("wb") as file:
            file.writelines(line + b"\n" for line in lines)
    except OSError as error:
        raise ConfigError("command line", option, str(out), f"cannot be written: {error.strerror}") from error


def _emissions(changes: Iterable[Changes]) -> Iterator[bytes]:
    """Yields raised and withdrawn findings batch by batch, in replay's order within each, with what caused them."""
    for change in changes:
        for finding in sorted((*change.raised, *change.withdrawn), key=replay_order):
            body = msgspec.to_builtins(finding) | {"cause": change.causes[finding.finding_id]}
            yield msgspec.json.encode(body)


def _summary(result: ReplayResult | PartedResult) -> str:
    return (
        f"{result.lines} lines: {result.accepted} accepted, {result.duplicates} duplicates, "
        f"{len(result.dead_letters)} dead letters; {len(result.findings)} findings"
    )


def _imported(imported: Imported) -> str:
    return (
        f"{imported.accepted} accepted, {imported.duplicates} duplicates, {imported.dead_letters} dead letters; "
        f"{imported.findings} findings stand"
    )


def _published(published: Published) -> str:
    reasons = ", ".join(f"{reason} {count}" for reason, count in sorted(published.reasons.items()))
    summary = f"{published.accepted} accepted, {published.duplicate} duplicates, {published.dead_letter} dead letters"
    return f"{summary} ({reasons})" if reasons else summary

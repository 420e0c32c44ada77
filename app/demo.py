"""The demo: the embedded product with a simulated city in front of it. From the ingestion API on everything is real.

Simulated, and said so: the people, their swipes, and what the cameras see (clips composed from photographs).
"""

from __future__ import annotations

import contextlib
import dataclasses
import hashlib
import json
import os
import secrets
import threading
import time
from collections.abc import Mapping, Sequence
from pathlib import Path

import httpx
import msgspec
import structlog
import typer
from rich.console import Console
from rich.progress import track

from app.clock import now_ms
from app.configuration import Configuration, read_configuration
from app.enrolment import enrol_photographs
from app.enrolment_commands import checked_day
from app.photo_reading import engines_of
from app.product import Product, free_port, wait_until_ready
from app.vault import Vault
from config.settings import Registry, packaged
from events.errors import ConfigError
from simulator.city import ENROLLED, POSITIONS, City, Place, counter_scenes
from simulator.clips import Scene, compose_clip
from storage.access.accounts import Accounts
from storage.access.changes import MACHINE
from storage.faces.enrolment import Enrolment
from storage.faces.references import Grounds
from storage.log import AcceptedLog
from storage.queries.numbers import NumberQueries

READY_WITHIN_S = 60.0
SEND_TIMEOUT_S = 30.0
SEND_AGAIN_S = 0.5
OPERATOR = "operator"
SENDER = "demo-city"
TERMINALS_MAY_REST_MS = 24 * 3_600_000
"""Nobody opens all eight terminals of the demo: those that stay shut are no news."""
CLIP_FPS = 12
CLIP_SIZE = (640, 360)
CONSENT = "demo: photograph from a public package"

_log = structlog.get_logger()


class Access(msgspec.Struct, frozen=True):
    """The demo's own log-ins, kept with its data so that a second start prints the same, and how often it started."""

    password: str
    sender_token: str
    terminal_tokens: dict[str, str]
    starts: int


def run_demo(*, directory: Path, photographs: Path, port: int, seconds: float | None) -> None:
    """Runs the demo until it is interrupted, or for so many seconds, and prints a summary.

    Raises: ConfigError when the photographs are missing or the port is taken.
    """
    scenes = counter_scenes(photographs)
    _check_photographs(scenes)
    clips = _composed(scenes, photographs / "clips")
    port = free_port("127.0.0.1", port)
    vault = Vault(directory, held="alone")
    _enrol(vault.enrolment, photographs)
    start_ms = (
        now_ms()
    )  # enrolling takes seconds: the cameras begin after it, or the cases would come too late for them
    configuration = _demo_configuration(clips, start_ms, port)
    access = _access(vault.accounts, configuration.registry, directory / "keys" / "demo-access.json")
    product = Product(configuration, vault)
    city = City(_places(configuration.registry), start_ms, earlier_lives=access.starts - 1)
    address = f"http://127.0.0.1:{configuration.effective.settings.web.port}"
    ends = threading.Event()
    life = threading.Thread(
        target=_live, args=(city, start_ms, address, access.sender_token, ends), name="city", daemon=True
    )
    product.start()
    wait_until_ready(product.pipeline, READY_WITHIN_S)
    _print_welcome(address, access, configuration.registry)
    life.start()
    if seconds is not None:
        threading.Thread(target=_end_after, args=(product, seconds), name="end", daemon=True).start()
    try:
        product.run()
    finally:
        ends.set()
    typer.echo(_summary(directory))


def _check_photographs(scenes: Mapping[str, Sequence[Scene]]) -> None:
    wanted = {scene.photograph for parts in scenes.values() for scene in parts if scene.photograph is not None}
    for photograph in sorted(wanted):
        if not photograph.exists():
            way_out = f"fetch them: make setup, or python -m simulator.photographs {photograph.parent}"
            raise ConfigError("demo", "photographs", str(photograph), way_out)


def _composed(scenes: Mapping[str, Sequence[Scene]], folder: Path) -> dict[str, Path]:
    """Returns each camera's clip, composed if this set of scenes was not before."""
    clips = {name: folder / f"{name}-{_scenes_hash(parts)}.avi" for name, parts in scenes.items()}
    missing = [name for name, clip in clips.items() if not clip.exists()]
    console = Console(stderr=True)
    for name in track(missing, "composing counter clips", console=console, disable=not missing):
        compose_clip(clips[name], scenes[name], size=CLIP_SIZE, fps=CLIP_FPS, seed=len(name) + int(name[-1]))
    return clips


def _scenes_hash(parts: Sequence[Scene]) -> str:
    what = [(str(scene.photograph), scene.seconds) for scene in parts]
    return hashlib.sha256(json.dumps([what, CLIP_FPS, CLIP_SIZE]).encode()).hexdigest()[:8]


def _demo_configuration(clips: Mapping[str, Path], start_ms: int, port: int) -> Configuration:
    """Returns the shipped configuration with the demo's registry, its cameras playing the clips from now on."""
    configuration = read_configuration(registry_file=packaged("demo.yaml"))
    replace = msgspec.structs.replace
    institutions = tuple(
        replace(
            institution,
            tills=tuple(
                replace(
                    till,
                    cameras=tuple(
                        replace(camera, source=str(clips[camera.camera_id].absolute()), epoch_ms=start_ms)
                        for camera in till.cameras
                    ),
                )
                for till in institution.tills
            ),
        )
        for institution in configuration.registry.institutions
    )
    effective = configuration.effective
    given = effective.settings
    alerts = replace(given.alerts, terminal_dark_after=TERMINALS_MAY_REST_MS)
    settings = replace(given, web=replace(given.web, port=port), alerts=alerts)
    return dataclasses.replace(
        configuration,
        registry=Registry(institutions=institutions),
        registry_folder=next(iter(clips.values())).absolute().parent,
        effective=replace(effective, settings=settings),
    )


def _places(registry: Registry) -> list[Place]:
    return [
        Place(
            institution_id=institution.institution_id,
            kind=institution.kind,
            name=institution.name_zh,
            latitude=POSITIONS[institution.institution_id][0],
            longitude=POSITIONS[institution.institution_id][1],
            tills=tuple(till.till_id for till in institution.tills),
            watched=tuple(till.till_id for till in institution.tills if till.cameras),
        )
        for institution in registry.institutions
    ]


def _enrol(enrolment: Enrolment, photographs: Path) -> None:
    """Enrols the city's two card holders whose photographs there are, once, as `swipewatch enrol` does."""
    configuration = read_configuration(registry_file=packaged("demo.yaml"))
    enrolled = enrolment.people()
    at_ms = now_ms()
    grounds = Grounds(basis="consent", day=checked_day(None), proof=CONSENT, by=MACHINE)
    for person_id, name in ENROLLED.items():
        if person_id not in enrolled:
            given = [photographs / name]
            for line in enrol_photographs(enrolment, engines_of(configuration), person_id, given, grounds, at_ms):
                typer.echo(line, err=True)


def _access(accounts: Accounts, registry: Registry, file: Path) -> Access:
    """Returns the demo's log-ins, generated at its first start; this start is counted."""
    if file.exists():
        known = msgspec.json.decode(file.read_bytes(), type=Access)
        access = msgspec.structs.replace(known, starts=known.starts + 1)
    else:
        access = _new_access(accounts, registry)
    with os.fdopen(os.open(file, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "wb") as out:
        out.write(msgspec.json.encode(access))
    return access


def _new_access(accounts: Accounts, registry: Registry) -> Access:
    access = Access(
        password=secrets.token_urlsafe(9),
        sender_token=accounts.put_token("sender", SENDER, ["*"], now_ms()),
        terminal_tokens={
            terminal.terminal_id: accounts.put_token(
                "terminal", terminal.terminal_id, [institution.institution_id], now_ms(), till_id=terminal.till_id
            )
            for institution in registry.institutions
            for terminal in institution.terminals
        },
        starts=1,
    )
    accounts.put_account(OPERATOR, access.password, "operator", now_ms())
    return access


def _print_welcome(address: str, access: Access, registry: Registry) -> None:
    lines = [
        "",
        f"swipewatch demo    {address}",
        f"  log in           {OPERATOR} / {access.password}",
        "  terminals        one link a store; each opens its own reminders:",
    ]
    for institution in registry.institutions:
        for terminal in institution.terminals:
            token = access.terminal_tokens[terminal.terminal_id]
            lines.append(f"    {institution.name_en:26} {address}/terminal/login#pair={token}")
    lines += [
        "  Simulated: the people, their swipes and the counter clips. Everything behind the ingestion API and the",
        "  cameras is the real product. The six cases come within 100 s. Ctrl-C ends it; a new start goes on.",
        "",
    ]
    for line in lines:
        typer.echo(line)


def _live(city: City, start_ms: int, address: str, token: str, ends: threading.Event) -> None:
    """Sends what happens in the city when it happens, as a sender would, until the end."""
    headers = {"Authorization": f"Bearer {token}"}
    with httpx.Client(base_url=address, headers=headers, timeout=SEND_TIMEOUT_S) as sender:
        _send(sender, city.references(), ends)
        for due in city.life():
            if ends.wait(max(0.0, (start_ms - now_ms()) / 1000 + due.after_s)):
                return
            _send(sender, [due.event], ends)


def _send(sender: httpx.Client, events: Sequence[Mapping[str, object]], ends: threading.Event) -> None:
    """Sends events that happen now; again until they are taken."""
    happened = [{**event, "occurred_at_ms": now_ms()} for event in events]
    while not ends.is_set():
        with contextlib.suppress(httpx.TransportError):
            response = sender.post("/v1/events", json=happened)
            if response.is_success:
                return
            _log.warning("city.refused", status=response.status_code)
        ends.wait(SEND_AGAIN_S)


def _end_after(product: Product, seconds: float) -> None:
    time.sleep(seconds)
    product.end()


def _summary(directory: Path) -> str:
    """Returns one line about what the data directory holds."""
    vault = Vault(directory)
    try:
        log = AcceptedLog(vault.database)
        alerts = NumberQueries(vault.database).alerts_by_detector()
        accepted, dead = log.count(), log.dead_letter_count()
    finally:
        vault.close()
    by_rule = ", ".join(f"{detector} {count}" for detector, count in alerts.items())
    return f"demo ended: {accepted} events accepted, {dead} dead letters, {sum(alerts.values())} alerts ({by_rule})"

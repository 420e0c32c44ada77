"""The settings tree: defaults, a file, the environment; validated whole, frozen, each value with where it came from."""

from __future__ import annotations

import os
import re
from collections.abc import Hashable, Iterator, Mapping
from importlib import resources
from pathlib import Path
from typing import Annotated, Literal, TypeVar
from urllib.parse import SplitResult, urlsplit
from zoneinfo import ZoneInfo

import msgspec
import yaml
from msgspec import Meta, Struct

from events.durations import duration_ms
from events.errors import ConfigError
from events.validation import config_error

ENVIRONMENT_PREFIX = "SWIPEWATCH__"
DEFAULT_SOURCE = "default.yaml"
LEAST_SILENCE_MS = 120_000
LEAST_AGENT_SILENCE_MS = 45_000
LONGEST_TTL_MS = 604_800_000

Port = Annotated[int, Meta(ge=0, le=65_535)]
AtLeastOne = Annotated[int, Meta(ge=1)]
Share = Annotated[float, Meta(ge=0, le=1)]
Name = Annotated[str, Meta(min_length=1)]
Corner = tuple[Share, Share]
BrokerList = Annotated[str, Meta(pattern=r"^[^\s,:/@]+:[0-9]{1,5}(,[^\s,:/@]+:[0-9]{1,5})*$")]
"""HOST:PORT, several with commas."""


class DurationMs(int):
    """Milliseconds, written `90s`, `10m`, `24h` or `7d`."""


class Section(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Base of every part of the tree."""


class CentreSettings(Section, frozen=True, kw_only=True):
    """The monitoring centre."""

    time_zone: Name

    def __post_init__(self) -> None:
        check_time_zone(self.time_zone)


class WebSettings(Section, frozen=True, kw_only=True):
    """Where the web listens and what it bears."""

    host: Name
    port: Port
    body_limit_bytes: AtLeastOne
    submit_deadline: DurationMs


class WebhookSettings(Section, frozen=True, kw_only=True):
    """Where changes of alerts are pushed to."""

    url: str | None

    def __post_init__(self) -> None:
        if self.url is None:
            return
        address = urlsplit(self.url)
        if not address.hostname or not (address.scheme == "https" or _is_here(address)):
            raise ValueError("null, or an https address; http only to this machine itself")


class PipelineSettings(Section, frozen=True, kw_only=True):
    """How events queue and are made durable."""

    queue_limit_events: AtLeastOne
    batch_limit_events: AtLeastOne
    tick: DurationMs


class AlertSettings(Section, frozen=True, kw_only=True):
    """How findings become alerts."""

    episode: DurationMs
    stale_after: DurationMs
    terminal_dark_after: DurationMs
    camera_unhealthy_after: DurationMs
    breaker: AtLeastOne

    def __post_init__(self) -> None:
        if self.terminal_dark_after < LEAST_SILENCE_MS:
            raise ValueError("terminal_dark_after is 2m at least: a terminal calls once a minute")


class CameraWorkSettings(Section, frozen=True, kw_only=True):
    """How cameras are looked at, and where a `video` of a cluster says how it is."""

    host: Name
    port: Port
    engine: Literal["sface", "dlib"]
    second_engine: Literal["sface", "dlib"] | None
    vote: Literal["first", "either", "both"]
    processes: AtLeastOne | None
    memory_bytes: AtLeastOne
    presence_interval: DurationMs
    clock_drift_limit: DurationMs
    min_face_px: Annotated[float, Meta(ge=16, le=1000)]

    def __post_init__(self) -> None:
        if self.vote != "first" and self.second_engine in {None, self.engine}:
            raise ValueError("vote is first without a second engine, which is another than engine")


class AgentSettings(Section, frozen=True, kw_only=True):
    """The agents that look through cameras at their stores: how each keeps what it saw, and when it is missed."""

    host: Name
    port: Port
    buffer_bytes: Annotated[int, Meta(ge=64 * 1024 * 1024)]
    silent_after: DurationMs

    def __post_init__(self) -> None:
        if self.silent_after < LEAST_AGENT_SILENCE_MS:
            raise ValueError("silent_after is 45s at least: an agent says how it is every fifteen seconds")


class VisitorsSettings(Section, frozen=True, kw_only=True):
    """How faces seen lately are told apart; where `swipewatch visitors` of a cluster answers, and who asks it."""

    host: Name
    port: Port
    url: str | None
    secret_file: Name | None
    similarity: Annotated[float, Meta(ge=0.5, le=1)]
    ttl: DurationMs

    def __post_init__(self) -> None:
        if self.ttl > LONGEST_TTL_MS:
            raise ValueError("ttl is 7d at most: an id lives no longer than 14d, and for 7d at least")
        address = urlsplit(self.url or "http://none")
        if address.scheme not in {"http", "https"} or not address.hostname:
            raise ValueError("url is null, or http://HOST:PORT")


class AlertedSettings(Section, frozen=True, kw_only=True):
    """How long evidence that an alert cites is kept, by the alert's severity."""

    low: DurationMs
    medium: DurationMs
    high: DurationMs
    critical: DurationMs


class EvidenceSettings(Section, frozen=True, kw_only=True):
    """How long pictures, clips and sealed originals are kept, and how much of the disk is left free."""

    still: DurationMs
    clip: DurationMs
    alerted: AlertedSettings
    least_free_bytes: Annotated[int, Meta(ge=0)]


class ClusterSettings(Section, frozen=True, kw_only=True):
    """Where the processes of a cluster meet; `serve` needs none of it."""

    brokers: BrokerList | None
    session_timeout: DurationMs
    dead_letters_an_hour: AtLeastOne


class WorkerSettings(Section, frozen=True, kw_only=True):
    """Where a worker says how it is; nothing else is to be had there."""

    host: Name
    port: Port


class SignOnSettings(Section, frozen=True, kw_only=True):
    """The centre's own log-in service, if it has one; `roles` are written `VALUE=ROLE`."""

    issuer: Name | None
    client_id: Name
    client_secret_file: Name | None
    scope: Name
    username_claim: Name
    role_claim: Name
    roles: tuple[Annotated[str, Meta(pattern="^.+=[a-z_]+$")], ...]


class Settings(Section, frozen=True, kw_only=True):
    """The whole tree."""

    centre: CentreSettings
    web: WebSettings
    webhook: WebhookSettings
    pipeline: PipelineSettings
    alerts: AlertSettings
    video: CameraWorkSettings
    agent: AgentSettings
    visitors: VisitorsSettings
    evidence: EvidenceSettings
    sign_on: SignOnSettings
    cluster: ClusterSettings
    worker: WorkerSettings
    database_url: str | None
    rules_file: str | None
    registry_file: str | None


class Camera(Section, frozen=True, kw_only=True):
    """A camera that looks at a till; `zone` is in 0..1.

    `source` is an address in the network, or a film relative to the registry's folder.

    `at_store`: the store's own `video --to` looks through it, and the centre does not.
    """

    camera_id: Name
    source: Name
    loop: bool = True
    epoch_ms: int | None = None
    clock_offset_ms: int = 0
    zone: tuple[Corner, ...] | None = None
    at_store: bool = False


class Terminal(Section, frozen=True, kw_only=True):
    """A screen that shows a store's reminders: those of one till, or of all where `till_id` is null."""

    terminal_id: Name
    till_id: str | None = None


class Till(Section, frozen=True, kw_only=True):
    """A checkout with its cameras."""

    till_id: Name
    name_zh: Name
    name_en: Name
    cameras: tuple[Camera, ...] = ()


class Institution(Section, frozen=True, kw_only=True):
    """An institution as the screens name it; position, hours and agreement come as events."""

    institution_id: Name
    kind: Literal["pharmacy", "clinic"]
    name_zh: Name
    name_en: Name
    time_zone: Name = "Asia/Shanghai"
    tills: tuple[Till, ...] = ()
    terminals: tuple[Terminal, ...] = ()

    def __post_init__(self) -> None:
        check_time_zone(self.time_zone)


class Registry(Section, frozen=True, kw_only=True):
    """All institutions with their tills, cameras and terminals."""

    institutions: tuple[Institution, ...] = ()


_Part = TypeVar("_Part", bound=Section)


class Effective(Struct, frozen=True, kw_only=True):
    """The settings and, for every dotted key, the source that its value came from."""

    settings: Settings
    sources: Mapping[str, str]


def check_time_zone(name: str) -> None:
    """Raises ValueError unless the tz database knows the name."""
    try:
        ZoneInfo(name)
    except (KeyError, ValueError, OSError):
        raise ValueError("a time zone of the tz database, such as Asia/Shanghai") from None


def _is_here(address: SplitResult) -> bool:
    return address.scheme == "http" and address.hostname in {"localhost", "127.0.0.1", "::1"}


def load_settings(file: Path | None = None, environment: Mapping[str, str] = os.environ) -> Effective:
    """Returns the effective settings: defaults, then the file, then SWIPEWATCH__SECTION__KEY variables.

    Raises: ConfigError naming the source, the key, the value and what is allowed.
    """
    tree = _default_tree()
    sources = dict.fromkeys(_leaves(tree), DEFAULT_SOURCE)
    if file is not None:
        for key, value in _leaves(read_yaml(file)).items():
            _put(tree, key, value, str(file))
            sources[key] = str(file)
    for key, name, value in _environment_values(environment):
        _put(tree, key, value, name)
        sources[key] = name
    return Effective(settings=_settings(tree, sources), sources=sources)


def load_registry(file: Path) -> Registry:
    """Returns the validated registry; paths of films are made absolute. Raises: ConfigError."""
    registry = convert(read_yaml(file), Registry, str(file))
    _check_unique(registry, str(file))
    institutions = tuple(_with_absolute_sources(institution, file.parent) for institution in registry.institutions)
    return Registry(institutions=institutions)


def packaged(name: str) -> Path:
    """Returns the path of a file that comes with this package, such as `rules.yaml`."""
    return Path(str(resources.files(__package__).joinpath(name)))


def read_yaml(file: Path) -> dict[str, object]:
    """Returns a YAML file's mapping, as `parse_yaml` does. Raises: ConfigError."""
    return parse_yaml(read_text(file), str(file))


def read_text(file: Path) -> str:
    """Returns a file's text, UTF-8. Raises: ConfigError."""
    try:
        return file.read_text(encoding="utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(str(file), "file", str(file), f"cannot be read: {error}") from error


def parse_yaml(content: str, source: str) -> dict[str, object]:
    """Returns a YAML text's mapping. `off`, `on` and `12:30` are texts here. Raises: ConfigError with the line."""
    try:
        written = yaml.load(content, _PlainLoader)  # noqa: S506 - a SafeLoader with fewer guesses
    except yaml.YAMLError as error:
        raise ConfigError(source, "file", source, f"is not YAML: {error}") from error
    if written is None:
        return {}
    if not isinstance(written, dict) or not all(isinstance(key, str) for key in written):
        raise ConfigError(source, "file", type(written).__name__, "a mapping of settings")
    return written


def convert(written: object, kind: type[_Part], source: str) -> _Part:
    """Returns a validated part of the tree. Raises: ConfigError naming source, key, value and what is allowed."""
    try:
        return msgspec.convert(written, kind, dec_hook=_read_duration)
    except msgspec.ValidationError as error:
        raise config_error(source, "", written, kind, str(error)) from error


class _PlainLoader(yaml.SafeLoader):
    """YAML as people mean it: only true and false are booleans, a time of day is no number, a key stands once."""

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Hashable, object]:  # noqa: FBT001, FBT002 - its signature
        """Returns the mapping. Raises: ConstructorError for a key that stands twice; one would silently win."""
        seen: set[object] = set()
        for key, _ in node.value:
            name = getattr(key, "value", None)
            if isinstance(name, str) and name in seen and name != "<<":
                raise yaml.constructor.ConstructorError(None, None, f"the key {name} stands twice", key.start_mark)
            seen.add(name if isinstance(name, str) else None)
        return dict(super().construct_mapping(node, deep))


_PlainLoader.yaml_implicit_resolvers = {
    letter: [
        (tag, pattern) for tag, pattern in resolvers if tag not in {"tag:yaml.org,2002:bool", "tag:yaml.org,2002:int"}
    ]
    for letter, resolvers in yaml.SafeLoader.yaml_implicit_resolvers.items()
}
_PlainLoader.add_implicit_resolver("tag:yaml.org,2002:bool", re.compile("^(?:true|false)$"), list("tf"))
_PlainLoader.add_implicit_resolver("tag:yaml.org,2002:int", re.compile("^[-+]?[0-9]+$"), list("-+0123456789"))


def _default_tree() -> dict[str, object]:
    return read_yaml(packaged(DEFAULT_SOURCE))


def _leaves(tree: Mapping[str, object], prefix: str = "") -> dict[str, object]:
    leaves: dict[str, object] = {}
    for key, value in tree.items():
        if isinstance(value, dict):
            leaves |= _leaves(value, f"{prefix}{key}.")
        else:
            leaves[prefix + key] = value
    return leaves


def _put(tree: dict[str, object], key: str, value: object, source: str) -> None:
    """Writes a value where the defaults have that key."""
    *sections, last = key.split(".")
    part: object = tree
    for section in sections:
        part = part.get(section) if isinstance(part, dict) else None
    if not isinstance(part, dict) or last not in part or isinstance(part[last], dict):
        raise ConfigError(source, key, value, f"there is no such setting; there are {', '.join(_leaves(tree))}")
    part[last] = value


def _environment_values(environment: Mapping[str, str]) -> Iterator[tuple[str, str, object]]:
    for name, text in sorted(environment.items()):
        if name.startswith(ENVIRONMENT_PREFIX):
            key = name.removeprefix(ENVIRONMENT_PREFIX).lower().replace("__", ".")
            yield key, name, yaml.load(text, _PlainLoader)  # noqa: S506 - a SafeLoader with fewer guesses


def _settings(tree: dict[str, object], sources: Mapping[str, str]) -> Settings:
    try:
        return convert(tree, Settings, DEFAULT_SOURCE)
    except ConfigError as error:
        raise ConfigError(sources.get(error.key, error.source), error.key, error.value, error.allowed) from error


def _read_duration(kind: type, written: object) -> DurationMs:
    if kind is not DurationMs or not isinstance(written, str):
        raise ValueError("a duration is a whole number and a unit: 90s, 10m, 24h or 7d")
    return DurationMs(duration_ms(written))


def _check_unique(registry: Registry, source: str) -> None:
    """Raises ConfigError when an institution, a till of one, a camera or a terminal is named twice."""
    tills = [(institution, till) for institution in registry.institutions for till in institution.tills]
    names = {
        "institution_id": [institution.institution_id for institution in registry.institutions],
        "till_id": [f"{institution.institution_id}/{till.till_id}" for institution, till in tills],
        "camera_id": [camera.camera_id for _, till in tills for camera in till.cameras],
        "terminal_id": [t.terminal_id for institution in registry.institutions for t in institution.terminals],
    }
    for key, given in names.items():
        for name in given:
            if given.count(name) > 1:
                raise ConfigError(source, key, name, "each only once")


def _with_absolute_sources(institution: Institution, folder: Path) -> Institution:
    replace = msgspec.structs.replace
    tills = tuple(
        replace(
            till, cameras=tuple(replace(camera, source=_absolute(camera.source, folder)) for camera in till.cameras)
        )
        for till in institution.tills
    )
    return replace(institution, tills=tills)


def _absolute(source: str, folder: Path) -> str:
    return source if "://" in source else str(folder / source)

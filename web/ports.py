"""What the web needs of the rest of the product, as protocols and plain values; `app` wires the real parts in."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass, field
from typing import Literal, Protocol

import msgspec

from storage.access.accounts import Accounts, Role, Token
from storage.cameras.pictures import CameraPictures
from storage.cameras.registry import CameraRegistry
from storage.database import Database
from storage.evidence.clips import KeptClip
from storage.evidence.originals import KeptOriginal
from storage.faces.enrolment import Enrolment
from storage.faces.references import Face
from web.measurements import Measurements

Language = Literal["zh", "en"]
AnswerKind = Literal["checked", "agent_registered", "device_fault", "need_help", "other"]


class EventResult(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What became of one event of a request."""

    status: Literal["accepted", "duplicate", "dead_letter", "durable"]
    event_id: str | None = None
    reason: str | None = None
    detail: str | None = None


class Overloaded(Exception):
    """The pipeline cannot take the events now; nothing of the request was accepted.

    `busy` is True when the sender is too fast (429), False when the product is not ready (503).
    """

    def __init__(self, reason: str, *, retry_after_s: int, busy: bool = True) -> None:
        super().__init__(reason)
        self.reason, self.retry_after_s, self.busy = reason, retry_after_s, busy


class Intake(Protocol):
    """Stage 0 of the pipeline."""

    async def submit(self, sender: str, originals: Sequence[bytes], deadline_s: float) -> list[EventResult]:
        """Returns one result per event, in order, once all that was accepted or set aside is durable.

        Raises: Overloaded when nothing was taken; TimeoutError when the outcome is not known after `deadline_s`
        (sending again is safe: what was accepted counts once).
        """
        ...


class Changed(Protocol):
    """An alert that changed: the projector's AlertChange, or `LiveChange`."""

    @property
    def alert_id(self) -> str:
        """Which alert."""
        ...

    @property
    def institution_id(self) -> str:
        """Whose alert."""
        ...


class LiveChange(msgspec.Struct, frozen=True, kw_only=True):
    """The least that a `Changed` is."""

    alert_id: str
    institution_id: str


class Subscription(Protocol):
    """One open page's ear."""

    async def wait(self, timeout_s: float) -> frozenset[str] | None:
        """Returns the ids of the alerts that changed since the last call, empty after `timeout_s` without any.

        None says that the feed is closed.
        """
        ...


class LiveFeed(Protocol):
    """Says that something changed. It is a hint: pages read the database again from the last id they have."""

    def publish(self, changes: Iterable[Changed], *, to_stores: bool = True) -> None:
        """Subscribers learn of the changes soon. Callable from any thread; never blocks on a reader.

        Args: `to_stores` is False for what is news to the centre alone: those who listen to all institutions hear it.
        """
        ...

    def subscribe(self, institution_ids: Sequence[str] | None) -> AbstractAsyncContextManager[Subscription]:
        """Opens an ear for these institutions, or for all (None)."""
        ...

    def close(self) -> None:
        """Every subscription ends; the process can stop."""
        ...


class AlertActions(Protocol):
    """What people do to alerts; the projector. An action that the lifecycle forbids raises IllegalTransition."""

    def deliver_all(self, received: Sequence[tuple[str, str]], now_ms: int) -> Sequence[Changed]:
        """Returns the alerts that nobody had received before; each was by the actor beside it."""
        ...

    def see(self, alert_id: str, actor: str, now_ms: int) -> object:
        """The alert was on a terminal's screen."""
        ...

    def acknowledge(self, alert_id: str, actor: str, now_ms: int, *, notice_id: int | None = None) -> object:
        """Somebody at the store has noted the alert, as the notice `notice_id` told it; a newer question stays."""
        ...

    def answer(
        self,
        alert_id: str,
        actor: str,
        kind: str,
        text: str,
        now_ms: int,
        *,
        answer_id: str | None = None,
        notice_id: int | None = None,
    ) -> object:
        """The store has said what it was, once for each `answer_id`.

        Raises: AskedAgain when the store was asked anew since the notice `notice_id`.
        """
        ...

    def close(self, alert_id: str, actor: str, reason: str, now_ms: int) -> object:
        """The centre is done with the alert."""
        ...


class Contacts(Protocol):
    """Hears that terminals are there."""

    def heard(self, terminal: str, at_ms: int) -> None:
        """The terminal has shown that it is there. Callable from any thread; costs next to nothing."""
        ...


class Stills(Protocol):
    """The evidence pictures."""

    def read(self, still_id: str) -> bytes:
        """Returns the JPEG after checking its hash. Raises when it is gone or was altered."""
        ...

    def is_there(self, still_id: str) -> bool:
        """Returns whether its file lies where it should."""
        ...


class FreeSpace(msgspec.Struct, frozen=True, kw_only=True):
    """The room on the disk that evidence is kept on, and the least that has to stay free."""

    free_bytes: int
    least_bytes: int

    @property
    def is_short(self) -> bool:
        """Whether evidence has to go early."""
        return self.free_bytes < self.least_bytes


class Clips(Protocol):
    """The clips around swipes."""

    def for_settlement(self, settlement_id: str) -> Sequence[KeptClip]:
        """Returns those of a swipe."""
        ...

    def read(self, clip_id: str) -> bytes:
        """Returns the WebM after checking its hash. Raises when it is gone or was altered."""
        ...


class Originals(Protocol):
    """What cameras sent around swipes."""

    def for_settlement(self, settlement_id: str) -> Sequence[KeptOriginal]:
        """Returns those of a swipe."""
        ...

    def read(self, original_id: str) -> bytes:
        """Returns the bytes after checking their hash. Raises when they are gone or were altered."""
        ...


ProbeFailure = Literal[
    "absent", "unknown_host", "unreachable", "closed", "refused", "not_found", "no_video", "broken", "too_slow", "busy"
]


class CameraPicture(msgspec.Struct, frozen=True, kw_only=True):
    """What a camera showed when it was tried: a JPEG in which nobody is recognised, and what the camera sends."""

    jpeg: bytes
    width_px: int
    height_px: int
    codec: str
    frames_per_s: float | None


class ProbeFailed(msgspec.Struct, frozen=True, kw_only=True):
    """Why a camera that was tried showed nothing."""

    reason: ProbeFailure


class CameraProbe(Protocol):
    """Tries the address of a camera."""

    def look(self, source: str) -> CameraPicture | ProbeFailed:
        """Returns a picture, or why there is none, within seconds."""
        ...


class ReadPhoto(msgspec.Struct, frozen=True, kw_only=True):
    """What a photograph gives: a face for each engine, or what is wrong with it, in the words of `video.enrolment`."""

    problems: tuple[str, ...]
    faces: tuple[Face, ...]


class PhotosUnread(Exception):
    """No photograph was read: others are being read, or the reader has failed."""

    def __init__(self, reason: Literal["busy", "failed"]) -> None:
        super().__init__(reason)
        self.reason: Literal["busy", "failed"] = reason


class PhotoReader(Protocol):
    """Reads faces out of photographs."""

    def read(self, photos: Sequence[bytes]) -> Sequence[ReadPhoto]:
        """Returns what each shows, in order. Takes seconds. Raises: PhotosUnread."""
        ...


class FalseMatch(Protocol):
    """What a similarity is worth: one stranger in `one_in` is that much like the holder, or more."""

    @property
    def one_in(self) -> int:
        """Rounded down."""
        ...

    @property
    def basis(self) -> Literal["camera", "general"]:
        """Whether the camera's own pairs say so."""
        ...

    @property
    def pairs(self) -> int:
        """Of how many pairs of strangers it is known."""
        ...

    @property
    def holders_one_in(self) -> int | None:
        """One holder in so many is this unlike the own reference, or more; None where nobody counted."""
        ...


class CalibrationStanding(msgspec.Struct, frozen=True, kw_only=True):
    """Of a camera: pairs of holders gathered, the most people of a day's, and what its own calibration is made of.

    Until it has one that counts, `since_ms` is None, `pairs` and `people` are 0, and the general one counts.
    """

    gathered_pairs: int
    gathered_people: int
    pairs: int
    people: int
    since_ms: int | None


class Calibrations(Protocol):
    """What similarities mean, in general and at each camera."""

    def false_match(
        self, camera_id: str | None, engine: str, engine_version: str, similarity: float
    ) -> FalseMatch | None:
        """Returns what a similarity is worth, at a camera or (None) anywhere; None where nobody knows."""
        ...

    def standing(self, camera_ids: Collection[str]) -> Mapping[str, CalibrationStanding]:
        """Returns how it stands with each of these cameras."""
        ...


class AgentCameras(msgspec.Struct, frozen=True, kw_only=True):
    """The cameras that an agent looks through, as JSON; `revision` differs whenever they do."""

    revision: str
    body: bytes


class AgentStaff(msgspec.Struct, frozen=True, kw_only=True):
    """What the staff of an agent's institutions look like, as JSON; `revision` differs whenever it does."""

    revision: str
    body: bytes


class ToldSwipe(msgspec.Struct, frozen=True, kw_only=True):
    """A swipe as the cameras of its till are told of it: JSON, with the holder's references. Ids grow with time."""

    swipe_id: int
    body: bytes


class MessageRefused(Exception):
    """A camera agent's message that will never be taken; `code` is why."""

    def __init__(self, code: Literal["foreign_camera", "bad_message"], detail: str) -> None:
        super().__init__(detail)
        self.code, self.detail = code, detail


class CameraAgents(Protocol):
    """What the agents that look through cameras at their stores are told, and the way in for what they say."""

    @property
    def feed(self) -> LiveFeed:
        """Says that an institution has a fresh swipe or other cameras; a hint, as all of it is read anew then."""
        ...

    def cameras(self, institution_ids: Sequence[str]) -> AgentCameras:
        """Returns the cameras at these institutions. Costs next to nothing while they do not change."""
        ...

    def staff(self, institution_ids: Sequence[str]) -> AgentStaff:
        """Returns the enrolled staff of these institutions. Costs next to nothing where none is enrolled."""
        ...

    def swipes(self, institution_ids: Sequence[str], after: int) -> Sequence[ToldSwipe]:
        """Returns the fresh swipes there that came after one, in order."""
        ...

    def keep(self, agent: Token, messages: bytes) -> int:
        """Returns how many messages were given; afterwards they are kept, durably. The same again changes nothing.

        Raises: MessageRefused; TransientError when they cannot be kept now.
        """
        ...

    def name_visitor(self, agent: Token, question: bytes) -> bytes:
        """Returns who somebody at a store of the agent's is, as it is told. Raises: MessageRefused."""
        ...

    def heard(self, agent: str, report: bytes) -> None:
        """The agent has said how it is. Raises: MessageRefused."""
        ...


@dataclass(frozen=True, kw_only=True)
class NotReady:
    """Why the product cannot accept events now."""

    part: str
    reason: str


@dataclass(frozen=True, kw_only=True)
class TillEntry:
    """A till of the registry."""

    till_id: str
    name_zh: str
    name_en: str


@dataclass(frozen=True, kw_only=True)
class InstitutionEntry:
    """An institution of the registry."""

    institution_id: str
    kind: Literal["pharmacy", "clinic"]
    name_zh: str
    name_en: str
    time_zone: str = "Asia/Shanghai"
    tills: tuple[TillEntry, ...] = ()


@dataclass(frozen=True, kw_only=True)
class WebLimits:
    """Bounds of the web; all are settings."""

    body_bytes: int = 10 * 1024 * 1024
    request_events: int = 100_000
    bodies_in_flight_bytes: int = 64 * 1024 * 1024
    body_deadline_s: float = 60.0
    camera_message_bytes: int = 32 * 1024 * 1024
    camera_messages_in_flight_bytes: int = 256 * 1024 * 1024
    camera_message_deadline_s: float = 300.0
    submit_deadline_s: float = 30.0
    heartbeat_s: float = 12.0
    failed_logins: int = 8
    failed_logins_window_s: float = 300.0


@dataclass(frozen=True, kw_only=True)
class SignOnSettings:
    """The centre's OpenID Connect provider.

    `roles`: which value of the role claim stands for which role; the first that somebody has counts.
    """

    issuer: str
    client_id: str
    client_secret: str = field(repr=False)
    username_claim: str
    role_claim: str
    scope: str
    roles: Mapping[str, Role]


@dataclass(frozen=True, kw_only=True)
class RuleEntry:
    """A rule as it is in force; `values` are its settings and parameters as people write them, by their dotted keys."""

    detector: str
    mode: Literal["live", "shadow", "off"]
    route: str
    breaker: int | None
    values: tuple[tuple[str, str], ...]


@dataclass(frozen=True, kw_only=True)
class RuleVersionEntry:
    """A version of the rules; `changes` says what it changed of the one before, a line for each rule."""

    version: str
    effective_from_ms: int
    origin: str
    stored_at_ms: int
    stored_by: str
    changes: tuple[str, ...]


@dataclass(frozen=True, kw_only=True)
class RulesInForce:
    """The rules that judge a swipe of now, and all versions that were, are or will be in force, by time."""

    rules: tuple[RuleEntry, ...] = ()
    versions: tuple[RuleVersionEntry, ...] = ()


@dataclass(frozen=True, kw_only=True)
class WebServices:
    """Everything `create_app` needs. `time_zone` is the centre's: it says when today begins.

    `rules_at` gives the rules in force at a moment. `rule_titles` are those that the rules say of themselves, by
    detector and language. `card_mark` is what stands for
    the number of somebody's identity card wherever it is kept: the same for the same number, and nothing leads back.
    `free_space` says how much room is left for evidence.
    """

    database: Database
    accounts: Accounts
    intake: Intake
    actions: AlertActions
    stills: Stills
    clips: Clips
    originals: Originals
    contacts: Contacts
    feed: LiveFeed
    institutions: Sequence[InstitutionEntry]
    cameras: CameraRegistry
    camera_pictures: CameraPictures
    camera_probe: CameraProbe
    camera_agents: CameraAgents
    calibrations: Calibrations
    enrolment: Enrolment
    photo_reader: PhotoReader
    readiness: Callable[[], Sequence[NotReady]]
    now_ms: Callable[[], int]
    measurements: Measurements
    card_mark: Callable[[str], str]
    time_zone: str = "Asia/Shanghai"
    rule_titles: Callable[[], Mapping[str, Mapping[Language, str]]] = dict
    rules_at: Callable[[int], RulesInForce] = lambda _now_ms: RulesInForce()
    limits: WebLimits = field(default_factory=WebLimits)
    sign_on: SignOnSettings | None = None
    free_space: Callable[[], FreeSpace] = lambda: FreeSpace(free_bytes=0, least_bytes=0)

"""The centre's side of the agents that look through cameras at their stores: what they are told, what they may say."""

from __future__ import annotations

import hashlib
import threading
from collections import defaultdict, deque
from collections.abc import Callable, Mapping, Sequence
from typing import Final, Protocol

import msgspec

from app.cameras.intake import CameraIntake
from app.cameras.seen import References, swipe_seen
from app.configuration import Configuration, camera_work
from app.known_staff import NO_STAFF, StaffRecord, known_staff, staff_at
from app.visitors.shared import NoFaces, VisitorNaming, faces_of
from events.codec import decode_event
from events.identity import identity_text
from events.types import AnyEvent, FaceObserved, Swipe
from storage.access.accounts import Token
from storage.cameras.agents import AgentContacts, AgentReport
from storage.errors import AlteredData
from storage.log import AcceptedLog
from video.messages import FromCameras, Observed, OriginalCut, VisitorAsked, decode_some_from_cameras, encode_message
from video.settings import CameraSettings, VideoSettings
from web.feed import Broadcast
from web.ports import AgentCameras, AgentStaff, LiveChange, MessageRefused, ToldSwipe

TOLD_FOR_MS: Final = 180_000
"""Later nothing of a swipe is left in a camera's memory, so that telling of it is of no use."""
REPEATED_MS: Final = 10_000
"""Several processes count by clocks of their own: who comes to another one is told so much again."""
MOST_SWIPES: Final = 2_000
"""So many swipes of an institution are remembered; those of three minutes, unless it is a flood."""


class StoreCameras(Protocol):
    """The cameras at stores; `app.camera_list.CameraList`. What it asks may raise TransientError."""

    def revision(self) -> int:
        """Returns a number that grows with each change."""
        ...

    def at_stores(self) -> Sequence[CameraSettings]:
        """Returns each camera that is its store's to look through."""
        ...

    def institution_of(self, camera_id: str) -> str | None:
        """Returns whose camera it is, also one that is switched off; None for an unknown one."""
        ...


class AgentOrders(msgspec.Struct, frozen=True, kw_only=True):
    """What an agent is told to do: its cameras, and how to look through them."""

    revision: str
    video: VideoSettings


class CameraAgents:
    """The web's `CameraAgents`; callable from any thread. `refresh` is to be called every few seconds."""

    def __init__(  # noqa: PLR0913 - a part each
        self,
        orders: Callable[[Sequence[CameraSettings]], VideoSettings],
        cameras: StoreCameras,
        *,
        intake: CameraIntake,
        references: References,
        visitors: VisitorNaming,
        staff: StaffRecord,
        log: AcceptedLog,
        contacts: AgentContacts,
        clock_ms: Callable[[], int],
    ) -> None:
        """Args: `orders` gives what a worker is told, nothing of this machine; `log` says whose a swipe is."""
        self._orders, self._list, self._intake = orders, cameras, intake
        self._references, self._log, self.contacts, self._clock_ms = references, log, contacts, clock_ms
        self._visitors, self._staff = visitors, staff
        self.feed = Broadcast()
        self.needed: Callable[[], None] = lambda: None
        """Is called once some institution has such a camera: until then nobody need follow the swipes."""
        self._lock = threading.Lock()
        self._known_revision: tuple[int, int] | None = None
        self._known_staff = NO_STAFF
        self._cameras: Mapping[str, tuple[CameraSettings, ...]] = {}
        self._told: dict[tuple[str, ...], AgentCameras] = {}
        self._swipes: dict[str, deque[tuple[int, Swipe]]] = defaultdict(lambda: deque(maxlen=MOST_SWIPES))
        self._last_id = 0

    def refresh(self) -> None:
        """Afterwards cameras and staff are as registered; whose have changed hears of it. Raises: TransientError."""
        revision = (self._list.revision(), self._staff.revision())
        if revision == self._known_revision:
            return
        by_store: dict[str, list[CameraSettings]] = defaultdict(list)
        for camera in self._list.at_stores():
            by_store[camera.institution_id].append(camera)
        now = {institution_id: tuple(some) for institution_id, some in by_store.items()}
        staff = known_staff(self._staff, now.keys())
        with self._lock:
            before, self._cameras, self._known_revision, self._told = self._cameras, now, revision, {}
            staff_before, self._known_staff = self._known_staff, staff
        if now and not before:
            self.needed()
        changed = sorted(
            one
            for one in before.keys() | now.keys()
            if before.get(one) != now.get(one) or staff_at(staff_before, {one}) != staff_at(staff, {one})
        )
        self.feed.publish([LiveChange(alert_id="cameras", institution_id=one) for one in changed])

    def at(self, institution_ids: Sequence[str]) -> list[CameraSettings]:
        """Returns the cameras that are looked through at these institutions, as of the last refresh."""
        return [camera for one in sorted(set(institution_ids)) for camera in self._cameras.get(one, ())]

    def cameras(self, institution_ids: Sequence[str]) -> AgentCameras:
        """Returns the cameras at these institutions, as of the last refresh."""
        key = tuple(sorted(set(institution_ids)))
        with self._lock:
            told = self._told.get(key)
        if told is None:
            video = self._orders(self.at(key))
            revision = hashlib.sha256(_encoded(video)).hexdigest()[:16]
            told = AgentCameras(revision=revision, body=_encoded(AgentOrders(revision=revision, video=video)))
            with self._lock:
                self._told[key] = told
        return told

    def staff(self, institution_ids: Sequence[str]) -> AgentStaff:
        """Returns the staff of these institutions that look through cameras, as of the last refresh."""
        body = msgspec.json.encode(staff_at(self._known_staff, set(institution_ids)))
        return AgentStaff(revision=hashlib.sha256(body).hexdigest()[:16], body=body)

    def swipes_accepted(self, events: Sequence[AnyEvent]) -> None:
        """The agents of their stores are told of the fresh swipes among these. Never waits."""
        oldest_ms = self._clock_ms() - TOLD_FOR_MS
        fresh = [
            event
            for event in events
            if isinstance(event, Swipe) and event.institution_id in self._cameras and event.occurred_at_ms >= oldest_ms
        ]
        with self._lock:
            for swipe in fresh:
                kept = self._swipes[swipe.institution_id]
                while kept and kept[0][1].occurred_at_ms < oldest_ms:
                    kept.popleft()
                self._last_id = max(self._last_id + 1, self._clock_ms())
                kept.append((self._last_id, swipe))
        self.feed.publish([LiveChange(alert_id="swipe", institution_id=swipe.institution_id) for swipe in fresh])

    def swipes(self, institution_ids: Sequence[str], after: int) -> list[ToldSwipe]:
        """Returns the swipes of the last three minutes there that came after one, in order.

        An id that is not of this process is an earlier one's, or another's: what came shortly before it is told again.
        """
        oldest_ms = self._clock_ms() - TOLD_FOR_MS
        with self._lock:
            kept = [one for institution_id in institution_ids for one in self._swipes.get(institution_id, ())]
        is_ours = any(number == after for number, _ in kept)
        first = after if is_ours else after - REPEATED_MS
        wanted = sorted((one for one in kept if one[0] > first and one[1].occurred_at_ms >= oldest_ms), key=_number)
        return [
            ToldSwipe(swipe_id=number, body=msgspec.json.encode(swipe_seen(swipe, self._references)))
            for number, swipe in wanted
        ]

    def keep(self, agent: Token, messages: bytes) -> int:
        """Returns how many messages were given; afterwards they are kept, durably. The same again changes nothing.

        Raises: MessageRefused where one is no message, or of a camera or a swipe that the agent does not speak for;
            TransientError when they cannot be kept now.
        """
        try:
            told = decode_some_from_cameras(messages)
        except msgspec.MsgspecError as error:
            raise MessageRefused("bad_message", str(error)) from error
        self._check_swipes(agent, [one for message in told for one in self._checked(agent, message)])
        try:
            self._intake.keep_all(told)
        except AlteredData as error:
            raise MessageRefused("bad_message", str(error)) from error
        return len(told)

    def name_visitor(self, agent: Token, question: bytes) -> bytes:
        """Returns who somebody at a store of the agent's is, or that nobody can say now. Raises: MessageRefused."""
        try:
            asked = msgspec.msgpack.decode(question, type=VisitorAsked)
            faces_of(asked.embeddings)
        except (msgspec.MsgspecError, NoFaces) as error:
            raise MessageRefused("bad_message", str(error)) from error
        if not agent.speaks_for(asked.institution_id):
            raise MessageRefused("foreign_camera", f"this token does not speak for {asked.institution_id}")
        return encode_message(self._visitors.answer(asked))

    def heard(self, agent: str, report: bytes) -> None:
        """The agent has said how it is. Raises: MessageRefused."""
        try:
            told = msgspec.json.decode(report, type=AgentReport)
        except msgspec.MsgspecError as error:
            raise MessageRefused("bad_message", str(error)) from error
        self.contacts.heard(agent, told, self._clock_ms())

    def say(self, message: FromCameras) -> None:
        """What is said of a camera in its agent's place is kept."""
        self._intake.take(message)

    def _checked(self, agent: Token, told: FromCameras) -> list[str]:
        """Returns the settlements that the message says something of. Raises: MessageRefused."""
        institution_id = self._list.institution_of(told.camera_id)
        if institution_id is None or not agent.speaks_for(institution_id):
            raise MessageRefused("foreign_camera", f"this token does not speak for camera {told.camera_id}")
        if isinstance(told, OriginalCut):
            return [told.settlement_id]
        if not isinstance(told, Observed):
            return []
        event = decode_event(told.original)
        if not isinstance(event, FaceObserved):
            raise MessageRefused("bad_message", "an observation is a face_observed event")
        if (event.camera_id, event.institution_id) != (told.camera_id, institution_id):
            raise MessageRefused("foreign_camera", f"the observation is not of camera {told.camera_id}")
        named = [told.settlement_id, *(face.settlement_id for face in event.faces)]
        return [settlement_id for settlement_id in named if settlement_id is not None]

    def _check_swipes(self, agent: Token, settlement_ids: Sequence[str]) -> None:
        """Raises: MessageRefused where a card was swiped elsewhere; one that was not accepted yet may be said of."""
        logged = self._log.logged({identity_text("swipe", one) for one in settlement_ids})
        for one in logged.values():
            event = decode_event(one.original)
            if isinstance(event, Swipe) and not agent.speaks_for(event.institution_id):
                raise MessageRefused(
                    "foreign_camera", f"this token does not speak for settlement {event.settlement_id}"
                )


def orders_of(configuration: Configuration) -> Callable[[Sequence[CameraSettings]], VideoSettings]:
    """Returns what `CameraAgents` takes as `orders`: the configured way of looking, and nothing of this machine."""

    def orders(cameras: Sequence[CameraSettings]) -> VideoSettings:
        return msgspec.structs.replace(camera_work(configuration, cameras), models_directory=None)

    return orders


def _encoded(told: VideoSettings | AgentOrders) -> bytes:
    """Returns it as JSON, with the addresses of cameras, which are texts that do not show themselves."""
    return msgspec.json.encode(told, enc_hook=str)


def _number(one: tuple[int, Swipe]) -> int:
    return one[0]

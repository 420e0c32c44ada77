"""A web with real storage behind it; stage 0 is a small one that keeps the port's promise."""

from __future__ import annotations

import asyncio
import hashlib
import itertools
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from io import BytesIO
from pathlib import Path
from types import CodeType
from typing import Any, Literal, TypeVar

import httpx
import msgspec
import numpy as np
from argon2 import PasswordHasher
from fastapi import FastAPI
from jinja2 import BytecodeCache
from jinja2.bccache import Bucket
from PIL import Image, ImageDraw

from app.calibrations import Calibrations
from app.camera_agents import CameraAgents
from app.cameras.intake import CameraIntake
from app.visitors.shared import SharedVisitors
from events.codec import decode_event
from events.dead_letters import DeadLetter, InvalidEvent, Place
from events.errors import TransientError
from events.findings import Finding
from events.identity import content_digest, identity_of
from events.types import AnyEvent
from storage.access.accounts import ROLES, Accounts
from storage.cameras.agents import AgentContacts
from storage.cameras.pictures import CameraPictures
from storage.cameras.registry import CameraRegistry, RegisteredCamera
from storage.cameras.sources import SecretText
from storage.cameras.states import CameraStates
from storage.database import Database, default_url
from storage.evidence.clips import Clip, ClipStore
from storage.evidence.originals import Original, OriginalStore
from storage.evidence.retention import EvidenceRetention
from storage.evidence.stills import EvidenceStore, Still
from storage.faces.enrolment import Enrolment
from storage.faces.references import Face, ReferenceFaces
from storage.faces.staff import Staff
from storage.log import AcceptedLog, Record
from storage.projector import Projector
from storage.sealing.crypto import Keyring
from storage.terminals.contacts import TerminalContacts
from tests.alerts.builders import OTHER_STORE, PERSON, STORE, finding, policy
from tests.storage.faces import face_of
from video.settings import CameraSettings, VideoSettings, VisitorSettings
from web.access import csrf_of
from web.app import create_app
from web.feed import Broadcast
from web.measurements import Measurements
from web.ports import (
    CameraPicture,
    EventResult,
    FreeSpace,
    InstitutionEntry,
    NotReady,
    Overloaded,
    PhotosUnread,
    ProbeFailed,
    ProbeFailure,
    ReadPhoto,
    TillEntry,
    WebLimits,
    WebServices,
)
from web.server import WebServer

T = TypeVar("T")
PASSWORD = "correct horse battery"  # noqa: S105 - a test's own
CAMERA = "camera-1"
INSTITUTIONS = (
    InstitutionEntry(
        institution_id=STORE,
        kind="pharmacy",
        name_zh="安康药店",
        name_en="Ankang Pharmacy",
        tills=(
            TillEntry(till_id="1", name_zh="1号收银台", name_en="Till 1"),
            TillEntry(till_id="2", name_zh="2号收银台", name_en="Till 2"),
        ),
    ),
    InstitutionEntry(institution_id=OTHER_STORE, kind="clinic", name_zh="城西诊所", name_en="Chengxi Clinic"),
)


CAMERAS_OF_FILE = (
    RegisteredCamera(camera_id=CAMERA, institution_id=STORE, till_id="1", source=SecretText("/nowhere/counter.avi")),
)


def now_ms() -> int:
    return time.time_ns() // 1_000_000


def poll(look: Callable[[], T | None], deadline_s: float = 10.0) -> T:
    ends = time.monotonic() + deadline_s
    while time.monotonic() < ends:
        found = look()
        if found:
            return found
        time.sleep(0.02)
    raise AssertionError("what was waited for did not come")


class SmallStageZero:
    """Accepts, recognises duplicates and sets aside, durably, as the port promises; can be told to be overloaded."""

    def __init__(self, database: Database, clock_ms: Callable[[], int]) -> None:
        self._database, self._clock_ms = database, clock_ms
        self._log = AcceptedLog(database)
        self.refuse_with: Exception | None = None
        self.largest_request = 0

    async def submit(self, sender: str, originals: Sequence[bytes], deadline_s: float) -> list[EventResult]:
        assert deadline_s > 0
        if self.refuse_with is not None:
            raise self.refuse_with
        self.largest_request = max(self.largest_request, len(originals))
        results, records, letters = [], {}, []
        events = [decode_event(original) for original in originals]
        known = set(self._log.digests_of(identity_of(one) for one in events if not isinstance(one, InvalidEvent)))
        for index, (original, event) in enumerate(zip(originals, events, strict=True)):
            if isinstance(event, InvalidEvent):
                place = Place(sender=sender, index=index)
                letters.append(
                    DeadLetter(
                        original=original, place=place, stage=event.stage, reason=event.reason, detail=event.detail
                    )
                )
                results.append(EventResult(status="dead_letter", reason=event.reason, detail=event.detail))
                continue
            record = record_of(original, event, sender, self._clock_ms())
            is_known = record.identity in known
            known.add(record.identity)
            if not is_known:
                records[record.identity] = record
            results.append(EventResult(status="duplicate" if is_known else "accepted", event_id=event.event_id))
        with self._database.session() as session:
            self._log.append(session, list(records.values()))
            self._log.set_aside(session, letters, self._clock_ms())
        return results


def record_of(original: bytes, event: AnyEvent, sender: str, received_at_ms: int) -> Record:
    return Record(
        event=event,
        identity=identity_of(event),
        digest=content_digest(event),
        received_at_ms=received_at_ms,
        sender=sender,
        original=original,
    )


class DrawnCounters:
    """Cameras that all show a drawn counter, but for those that `fails` names, by what their addresses contain."""

    def __init__(self) -> None:
        self.fails: dict[str, ProbeFailure] = {}
        self.tried: list[str] = []

    def look(self, source: str) -> CameraPicture | ProbeFailed:
        self.tried.append(source)
        for part, reason in self.fails.items():
            if part in source:
                return ProbeFailed(reason=reason)
        jpeg = counter_jpeg(face=False)
        return CameraPicture(jpeg=jpeg, width_px=640, height_px=360, codec="h264", frames_per_s=15.0)


class TwinReader:
    """Takes every photograph for a good one of a face that its bytes make; those that `refuses` names are not."""

    def __init__(self) -> None:
        self.refuses: dict[bytes, tuple[str, ...]] = {}
        self.fails: Literal["busy", "failed"] | None = None
        self.seen: list[bytes] = []

    def read(self, photos: Sequence[bytes]) -> list[ReadPhoto]:
        self.seen += photos
        if self.fails is not None:
            raise PhotosUnread(self.fails)
        return [ReadPhoto(problems=self.refuses.get(one, ()), faces=(drawn_face(one),)) for one in photos]


def drawn_face(photo: bytes) -> Face:
    looks = np.random.default_rng(list(photo)).standard_normal(128).astype(np.float32)
    return face_of(looks / np.linalg.norm(looks))


class StoreCameras:
    """The cameras of a registry that are looked through at their stores."""

    def __init__(self, registry: CameraRegistry) -> None:
        self._registry = registry

    def revision(self) -> int:
        return self._registry.revision()

    def at_stores(self) -> list[CameraSettings]:
        return [
            CameraSettings(
                camera_id=camera.camera_id,
                institution_id=camera.institution_id,
                till_id=camera.till_id,
                source=camera.source or "",
                zone=camera.zone,
                clock_offset_ms=camera.clock_offset_ms,
                at_store=True,
            )
            for camera in self._registry.cameras()
            if camera.at_store
        ]

    def institution_of(self, camera_id: str) -> str | None:
        listed = {camera.camera_id: camera.institution_id for camera in self._registry.listed()}
        return listed.get(camera_id)


class Compiled(BytecodeCache):
    """Templates that an application of this process has compiled already, for the next test's."""

    def __init__(self) -> None:
        self._code: dict[tuple[str, str], CodeType] = {}

    def load_bytecode(self, bucket: Bucket) -> None:
        bucket.code = self._code.get((bucket.key, bucket.checksum))

    def dump_bytecode(self, bucket: Bucket) -> None:
        assert bucket.code is not None
        self._code[bucket.key, bucket.checksum] = bucket.code


COMPILED = Compiled()


class World:
    """Storage, accounts, tokens and the application over them; time is the real clock's unless `clock_ms` is set."""

    sender_for_all = "sws_for-all"
    sender_for_store = "sws_for-store"
    terminal = "swt_ankang"
    terminal_of_till_2 = "swt_ankang-2"
    terminal_elsewhere = "swt_chengxi"
    agent = "swa_ankang"
    agent_elsewhere = "swa_chengxi"

    def __init__(self, directory: Path, limits: WebLimits | None = None) -> None:
        self.clock_ms: Callable[[], int] = now_ms
        self.database = Database.open(default_url(directory))
        self.accounts = Accounts(self.database, PasswordHasher(time_cost=1, memory_cost=64, parallelism=1))
        self.projector = Projector(self.database, policy())
        self.keyring = Keyring.open(directory / "keys" / "evidence.key", needed=False)
        self.evidence = EvidenceStore(self.database, directory / "stills", self.keyring)
        self.clips = ClipStore(self.database, directory / "clips", self.keyring)
        self.originals = OriginalStore(self.database, directory / "originals", self.keyring)
        self.contacts = TerminalContacts(self.database)
        self.feed = Broadcast()
        self.intake = SmallStageZero(self.database, self.now_ms)
        self.not_ready: list[NotReady] = []
        self.camera_probe = DrawnCounters()
        self.cameras = CameraRegistry(self.database, self.keyring, CAMERAS_OF_FILE, folder=directory)
        self.calibrations = Calibrations(self.database, self.now_ms)
        self.visitors = SharedVisitors(VisitorSettings(), clock_ms=self.now_ms)
        self.camera_agents = CameraAgents(
            lambda cameras: VideoSettings(cameras=tuple(cameras)),
            StoreCameras(self.cameras),
            intake=CameraIntake(
                evidence=self.evidence,
                originals=self.originals,
                states=CameraStates(self.database),
                calibrations=self.calibrations,
                submit=self._hand_in,
            ),
            references=ReferenceFaces(self.database, self.keyring),
            visitors=self.visitors,
            staff=Staff(self.database, ReferenceFaces(self.database, self.keyring)),
            log=AcceptedLog(self.database),
            contacts=AgentContacts(self.database),
            clock_ms=self.now_ms,
        )
        self.measurements = Measurements()
        kept = (self.evidence.kept, self.clips.kept, self.originals.kept)
        references = ReferenceFaces(self.database, self.keyring)
        self.enrolment = Enrolment(self.database, references, EvidenceRetention(self.database, kept))
        self.photo_reader = TwinReader()
        self.space = FreeSpace(free_bytes=10**12, least_bytes=0)
        self.services = WebServices(
            database=self.database,
            accounts=self.accounts,
            intake=self.intake,
            actions=self.projector,
            stills=self.evidence,
            clips=self.clips,
            originals=self.originals,
            contacts=self.contacts,
            feed=self.feed,
            institutions=INSTITUTIONS,
            cameras=self.cameras,
            camera_pictures=CameraPictures(self.database, self.keyring),
            camera_probe=self.camera_probe,
            camera_agents=self.camera_agents,
            calibrations=self.calibrations,
            enrolment=self.enrolment,
            photo_reader=self.photo_reader,
            readiness=lambda: self.not_ready,
            now_ms=self.now_ms,
            measurements=self.measurements,
            card_mark=lambda number: f"mark-of-{number[-4:]}",
            rule_titles=self.projector.rule_titles,
            limits=limits or WebLimits(heartbeat_s=0.3),
            free_space=lambda: self.space,
        )
        self.app: FastAPI = create_app(self.services)
        self.app.state.pages._environment.bytecode_cache = COMPILED
        self._numbers = itertools.count(1)

    @classmethod
    def furnished(cls, directory: Path) -> World:
        """A new world with an account of each role and the tokens below."""
        world = cls(directory)
        for role in ROLES:
            world.accounts.put_account(role, PASSWORD, role, now_ms())
        put = world.accounts.put_token
        put("sender", "city", ["*"], now_ms(), token=world.sender_for_all)
        put("sender", "store-his", [STORE], now_ms(), token=world.sender_for_store)
        put("terminal", "ankang", [STORE], now_ms(), token=world.terminal)
        put("terminal", "ankang-2", [STORE], now_ms(), till_id="2", token=world.terminal_of_till_2)
        put("terminal", "chengxi", [OTHER_STORE], now_ms(), token=world.terminal_elsewhere)
        put("agent", "ankang-cameras", [STORE], now_ms(), token=world.agent)
        put("agent", "chengxi-cameras", [OTHER_STORE], now_ms(), token=world.agent_elsewhere)
        return world

    def now_ms(self) -> int:
        return self.clock_ms()

    def close(self) -> None:
        self.feed.close()
        self.camera_agents.feed.close()
        self.database.close()

    def _hand_in(self, sender: str, originals: Sequence[bytes]) -> None:
        try:
            asyncio.run(self.intake.submit(sender, originals, 30))
        except Overloaded as error:
            raise TransientError(error.reason) from error

    def settlement(self) -> str:
        return f"SETL{next(self._numbers):08d}"

    def raise_alert(
        self, detector: str = "holder_mismatch", *, settlement: str = "", at_ms: int = 0, **values: Any
    ) -> Finding:
        """A finding is decided now and becomes an alert, of which every open page hears."""
        values["settlement"] = settlement or self.settlement()
        values.setdefault("person", f"{PERSON}-{values['settlement']}")
        found = finding(detector, at_ms=at_ms or self.clock_ms() - 2_000, **values)
        self.write([found])
        return found

    def write(self, raised: Sequence[Finding], withdrawn: Sequence[Finding] = ()) -> None:
        self.projector.write_findings(raised, withdrawn, {}, self.clock_ms())
        self.feed.publish(self.projector.project_alerts(self.clock_ms()))

    def withdraw(self, found: Finding) -> None:
        self.write([], [msgspec.structs.replace(found, status="withdrawn")])

    def log(self, *originals: bytes, received_at_ms: int | None = None) -> None:
        """The events are in the accepted log, received just after they happened unless it says when."""
        records = [self._record(original, received_at_ms) for original in originals]
        with self.database.session() as session:
            AcceptedLog(self.database).append(session, records)

    def _record(self, original: bytes, received_at_ms: int | None) -> Record:
        event = decode_event(original)
        assert not isinstance(event, InvalidEvent), event
        return record_of(original, event, "video", received_at_ms or event.occurred_at_ms + 120)

    def keep_still(self, observation_id: str, settlement: str | None, at_ms: int, jpeg: bytes | None = None) -> str:
        return self.evidence.keep(
            Still(
                observation_id=observation_id,
                settlement_id=settlement,
                camera_id=CAMERA,
                captured_at_ms=at_ms,
                jpeg=jpeg or counter_jpeg(),
            )
        )

    def keep_clip(self, settlement: str, swipe_at_ms: int, webm: bytes, **changes: Any) -> str:
        """A clip from 10 s before to 10 s after a swipe, five pictures a second, as its camera's worker makes it."""
        values = {
            "camera_id": CAMERA,
            "camera_state": "ok",
            "first_at_ms": swipe_at_ms - 10_000,
            "last_at_ms": swipe_at_ms + 9_800,
            "first_raw_at_ms": swipe_at_ms - 8_800,
            "clock_offset_ms": -1_200,
            "pictures": 100,
            "step_ms": 200,
            **changes,
        }
        return self.clips.keep(Clip(settlement_id=settlement, swipe_at_ms=swipe_at_ms, webm=webm, **values))

    def keep_original(self, settlement: str, swipe_at_ms: int, video: bytes, **changes: Any) -> str:
        """What a camera sent from before a clip to 10 s after the swipe."""
        values = {
            "camera_id": CAMERA,
            "container": "matroska",
            "sha256": hashlib.sha256(video).hexdigest(),
            "first_at_ms": swipe_at_ms - 11_500,
            "last_at_ms": swipe_at_ms + 10_000,
            "first_raw_at_ms": swipe_at_ms - 10_300,
            "clock_offset_ms": -1_200,
            "clip_first_at_ms": swipe_at_ms - 10_000,
            "clip_last_at_ms": swipe_at_ms + 10_000,
            "step_ms": 200,
            "camera_state": "ok",
            **changes,
        }
        return self.originals.keep(Original(settlement_id=settlement, swipe_at_ms=swipe_at_ms, video=video, **values))

    def camera(self, state: str, detail: str = "") -> None:
        CameraStates(self.database).put(CAMERA, state, detail, self.clock_ms())


def counter_jpeg(*, face: bool = True) -> bytes:
    """A drawn counter; with a drawn face in the box (250, 60, 350, 190)."""
    picture = Image.new("RGB", (640, 360), "#5b6670")
    draw = ImageDraw.Draw(picture)
    draw.rectangle((0, 270, 640, 360), fill="#8a6d4f")
    if face:
        draw.rectangle((200, 180, 400, 280), fill="#27384a")
        draw.ellipse((255, 65, 345, 185), fill="#d9a98a")
        for x in (283, 317):
            draw.ellipse((x - 6, 108, x + 6, 120), fill="#201510")
        draw.rectangle((250, 60, 350, 190), outline="#ffb000", width=3)
    out = BytesIO()
    picture.save(out, "JPEG", quality=85)
    return out.getvalue()


def observation_bytes(event_id: str, settlement: str, at_ms: int, **changes: object) -> bytes:
    body: dict[str, object] = {
        "type": "face_observed",
        "event_id": event_id,
        "occurred_at_ms": at_ms,
        "institution_id": STORE,
        "till_id": "1",
        "camera_id": CAMERA,
        "healthy": True,
        "people": 1,
        "faces": [
            {
                "quality": 0.82,
                "verdict": "mismatch",
                "similarity": 0.0912,
                "second_similarity": 0.4123,
                "settlement_id": settlement,
                "frames": 5,
            }
        ],
        "engine": "sface",
        "engine_version": "yunet+sface-1",
        "second_engine": "dlib",
        "boxes": [[250, 60, 350, 190]],
        "frame_size": [640, 360],
        "clock_offset_ms": -1200,
    }
    return msgspec.json.encode({**body, **changes})


def swipe_event(settlement: str, **changes: object) -> dict[str, object]:
    at_ms = changes.pop("at_ms", None) or now_ms()
    body: dict[str, object] = {
        "type": "swipe",
        "event_id": f"e-{settlement}",
        "occurred_at_ms": at_ms,
        "settlement_id": settlement,
        "person_id": PERSON,
        "institution_id": STORE,
        "till_id": "1",
        "credential": "social_card",
        "insurance": "310",
        "category": "41",
        "total_fen": 8650,
        "fund_fen": 1200,
        "account_fen": 7450,
        "mutual_fen": 0,
        "cash_fen": 0,
        "items": [],
    }
    return {**body, **changes}


class InProcess(httpx.BaseTransport):
    """Takes requests to the application without a network, on an event loop of its own; an answer comes whole."""

    def __init__(self, app: FastAPI) -> None:
        self._transport = httpx.ASGITransport(app)
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, name="application")
        self._thread.start()

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        body = request.read()
        return asyncio.run_coroutine_threadsafe(self._answer(request, body), self._loop).result(timeout=60)

    async def _answer(self, request: httpx.Request, body: bytes) -> httpx.Response:
        whole = httpx.Request(request.method, request.url, headers=request.headers, content=body)
        answer = await self._transport.handle_async_request(whole)
        return httpx.Response(answer.status_code, headers=answer.headers, content=await answer.aread())

    def close(self) -> None:
        asyncio.run_coroutine_threadsafe(self._loop.shutdown_default_executor(), self._loop).result(timeout=60)
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()


@contextmanager
def serving(world: World, port: int = 0) -> Iterator[str]:
    """The application on a real server at the address given, until the end."""
    server = WebServer(world.app, world.feed, world.camera_agents.feed, host="127.0.0.1", port=port)
    thread = threading.Thread(target=server.run, name="web-under-test")
    thread.start()
    poll(lambda: server.started)
    try:
        yield f"http://127.0.0.1:{server.servers[0].sockets[0].getsockname()[1]}"
    finally:
        server.should_exit = True
        thread.join(timeout=15)
        assert not thread.is_alive(), "the server did not stop"


def log_in(client: httpx.Client, role: str = "operator") -> httpx.Client:
    """The client has the session of somebody with this role."""
    client.get("/login")
    form = {"username": role, "password": PASSWORD, "csrf": csrf_of(client.cookies["swipewatch_form"])}
    answer = client.post("/login", data=form)
    assert answer.status_code == 303, answer.text
    return client


def form_token(client: httpx.Client) -> str:
    return csrf_of(client.cookies["swipewatch_session"])


def bearer(token: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {token}"}


def overloaded(*, busy: bool) -> Overloaded:
    return Overloaded("the queue is full", retry_after_s=3, busy=busy)

"""The centre's side of camera agents, over HTTP: what they are told, what they may say, when they are missed."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import httpx
import msgspec
import numpy as np
import pytest

from app.agent_watch import AgentWatch
from app.at_store.centre import Centre, CentreAway, NeverTaken, TokenRefused, Told
from app.camera_agents import AgentOrders
from events.errors import ConfigError
from events.types import Swipe
from storage.access.changes import By
from storage.cameras.agents import AgentReport
from storage.cameras.registry import CameraChange
from storage.cameras.sources import SecretText
from storage.faces.references import ReferenceFaces
from storage.faces.staff import StaffMember
from storage.log import AcceptedLog
from storage.queries.cameras import CameraQueries
from tests.alerts.builders import OTHER_STORE, PERSON, STORE
from tests.storage.faces import GROUNDS, face_of
from tests.web.world import (
    CAMERA,
    World,
    bearer,
    counter_jpeg,
    log_in,
    observation_bytes,
    overloaded,
    serving,
    swipe_event,
)
from video.messages import (
    CameraStateChanged,
    FromCameras,
    Observed,
    OriginalCut,
    PairsCounted,
    StaffFace,
    StaffKnown,
    SwipeSeen,
    encode_message,
    encode_some,
)
from web.ports import WebLimits

BY = By("ada", 1_000)
ADDRESS = SecretText("rtsp://admin:s3cret@10.0.0.7/stream")
REPORT = AgentReport(version="1", cameras=1, waiting=7, waiting_bytes=3 * 1024 * 1024, dropped={"original": 2})


@pytest.fixture
def at_store(world: World) -> World:
    """A store with a camera that its agent looks through, and another store with one of its own."""
    world.cameras.change(BY, CAMERA, CameraChange(at_store=True))
    world.cameras.add(BY, institution_id=OTHER_STORE, till_id="1", source=ADDRESS, camera_id="elsewhere", at_store=True)
    world.cameras.add(BY, institution_id=STORE, till_id="2", source=ADDRESS, camera_id="of-the-centre")
    world.camera_agents.refresh()
    return world


def agent_of(address: str, token: str) -> Centre:
    return Centre(address, lambda: token)


def observed(settlement: str = "SETL1", event_id: str = "fo-1", **changes: object) -> Observed:
    return Observed(
        original=observation_bytes(event_id, settlement, 1_767_578_400_000, **changes),
        still=counter_jpeg(),
        settlement_id=settlement,
        camera_id=CAMERA,
        captured_at_ms=1_767_578_400_000,
    )


def original(camera_id: str = CAMERA, *, video: bytes = b"packets", sha256: str = "") -> OriginalCut:
    return OriginalCut(
        settlement_id="SETL1",
        camera_id=camera_id,
        container="matroska",
        video=video,
        sha256=sha256 or hashlib.sha256(video).hexdigest(),
        swipe_at_ms=1_000,
        first_at_ms=0,
        last_at_ms=2_000,
        first_raw_at_ms=0,
        clock_offset_ms=0,
    )


def counted(camera_id: str = CAMERA) -> PairsCounted:
    return PairsCounted(
        camera_id=camera_id,
        engine_version="one",
        day="2026-03-02",
        begun_at_ms=1,
        oldest_day="2026-03-02",
        people=4,
        spread=1.0,
        first=210,
        counts=(1, 2, 3),
    )


def post(client: httpx.Client, message: FromCameras | bytes, token: str = World.agent) -> httpx.Response:
    body = message if isinstance(message, bytes) else encode_some([encode_message(message)])
    return client.post("/v1/cameras/messages", content=body, headers=bearer(token))


def code_of(answer: httpx.Response) -> tuple[int, str]:
    return answer.status_code, answer.json()["error"]["code"]


def observations(world: World) -> int:
    return sum(b"face_observed" in logged.original for logged in AcceptedLog(world.database).read())


def swiped(world: World, settlement: str, institution_id: str = STORE) -> None:
    body = msgspec.json.encode(swipe_event(settlement, institution_id=institution_id))
    world.camera_agents.swipes_accepted([msgspec.json.decode(body, type=Swipe)])


def told_of(stream: Iterator[Told]) -> tuple[str, str]:
    """Returns the next message but heartbeats: its event, and which swipe."""
    told = next(one for one in stream if one.event != "beat")
    return told.event, msgspec.json.decode(told.data).get("settlement_id", "")


def staff_in(stream: Iterator[Told]) -> list[StaffFace]:
    told = next(one for one in stream if one.event != "beat")
    assert told.event == "staff"
    return msgspec.json.decode(told.data, type=StaffKnown).faces


# ---------------------------------------------------------------------------------------------------- what it is told


def test_an_agent_is_told_of_the_cameras_of_its_own_stores_that_are_looked_through_there(
    client: httpx.Client, at_store: World
) -> None:
    first = client.get("/v1/cameras", headers=bearer(World.agent))
    assert [one["camera_id"] for one in first.json()["video"]["cameras"]] == [CAMERA]
    other = client.get("/v1/cameras", headers=bearer(World.agent_elsewhere)).json()
    assert [(one["camera_id"], one["source"]) for one in other["video"]["cameras"]] == [("elsewhere", str(ADDRESS))]
    assert "visitor_key" not in str({key: one for key, one in other["video"].items() if one is not None})
    for token in (World.sender_for_all, World.terminal, "swa_guessed"):
        assert client.get("/v1/cameras", headers=bearer(token)).status_code == 401
    at_store.cameras.change(BY, CAMERA, CameraChange(zone=((0.0, 0.0), (0.5, 0.0), (0.5, 1.0))))
    at_store.camera_agents.refresh()
    again = client.get("/v1/cameras", headers=bearer(World.agent))
    assert again.json()["revision"] != first.json()["revision"]
    unchanged = client.get("/v1/cameras", headers=bearer(World.agent_elsewhere)).json()
    assert unchanged["revision"] == other["revision"]
    assert msgspec.json.decode(again.content, type=AgentOrders).video.cameras[0].zone is not None


def test_swipes_and_staff_of_its_stores_are_told_with_what_they_look_like_and_again_after_a_break(
    at_store: World,
) -> None:
    looks = np.linspace(-1, 1, 128, dtype=np.float32)
    ReferenceFaces(at_store.database, at_store.keyring).enrol(PERSON, face_of(looks), GROUNDS, 1)
    with serving(at_store) as address, closing(agent_of(address, World.agent)) as agent:
        swiped(at_store, "BEFORE")
        with agent.stream(None) as stream:
            assert told_of(stream) == ("cameras", "")
            assert staff_in(stream) == []
            told = next(stream)
            seen = msgspec.json.decode(told.data, type=SwipeSeen)
            assert (seen.settlement_id, seen.till_id) == ("BEFORE", "1")
            assert np.allclose(seen.references["sface"][0], looks)
            swiped(at_store, "ELSEWHERE", OTHER_STORE)
            swiped(at_store, "FIRST")
            assert told_of(stream) == ("swipe", "FIRST")
            at_store.cameras.change(BY, CAMERA, CameraChange(clock_offset_ms=500))
            at_store.camera_agents.refresh()
            assert told_of(stream) == ("cameras", "")
            for institution_id in (STORE, OTHER_STORE):
                member = StaffMember(institution_id=institution_id, staff_id="17", role="pharmacist")
                at_store.enrolment.enrol(member, [face_of(looks)], GROUNDS, 1)
            at_store.camera_agents.refresh()
            (known,) = staff_in(stream)
            assert (known.institution_id, known.role) == (STORE, "pharmacist")
            assert np.allclose(known.references["sface"][0], looks)
        swiped(at_store, "MEANWHILE")
        swiped(at_store, "LATER")
        with agent.stream(told.event_id) as stream:
            assert [told_of(stream) for _ in range(5)] == [
                ("cameras", ""),
                ("staff", ""),
                ("swipe", "FIRST"),
                ("swipe", "MEANWHILE"),
                ("swipe", "LATER"),
            ]
        with agent.stream("1") as stream:  # another process's count: what is fresh is told again
            assert [told_of(stream)[1] for _ in range(6)] == ["", "", "BEFORE", "FIRST", "MEANWHILE", "LATER"]
            at_store.accounts.revoke_token("ankang-cameras", 1)
            assert list(stream) is not None  # ends, since the token has
        with pytest.raises(TokenRefused), agent.stream(None):
            pass


def test_swipes_that_no_camera_remembers_are_not_told(at_store: World) -> None:
    old = swipe_event("OLD", at_ms=at_store.now_ms() - 181_000)
    body = msgspec.json.encode(old)
    at_store.camera_agents.swipes_accepted([msgspec.json.decode(body, type=Swipe)])
    swiped(at_store, "NEW")
    at_centre = at_store.camera_agents.swipes([STORE], 0)
    assert [msgspec.json.decode(one.body)["settlement_id"] for one in at_centre] == ["NEW"]
    at_store.clock_ms = lambda: 10**13
    assert at_store.camera_agents.swipes([STORE], 0) == []


# ---------------------------------------------------------------------------------------------------- what it may say


def test_whatever_is_said_is_kept_when_it_is_answered_and_the_same_again_changes_nothing(
    client: httpx.Client, at_store: World
) -> None:
    everything: list[FromCameras] = [
        observed(),
        original(),
        CameraStateChanged(camera_id=CAMERA, state="dark", detail="mean grey 3", at_ms=5),
        counted(),
    ]
    for message in everything * 2:
        answer = post(client, message)
        assert (answer.status_code, answer.json()) == (200, {"kept": 1})
    assert observations(at_store) == 1
    kept = at_store.originals.for_settlement("SETL1")
    assert [at_store.originals.read(one.original_id) for one in kept] == [b"packets"]
    assert CameraQueries(at_store.database).states()[CAMERA].state == "dark"
    assert set(CameraQueries(at_store.database).newest_stills([CAMERA])) == {CAMERA}
    assert at_store.calibrations.standing([CAMERA])[CAMERA].gathered_pairs == 6


@pytest.mark.parametrize(
    ("message", "refusal"),
    [
        (original("elsewhere"), (403, "foreign_camera")),
        (original("unheard-of"), (403, "foreign_camera")),
        (counted("elsewhere"), (403, "foreign_camera")),
        (encode_some([encode_message(counted()).replace(b"2026-03-02", b"2026-02-30")]), (422, "bad_message")),
        (encode_some([encode_message(counted()).replace(b"2026-03-02", b"0001-01-01")]), (422, "bad_message")),
        (observed(camera_id="elsewhere"), (403, "foreign_camera")),
        (observed(institution_id=OTHER_STORE), (403, "foreign_camera")),
        (
            msgspec.structs.replace(observed(), original=msgspec.json.encode(swipe_event("FORGED", at_ms=1_000))),
            (422, "bad_message"),
        ),
        (msgspec.structs.replace(observed(), original=b"{}"), (422, "bad_message")),
        (original(sha256="0" * 64), (422, "bad_message")),
        (b"\x93 no message", (422, "bad_message")),
        (b"", (422, "bad_message")),
    ],
)
def test_what_is_not_its_own_or_no_message_is_refused_for_good(
    client: httpx.Client, at_store: World, message: FromCameras | bytes, refusal: tuple[int, str]
) -> None:
    assert code_of(post(client, message)) == refusal
    assert list(AcceptedLog(at_store.database).read()) == []


@pytest.mark.parametrize(
    "message", [original(), observed(), msgspec.structs.replace(observed("S-OWN"), settlement_id="SETL1")]
)
def test_of_a_card_that_was_swiped_at_another_store_its_own_camera_shows_nothing(
    client: httpx.Client, at_store: World, message: FromCameras
) -> None:
    at_store.log(msgspec.json.encode(swipe_event("SETL1", institution_id=OTHER_STORE)))
    assert code_of(post(client, message)) == (403, "foreign_camera")
    assert observations(at_store) == 0
    assert at_store.originals.for_settlement("SETL1") == []
    at_store.log(msgspec.json.encode(swipe_event("S-OWN")))
    assert post(client, observed("S-OWN")).status_code == 200


def test_a_camera_that_was_switched_off_or_given_to_the_centre_may_still_say_what_it_saw(
    client: httpx.Client, at_store: World
) -> None:
    at_store.cameras.change(BY, CAMERA, CameraChange(at_store=False, is_enabled=False))
    at_store.camera_agents.refresh()
    assert client.get("/v1/cameras", headers=bearer(World.agent)).json()["video"]["cameras"] == []
    assert post(client, original()).status_code == 200


def test_what_cannot_be_kept_now_is_to_be_sent_again(client: httpx.Client, at_store: World) -> None:
    at_store.intake.refuse_with = overloaded(busy=True)
    answer = post(client, observed())
    assert answer.status_code == 503
    assert int(answer.headers["Retry-After"]) > 0
    at_store.intake.refuse_with = None
    assert post(client, observed()).status_code == 200
    assert observations(at_store) == 1


def test_large_messages_are_taken_up_to_a_limit_and_so_many_at_once(data: Path) -> None:
    limits = WebLimits(camera_message_bytes=200_000, camera_messages_in_flight_bytes=150_000)
    world = World(data, limits)
    try:
        world.cameras.change(BY, CAMERA, CameraChange(at_store=True))
        with serving(world) as address, closing(agent_of(address, World.agent)) as agent:
            agent.send([encode_message(original(video=bytes(100_000)))])
            with pytest.raises(NeverTaken, match="body_too_large"):
                agent.send([encode_message(original(video=bytes(300_000)))])
            with pytest.raises(CentreAway) as away:
                agent.send([encode_message(original(video=bytes(190_000)))])
            assert away.value.retry_after_s > 0
    finally:
        world.close()


def test_a_token_goes_over_tls_or_to_this_machine_alone() -> None:
    for address in ("http://centre.example", "https://", "centre.example", "ftp://127.0.0.1", "https://ada:pw@centre"):
        with pytest.raises(ConfigError) as error:
            agent_of(address, "swa_x")
        assert "pw" not in str(error.value)
    for address in ("https://centre.example:8443/", "http://127.0.0.1:8000", "http://localhost:8000"):
        agent_of(address, "swa_x").close()


# ---------------------------------------------------------------------------------------------------- when it is missed


def test_the_cameras_of_a_silent_agent_are_off_line_and_the_centre_sees_what_it_has_not_sent(
    client: httpx.Client, at_store: World
) -> None:
    times = [at_store.now_ms()]
    at_store.clock_ms = lambda: times[0]
    watch = AgentWatch(
        at_store.camera_agents,
        at_store.accounts,
        at_store.measurements,
        clock_ms=at_store.now_ms,
        silent_after_ms=60_000,
    )
    at_store.accounts.revoke_token("chengxi-cameras", 1)
    report = {"content": msgspec.json.encode(REPORT), "headers": bearer(World.agent)}
    assert client.post("/v1/cameras/report", **report).status_code == 200  # type: ignore[arg-type]
    assert client.post("/v1/cameras/report", content=b"{", headers=bearer(World.agent)).status_code == 422
    watch.look()
    assert CAMERA not in CameraQueries(at_store.database).states()
    times[0] += 60_001
    watch.look()
    state = CameraQueries(at_store.database).states()[CAMERA]
    assert (state.state, state.detail) == ("offline", "nothing is heard of the store's camera agent ankang-cameras")
    assert "swipewatch_camera_agents_silent 1.0" in client.get("/metrics").text
    page = log_in(client, "administrator").get("/senders", headers={"Accept": "text/html"}).text
    assert "ankang-cameras" in page
    assert "3.0 MiB" in page
    assert at_store.camera_agents.contacts.known()["ankang-cameras"].silent_since_ms == times[0]
    assert client.post("/v1/cameras/report", **report).status_code == 200  # type: ignore[arg-type]
    watch.look()
    assert at_store.camera_agents.contacts.known()["ankang-cameras"].silent_since_ms is None
    assert "swipewatch_camera_agents_silent 0.0" in client.get("/metrics").text


def test_an_agent_names_its_institutions_one_by_one(client: httpx.Client) -> None:
    log_in(client, "administrator")
    page = client.get("/senders", headers={"Accept": "text/html"}).text
    csrf = page.partition('name="csrf" value="')[2].partition('"')[0]
    form = {"csrf": csrf, "kind": "agent", "name": "new-agent"}
    assert client.post("/senders/add", data={**form, "institutions": "*"}).status_code == 422
    page = client.post("/senders/add", data={**form, "institutions": STORE}).text
    token = page.partition("secret-value long")[2].partition(">")[2].partition("<")[0]
    assert token.startswith("swa_")
    assert client.get("/v1/cameras", headers=bearer(token)).status_code == 200
    client.post("/senders/revoke", data={"csrf": csrf, "kind": "agent", "name": "new-agent"})
    assert client.get("/v1/cameras", headers=bearer(token)).status_code == 401
    assert "停用摄像程序密钥" in client.get("/access-changes", headers={"Accept": "text/html"}).text

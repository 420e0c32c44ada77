from __future__ import annotations

import resource
import socket
from collections.abc import Iterator
from pathlib import Path

import httpx
import msgspec
import pytest

from events.errors import TransientError
from storage.log import AcceptedLog
from storage.models import AcceptedEvent
from tests.alerts.builders import OTHER_STORE, STORE
from tests.web.world import World, bearer, overloaded, serving, swipe_event
from web.ports import WebLimits

MEGABYTE = 1024 * 1024


def post(client: httpx.Client, world: World, content: bytes, kind: str = "application/json") -> httpx.Response:
    headers = {**bearer(world.sender_for_all), "Content-Type": kind}
    return client.post("/v1/events", content=content, headers=headers)


def accepted_count(world: World) -> int:
    return AcceptedLog(world.database).count()


def test_one_object_is_accepted_and_in_the_log_when_the_answer_comes(client: httpx.Client, world: World) -> None:
    original = msgspec.json.encode(swipe_event("S1"))
    answer = post(client, world, original)
    assert answer.status_code == 200
    assert answer.json() == {
        "results": [{"status": "accepted", "event_id": "e-S1"}],
        "accepted": 1,
        "duplicate": 0,
        "dead_letter": 0,
    }
    with world.database.read() as session:
        row = session.query(AcceptedEvent).one()
        assert (row.original, row.sender) == (original, "city")


def test_an_array_has_a_result_per_event_in_order(client: httpx.Client, world: World) -> None:
    events = [swipe_event("S1"), {"type": "swipe", "event_id": "x"}, swipe_event("S1"), swipe_event("S2")]
    body = post(client, world, msgspec.json.encode(events)).json()
    assert [one["status"] for one in body["results"]] == ["accepted", "dead_letter", "duplicate", "accepted"]
    assert body["results"][1]["reason"] == "missing_field"
    assert (body["accepted"], body["duplicate"], body["dead_letter"]) == (2, 1, 1)


def test_json_lines_with_a_broken_line_accept_the_rest_and_keep_the_line(client: httpx.Client, world: World) -> None:
    broken = b'{"type":"swipe","event_id":'
    lines = b"\n".join([msgspec.json.encode(swipe_event("S1")), broken, msgspec.json.encode(swipe_event("S2")), b""])
    body = post(client, world, lines, "application/x-ndjson").json()
    assert [one["status"] for one in body["results"]] == ["accepted", "dead_letter", "accepted"]
    assert body["results"][1]["reason"] == "not_json"
    letters = AcceptedLog(world.database).dead_letters()
    assert [kept.letter.original for kept in letters] == [broken]


@pytest.mark.parametrize("content", [b"", b"this is no JSON", b"\xff\xfe\x00"])
def test_a_body_that_is_no_json_is_set_aside_and_answered(client: httpx.Client, world: World, content: bytes) -> None:
    answer = post(client, world, content)
    assert answer.status_code == 200
    assert [(one["status"], one["reason"]) for one in answer.json()["results"]] == [("dead_letter", "not_json")]
    assert AcceptedLog(world.database).dead_letters()[0].letter.original == content


@pytest.mark.parametrize("authorization", [None, "Bearer", "Bearer wrong", "Basic d3Jvbmc=", "wrong"])
def test_without_a_senders_token_nothing_is_taken(
    client: httpx.Client, world: World, authorization: str | None
) -> None:
    headers = {} if authorization is None else {"Authorization": authorization}
    answer = client.post("/v1/events", json=swipe_event("S1"), headers=headers)
    assert answer.status_code == 401
    assert accepted_count(world) == 0


def test_a_terminals_token_sends_no_events(client: httpx.Client, world: World) -> None:
    answer = client.post("/v1/events", json=swipe_event("S1"), headers=bearer(world.terminal))
    assert answer.status_code == 401


def test_a_revoked_token_sends_no_events(client: httpx.Client, world: World) -> None:
    world.accounts.revoke_token("city", 1)
    assert post(client, world, b"[]").status_code == 401


def test_one_foreign_event_refuses_the_whole_request(client: httpx.Client, world: World) -> None:
    events = [swipe_event("S1"), swipe_event("S2", institution_id=OTHER_STORE)]
    answer = client.post("/v1/events", json=events, headers=bearer(world.sender_for_store))
    assert answer.status_code == 403
    assert answer.json()["error"]["code"] == "foreign_institution"
    assert OTHER_STORE in answer.json()["error"]["detail"]
    assert accepted_count(world) == 0


def test_a_store_may_send_its_own_events_but_no_reference_data(client: httpx.Client, world: World) -> None:
    own = client.post(
        "/v1/events", json=swipe_event("S1", institution_id=STORE), headers=bearer(world.sender_for_store)
    )
    person = {"type": "person", "event_id": "p", "person_id": "x", "status": "active", "institution_id": STORE}
    refused = client.post("/v1/events", json=person, headers=bearer(world.sender_for_store))
    assert (own.status_code, refused.status_code) == (200, 403)


@pytest.mark.parametrize(("busy", "status"), [(True, 429), (False, 503)])
def test_overload_says_when_to_come_back(client: httpx.Client, world: World, busy: bool, status: int) -> None:  # noqa: FBT001
    world.intake.refuse_with = overloaded(busy=busy)
    answer = post(client, world, msgspec.json.encode(swipe_event("S1")))
    assert answer.status_code == status
    assert answer.headers["Retry-After"] == "3"


def test_an_outcome_that_is_not_known_in_time_is_told_as_such(client: httpx.Client, world: World) -> None:
    world.intake.refuse_with = TimeoutError()
    answer = post(client, world, msgspec.json.encode(swipe_event("S1")))
    assert answer.status_code == 503
    assert answer.json()["error"]["code"] == "not_confirmed"
    assert int(answer.headers["Retry-After"]) > 0


def test_a_compressed_body_is_refused_instead_of_guessed(client: httpx.Client, world: World) -> None:
    headers = {**bearer(world.sender_for_all), "Content-Encoding": "gzip"}
    assert client.post("/v1/events", content=b"\x1f\x8b", headers=headers).status_code == 415


def test_ten_thousand_lines_are_one_request(client: httpx.Client, world: World) -> None:
    lines = b"\n".join(msgspec.json.encode({"n": number}) for number in range(10_000))
    body = post(client, world, lines, "application/x-ndjson").json()
    assert body["dead_letter"] == 10_000
    assert world.intake.largest_request == 10_000


@pytest.fixture
def small(data: Path) -> Iterator[tuple[World, httpx.Client]]:
    world = World(data, WebLimits(body_bytes=MEGABYTE, bodies_in_flight_bytes=2 * MEGABYTE))
    with serving(world) as address, httpx.Client(base_url=address, timeout=30) as client:
        yield world, client
    world.close()


def fifty_megabytes() -> Iterator[bytes]:
    for _ in range(800):
        yield b"x" * 64 * 1024


@pytest.mark.parametrize("headers", [{}, {"Content-Length": str(800 * 64 * 1024)}], ids=["chunked", "with a length"])
def test_a_body_of_50_megabytes_is_told_413_and_never_sits_in_memory(
    small: tuple[World, httpx.Client], headers: dict[str, str]
) -> None:
    world, client = small
    before_kb = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    limits = {**bearer(world.sender_for_all), "Content-Type": "application/x-ndjson", **headers}
    answer = _post_stream(client, limits)
    grown_kb = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before_kb
    assert answer is None or answer.status_code == 413
    assert grown_kb < 20 * 1024
    assert AcceptedLog(world.database).dead_letter_count() == 0
    assert client.post("/v1/events", content=b"[]", headers=bearer(world.sender_for_all)).status_code == 200


def _post_stream(client: httpx.Client, headers: dict[str, str]) -> httpx.Response | None:
    """Returns the answer, or None where the sender only noticed that nobody read on."""
    try:
        return client.post("/v1/events", content=fifty_megabytes(), headers=headers)
    except (httpx.WriteError, httpx.RemoteProtocolError, httpx.ReadError):
        return None


def test_a_body_a_little_too_large_is_read_to_its_end_so_that_the_sender_hears_413(
    small: tuple[World, httpx.Client],
) -> None:
    world, client = small
    answer = client.post("/v1/events", content=b" " * (3 * MEGABYTE), headers=bearer(world.sender_for_all))
    assert answer.status_code == 413
    assert answer.json()["error"]["code"] == "body_too_large"


def test_a_body_of_just_the_limit_is_taken(small: tuple[World, httpx.Client]) -> None:
    world, client = small
    content = b"[]".ljust(MEGABYTE)
    assert client.post("/v1/events", content=content, headers=bearer(world.sender_for_all)).status_code == 200


def test_more_events_than_a_request_may_have_are_told_413_and_none_is_taken(data: Path) -> None:
    world = World(data, WebLimits(request_events=3))
    with serving(world) as address, httpx.Client(base_url=address, timeout=30) as client:
        assert post(client, world, b"[{},{},{}]").status_code == 200
        answer = post(client, world, b"{}\n" * 4, "application/x-ndjson")
        assert (answer.status_code, answer.json()["error"]["code"]) == (413, "too_many_events")
    assert world.intake.largest_request == 3
    world.close()


def test_a_body_that_does_not_come_in_time_is_told_408(data: Path) -> None:
    world = World(data, WebLimits(body_deadline_s=0.3))
    with serving(world) as address:
        where = httpx.URL(address)
        with socket.create_connection((where.host, where.port or 80), timeout=10) as line:
            head = f"POST /v1/events HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {world.sender_for_all}\r\n"
            line.sendall(f"{head}Content-Length: 100\r\n\r\n[".encode())
            assert line.recv(4096).startswith(b"HTTP/1.1 408")
    world.close()


def test_a_dependency_that_is_away_leaves_the_outcome_open(client: httpx.Client, world: World) -> None:
    world.intake.refuse_with = TransientError("disk full")
    answer = post(client, world, b"[]")
    assert (answer.status_code, answer.json()["error"]["code"]) == (503, "not_confirmed")
    assert "disk" not in answer.text


def test_a_sender_that_asks_first_is_refused_before_it_sends(small: tuple[World, httpx.Client]) -> None:
    world, client = small
    with socket.create_connection((client.base_url.host, client.base_url.port or 80), timeout=10) as line:
        head = (
            f"POST /v1/events HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {world.sender_for_all}\r\n"
            f"Content-Length: {50 * MEGABYTE}\r\nExpect: 100-continue\r\n\r\n"
        )
        line.sendall(head.encode())
        assert line.recv(4096).startswith(b"HTTP/1.1 413")


def test_bodies_that_together_fill_the_memory_are_told_429(small: tuple[World, httpx.Client]) -> None:
    world, client = small
    head = (
        f"POST /v1/events HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {world.sender_for_all}\r\n"
        f"Content-Length: {MEGABYTE}\r\n\r\n"
    )
    lines = [socket.create_connection((client.base_url.host, client.base_url.port or 80), timeout=10) for _ in range(3)]
    try:
        for line in lines:
            line.sendall(head.encode() + b" " * (MEGABYTE - 1))  # the last byte is kept back
        heard = b"".join(_hear(line) for line in lines)
    finally:
        for line in lines:
            line.close()
    assert b"HTTP/1.1 429" in heard
    assert b"retry-after: 1" in heard.lower()


def _hear(line: socket.socket) -> bytes:
    line.settimeout(1)
    try:
        return line.recv(4096)
    except TimeoutError:
        return b""


def test_what_was_answered_is_counted(client: httpx.Client, world: World) -> None:
    post(client, world, msgspec.json.encode([swipe_event("S1"), {"n": 1}]))
    client.post("/v1/events", json=[], headers=bearer("wrong"))
    told = client.get("/metrics").text
    assert 'swipewatch_events_received_total{status="accepted"} 1.0' in told
    assert 'swipewatch_events_received_total{status="dead_letter"} 1.0' in told

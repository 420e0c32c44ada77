from __future__ import annotations

import asyncio
import json
import re
import socket
import threading
import time
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import ExitStack, contextmanager

import httpx
import msgspec
import pytest
from httpx_sse import ServerSentEvent, connect_sse

from events.errors import TransientError
from storage.queries.alerts import AlertQueries
from storage.queries.notices import Audience, Notice, NoticeQueries
from tests.alerts.builders import OTHER_STORE, STORE, finding
from tests.web.world import World, bearer, poll, serving, swipe_event
from web.access import csrf_of, terminal_slug
from web.sse import event_stream


class Listener:
    """A terminal that only listens: every event of its stream, as it came."""

    def __init__(self) -> None:
        self.events: list[ServerSentEvent] = []
        self.ended = threading.Event()

    def notices(self) -> list[tuple[int, str]]:
        told = [event for event in self.events if event.event == "notice"]
        return [(int(event.id), json.loads(event.data)["alert_id"]) for event in told]

    def has(self, count: int) -> bool:
        return len(self.notices()) >= count

    def states(self) -> list[dict[str, object]]:
        return [json.loads(event.data) for event in self.events if event.event == "state"]


@contextmanager
def listening(
    address: str, token: str, after: int | None = 0, headers: dict[str, str] | None = None
) -> Iterator[Listener]:
    listener = Listener()
    client = httpx.Client(base_url=address, timeout=httpx.Timeout(5, read=20))
    query = "" if after is None else f"?after={after}"
    opened = threading.Event()

    def listen() -> None:
        try:
            with connect_sse(
                client, "GET", f"/terminal/stream{query}", headers={**bearer(token), **(headers or {})}
            ) as source:
                source.response.raise_for_status()
                opened.set()
                for event in source.iter_sse():
                    listener.events.append(event)
        except httpx.HTTPError:
            pass  # the test has closed the line
        finally:
            listener.ended.set()

    thread = threading.Thread(target=listen)
    thread.start()
    assert opened.wait(10)
    try:
        yield listener
    finally:
        client.close()
        listener.ended.wait(15)
        thread.join(15)


def heard_until_idle(address: str, token: str) -> set[str]:
    """The alerts that a terminal is told of before its stream has nothing more to say."""
    with listening(address, token) as listener:
        poll(lambda: any(event.event == "beat" for event in listener.events))
    return {alert_id for _, alert_id in listener.notices()}


def alert_ids(world: World) -> list[str]:
    """The alerts, oldest first."""
    return [alert.alert_id for alert in reversed(AlertQueries(world.database).recent_alerts(100))]


def state_of(world: World, alert_id: str) -> str:
    return AlertQueries(world.database).alerts([alert_id])[0].state


def is_state(world: World, alert_id: str, state: str) -> Callable[[], bool]:
    return lambda: state_of(world, alert_id) == state


def test_a_reminder_arrives_while_it_is_raised_and_is_reported_delivered(address: str, world: World) -> None:
    with listening(address, world.terminal) as listener:
        world.raise_alert("nobody_at_counter")
        poll(lambda: listener.has(1))
        alert_id = listener.notices()[0][1]
        poll(is_state(world, alert_id, "delivered"))
    body = json.loads(next(event.data for event in listener.events if event.event == "notice"))
    assert body["kind"] == "reminder"
    assert body["body"]["facts"][0]["zh"]["fact"] == "柜台前无人"
    assert body["body"]["facts"][0]["en"]["fact"] == "nobody was at the counter"
    assert len(body["body"]["receipt"]) == 6


def test_a_notice_names_no_person(address: str, world: World) -> None:
    with listening(address, world.terminal) as listener:
        world.raise_alert("holder_mismatch", person="psn-7731-secret")
        poll(lambda: listener.has(1))
    assert "psn-7731-secret" not in "".join(event.data for event in listener.events)


def test_a_terminal_that_comes_back_gets_what_it_missed_and_nothing_twice(address: str, world: World) -> None:
    with listening(address, world.terminal) as listener:
        world.raise_alert()
        poll(lambda: listener.has(1))
    last = listener.notices()[-1][0]
    for _ in range(3):
        world.raise_alert()
    with listening(address, world.terminal, after=last) as again:
        poll(lambda: again.has(3))
        world.raise_alert()
        poll(lambda: again.has(4))
    ids = [notice_id for notice_id, _ in listener.notices() + again.notices()]
    assert ids == sorted(set(ids))
    assert len(ids) == 5


def test_the_browsers_last_event_id_is_taken_where_it_is_later_than_the_pages(address: str, world: World) -> None:
    for _ in range(3):
        world.raise_alert()
    first, second, third = [notice.notice_id for notice in _told(world)]
    with listening(address, world.terminal, after=first, headers={"Last-Event-ID": str(second)}) as listener:
        poll(lambda: listener.has(1))
    assert [notice_id for notice_id, _ in listener.notices()] == [third]


def test_a_terminal_that_knows_no_id_starts_with_today(address: str, world: World) -> None:
    day_ms = 86_400_000
    now = world.clock_ms
    world.clock_ms = lambda: now() - day_ms
    world.raise_alert()
    world.clock_ms = now
    world.raise_alert()
    with listening(address, world.terminal, after=None) as listener:
        poll(lambda: listener.has(1))
    assert [alert_id for _, alert_id in listener.notices()] == alert_ids(world)[1:]


def test_a_backlog_longer_than_one_look_comes_in_order_and_whole(address: str, world: World) -> None:
    at_ms = world.clock_ms() - 60_000
    world.write([finding("frequent_purchase", at_ms=at_ms + number, person=f"p-{number}") for number in range(120)])
    with listening(address, world.terminal) as listener:
        poll(lambda: listener.has(120), 30)
    ids = [notice_id for notice_id, _ in listener.notices()]
    assert ids == sorted(set(ids))


def test_a_terminal_hears_of_its_own_store_and_till_only(address: str, world: World) -> None:
    elsewhere, own = world.settlement(), world.settlement()
    world.log(
        msgspec.json.encode(swipe_event(elsewhere, institution_id=OTHER_STORE)),
        msgspec.json.encode(swipe_event(own, till_id="2")),
    )
    world.raise_alert("frequent_purchase", settlement=elsewhere, store=OTHER_STORE)
    world.raise_alert("frequent_purchase", settlement=own)
    world.raise_alert("card_batch", till="1")
    first, second, third = alert_ids(world)
    heard = {}
    for token in (world.terminal, world.terminal_of_till_2, world.terminal_elsewhere):
        heard[token] = heard_until_idle(address, token)
    assert heard[world.terminal] == {second, third}
    assert heard[world.terminal_of_till_2] == {second}
    assert heard[world.terminal_elsewhere] == {first}


def test_two_terminals_of_a_store_both_get_it_and_see_the_answer_of_either(address: str, world: World) -> None:
    with listening(address, world.terminal) as one, listening(address, world.terminal) as other:
        world.raise_alert()
        poll(lambda: one.has(1) and other.has(1))
        alert_id = one.notices()[0][1]
        httpx.post(
            f"{address}/v1/terminal/alerts/{alert_id}/answer",
            json={"kind": "agent_registered"},
            headers=bearer(world.terminal),
        ).raise_for_status()
        poll(lambda: [state for state in other.states() if state["answer"] == "agent_registered"])
    assert len(one.notices()) == len(other.notices()) == 1


def test_a_withdrawn_reminder_is_told_as_withdrawn(address: str, world: World) -> None:
    with listening(address, world.terminal) as listener:
        found = world.raise_alert()
        poll(lambda: listener.has(1))
        world.withdraw(found)
        poll(lambda: listener.has(2))
    last = json.loads([event for event in listener.events if event.event == "notice"][-1].data)
    assert (last["kind"], last["body"]["facts"]) == ("withdrawn", [])
    assert "已撤回" in last["body"]["frame"]["zh"]


def test_an_idle_stream_shows_that_it_lives(address: str, world: World) -> None:
    with listening(address, world.terminal) as listener:
        poll(lambda: sum(event.event == "beat" for event in listener.events) >= 2)


def test_a_stream_ends_when_its_token_is_revoked(address: str, world: World) -> None:
    with listening(address, world.terminal) as listener:
        world.accounts.revoke_token("ankang", 1)
        assert listener.ended.wait(10)


def test_the_server_stops_promptly_with_streams_open(world: World) -> None:
    with ExitStack() as server:
        address = server.enter_context(serving(world))
        with listening(address, world.terminal) as listener:
            poll(lambda: listener.events)
            started = time.monotonic()
            server.close()
            assert time.monotonic() - started < 4
            assert listener.ended.wait(1)


def test_a_reader_that_does_not_read_delays_no_other_and_not_the_end(world: World) -> None:
    with serving(world) as address:
        where = httpx.URL(address)
        with socket.socket() as idle:
            idle.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 2_048)
            idle.connect((where.host, where.port or 80))
            head = f"GET /terminal/stream?after=0 HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {world.terminal}\r\n\r\n"
            idle.sendall(head.encode())
            with listening(address, world.terminal) as listener:
                at_ms = world.clock_ms() - 60_000
                world.write(
                    [finding("frequent_purchase", at_ms=at_ms + number, person=f"q-{number}") for number in range(150)]
                )
                poll(lambda: listener.has(150), 30)


def test_a_stream_ends_quietly_where_the_database_does_not_answer() -> None:
    async def troubled() -> AsyncIterator[bytes]:
        yield b"one"
        raise TransientError("locked")

    async def read() -> list[bytes]:
        return [bytes(chunk) async for chunk in event_stream(troubled()).body_iterator if isinstance(chunk, bytes)]

    assert asyncio.run(read()) == [b"one"]


def test_streams_that_are_closed_are_forgotten(address: str, world: World) -> None:
    with listening(address, world.terminal):
        poll(lambda: 'streams_open{kind="terminal"} 1.0' in httpx.get(f"{address}/metrics").text)
    poll(lambda: 'streams_open{kind="terminal"} 0.0' in httpx.get(f"{address}/metrics").text)


def test_the_store_notes_and_answers_and_the_list_says_so(client: httpx.Client, world: World) -> None:
    headers = bearer(world.terminal)
    world.raise_alert()
    day = client.get("/v1/terminal/notices", headers=headers).json()
    (notice,) = day["notices"]
    assert (notice["state"], notice["acknowledged"]) == ("open", False)
    assert state_of(world, notice["alert_id"]) == "delivered"
    path = f"/v1/terminal/alerts/{notice['alert_id']}"
    assert client.post(f"{path}/seen", headers=headers).json()["acknowledged"] is False
    noted = client.post(f"{path}/acknowledge", headers=headers).json()
    assert (noted["state"], noted["acknowledged"]) == ("seen", True)
    answered = client.post(f"{path}/answer", json={"kind": "other", "text": " 稍后补录 "}, headers=headers).json()
    assert (answered["state"], answered["answer"], answered["answer_text"]) == ("answered", "other", "稍后补录")
    again = client.get("/v1/terminal/notices", headers=headers).json()
    assert [one["answer"] for one in again["notices"]] == ["other"]
    after = client.get("/v1/terminal/notices", params={"after": day["last_notice_id"]}, headers=headers).json()
    assert after["notices"] == []


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"{}",
        b'{"kind":"nonsense"}',
        b'{"kind":"other"}',
        b'{"kind":"other","text":"  "}',
        b"[]",
        b'{"kind":"checked","x":1}',
    ],
)
def test_an_answer_that_says_nothing_is_refused(client: httpx.Client, world: World, body: bytes) -> None:
    world.raise_alert()
    (alert_id,) = alert_ids(world)
    answer = client.post(f"/v1/terminal/alerts/{alert_id}/answer", content=body, headers=bearer(world.terminal))
    assert answer.status_code == 422
    assert state_of(world, alert_id) == "open"


def test_an_answer_is_at_most_500_characters(client: httpx.Client, world: World) -> None:
    world.raise_alert()
    (alert_id,) = alert_ids(world)
    path, headers = f"/v1/terminal/alerts/{alert_id}/answer", bearer(world.terminal)
    assert client.post(path, json={"kind": "other", "text": "字" * 501}, headers=headers).status_code == 422
    assert client.post(path, json={"kind": "other", "text": "字" * 500}, headers=headers).status_code == 200


def test_another_stores_alert_does_not_exist_for_a_terminal(client: httpx.Client, world: World) -> None:
    world.raise_alert()
    (alert_id,) = alert_ids(world)
    for what in ("seen", "acknowledge", "answer"):
        answer = client.post(
            f"/v1/terminal/alerts/{alert_id}/{what}", json={"kind": "checked"}, headers=bearer(world.terminal_elsewhere)
        )
        assert answer.status_code == 404
    assert state_of(world, alert_id) == "open"


def test_a_closed_alert_takes_no_answer(client: httpx.Client, world: World) -> None:
    world.raise_alert()
    (alert_id,) = alert_ids(world)
    world.projector.close(alert_id, "operator", "false_alarm", world.clock_ms())
    path = f"/v1/terminal/alerts/{alert_id}/answer"
    answer = client.post(path, json={"kind": "checked"}, headers=bearer(world.terminal))
    assert (answer.status_code, answer.json()["error"]["code"]) == (409, "illegal_transition")


def test_a_browser_becomes_a_terminal_by_its_token_and_needs_the_form_token_to_write(
    client: httpx.Client, world: World
) -> None:
    client.get("/terminal/login")
    form = {"token": world.terminal, "csrf": csrf_of(client.cookies["swipewatch_form"])}
    answer = client.post("/terminal/login", data=form)
    slug = terminal_slug("ankang")
    assert answer.headers["location"] == f"/terminal?terminal={slug}"
    assert "SameSite=strict" in answer.headers["set-cookie"]
    assert client.get(answer.headers["location"]).status_code == 200
    world.raise_alert()
    (alert_id,) = alert_ids(world)
    path = f"/v1/terminal/alerts/{alert_id}/acknowledge?terminal={slug}"
    assert client.post(path).status_code == 403
    assert client.post(path, headers={"X-CSRF-Token": csrf_of(world.terminal)}).status_code == 200


def test_one_browser_can_be_several_terminals_side_by_side(client: httpx.Client, world: World) -> None:
    for token in (world.terminal, world.terminal_elsewhere):
        client.get("/terminal/login")
        form = {"token": token, "csrf": csrf_of(client.cookies["swipewatch_form"])}
        assert client.post("/terminal/login", data=form).status_code == 303
    for name, institution_id in (("ankang", STORE), ("chengxi", OTHER_STORE)):
        page = client.get(f"/terminal?terminal={terminal_slug(name)}").text
        assert {STORE: "安康药店", OTHER_STORE: "城西诊所"}[institution_id] in page
    assert client.get("/terminal", headers={"Accept": "text/html"}).headers["location"] == "/terminal/login"
    assert "城西诊所" in client.get("/terminal/login").text


def test_a_wrong_token_opens_no_terminal(client: httpx.Client, world: World) -> None:
    client.get("/terminal/login")
    form = {"token": world.sender_for_all, "csrf": csrf_of(client.cookies["swipewatch_form"])}
    assert client.post("/terminal/login", data=form).status_code == 401


def scripts_of(world: World, name: str = "terminal.js") -> dict[str, str]:
    """Returns a script and whatever it imports, by name."""
    text = world.app.state.assets.get(name).content.decode()
    found = {name: text}
    for imported in re.findall(r'from "\./([a-z_]+\.js)"', text):
        found |= scripts_of(world, imported)
    return found


def test_the_terminals_page_weighs_less_than_150_kilobytes(client: httpx.Client, world: World) -> None:
    page = client.get("/terminal", headers=bearer(world.terminal))
    linked = set(re.findall(r"/static/[0-9a-f]+/([a-z_.]+)", page.text))
    loaded = linked | set(scripts_of(world)) | {"worker.js"}
    assert {"base.css", "terminal.css", "terminal.js", "outbox.js", "sound.js", "stream.js"} <= loaded
    weight = len(page.content) + sum(len(world.app.state.assets.get(name).content) for name in loaded)
    assert weight < 150_000
    assert "http://" not in page.text.replace("http://127.0.0.1", "")


# What browsers of 2017 (Chrome 61, Firefox 60, Safari 11: the first with modules) do not know: syntax, then names.
NEW_SYNTAX = r"\?\.(?!\d)|\?\?|\bcatch \{|\{ ?\.\.\.|\d_\d|\bfor await\b|^\s*#\w|\bimport\(|&&=|\|\|="
NEW_NAMES = (
    r"replaceChildren|replaceAll|structuredClone|fromEntries|\.flat(?:Map)?\(|matchAll|\.at\(|allSettled|globalThis|"
    r"AbortController|randomUUID|requestSubmit|ResizeObserver|IntersectionObserver|toSorted|hourCycle|\.finally\("
)


def too_new(script: str) -> list[str]:
    code = re.sub(r"//.*|/\*[\s\S]*?\*/|\"[^\"]*\"|`[^`]*`", "", script)
    return [found for pattern in (NEW_SYNTAX, NEW_NAMES) for found in re.findall(pattern, code, flags=re.MULTILINE)]


def test_the_terminals_scripts_use_nothing_that_a_tablet_of_2017_lacks(world: World) -> None:
    scripts = scripts_of(world) | scripts_of(world, "worker.js")
    assert {name: too_new(script) for name, script in scripts.items() if too_new(script)} == {}


@pytest.mark.parametrize(
    "line", ["a?.b()", "x = a ?? b", "try {} catch {}", "n = 2_000", "f({ ...a })", "p.finally(f)"]
)
def test_a_newer_word_in_a_script_is_found(line: str) -> None:
    assert too_new(f"const a = 1; // plain\n{line}\n")


def _told(world: World) -> list[Notice]:
    return NoticeQueries(world.database).notices_after(Audience(institution_ids=(STORE,)), 0, 10)

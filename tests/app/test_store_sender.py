"""A store's agent and its line: what waits is sent once and in order, whatever is cut; a token is never shown."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import msgspec
import pytest

from app.at_store.agent import StoreAgent
from app.at_store.buffer import Kind, StoreBuffer
from app.at_store.centre import Centre, messages
from app.at_store.sender import Sender
from app.at_store.token import token_source
from config.settings import AgentSettings, DurationMs
from events.errors import ConfigError
from storage.access.accounts import Accounts
from storage.access.changes import By
from storage.cameras.registry import CameraChange
from storage.log import AcceptedLog
from storage.sealing.crypto import Keyring
from tests.alerts.builders import STORE
from tests.app.line import Line
from tests.web.test_camera_agents import observed, original
from tests.web.world import CAMERA, World, poll, serving
from video.messages import Observed

SMALL: tuple[Kind, ...] = ("observation",)
LARGE: tuple[Kind, ...] = ("original",)


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    made = World.furnished(tmp_path / "centre")
    made.cameras.change(By("ada", 1), CAMERA, CameraChange(at_store=True))
    yield made
    made.close()


@pytest.fixture
def buffer(tmp_path: Path) -> StoreBuffer:
    return StoreBuffer(tmp_path / "buffer", Keyring(b"k" * 32), most_bytes=50_000_000, clock_ms=lambda: 1)


@pytest.fixture
def line(world: World) -> Iterator[Line]:
    with serving(world) as address, Line(int(address.rpartition(":")[2])) as made:
        yield made


@contextmanager
def sending(
    buffer: StoreBuffer, line: Line, kinds: tuple[Kind, ...] = SMALL, token: str = World.agent
) -> Iterator[Sender]:
    sender = Sender(buffer, Centre(line.address, lambda: token), kinds, on_sent=lambda _messages: None)
    sender.start()
    try:
        yield sender
    finally:
        sender.stop()


def numbered(number: int) -> Observed:
    return observed(f"SETL{number}", f"fo-{number:03d}")


def arrived(world: World) -> list[str]:
    """Returns the observations that the centre has accepted, in its order."""
    return [msgspec.json.decode(logged.original)["event_id"] for logged in AcceptedLog(world.database).read()]


def waiting(buffer: StoreBuffer) -> int:
    return sum(level.messages for level in buffer.levels().values())


def test_what_waited_while_the_line_was_down_arrives_once_and_in_order(
    world: World, buffer: StoreBuffer, line: Line
) -> None:
    line.cut()
    with sending(buffer, line) as sender:
        for number in range(30):
            buffer.put(numbered(number))
        poll(lambda: sender.problem)
        assert waiting(buffer) == 60
        line.mend()
        poll(lambda: len(arrived(world)) >= 8)
        line.cut()
        line.mend()
        poll(lambda: waiting(buffer) == 0, deadline_s=30)
    assert arrived(world) == [f"fo-{number:03d}" for number in range(30)]
    assert set(buffer.dropped().values()) == {0}


def test_a_centre_that_is_busy_is_asked_again_and_what_it_refuses_holds_nothing_up(
    world: World, buffer: StoreBuffer, line: Line
) -> None:
    buffer.put(original("elsewhere"))
    buffer.put(original())
    with sending(buffer, line, LARGE):
        poll(lambda: waiting(buffer) == 0)
        buffer.put(numbered(1))
        buffer.put(msgspec.structs.replace(numbered(2), original=b"{}"))
        buffer.put(numbered(3))
    with sending(buffer, line):
        poll(lambda: waiting(buffer) == 0)
    assert arrived(world) == ["fo-001", "fo-003"]
    assert buffer.dropped() == {"original": 1, "still": 1, "observation": 1}
    assert len(world.originals.for_settlement("SETL1")) == 1


def test_a_revoked_token_loses_nothing(world: World, buffer: StoreBuffer, line: Line) -> None:
    Accounts(world.database).revoke_token("ankang-cameras", 1)
    buffer.put(numbered(1))
    with sending(buffer, line) as sender:
        poll(lambda: sender.problem)
        assert "token" in (sender.problem or "")
    assert waiting(buffer) == 2
    token = Accounts(world.database).put_token("agent", "ankang-cameras", [STORE], 1)
    with sending(buffer, line, token=token):
        poll(lambda: waiting(buffer) == 0)


class Troubled:
    """A token source that fails some threads, with what nobody has thought of, until it is mended."""

    def __init__(self, *threads: str) -> None:
        self.fails = set(threads)
        self.failed: set[str] = set()

    def __call__(self) -> str:
        name = threading.current_thread().name
        if name in self.fails:
            self.failed.add(name)
            raise ValueError("unheard of")
        return World.agent


def test_trouble_that_nobody_thought_of_is_said_and_afterwards_all_goes_on(
    world: World, line: Line, tmp_path: Path
) -> None:
    settings = AgentSettings(host="127.0.0.1", port=8003, buffer_bytes=2**26, silent_after=DurationMs(60_000))
    token, contacts = Troubled("sender-observation", "agent-report"), world.camera_agents.contacts

    def is_heard_of() -> bool:
        agent.reached()
        contacts.keep()
        return "ankang-cameras" in contacts.known()

    agent = StoreAgent(settings, tmp_path / "store", line.address, token, camera_ids=())
    agent.buffer.put(numbered(1))
    agent.start()
    try:
        poll(lambda: token.failed == token.fails)
        poll(lambda: "ValueError: unheard of" in [one.reason for one in agent.reasons_not_ready()])
        token.fails = set()
        poll(lambda: waiting(agent.buffer) == 0)
        poll(is_heard_of)
        poll(lambda: agent.reasons_not_ready() == [])
    finally:
        agent.stop()
    assert arrived(world) == ["fo-001"]


def test_a_token_comes_from_a_file_that_nobody_else_reads_and_follows_it(tmp_path: Path) -> None:
    file = tmp_path / "token"
    file.write_text("swa_first\n")
    file.chmod(0o600)
    source = token_source(file, {})
    assert source() == "swa_first"
    file.write_text("swa_second")
    assert source() == "swa_second"
    file.unlink()
    assert source() == "swa_second"
    assert token_source(None, {"SWIPEWATCH_TOKEN": "swa_third"})() == "swa_third"


@pytest.mark.parametrize(
    ("content", "mode"),
    [("", 0o600), ("swa_a swa_b", 0o600), ("swa_a", 0o640), ("\ufeffswa_a", 0o600), ("swa_ä", 0o600)],
)
def test_a_token_that_cannot_be_used_is_a_mistake_that_does_not_show_it(
    tmp_path: Path, content: str, mode: int
) -> None:
    file = tmp_path / "token"
    file.write_text(content, encoding="utf-8")
    file.chmod(mode)
    with pytest.raises(ConfigError) as error:
        token_source(file, {})
    assert "swa_" not in str(error.value)
    for environment in ({}, {"SWIPEWATCH_TOKEN": "\ufeffswa_a"}):
        with pytest.raises(ConfigError) as error:
            token_source(None, environment)
        assert "swa_" not in str(error.value)


def test_a_stream_is_read_as_the_standard_says() -> None:
    lines = [
        "retry: 5",
        "",
        ": beat",
        "id: 7",
        "event: swipe",
        "data: {",
        "data:}",
        "",
        "event: empty",
        "",
        "data: cut",
    ]
    assert [(one.event, one.data, one.event_id) for one in messages(iter(lines))] == [("swipe", "{\n}", "7")]

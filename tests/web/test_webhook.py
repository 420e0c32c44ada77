"""The signed webhook, against a receiver that fails first."""

from __future__ import annotations

import json
import re
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import httpx
import pytest

from app.webhook import LONGEST_WAIT_S, Webhook, signature_of
from config.settings import load_settings
from events.errors import ConfigError
from storage.queries.alerts import AlertQueries
from tests.web.world import World, poll

KEY = bytes(range(32))
DOCS = Path(__file__).parents[2] / "docs" / "webhook.md"


class Receiver:
    """Takes pushes on a real port; answers with the statuses given, then 204."""

    def __init__(self) -> None:
        self.answers: list[int] = []
        self.came: list[tuple[dict[str, str], bytes]] = []
        self.taken: list[dict[str, Any]] = []
        receiver = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["Content-Length"]))
                receiver.came.append((dict(self.headers), body))
                status = receiver.answers.pop(0) if receiver.answers else 204
                if status == 204:
                    receiver.taken.append(json.loads(body))
                self.send_response(status)
                self.send_header("Content-Length", "0")
                self.end_headers()

            def log_message(self, *_: object) -> None:
                return

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self._server.server_address[1]}/hook"
        self._thread = threading.Thread(target=self._server.serve_forever)
        self._thread.start()

    def close(self) -> None:
        if self._thread.is_alive():
            self._server.shutdown()
            self._server.server_close()
            self._thread.join()


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    made = Receiver()
    yield made
    made.close()


def webhook(world: World, receiver: Receiver) -> Webhook:
    return Webhook(receiver.url, KEY, world.database, world.measurements, world.now_ms)


def verify() -> Any:
    """The receiver's part, as the documentation shows it."""
    (code,) = re.findall(r"^```python\n(.*?)^```$", DOCS.read_text(), flags=re.DOTALL | re.MULTILINE)
    names: dict[str, Any] = {}
    exec(code, names)  # noqa: S102 - our own documentation
    return names["is_ours"]


def test_every_change_arrives_in_order_though_the_receiver_fails_first(world: World, receiver: Receiver) -> None:
    receiver.answers = [503, 500, 302]
    sender = webhook(world, receiver)
    with httpx.Client() as client:
        assert sender.push_next(client) is False  # a new receiver hears of what happens from now on
        world.raise_alert()
        alert = AlertQueries(world.database).recent_alerts(1)[0]
        world.projector.answer(alert.alert_id, "ankang", "checked", "", world.now_ms())
        assert [sender.push_next(client) for _ in range(3)] == [False, False, False]
        assert [sender.push_next(client) for _ in range(3)] == [True, True, False]
    assert [one["change"]["action"] for one in receiver.taken] == ["open", "answer"]
    assert {one["alert"]["alert_id"] for one in receiver.taken} == {alert.alert_id}
    assert len({headers["Swipewatch-Delivery"] for headers, _ in receiver.came[:4]}) == 1


def test_the_running_sender_goes_on_where_an_earlier_one_stopped(world: World, receiver: Receiver) -> None:
    with httpx.Client() as client:
        webhook(world, receiver).push_next(client)
    world.raise_alert()
    receiver.answers = [503]
    sender = webhook(world, receiver)
    sender.start()
    poll(lambda: len(receiver.taken) == 1)
    sender.stop()
    world.raise_alert()
    again = webhook(world, receiver)
    again.start()
    poll(lambda: len(receiver.taken) == 2)
    again.stop()
    entries = [one["change"]["entry_id"] for one in receiver.taken]
    assert entries == sorted(set(entries))


def test_a_receiver_that_is_gone_costs_nothing_but_waiting(world: World, receiver: Receiver) -> None:
    sender = webhook(world, receiver)
    with httpx.Client() as client:
        sender.push_next(client)
        receiver.close()
        world.raise_alert()
        waits = []
        for _ in range(14):
            assert sender.push_next(client) is False
            waits.append(sender.wait_s())
    assert waits[0] < 2
    assert max(waits) <= 1.3 * LONGEST_WAIT_S
    assert waits[-1] >= 0.7 * LONGEST_WAIT_S
    assert "swipewatch_webhook_changes_waiting 1.0" in world.measurements.exposition().decode()


def test_a_push_is_told_from_a_forged_changed_old_or_repeated_one(world: World, receiver: Receiver) -> None:
    sender = webhook(world, receiver)
    with httpx.Client() as client:
        sender.push_next(client)
        world.raise_alert()
        sender.push_next(client)
    headers, body = receiver.came[0]
    now_s, is_ours = int(headers["Swipewatch-Timestamp"]), verify()
    assert is_ours(KEY.hex(), headers, body, now_s, set())
    assert not is_ours(bytes(32).hex(), headers, body, now_s, set())
    assert not is_ours(KEY.hex(), headers, body + b" ", now_s, set())
    assert not is_ours(KEY.hex(), {**headers, "Swipewatch-Delivery": "alert-change-9"}, body, now_s, set())
    assert not is_ours(KEY.hex(), {**headers, "Swipewatch-Timestamp": str(now_s + 1)}, body, now_s, set())
    assert not is_ours(KEY.hex(), headers, body, now_s + 301, set())
    seen: set[str] = set()
    assert [is_ours(KEY.hex(), headers, body, now_s, seen) for _ in range(2)] == [True, False]


def test_a_push_names_no_person(world: World, receiver: Receiver) -> None:
    sender = webhook(world, receiver)
    with httpx.Client() as client:
        sender.push_next(client)
        world.raise_alert(person="psn-7731-secret")
        assert sender.push_next(client)
    assert b"psn-7731-secret" not in receiver.came[0][1]


def test_a_signature_is_that_of_the_documentation() -> None:
    expected = "bdfe5e41"
    assert signature_of(KEY, "1800000000", "alert-change-1", b"{}")[:8] == expected


@pytest.mark.parametrize("url", ["http://centre.example/hook", "ftp://127.0.0.1/", "hook", "https://"])
def test_a_push_goes_over_tls_or_stays_on_this_machine(tmp_path: Path, url: str) -> None:
    file = tmp_path / "settings.yaml"
    file.write_text(f"webhook:\n  url: {url}\n")
    with pytest.raises(ConfigError, match=r"webhook"):
        load_settings(file)
    for fine in ("https://centre.example/hook", "http://127.0.0.1:9000/hook"):
        file.write_text(f"webhook:\n  url: {fine}\n")
        assert load_settings(file, {}).settings.webhook.url == fine

"""Publishing against a product that takes less at once than it is given, or takes its time."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from app.publishing import publish_files
from events.errors import ConfigError

LIMIT_BYTES = 100


class Narrow(BaseHTTPRequestHandler):
    """Takes at most `LIMIT_BYTES` at once, and calls its first request too slow."""

    taken: list[bytes]
    slow: list[int]

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"]))
        status = 408 if not self.slow else 413 if len(body) > LIMIT_BYTES else 200
        self.slow.append(status)
        lines = body.split(b"\n") if status == 200 else []
        self.taken.extend(lines)
        answer = json.dumps({"results": [{"status": "accepted"}] * len(lines)}).encode()
        self.send_response(status)
        self.send_header("Content-Length", str(len(answer)))
        self.end_headers()
        self.wfile.write(answer)

    def log_message(self, *_said: object) -> None:
        """Says nothing."""


@pytest.fixture
def narrow() -> Iterator[tuple[str, type[Narrow]]]:
    kind = type("Fresh", (Narrow,), {"taken": [], "slow": []})
    with ThreadingHTTPServer(("127.0.0.1", 0), kind) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}", kind
        server.shutdown()


def test_what_is_too_much_for_one_request_is_sent_in_parts_and_in_order(tmp_path, narrow):
    address, product = narrow
    lines = [str(number).encode() * 40 for number in range(9)]
    file = tmp_path / "events.jsonl"
    file.write_bytes(b"\n".join(lines))
    published = publish_files([file], address, None, None, lambda _done: None)
    assert published.accepted == len(lines)
    assert product.taken == lines


def test_one_event_above_the_limit_is_said_and_not_tried_for_ever(tmp_path, narrow):
    address, _ = narrow
    file = tmp_path / "events.jsonl"
    file.write_bytes(b"x" * (LIMIT_BYTES + 1))
    with pytest.raises(ConfigError, match="413"):
        publish_files([file], address, None, None, lambda _done: None)

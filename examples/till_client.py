"""A till that shows swipewatch's reminders by itself, with Python's standard library alone. See docs/till-vendors.md.

    SWIPEWATCH_TOKEN=swt_… python till_client.py http://127.0.0.1:8000 --folder ./till

It prints each reminder once, acknowledges it and answers it from the terminal. What could not be sent is kept in the
folder and sent again, also after a restart; the product counts it once.
"""

from __future__ import annotations

import argparse
import json
import os
import secrets
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

HEARD_WITHIN_S = 40  # an idle stream says something every 12 s
LONGEST_WAIT_S = 30.0
CALL_EVERY_S = 60
REVOKED = 401
FINAL = (404, 409, 422)  # sending the same again would not help
KINDS = ("checked", "agent_registered", "device_fault", "need_help", "other")


class Till:
    """One terminal: its place in the stream and its unsent answers are files in `folder`."""

    def __init__(self, address: str, token: str, folder: Path) -> None:
        self._address, self._token = address.rstrip("/"), token
        self._called_s = float("-inf")
        folder.mkdir(parents=True, exist_ok=True)
        self._last_file, self._unsent_file = folder / "last_notice_id", folder / "unsent.json"

    def notices(self) -> Iterator[dict[str, Any]]:
        """Yields each notice after the last one that was shown, for ever; ends when the line breaks."""
        with self._open("GET", f"/v1/terminal/stream?after={self.last_notice_id()}", HEARD_WITHIN_S) as stream:
            event = ""
            for raw in stream:
                line = raw.decode().rstrip("\n")
                if line.startswith("event: "):
                    event = line[len("event: ") :]
                elif line.startswith("data: ") and event == "notice":
                    yield json.loads(line[len("data: ") :])
                elif line == "":
                    event = ""
                    self.send_unsent()
                    self._call()

    def last_notice_id(self) -> int:
        """Returns the id of the last notice that was shown, 0 before the first."""
        return int(self._last_file.read_text()) if self._last_file.exists() else 0

    def shown(self, notice: dict[str, Any]) -> None:
        """The notice was on the screen; it will not come again."""
        _write(self._last_file, str(notice["notice_id"]))
        self._later(f"/v1/terminal/alerts/{notice['alert_id']}/seen", {})

    def acknowledge(self, notice: dict[str, Any]) -> None:
        """Somebody has noted it."""
        self._later(f"/v1/terminal/alerts/{notice['alert_id']}/acknowledge?notice_id={notice['notice_id']}", {})

    def answer(self, notice: dict[str, Any], kind: str, text: str = "", agent: dict[str, str] | None = None) -> None:
        """The answer is kept, and sent as soon as the line allows; `agent` is {"kind": …, "number": …}."""
        body: dict[str, Any] = {
            "kind": kind,
            "text": text,
            "answer_id": secrets.token_hex(12),
            "notice_id": notice["notice_id"],
            "answered_at_ms": time.time_ns() // 1_000_000,
        }
        if agent is not None:
            body["agent"] = agent
        self._later(f"/v1/terminal/alerts/{notice['alert_id']}/answer", body)

    def send_unsent(self) -> bool:
        """Sends what was kept, in order; returns whether nothing is left."""
        unsent = self._unsent()
        while unsent:
            path, body = unsent[0]
            try:
                with self._open("POST", path, 10, body):
                    pass
            except urllib.error.HTTPError as error:
                if error.code not in FINAL:
                    return False
                sys.stderr.write(f"refused: {error.read().decode()}\n")
            except OSError:
                return False
            unsent = unsent[1:]
            _write(self._unsent_file, json.dumps(unsent))
        return True

    def _call(self) -> None:
        """The centre knows that this till is there: once a minute, for the open stream does not tell."""
        if time.monotonic() - self._called_s > CALL_EVERY_S:
            self._called_s = time.monotonic()
            self._open("GET", f"/v1/terminal/notices?after={self.last_notice_id()}", 10).close()

    def _unsent(self) -> list[tuple[str, dict[str, Any]]]:
        return json.loads(self._unsent_file.read_text()) if self._unsent_file.exists() else []

    def _later(self, path: str, body: dict[str, Any]) -> None:
        _write(self._unsent_file, json.dumps([*self._unsent(), (path, body)]))
        self.send_unsent()

    def _open(self, method: str, path: str, timeout_s: float, body: dict[str, Any] | None = None) -> Any:  # noqa: ANN401 - urllib's answer
        data = None if body is None else json.dumps(body).encode()
        headers = {"Authorization": f"Bearer {self._token}", "Content-Type": "application/json"}
        request = urllib.request.Request(self._address + path, data, headers, method=method)  # noqa: S310 - the centre's address
        return urllib.request.urlopen(request, timeout=timeout_s)  # noqa: S310 - as above


def _write(file: Path, text: str) -> None:
    """The file holds the text, or what it held before, whatever happens meanwhile."""
    part = file.with_suffix(".part")
    part.write_text(text)
    part.replace(file)


def _ask(notice: dict[str, Any]) -> tuple[str, str, dict[str, str] | None]:
    """Returns what the person at the till says, and who bought where an agent is registered."""
    kind = ""
    while kind not in KINDS:
        kind = input(f"answer ({', '.join(KINDS)}) for {notice['body']['receipt']}: ").strip()
    if kind == "agent_registered":
        return kind, "", {"kind": "person_id", "number": input("the agent's person id: ").strip()}
    return kind, input("a word about it: ") if kind == "other" else "", None


def _run(till: Till, left: int | None) -> None:
    wait_s = 1.0
    while left is None or left > 0:
        try:
            for notice in till.notices():
                wait_s = 1.0
                sys.stdout.write(f"{notice['kind']}: {notice['body']['frame']['zh']}\n")
                till.shown(notice)
                if notice["kind"] == "reminder" and notice["state"] in {"open", "delivered", "seen", "escalated"}:
                    till.acknowledge(notice)
                    till.answer(notice, *_ask(notice))
                    left = None if left is None else left - 1
                if left == 0:
                    break
        except urllib.error.HTTPError as error:
            if error.code == REVOKED:
                sys.exit("the token is not known, or was revoked")
        except OSError as error:
            sys.stderr.write(f"off-line, again in {wait_s:g} s: {error}\n")
        if left != 0:
            time.sleep(wait_s)
            wait_s = min(2 * wait_s, LONGEST_WAIT_S)
    while not till.send_unsent():
        time.sleep(1)


def main() -> None:
    """Follows the reminders until it is interrupted, or until so many were answered."""
    options = argparse.ArgumentParser(description="Shows and answers the reminders of one store.")
    options.add_argument("address")
    options.add_argument("--folder", type=Path, default=Path("till"))
    options.add_argument("--answers", type=int, default=None, help="end after so many")
    given = options.parse_args()
    _run(Till(given.address, os.environ["SWIPEWATCH_TOKEN"], given.folder), given.answers)


if __name__ == "__main__":
    main()

"""What every runtime of the product can be asked, whatever carries its events."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Final, Literal, Protocol

import httpx

Fate = Literal["accepted", "duplicate", "set_aside", "unreadable"]
"""What becomes of a line: taken, known, set aside for what is known of others or of the time, or no event at all."""

POISON: Final = (b"\xff\xfe", b"{", b"[]", b"null", b'{"type": "swipe"}', b'"\xed\xa0\x80"')


class Runtime(Protocol):
    """A product that runs, or can be started."""

    @property
    def answers(self) -> Mapping[Fate, str]:
        """What the sender of a line is told of its fate, once the line is safe."""

    @property
    def url(self) -> str:
        """The address of its database."""

    def start(self) -> None:
        """It takes events, and decides them."""

    def send(self, lines: Sequence[bytes]) -> list[str]:
        """Returns the answer to each line; they are safe then, and need not be decided."""

    def kill(self) -> None:
        """Whatever decides has ended at once (SIGKILL)."""

    def revive(self) -> None:
        """What was killed runs again, with what it has left behind."""

    def stop(self) -> None:
        """It has ended in order; what it was given is not lost."""

    def wait_until_decided(self) -> None:
        """Returns once all that was sent is decided."""

    def said(self) -> str:
        """Returns the end of what its processes wrote."""


def hand_in(address: str, token: str, lines: Sequence[bytes]) -> list[str]:
    """Returns what the ingestion at an address answers to each line."""
    answer = httpx.post(
        f"{address}/v1/events",
        content=b"\n".join(lines),
        headers={"Authorization": f"Bearer {token}", "Content-Type": "application/x-ndjson"},
        timeout=30,
    )
    assert answer.status_code == httpx.codes.OK, answer.text
    return [result["status"] for result in answer.json()["results"]]

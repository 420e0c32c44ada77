"""Sends event files to a running product as a sender would: in order, with retries, until every event has an answer."""

from __future__ import annotations

import random
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from itertools import chain, islice
from pathlib import Path

import httpx
import msgspec

from events.errors import ConfigError, TransientError
from storage.log import HISTORY
from streams.sources import read_offers

BATCH_EVENTS = 500
KAFKA = "kafka://"
SENDER = "publish"
"""Whose events those are that were published to Kafka."""
KAFKA_BATCH_EVENTS = 5_000
TIMEOUT_S = 60.0
ATTEMPTS = 30
LONGEST_PAUSE_S = 5.0
TRY_AGAIN = {408, 429, 500, 502, 503, 504}


class Published(msgspec.Struct):
    """What became of the events."""

    accepted: int = 0
    duplicate: int = 0
    dead_letter: int = 0
    reasons: dict[str, int] = msgspec.field(default_factory=dict)


class _Result(msgspec.Struct, kw_only=True):
    status: str
    reason: str | None = None


class _Answer(msgspec.Struct, kw_only=True):
    results: list[_Result]


def publish_files(
    files: Sequence[Path],
    to: str,
    token: str | None,
    rate: float | None,
    progress: Callable[[int], None],
    *,
    is_history: bool = False,
) -> Published:
    """Returns what became of every event of the files, in their order; as `publish_lines`."""
    lines = chain.from_iterable((line for line, _ in read_offers(file)) for file in files)
    return publish_lines(lines, to, token, rate, progress, is_history=is_history)


def publish_lines(
    lines: Iterable[bytes],
    to: str,
    token: str | None,
    rate: float | None,
    progress: Callable[[int], None],
    *,
    is_history: bool = False,
) -> Published:
    """Returns what became of every event, in their order.

    Args:
        lines: an event each.
        to: address of the product, such as `http://127.0.0.1:8000`, or `kafka://` and brokers, HOST:PORT with commas.
        token: the sender's token; Kafka asks for none.
        rate: at most so many events a second; None sends as fast as they are taken.
        progress: is told of bytes sent.
        is_history: to Kafka alone: the events are never too late, and nobody is reminded of what is found.

    Raises: ConfigError for an address or token that will never do; TransientError when the product stays away.
    """
    if to.startswith(KAFKA):
        sender = HISTORY if is_history else SENDER
        return _publish_to_kafka(lines, to.removeprefix(KAFKA), sender, rate, progress)
    if is_history:
        raise ConfigError("command line", "--history", to, "goes to kafka:// alone; `swipewatch import` loads a city's")
    if not to.startswith(("http://", "https://")):
        raise ConfigError("command line", "--to", to, "http://HOST:PORT of a running product, or kafka://HOST:PORT")
    headers = {"Content-Type": "application/x-ndjson"}
    if token is not None:
        headers["Authorization"] = f"Bearer {token}"
    published = Published()
    size = BATCH_EVENTS if rate is None else max(1, min(BATCH_EVENTS, round(rate / 10)))
    with httpx.Client(base_url=to, headers=headers, timeout=TIMEOUT_S) as client:
        for some in _paced(_batches(lines, size), rate, progress):
            for answer in _sent(client, some):
                _count(published, answer)
    return published


def _publish_to_kafka(
    lines: Iterable[bytes], brokers: str, sender: str, rate: float | None, progress: Callable[[int], None]
) -> Published:
    """Writes the events to the input topic; all count as accepted, since nobody has judged them yet."""
    from streams.cluster.publishing import open_input  # Kafka's client is loaded by those who need it

    published = Published()
    size = KAFKA_BATCH_EVENTS if rate is None else max(1, min(KAFKA_BATCH_EVENTS, round(rate / 10)))
    with open_input(brokers, sender) as write:
        for some in _paced(_batches(lines, size), rate, progress):
            write(some)
            published.accepted += len(some)
    return published


def _paced(
    batches: Iterable[list[bytes]], rate: float | None, progress: Callable[[int], None]
) -> Iterator[list[bytes]]:
    """Yields the batches, each when it is due, and tells of those that are done."""
    due = time.monotonic()
    for lines in batches:
        yield lines
        progress(sum(len(line) + 1 for line in lines))
        if rate is not None:
            due += len(lines) / rate
            time.sleep(max(0.0, due - time.monotonic()))


def _batches(lines: Iterable[bytes], size: int) -> Iterator[list[bytes]]:
    coming = iter(lines)
    while batch := list(islice(coming, size)):
        yield batch


def _sent(client: httpx.Client, lines: list[bytes]) -> Iterator[_Answer]:
    """Yields the answers to the lines, in order: one, or more where they are too much for one request."""
    answer = _send(client, b"\n".join(lines), may_be_cut=len(lines) > 1)
    if answer is not None:
        yield answer
        return
    half = len(lines) // 2
    yield from _sent(client, lines[:half])
    yield from _sent(client, lines[half:])


def _send(client: httpx.Client, body: bytes, *, may_be_cut: bool) -> _Answer | None:
    """Returns the answer to one request, or None where it is to be cut.

    It is tried again while the product is busy or away: nothing counts twice.
    """
    problem = "no answer"
    for attempt in range(ATTEMPTS):
        pause_s = min(LONGEST_PAUSE_S, 0.1 * 2**attempt)
        try:
            response = client.post("/v1/events", content=body)
        except httpx.TransportError as error:
            problem = f"{type(error).__name__}: {error}"
        else:
            if response.status_code == httpx.codes.OK:
                return msgspec.json.decode(response.content, type=_Answer)
            if response.status_code == httpx.codes.REQUEST_ENTITY_TOO_LARGE and may_be_cut:
                return None
            problem = f"HTTP {response.status_code}: {response.text[:200]}"
            if response.status_code not in TRY_AGAIN:
                raise ConfigError("command line", "--to", str(client.base_url), problem)
            pause_s = max(pause_s, float(response.headers.get("Retry-After", 0)))
        time.sleep(pause_s * random.uniform(0.5, 1.0))  # noqa: S311 - jitter
    raise TransientError(f"{client.base_url} does not take events: {problem}")


def _count(published: Published, answer: _Answer) -> None:
    for result in answer.results:
        setattr(published, result.status, getattr(published, result.status) + 1)
        if result.reason is not None:
            published.reasons[result.reason] = published.reasons.get(result.reason, 0) + 1

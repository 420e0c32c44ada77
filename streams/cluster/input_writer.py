"""The way of events into the input topic: kept on every copy before it says so; knows when nobody would take them."""

from __future__ import annotations

import socket
import threading
import time
from collections.abc import Sequence
from concurrent.futures import Future
from contextlib import suppress
from typing import Final

import structlog
from kafka import KafkaProducer
from kafka.admin import KafkaAdminClient
from kafka.errors import KafkaError
from kafka.producer.future import FutureRecordMetadata

from events.codec import decode_events
from events.errors import TransientError
from events.topics import INPUT, RECORD_BYTES
from streams.cluster.producers import cut_off, reliable_producer
from streams.cluster.publishing import PACKED_BYTES, Decoded, headers_of, one_line, records_of
from streams.cluster.topics import broker_list

LOOK_EVERY_S: Final = 0.5
ANSWERS_WITHIN_MS: Final = 3_000
DELIVERED_WITHIN_MS: Final = 20_000
CONNECTED_WITHIN_S: Final = 1.0
LOOKS_IN_VAIN: Final = 3
"""After so many the brokers count as gone, and whoever waits for them is told."""
STUCK_AFTER_S: Final = 10.0
"""A producer whose record is not acknowledged for so long, though the brokers answer, has lost its way."""
WAITING_BYTES: Final = 64 * 2**20
LONGEST_LINE: Final = RECORD_BYTES - 64 * 1024

_log = structlog.get_logger()


class InputBusy(TransientError):
    """More waits for the brokers than memory is set aside for; nothing was taken."""


class InputAway(TransientError):
    """The brokers do not take events now; nothing was taken."""


class NotConfirmed(TransientError):
    """Some of the events may be written or not; to write them again does no harm."""


class _Write:
    """One call's records on their way."""

    def __init__(self, size_bytes: int) -> None:
        self.size_bytes, self.since_s = size_bytes, time.monotonic()
        self.answer: Future[None] = Future()
        self.answer.set_running_or_notify_cancel()  # whoever has stopped waiting cannot cancel what is on its way


class InputWriter:
    """Writes from any thread, until it is stopped; begins as soon as the brokers and the topic are there.

    A thread of its own asks the brokers every half second. A producer that has failed once is replaced.
    """

    def __init__(self, brokers: str, *, waiting_bytes: int = WAITING_BYTES) -> None:
        """Args: `brokers` is HOST:PORT, several with commas. Raises: ConfigError for what is no such address."""
        self._brokers, self._addresses, self._most_waiting = brokers, broker_list(brokers), waiting_bytes
        self._lock = threading.Lock()
        self._producer: KafkaProducer | None = None
        self._admin: KafkaAdminClient | None = None
        self._writes: set[_Write] = set()
        self._waiting_bytes, self._partitions, self._vain = 0, 0, 0
        self._has_failed = False
        self._problem: str | None = f"not connected to {brokers} yet"
        self._ends, self._hurry = threading.Event(), threading.Event()
        self._thread = threading.Thread(target=self._run, name="input-writer", daemon=True)

    def start(self) -> None:
        """The brokers are looked for from now on; `problem` says whether they are there."""
        self._thread.start()

    def stop(self) -> None:
        """What is on its way is waited for as long as it may take; then nothing is taken any more."""
        self._ends.set()
        self._hurry.set()
        if self._thread.is_alive():
            self._thread.join()

    def problem(self) -> str | None:
        """Returns why nothing can be written now, or None."""
        return self._problem

    def write(self, sender: str, originals: Sequence[bytes], decoded: Sequence[Decoded]) -> Future[None]:
        """Returns the future that is done once every copy of the brokers has these events, each on its line.

        It ends in NotConfirmed where that is not known. Raises: InputAway, InputBusy: nothing was taken.
        """
        offers = [(one_line(original), event) for original, event in zip(originals, decoded, strict=True)]
        write = self._admitted(sum(len(line) for line, _ in offers))
        try:
            producer, partitions = self._there()
            headers = headers_of(sender)
            sent = [
                producer.send(INPUT.name, record, partition=number, headers=headers)
                for number, record in records_of(offers, partitions)
            ]
        except KafkaError as error:
            self._failed(write, error)
            return write.answer
        except BaseException:
            self._done(write)
            raise
        self._follow(write, sent)
        return write.answer

    def hand_in(self, sender: str, originals: Sequence[bytes]) -> None:
        """Returns once every copy of the brokers has these events. Raises: TransientError; again does no harm."""
        answer = self.write(sender, originals, decode_events(originals))
        try:
            answer.result(DELIVERED_WITHIN_MS / 1000)
        except TimeoutError as error:
            raise NotConfirmed("the brokers have not acknowledged it in time") from error

    # --------------------------------------------------------------------------------------------- a write

    def _admitted(self, size_bytes: int) -> _Write:
        write = _Write(size_bytes)
        with self._lock:
            if self._problem is not None:
                raise InputAway(self._problem)
            if self._waiting_bytes and self._waiting_bytes + size_bytes > self._most_waiting:
                raise InputBusy(f"{self._waiting_bytes} bytes wait for the brokers")
            self._waiting_bytes += size_bytes
            self._writes.add(write)
        return write

    def _there(self) -> tuple[KafkaProducer, int]:
        with self._lock:
            if self._producer is None:
                raise InputAway(self._problem or "not connected")
            return self._producer, self._partitions

    def _follow(self, write: _Write, sent: Sequence[FutureRecordMetadata]) -> None:
        """The write is done with the last record, or fails with the first that does."""
        left = len(sent)
        if not left:
            self._finished(write)
        counting = threading.Lock()

        def acknowledged(_where: object) -> None:
            nonlocal left
            with counting:
                left -= 1
                is_last = left == 0
            if is_last:
                self._finished(write)

        for one in sent:
            one.add_callback(acknowledged)
            one.add_errback(lambda error: self._failed(write, error))

    def _finished(self, write: _Write) -> None:
        if self._done(write):
            write.answer.set_result(None)

    def _failed(self, write: _Write, error: BaseException) -> None:
        """The producer is not to be trusted any more: after a failure it may keep what it is given for ever."""
        if self._done(write):
            write.answer.set_exception(NotConfirmed(f"Kafka at {self._brokers}: {type(error).__name__}: {error}"))
            self._has_failed = True
            self._hurry.set()

    def _done(self, write: _Write) -> bool:
        """Returns whether this is the first to say that the write has ended."""
        with self._lock:
            if write not in self._writes:
                return False
            self._writes.remove(write)
            self._waiting_bytes -= write.size_bytes
        return True

    # ------------------------------------------------------------------------------------------ the brokers

    def _run(self) -> None:
        while not self._ends.is_set():
            try:
                self._look()
            except Exception as error:  # noqa: BLE001 - the thread's boundary: without it nothing was taken, and nobody told
                _log.exception("input.failed")
                self._gone(f"{type(error).__name__}: {error}")
            self._hurry.wait(LOOK_EVERY_S)
            self._hurry.clear()
        self._end()

    def _look(self) -> None:
        """Afterwards it is known whether events can be written, and a producer that can write them is there."""
        try:
            partitions = self._partitions_now()
            is_other = self._producer is None or partitions != self._partitions
            if partitions and (is_other or self._has_failed or self._is_stuck()):
                self._replace(partitions)
        except (KafkaError, OSError) as error:
            self._vain += 1
            self._close_admin()  # after a failure it first waits, three times as long, for what it asks for itself
            if self._producer is None or self._vain >= LOOKS_IN_VAIN or self._has_failed:
                self._gone(f"Kafka at {self._brokers} does not answer", error)
            return
        self._vain = 0
        if not partitions:
            self._gone(f"the topic {INPUT.name} is missing: `swipewatch topics create` makes it")
            return
        if self._problem is not None:
            _log.info("input.ready", partitions=self._partitions)
        self._problem = None

    def _partitions_now(self) -> int:
        """Returns how many partitions the topic has, 0 where there is no such topic. Raises: KafkaError."""
        if self._admin is None:
            _wait_for_one(self._addresses)
            self._admin = KafkaAdminClient(
                bootstrap_servers=self._addresses,
                bootstrap_timeout_ms=ANSWERS_WITHIN_MS,
                request_timeout_ms=ANSWERS_WITHIN_MS,
                reconnect_backoff_max_ms=1_000,
            )
        (topic,) = self._admin.describe_topics([INPUT.name])
        return 0 if topic["error_code"] else len(topic["partitions"])

    def _is_stuck(self) -> bool:
        with self._lock:
            oldest_s = min((write.since_s for write in self._writes), default=time.monotonic())
        return time.monotonic() - oldest_s > STUCK_AFTER_S

    def _replace(self, partitions: int) -> None:
        producer = reliable_producer(
            self._addresses,
            answers_within_ms=ANSWERS_WITHIN_MS,
            delivered_within_ms=DELIVERED_WITHIN_MS,
            batch_size=PACKED_BYTES,
        )
        producer.partitions_for(INPUT.name)
        self._drop(producer, partitions)

    def _gone(self, problem: str, error: BaseException | None = None) -> None:
        """Nothing is taken until the brokers are there again, and whoever waits is told that it is not known."""
        if self._problem != problem:
            _log.warning("input.away", problem=problem, error=None if error is None else type(error).__name__)
        self._problem = problem
        self._drop(None)

    def _drop(self, successor: KafkaProducer | None, partitions: int = 0) -> None:
        """What the producer has not written fails; from now on its successor writes."""
        with self._lock:
            old, self._producer, self._partitions = self._producer, successor, partitions
            left = tuple(self._writes) if old is not None else ()
            self._has_failed = False
        for write in left:
            if self._done(write):
                write.answer.set_exception(NotConfirmed(f"Kafka at {self._brokers} has not acknowledged it"))
        if old is not None:
            cut_off(old)

    def _end(self) -> None:
        """The last writes have their time; then all connections are closed."""
        self._problem = "stopping"
        producer = self._producer
        if producer is not None:
            with suppress(KafkaError):
                producer.flush(DELIVERED_WITHIN_MS / 1000)
        self._drop(None)
        self._close_admin()

    def _close_admin(self) -> None:
        admin, self._admin = self._admin, None
        if admin is not None:
            with suppress(KafkaError):
                admin.close()


def _wait_for_one(addresses: Sequence[str]) -> None:
    """Returns when one of the addresses can be reached. Raises: OSError.

    A client of Kafka that is refused keeps its socket until it is forgotten, and asks again for itself.
    """
    refused: OSError | None = None
    for address in addresses:
        host, _, port = address.rpartition(":")
        try:
            socket.create_connection((host, int(port)), timeout=CONNECTED_WITHIN_S).close()
        except OSError as error:
            refused = error
        else:
            return
    raise refused or OSError("no address")

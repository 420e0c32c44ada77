"""Faust's part: the group of workers, who has which partitions, and reading their records. The only importer of faust.

Positions and epochs are the product's own, in its database: Kafka's committed offsets only show the lag. Faust is told
where to go on at every assignment; what it reads goes to the worker's inbox, one record after another.
"""

from __future__ import annotations

import asyncio
import os
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final, NoReturn

import faust
import structlog
from faust.transport.drivers import aiokafka as driver
from faust.types import TP, Message

from events.errors import ConfigError, TransientError
from events.topics import FLOW, INPUT
from streams.cluster.flow import as_read
from streams.cluster.records import WAY_OF, Read, Way
from streams.cluster.worker import Worker

GROUP: Final = "swipewatch"
REBALANCED_WITHIN_S: Final = 60.0
"""So long the others of the group wait for a worker that finishes a step or opens a partition."""
FULL_PAUSE_S: Final = 0.02

_log = structlog.get_logger()


def make_app(
    worker: Worker, brokers: str, session_timeout_s: float, data: Path, on_lag: Callable[[Way, int, int], None]
) -> faust.App:
    """Returns the Faust app that feeds this worker. It belongs to the event loop that runs now.

    Args:
        worker: takes what is read.
        brokers: HOST:PORT, several with commas.
        session_timeout_s: after so long without a sign of life the group goes on without this worker; the brokers'
            `group.min.session.timeout.ms` has to allow it.
        data: a folder that Faust may write to.
        on_lag: is told every second how many records of a topic's partition are not yet worked on.
    """
    app = faust.App(
        GROUP,
        broker=[f"kafka://{address}" for address in brokers.split(",")],
        broker_session_timeout=session_timeout_s,
        broker_request_timeout=max(90.0, session_timeout_s + REBALANCED_WITHIN_S),
        broker_heartbeat_interval=session_timeout_s / 6,
        broker_rebalance_timeout=REBALANCED_WITHIN_S,
        broker_commit_interval=1.0,
        consumer_auto_offset_reset="earliest",
        consumer_max_fetch_size=12 * 2**20,
        stream_wait_empty=False,
        topic_disable_leader=True,
        topic_allow_declare=False,
        web_enabled=False,
        store="memory://",
        key_serializer="raw",
        value_serializer="raw",
        datadir=str(data),
    )
    app.transport = _transport(app, worker)
    topic = app.topic(INPUT.name, FLOW.name, key_type=bytes, value_type=bytes)

    @app.agent(topic, name="records")
    async def records(stream: Any) -> None:  # noqa: ANN401 - faust's streams are of any type
        try:
            async for event in stream.events():
                while worker.is_full():  # noqa: ASYNC110 - room is made by a thread
                    await asyncio.sleep(FULL_PAUSE_S)
                worker.put(_read(event.message))
        except Exception:  # noqa: BLE001 - faust would count the record as done and go on
            _log.exception("worker.failed")
            _end(1)

    @app.timer(1.0)  # type: ignore[untyped-decorator]
    async def say_lag() -> None:
        for place in app.consumer.assignment():
            partition, way = place.partition, WAY_OF[place.topic]
            highest, expected = app.consumer.highwater(place), worker.expected(way, partition)
            if highest is not None and expected is not None:  # type: ignore[redundant-expr]
                on_lag(way, partition, max(0, highest - expected))

    _follow_group(app, worker)
    return app


def _follow_group(app: faust.App, worker: Worker) -> None:
    """The worker hears that its partitions go elsewhere, and that it has none."""

    async def revoked(*_given: Any, **_named: Any) -> None:  # noqa: ANN401 - as faust calls it
        await _outside_loop(worker.give_back)

    async def assigned(*given: Any, **_named: Any) -> None:  # noqa: ANN401 - as faust calls it
        _app, places = given
        if not places:  # where there are some, they are taken when their offsets are asked for
            await _outside_loop(lambda: worker.take([]))

    app.on_partitions_revoked.connect(revoked, weak=False)
    app.on_partitions_assigned.connect(assigned, weak=False)


def run_app(app: faust.App) -> None:
    """Returns when the process is told to stop. Raises: TransientError when Faust gives up."""
    runner = faust.Worker(app, quiet=True, loglevel="WARN", override_logging=False, redirect_stdouts=False)
    try:
        runner.execute_from_commandline()
    except SystemExit as ended:  # so it ends however it went
        if ended.code:
            raise TransientError("the group of workers: Faust has given up") from ended


def _transport(app: faust.App, worker: Worker) -> driver.Transport:
    class Consumer(driver.Consumer):
        """Goes on where the worker's database says, whatever Kafka was told."""

        async def seek_to_committed(self) -> dict[TP, int]:
            partitions = {place.partition for place in self.assignment()}
            offsets = await _outside_loop(lambda: worker.take(partitions))
            positions = {}
            for place in self.assignment():
                positions[place] = offsets[WAY_OF[place.topic], place.partition]
                await self._seek(place, positions[place])
            return positions

    class Transport(driver.Transport):
        pass

    Transport.Consumer = Consumer
    return Transport(app.conf.broker_consumer, app)


async def _outside_loop(work: Callable[[], Any]) -> Any:  # noqa: ANN401
    """Returns what the work returns; heartbeats go on meanwhile. A failure ends the process: nothing is half taken."""
    try:
        return await asyncio.get_running_loop().run_in_executor(None, work)
    except ConfigError as error:
        _log.error("worker.refused", reason=str(error))
        _end(2)
    except TransientError as error:
        _log.error("worker.ended", reason=str(error))
        _end(3)
    except Exception:  # noqa: BLE001 - whatever it was, nothing is half taken
        _log.exception("worker.failed")
        _end(1)


def _read(message: Message) -> Read:
    return as_read(
        message.topic,
        message.partition,
        message.offset,
        round(message.timestamp * 1000),
        message.value,
        message.headers or (),
    )


def _end(code: int) -> NoReturn:
    sys.stderr.flush()
    os._exit(code)

"""The streams behind open pages: they wait for a hint, read the database from the last id, and write what is new."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager

import msgspec
from fastapi.concurrency import run_in_threadpool

from events.metrics import NOTICE_SECONDS, NOTICES_SENT, STREAMS_OPEN
from storage.queries.notices import Audience, News, Notice, NoticeQueries, Wish
from web.access import Right
from web.overview import Overview
from web.ports import WebServices
from web.sse import HEARTBEAT, OPENING, message
from web.together import Together

AT_ONCE = 100
OVERVIEW_S = 4.0


class Delivery(msgspec.Struct, frozen=True):
    """Notices that a terminal has received."""

    actor: str
    notices: tuple[Notice, ...]


# From an entry and the ids heard of: the last entry looked at, the changed alerts as cards, whether that was all.
Cards = Callable[[int, frozenset[str]], tuple[int, list[dict[str, object]], bool]]
OverviewNow = Callable[[], Overview]
UnreviewedNow = Callable[[], int]


class Desk:
    """What all terminals of the process read and report, many at a time. To be used on one event loop."""

    def __init__(self, services: WebServices, notices: NoticeQueries) -> None:
        self.services = services
        self._news = Together[Wish, News](lambda wishes: notices.news(wishes, AT_ONCE))
        self._reports = Together[Delivery, None](lambda deliveries: report_delivered(services, deliveries))

    async def news(self, wish: Wish) -> News:
        """Returns what is new for a terminal."""
        return await self._news.ask(wish)

    async def delivered(self, actor: str, notices: Sequence[Notice]) -> None:
        """The alerts of these notices are on record as received by the terminal, and the centre hears of it."""
        if notices:
            await self._reports.ask(Delivery(actor=actor, notices=tuple(notices)))


async def terminal_stream(desk: Desk, actor: str, audience: Audience, after: int, right: Right) -> AsyncIterator[bytes]:
    """Writes each of the audience's notices after `after` once and in order, and each later change of their alerts.

    What was written is reported as delivered. The stream ends with the process or with the terminal's right to it.
    """
    services = desk.services
    yield OPENING
    ids = None if "*" in audience.institution_ids else audience.institution_ids
    async with services.feed.subscribe(ids) as ear, _counted(services, "terminal"):
        heard: frozenset[str] | None = frozenset()
        while heard is not None and await right.stands(services.limits.heartbeat_s):
            news = await desk.news(Wish(audience=audience, after=after, heard=heard))
            for notice in news.notices:
                yield message("notice", notice, id_=notice.notice_id)
            await desk.delivered(actor, news.notices)
            for notice in news.changed:
                yield message("state", notice)
            after = news.up_to
            if not news.complete:
                continue
            heard = await ear.wait(services.limits.heartbeat_s)
            if heard is not None and not heard:
                yield HEARTBEAT


async def dashboard_stream(
    services: WebServices,
    cards: Cards,
    overview_now: OverviewNow,
    unreviewed_now: UnreviewedNow,
    after: int,
    right: Right,
) -> AsyncIterator[bytes]:
    """Writes each alert that changed after entry `after`, as its card; the overview and the count when they differ.

    A card may be written again; the page puts it where it stood.
    """
    yield OPENING
    told: Overview | None = None
    told_count: int | None = None
    looks_every_s = min(services.limits.heartbeat_s, OVERVIEW_S)
    async with services.feed.subscribe(None) as ear, _counted(services, "dashboard"):
        heard: frozenset[str] | None = frozenset()
        while heard is not None and await right.stands(looks_every_s):
            after, changed, complete = await run_in_threadpool(cards, after, heard)
            for number, card in enumerate(changed, 1):  # the id comes with the last: a batch cut short is read again
                yield message("alert", card, id_=after if number == len(changed) else None)
            if not complete:
                heard = frozenset()
                continue
            overview = await run_in_threadpool(overview_now)
            if overview != told:
                yield message("overview", overview)
                told = overview
            count = await run_in_threadpool(unreviewed_now)
            if count != told_count:
                yield message("unreviewed", {"count": count})
                told_count = count
            heard = await ear.wait(looks_every_s)
            if heard is not None and not heard:
                yield HEARTBEAT


def report_delivered(services: WebServices, deliveries: Sequence[Delivery]) -> list[None]:
    """The alerts of these notices are on record as received by the terminals, and the centre hears of it."""
    now_ms = services.now_ms()
    received = [(one.actor, notice) for one in deliveries for notice in one.notices]
    for _, notice in received:
        services.measurements.count(NOTICES_SENT)
        services.measurements.observe(NOTICE_SECONDS, max(0, now_ms - notice.created_at_ms) / 1000)
    opened = [(notice.alert_id, actor) for actor, notice in received if notice.state == "open"]
    if opened:
        changed = services.actions.deliver_all(opened, now_ms)
        services.feed.publish(changed, to_stores=False)  # the store that has received it learns nothing
    return [None] * len(deliveries)


@asynccontextmanager
async def _counted(services: WebServices, kind: str) -> AsyncIterator[None]:
    services.measurements.add_to_level(STREAMS_OPEN, 1, kind=kind)
    try:
        yield
    finally:
        services.measurements.add_to_level(STREAMS_OPEN, -1, kind=kind)

"""The streams behind open pages: they wait for a hint, read the database from the last id, and write what is new."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable, Collection
from contextlib import asynccontextmanager

from fastapi.concurrency import run_in_threadpool

from alerts.lifecycle import IllegalTransition
from events.metrics import NOTICE_SECONDS, NOTICES_SENT, STREAMS_OPEN
from storage.queries import Audience, Notice, Queries
from web.overview import Overview
from web.ports import LiveChange, WebServices
from web.sse import HEARTBEAT, OPENING, message

AT_ONCE = 100
OVERVIEW_S = 4.0

# From an entry and the ids heard of: the last entry looked at, the changed alerts as cards, whether that was all.
Cards = Callable[[int, frozenset[str]], tuple[int, list[dict[str, object]], bool]]
OverviewNow = Callable[[], Overview]
UnreviewedNow = Callable[[], int]
StillAllowed = Callable[[], Awaitable[bool]]


async def terminal_stream(
    services: WebServices, queries: Queries, actor: str, audience: Audience, after: int, still_allowed: StillAllowed
) -> AsyncIterator[bytes]:
    """Writes each of the audience's notices after `after` once and in order, and each later change of their alerts.

    What was written is reported as delivered. The stream ends with the process or with the terminal's right to it.
    """
    yield OPENING
    ids = None if "*" in audience.institution_ids else audience.institution_ids
    async with services.feed.subscribe(ids) as ear, _counted(services, "terminal"):
        heard: frozenset[str] | None = frozenset()
        while heard is not None:
            notices = await run_in_threadpool(queries.notices_after, audience, after, AT_ONCE)
            for notice in notices:
                yield message("notice", notice, id_=notice.notice_id)
            if notices:
                after = notices[-1].notice_id
                await run_in_threadpool(report_delivered, services, actor, notices)
            for notice in await _changed_only(queries, audience, heard - {one.alert_id for one in notices}):
                if notice.notice_id <= after:  # a newer one comes as a notice, in its turn
                    yield message("state", notice)
            if len(notices) == AT_ONCE:
                continue
            heard = await ear.wait(services.limits.heartbeat_s)
            if heard is not None and not heard:
                if not await still_allowed():
                    return
                yield HEARTBEAT


async def dashboard_stream(
    services: WebServices,
    cards: Cards,
    overview_now: OverviewNow,
    unreviewed_now: UnreviewedNow,
    after: int,
    still_allowed: StillAllowed,
) -> AsyncIterator[bytes]:
    """Writes each alert that changed after entry `after`, as its card; the overview and the count when they differ.

    A card may be written again; the page puts it where it stood.
    """
    yield OPENING
    told: Overview | None = None
    told_count: int | None = None
    async with services.feed.subscribe(None) as ear, _counted(services, "dashboard"):
        heard: frozenset[str] | None = frozenset()
        while heard is not None:
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
            heard = await ear.wait(min(services.limits.heartbeat_s, OVERVIEW_S))
            if heard is not None and not heard:
                if not await still_allowed():
                    return
                yield HEARTBEAT


def report_delivered(services: WebServices, actor: str, notices: Collection[Notice]) -> None:
    """The alerts of these notices are on record as received by the terminal, and everybody hears of it."""
    now_ms = services.now_ms()
    reached = []
    for notice in notices:
        services.measurements.count(NOTICES_SENT)
        services.measurements.observe(NOTICE_SECONDS, max(0, now_ms - notice.created_at_ms) / 1000)
        if notice.state != "open":
            continue
        try:
            services.actions.deliver(notice.alert_id, actor, now_ms)
        except IllegalTransition:
            continue  # it changed meanwhile; what it is now needs no delivery
        reached.append(LiveChange(alert_id=notice.alert_id, institution_id=notice.institution_id))
    services.feed.publish(reached)


async def _changed_only(queries: Queries, audience: Audience, alert_ids: Collection[str]) -> list[Notice]:
    found = []
    for alert_id in sorted(alert_ids):
        notice = await run_in_threadpool(queries.told_alert, audience, alert_id)
        if notice is not None:
            found.append(notice)
    return found


@asynccontextmanager
async def _counted(services: WebServices, kind: str) -> AsyncIterator[None]:
    services.measurements.add_to_level(STREAMS_OPEN, 1, kind=kind)
    try:
        yield
    finally:
        services.measurements.add_to_level(STREAMS_OPEN, -1, kind=kind)

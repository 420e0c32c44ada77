"""The swipes of each minute and their sums: counted as they are accepted, so that a day is read in no time."""

from __future__ import annotations

from collections.abc import Iterable

import msgspec
from sqlalchemy import func, select
from sqlalchemy.orm import Session

from events.types import AnyEvent, Swipe
from storage.models import SwipeMinuteRow
from storage.upsert import add_up

MINUTE_MS = 60_000


class SwipeSums(msgspec.Struct, frozen=True, kw_only=True):
    """How many swipes happened in a time, and what they cost; a later reversal takes nothing off."""

    swipes: int = 0
    total_fen: int = 0
    fund_fen: int = 0


def add_swipes(session: Session, events: Iterable[AnyEvent]) -> None:
    """Afterwards the swipes among the events are in the sums of their minutes; each is to be given once."""
    minutes: dict[int, list[int]] = {}
    for event in events:
        if isinstance(event, Swipe):
            sums = minutes.setdefault(event.occurred_at_ms - event.occurred_at_ms % MINUTE_MS, [0, 0, 0])
            sums[0] += 1
            sums[1] += event.total_fen
            sums[2] += event.fund_fen
    rows: list[dict[str, object]] = [
        {"minute_ms": minute_ms, "swipes": swipes, "total_fen": total_fen, "fund_fen": fund_fen}
        for minute_ms, (swipes, total_fen, fund_fen) in minutes.items()
    ]
    add_up(session, SwipeMinuteRow, rows, "minute_ms")


def sums_between(session: Session, from_ms: int, to_ms: int) -> SwipeSums:
    """Returns the sums of the whole minutes that begin at `from_ms` or later and before `to_ms`."""
    row = SwipeMinuteRow
    columns = (func.sum(row.swipes), func.sum(row.total_fen), func.sum(row.fund_fen))
    query = select(*columns).where(row.minute_ms >= from_ms, row.minute_ms < to_ms)
    swipes, total_fen, fund_fen = session.execute(query).one()
    # PostgreSQL's sums are decimal numbers.
    return SwipeSums(swipes=int(swipes or 0), total_fen=int(total_fen or 0), fund_fen=int(fund_fen or 0))


def hours_between(session: Session, from_ms: int, to_ms: int, hour_ms: int) -> list[int]:
    """Returns how many swipes each hour (or other step of `hour_ms`) from `from_ms` has brought."""
    row = SwipeMinuteRow
    counts = [0] * max(0, -(-(to_ms - from_ms) // hour_ms))
    query = select(row.minute_ms, row.swipes).where(row.minute_ms >= from_ms, row.minute_ms < to_ms)
    for minute_ms, swipes in session.execute(query):
        counts[(minute_ms - from_ms) // hour_ms] += swipes
    return counts

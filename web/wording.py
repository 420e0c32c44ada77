"""Times, sums and durations as people read them."""

from __future__ import annotations

from datetime import UTC, datetime
from zoneinfo import ZoneInfo

from web.ports import Language

HOURS_SAID = 48


def day_start_ms(now_ms: int, time_zone: str) -> int:
    """Returns when the local day of `now_ms` began."""
    local = datetime.fromtimestamp(now_ms / 1000, ZoneInfo(time_zone))
    return int(local.replace(hour=0, minute=0, second=0, microsecond=0).timestamp() * 1000)


def clock(at_ms: int, time_zone: str) -> str:
    """Returns the local time of day: 09:05."""
    return f"{_local(at_ms, time_zone):%H:%M}"


def clock_seconds(at_ms: int, time_zone: str) -> str:
    """Returns the local time of day with seconds: 09:05:07."""
    return f"{_local(at_ms, time_zone):%H:%M:%S}"


def day(at_ms: int, time_zone: str) -> str:
    """Returns the local day: 2026-11-22."""
    return f"{_local(at_ms, time_zone):%Y-%m-%d}"


def day_and_clock(at_ms: int, time_zone: str) -> str:
    """Returns the local day and time: 2026-11-22 09:05:07."""
    return f"{_local(at_ms, time_zone):%Y-%m-%d %H:%M:%S}"


def iso(at_ms: int) -> str:
    """Returns the moment as ISO 8601 in UTC, for a `time` element."""
    return datetime.fromtimestamp(at_ms / 1000, UTC).isoformat(timespec="milliseconds")


def yuan(fen: int) -> str:
    """Returns a sum of money: 123456 fen are ¥1,234.56."""
    return f"¥{fen / 100:,.2f}"


def figure_text(value: float | None, kind: str, language: Language) -> str:
    """Returns a number of the wall: a `count`, whole `yuan` of a sum in fen, or how `lasting` so many seconds are."""
    if value is None:
        return "–"
    if kind == "yuan":
        return f"¥{value / 100:,.0f}"
    return lasting(value, language) if kind == "lasting" else f"{value:,}"


def size_text(size_bytes: int) -> str:
    """Returns a size as people say it: `17 kB`, `2.4 MB`, `1.9 GB`."""
    for unit, power in (("GB", 3), ("MB", 2)):
        if size_bytes >= 1000**power:
            return f"{size_bytes / 1000**power:.1f} {unit}"
    return f"{size_bytes / 1000:.0f} kB"


def sentence(text: str) -> str:
    """Returns the text as a sentence begins: its first letter is a capital."""
    return text[:1].upper() + text[1:]


def lasting(seconds: float, language: Language) -> str:
    """Returns a length of time in its two largest units: 95 s are 1 min 35 s, 1 分 35 秒; a day or less is in hours."""
    minutes, whole_seconds = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    days, hours = divmod(hours, 24) if hours > HOURS_SAID else (0, hours)
    parts = [(days, "d", "天"), (hours, "h", "小时"), (minutes, "min", "分"), (whole_seconds, "s", "秒")]
    shown = [part for part in parts if part[0]][:2] or [parts[-1]]
    if language == "zh":
        return " ".join(f"{value} {chinese}" for value, _, chinese in shown)
    return " ".join(f"{value} {english}" for value, english, _ in shown)


def _local(at_ms: int, time_zone: str) -> datetime:
    return datetime.fromtimestamp(at_ms / 1000, ZoneInfo(time_zone))

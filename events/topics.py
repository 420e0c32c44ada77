"""The topics of a cluster in one table: what flows where, by which key, for how long."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Final, Literal

from msgspec import Struct

from events.durations import duration_text

DAY_MS: Final = 86_400_000
RECORD_BYTES: Final = 11 * 2**20
"""The longest record: an event that fills a whole request of the ingestion API fits in."""
SEGMENT_MS: Final = DAY_MS
"""A segment of the log is closed after a day, so that retention is kept to a day."""

Spread = Literal["many", "one"]


class Topic(Struct, frozen=True, kw_only=True):
    """One topic.

    `spread`: over as many partitions as all other topics that are spread, so that one worker holds partition p of each
    of them; or `one`. Writers name the partition of a record themselves, by the hash that cuts the engine into
    partitions: clients' own hashes differ. `compacted`: of records with one key the last is kept, for ever; otherwise a
    record is kept for `retention_ms` after it was appended.
    """

    name: str
    key: str
    spread: Spread
    flow: str
    retention_ms: int | None = None
    compacted: bool = False

    def settings(self) -> dict[str, str]:
        """Returns the topic's settings in Kafka's words.

        Time is that of appending: history that is loaded today is not deleted for being old.
        """
        return {
            "cleanup.policy": "compact" if self.compacted else "delete",
            "retention.ms": "-1" if self.retention_ms is None else str(self.retention_ms),
            "segment.ms": str(SEGMENT_MS),
            "max.message.bytes": str(RECORD_BYTES),
            "message.timestamp.type": "LogAppendTime",
        }


LOOK_BACK_MS: Final = 1_474 * DAY_MS
"""What a lost store is made anew from: trace codes look back 730 days, from anchors that may change for 737 days."""

INPUT: Final = Topic(
    name="swipewatch.input",
    key="any or none",
    spread="many",
    flow="events as senders write them, one a record or several as JSON Lines; any Kafka client may write here",
    retention_ms=30 * DAY_MS,
)
OFFERS: Final = Topic(
    name="swipewatch.offers",
    key="settlement, else the observation or event",
    spread="many",
    flow="what was offered, with its place in the input; stage 0 tells new, duplicate and conflicting apart",
    retention_ms=LOOK_BACK_MS,
)
PERSONS: Final = Topic(
    name="swipewatch.persons",
    key="person",
    spread="many",
    flow="rows of swipes joined with their reversals; persons, injections and filings",
    retention_ms=LOOK_BACK_MS,
)
INSTITUTIONS: Final = Topic(
    name="swipewatch.institutions",
    key="institution",
    spread="many",
    flow="rows with the household in force; observations with corrections, agents, stock movements",
    retention_ms=LOOK_BACK_MS,
)
CODES: Final = Topic(
    name="swipewatch.codes",
    key="trace code",
    spread="many",
    flow="rows, once for each trace code of a whole pack",
    retention_ms=LOOK_BACK_MS,
)
MEETINGS: Final = Topic(
    name="swipewatch.meetings",
    key="pair of persons",
    spread="many",
    flow="two rows of two persons within minutes at one till",
    retention_ms=LOOK_BACK_MS,
)
SIGHTINGS: Final = Topic(
    name="swipewatch.sightings",
    key="visitor",
    spread="many",
    flow="a row around which a visitor was seen, and what was seen around it",
    retention_ms=LOOK_BACK_MS,
)
REFERENCE: Final = Topic(
    name="swipewatch.reference",
    key="identity of the event",
    spread="one",
    flow="institutions and drugs, read by every worker whole",
    compacted=True,
)
DEAD_LETTERS: Final = Topic(
    name="swipewatch.dead-letters",
    key="none",
    spread="one",
    flow="original bytes that were set aside, with place, stage and reason",
    retention_ms=90 * DAY_MS,
)

TOPICS: Final = (INPUT, OFFERS, PERSONS, INSTITUTIONS, CODES, MEETINGS, SIGHTINGS, REFERENCE, DEAD_LETTERS)
DEFAULT_PARTITIONS: Final = 12
"""As many workers can share the work."""


def lines_of(topics: Iterable[Topic]) -> Iterator[str]:
    """Yields a line for each topic: name, key, spread, how long it is kept, what flows."""
    for topic in topics:
        kept = "the last of each key, for ever"
        if topic.retention_ms is not None:
            kept = duration_text(topic.retention_ms)
        place = "spread by" if topic.spread == "many" else "one partition, by"
        yield f"{topic.name}: {place} {topic.key}; kept {kept}; {topic.flow}"

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
    partitions: clients' own hashes differ. A record is kept for `retention_ms` after it was appended; nothing is
    compacted: what has to be kept for longer is in the accepted log.
    """

    name: str
    key: str
    spread: Spread
    flow: str
    retention_ms: int

    def settings(self) -> dict[str, str]:
        """Returns the topic's settings in Kafka's words.

        Time is that of appending: history that is loaded today is not deleted for being old.
        """
        return {
            "cleanup.policy": "delete",
            "retention.ms": str(self.retention_ms),
            "segment.ms": str(SEGMENT_MS),
            "max.message.bytes": str(RECORD_BYTES),
            "message.timestamp.type": "LogAppendTime",
        }


LOOK_BACK_MS: Final = 1_474 * DAY_MS
"""What a lost store is made anew from: trace codes look back 730 days, from anchors that may change for 737 days."""

INPUT: Final = Topic(
    name="swipewatch.input",
    key="settlement, else the observation or event; other clients may write to any partition",
    spread="many",
    flow="events as senders write them, one a record or several as JSON Lines; any Kafka client may write here",
    retention_ms=30 * DAY_MS,
)
FLOW: Final = Topic(
    name="swipewatch.flow",
    key="person, institution, trace code, pair or visitor, by the stage that a row goes to",
    spread="many",
    flow="what partitions send each other: events for another partition, rows of swipes, meetings, sightings",
    retention_ms=LOOK_BACK_MS,
)
DEAD_LETTERS: Final = Topic(
    name="swipewatch.dead-letters",
    key="none",
    spread="one",
    flow="original bytes that were set aside, with place, stage and reason",
    retention_ms=90 * DAY_MS,
)

TOPICS: Final = (INPUT, FLOW, DEAD_LETTERS)
SENDER_HEADER: Final = "sender"
"""The header of a record of the input that names who sent it (UTF-8)."""
UNNAMED_SENDER: Final = "kafka"
"""Who sent what other clients write without that header."""
DEFAULT_PARTITIONS: Final = 12
"""As many workers can share the work."""


def lines_of(topics: Iterable[Topic]) -> Iterator[str]:
    """Yields a line for each topic: name, key, spread, how long it is kept, what flows."""
    for topic in topics:
        place = "spread by" if topic.spread == "many" else "one partition, by"
        yield f"{topic.name}: {place} {topic.key}; kept {duration_text(topic.retention_ms)}; {topic.flow}"

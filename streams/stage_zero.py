"""Stage 0 of files that are replayed as a whole: who came first, what is set aside, and which swipes were reversed."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from itertools import compress
from operator import itemgetter
from typing import TypeVar

import numpy as np

from detectors.columns import EventColumns, rows_of
from detectors.slab_builder import SlabBuilder
from detectors.windows import Bools, Int64s
from events.dead_letters import DeadLetter, InvalidEvent
from events.types import AnyEvent, Reversal, VisitorCorrection
from streams.acceptance import CONFLICTING, MISMATCHED, set_aside
from streams.arrivals import Arrivals, Chunk, Repeat, settle
from streams.gathering import latest_corrections
from streams.sources import Input

Columns = TypeVar("Columns", bound=EventColumns)


class StageZero:
    """What is known of all the input beside its columns.

    First every chunk is noted, then the repeats are settled; from then on it can say what is accepted.
    """

    def __init__(self, given: Input) -> None:
        self._given = given
        self.lines, self.accepted, self.duplicates = 0, 0, 0
        self._repeats: Int64s = np.zeros(0, dtype=np.int64)
        self._reversals: dict[str, list[tuple[int, Reversal]]] = defaultdict(list)
        self._corrections: list[VisitorCorrection] = []
        self._letters: list[tuple[int, DeadLetter]] = []
        self._mismatched: list[int] = []

    def note(self, chunk: Chunk) -> None:
        """Counts a chunk, and sets aside what is no event."""
        self.lines += chunk.offered
        self._letters += [
            (invalid.number, set_aside(invalid.original, self._given.place(invalid.number), invalid.why))
            for invalid in chunk.invalid
        ]

    def settle(self, repeats: Iterable[Repeat]) -> None:
        """Decides which of all that seems to be repeated is, and sets aside what says something else."""
        settled = settle(repeats, self._given.originals)
        self.duplicates = settled.duplicates
        self._repeats = np.array(sorted(settled.repeats), dtype=np.int64)
        self._set_aside(dict.fromkeys(settled.conflicting, CONFLICTING))

    def accept(self, numbers: Int64s) -> Bools:
        """Returns which of these are first comers; they count as accepted."""
        are_first = ~np.isin(numbers, self._repeats)
        self.accepted += int(are_first.sum())
        return are_first

    def accept_columns(self, columns: Columns, numbers: Int64s) -> Columns:
        """Returns the first comers of these columns."""
        are_first = self.accept(numbers)
        return columns if are_first.all() else rows_of(columns, np.flatnonzero(are_first))

    def accept_events(self, arrivals: Arrivals) -> Iterator[AnyEvent]:
        """Yields the first comers that are objects; reversals and corrections are kept here."""
        are_first = self.accept(arrivals.numbers)
        for number, event in compress(zip(arrivals.numbers.tolist(), arrivals.events, strict=True), are_first.tolist()):
            if isinstance(event, Reversal):
                self._reversals[event.settlement_id].append((number, event))
            elif isinstance(event, VisitorCorrection):
                self._corrections.append(event)
            else:
                yield event

    def corrections(self) -> dict[tuple[str, int], str | None]:
        """Returns the visitor that holds for each face that was corrected."""
        return latest_corrections(self._corrections)

    def reversed_at_ms(self, builder: SlabBuilder) -> dict[str, int]:
        """Returns when swipes that were added were reversed; those that do not fit theirs are dead letters."""
        reversed_at_ms: dict[str, int] = {}
        for settlement_id, owner in builder.owners_of(self._reversals).items():
            for number, reversal in self._reversals[settlement_id]:
                if (reversal.institution_id, reversal.person_id) == owner:
                    earliest_ms = reversed_at_ms.get(settlement_id, reversal.occurred_at_ms)
                    reversed_at_ms[settlement_id] = min(earliest_ms, reversal.occurred_at_ms)
                else:
                    self._mismatched.append(number)
        return reversed_at_ms

    def dead_letters(self) -> list[DeadLetter]:
        """Returns what was set aside, in order of the input."""
        self._set_aside(dict.fromkeys(self._mismatched, MISMATCHED))
        return [letter for _, letter in sorted(self._letters, key=itemgetter(0))]

    def _set_aside(self, why: Mapping[int, InvalidEvent]) -> None:
        for number, original in self._given.originals(sorted(why)):
            self._letters.append((number, set_aside(original, self._given.place(number), why[number])))

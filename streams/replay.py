"""Files in, the findings that stand out: whole (one slab) or in batches (the live engine). Both give the same."""

from __future__ import annotations

import gc
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from itertools import islice
from operator import itemgetter
from pathlib import Path
from typing import TypeVar

from detectors.catalogue import Rulebook, judge
from detectors.slab import END_OF_TIME_MS, Slab
from detectors.slab_builder import SlabBuilder
from events.dead_letters import DeadLetter, Place
from events.findings import Finding, replay_order
from events.identity import identity_of
from events.types import AnyEvent, Reversal, VisitorCorrection
from streams.acceptance import (
    CONFLICTING,
    MISMATCHED,
    Accepted,
    RememberedDigests,
    decide,
    reversal_mismatch,
    set_aside,
)
from streams.arrivals import Arrivals, Chunk, FirstComers, conflicts_among
from streams.changes import Changes
from streams.engine import Engine
from streams.gathering import latest_corrections
from streams.places import Offer, Progress, unnoticed
from streams.sources import Input, Offered, source_of

_Item = TypeVar("_Item")


@dataclass(slots=True)
class ReplayResult:
    """What a replay found: findings in replay's order, dead letters in order of the input, and how much was read."""

    findings: list[Finding] = field(default_factory=list)
    dead_letters: list[DeadLetter] = field(default_factory=list)
    lines: int = 0
    accepted: int = 0
    duplicates: int = 0


def replay(
    offers: Iterable[Offer],
    rulebook: Rulebook,
    *,
    batch: int | None = None,
    on_changes: Callable[[Changes], None] | None = None,
) -> ReplayResult:
    """Returns the findings that stand after all offers; at the end of the input all waiting is over.

    Args:
        offers: original bytes with their places, in order of arrival.
        rulebook: the rules that judge.
        batch: accept and judge this many offers at a time, as the live product does; None judges once at the end.
        on_changes: is told what each batch changed (only with `batch`).
    """
    if batch is None:
        return _replay_whole(Input([Offered(list(offers))]), rulebook)
    return _replay_batches(offers, rulebook, batch, on_changes)


def replay_files(
    files: Sequence[Path],
    rulebook: Rulebook,
    *,
    batch: int | None = None,
    on_changes: Callable[[Changes], None] | None = None,
    progress: Progress = unnoticed,
) -> ReplayResult:
    """Returns what `replay` does of the offers of event files, one file after another.

    Args: `progress` is told how many bytes have been read since the last call.
    Raises: ConfigError when a file cannot be read.
    """
    given = Input([source_of(file) for file in files], progress)
    if batch is None:
        return _replay_whole(given, rulebook)
    return _replay_batches(given.offers(), rulebook, batch, on_changes)


def _replay_whole(given: Input, rulebook: Rulebook) -> ReplayResult:
    """Returns the findings that stand after all of the input, judged once: all swipes are one slab."""
    intake = _WholeIntake(given)
    with _without_cycle_collection():
        for chunk in given.chunks():
            intake.take(chunk)
        slab = intake.slab()
        findings = judge(slab, rulebook)
    findings.sort(key=replay_order)
    return intake.result(findings)


class _WholeIntake:
    """Stage 0 of all the input: first comers into one slab; repeats, conflicts and mismatches aside."""

    def __init__(self, given: Input) -> None:
        self._given = given
        self._builder, self._first_comers = SlabBuilder(), FirstComers()
        self._reversals: dict[str, list[tuple[int, Reversal]]] = defaultdict(list)
        self._corrections: list[VisitorCorrection] = []
        self._letters: list[tuple[int, DeadLetter]] = []
        self._mismatched: list[int] = []
        self._lines, self._accepted = 0, 0

    def take(self, chunk: Chunk) -> None:
        """Takes a chunk in; chunks come in order."""
        self._lines += chunk.offered
        self._letters += [
            (invalid.number, set_aside(invalid.original, self._given.place(invalid.number), invalid.why))
            for invalid in chunk.invalid
        ]
        for arrivals in self._first_comers.among(chunk):
            self._accepted += len(arrivals.numbers)
            columns = arrivals.as_columns()
            if columns is None:
                self._take_events(arrivals)
            else:
                self._builder.add_columns(columns)

    def _take_events(self, arrivals: Arrivals) -> None:
        self._builder.add(arrivals.events)
        for number, event in zip(arrivals.numbers, arrivals.events, strict=True):
            if isinstance(event, Reversal):
                self._reversals[event.settlement_id].append((number, event))
            elif isinstance(event, VisitorCorrection):
                self._corrections.append(event)

    def slab(self) -> Slab:
        """Returns the slab of all swipes; reversals that fit no swipe of theirs are mismatched from then on."""
        reversed_at_ms: dict[str, int] = {}
        for settlement_id, owner in self._builder.owners_of(self._reversals).items():
            for number, reversal in self._reversals[settlement_id]:
                if (reversal.institution_id, reversal.person_id) == owner:
                    earliest_ms = reversed_at_ms.get(settlement_id, reversal.occurred_at_ms)
                    reversed_at_ms[settlement_id] = min(earliest_ms, reversal.occurred_at_ms)
                else:
                    self._mismatched.append(number)
        corrections = latest_corrections(self._corrections)
        return self._builder.build(reversed_at_ms=reversed_at_ms, corrections=corrections, watermark_ms=END_OF_TIME_MS)

    def result(self, findings: list[Finding]) -> ReplayResult:
        """Returns the result; what is in doubt is read again."""
        doubts = self._first_comers.doubts
        conflicting = conflicts_among(doubts, self._given.originals)
        why = dict.fromkeys(conflicting, CONFLICTING) | dict.fromkeys(self._mismatched, MISMATCHED)
        self._letters += [
            (number, set_aside(original, self._given.place(number), why[number]))
            for number, original in self._given.originals(sorted(why))
        ]
        return ReplayResult(
            findings=findings,
            dead_letters=[letter for _, letter in sorted(self._letters, key=itemgetter(0))],
            lines=self._lines,
            accepted=self._accepted,
            duplicates=self._first_comers.duplicates + len(doubts) - len(conflicting),
        )


@contextmanager
def _without_cycle_collection() -> Iterator[None]:
    """Spares Python the search for cycles among millions of objects that can have none."""
    was_on = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was_on:
            gc.enable()


class _Intake:
    """Stage 0 over chunks of offers; remembers where reversals came from, in case they fit no swipe."""

    def __init__(self, result: ReplayResult) -> None:
        self.result = result
        self._known = RememberedDigests()
        self._reversals: dict[str, tuple[int, Accepted, Place]] = {}
        self._letters: list[tuple[int, DeadLetter]] = []

    def accept(self, chunk: Sequence[Offer]) -> list[AnyEvent]:
        """Returns the new events of a chunk; the rest is counted or set aside."""
        events = []
        outcomes = decide(chunk, self._known, None)
        for number, ((_, place), outcome) in enumerate(zip(chunk, outcomes, strict=True), self.result.lines):
            if isinstance(outcome, Accepted):
                self._known.remember(outcome)
                events.append(outcome.event)
                if isinstance(outcome.event, Reversal):
                    self._reversals[outcome.identity] = (number, outcome, place)
            elif isinstance(outcome, DeadLetter):
                self._letters.append((number, outcome))
            else:
                self.result.duplicates += 1
        self.result.lines += len(chunk)
        self.result.accepted += len(events)
        return events

    def set_aside(self, mismatched: Iterable[Reversal]) -> None:
        """Sets accepted reversals aside that name another institution or person than their swipe."""
        for reversal in mismatched:
            number, accepted, place = self._reversals[identity_of(reversal)]
            self._letters.append((number, reversal_mismatch(accepted.original, place)))

    def finish(self) -> None:
        """Puts what was set aside in order of the input, however it was cut into batches."""
        self.result.dead_letters = [letter for _, letter in sorted(self._letters, key=itemgetter(0))]


def _replay_batches(
    offers: Iterable[Offer], rulebook: Rulebook, batch: int, on_changes: Callable[[Changes], None] | None
) -> ReplayResult:
    result = ReplayResult()
    intake, engine = _Intake(result), Engine(rulebook)
    latest_ms = 0
    for chunk in _chunks(offers, batch):
        events = intake.accept(chunk)
        latest_ms = max([latest_ms, *(event.occurred_at_ms for event in events)])
        _apply(engine, events, latest_ms, intake, on_changes)
    _apply(engine, [], END_OF_TIME_MS, intake, on_changes)
    intake.finish()
    result.findings = sorted(engine.standing(), key=replay_order)
    return result


def _apply(
    engine: Engine,
    events: list[AnyEvent],
    watermark_ms: int,
    intake: _Intake,
    on_changes: Callable[[Changes], None] | None,
) -> None:
    changes = engine.apply(events, watermark_ms)
    intake.set_aside(changes.mismatched)
    if on_changes is not None:
        on_changes(changes)


def _chunks(items: Iterable[_Item], size: int) -> Iterator[list[_Item]]:
    iterator = iter(items)
    while chunk := list(islice(iterator, size)):
        yield chunk

"""Files in, the findings that stand out: whole (one slab) or in batches (the live engine). Both give the same."""

from __future__ import annotations

import gc
from collections import deque
from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field
from itertools import chain, islice
from operator import itemgetter
from pathlib import Path
from typing import TypeVar

import numpy as np

from detectors.catalogue import Rulebook, judge
from detectors.rule import SCOPES
from detectors.slab import END_OF_TIME_MS, Slab
from detectors.slab_builder import SlabBuilder
from events.dead_letters import DeadLetter, Place
from events.findings import Finding, replay_order
from events.identity import identity_of
from events.types import AnyEvent, Reversal
from streams.acceptance import (
    Accepted,
    Incoming,
    RememberedDigests,
    decide,
    reversal_mismatch,
)
from streams.arrivals import Arrivals, Repeat, repeats_among
from streams.changes import Changes
from streams.engine import Engine
from streams.parts import PartedReplay, Runs
from streams.places import Offer, Progress, unnoticed
from streams.sources import Input, Offered, source_of
from streams.stage_zero import StageZero

THREADS = 2

_Item = TypeVar("_Item")


@dataclass(slots=True, kw_only=True)
class ReplayResult:
    """What a replay found: findings in replay's order, dead letters in order of the input, and how much was read."""

    findings: list[Finding] = field(default_factory=list)
    dead_letters: list[DeadLetter] = field(default_factory=list)
    lines: int = 0
    accepted: int = 0
    duplicates: int = 0


@dataclass(slots=True, kw_only=True)
class PartedResult:
    """What a replay in parts found: as ReplayResult, with findings that are read from disk."""

    findings: Runs
    dead_letters: list[DeadLetter]
    lines: int
    accepted: int
    duplicates: int


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
        return _replay_whole(Input([Offered(list(offers))]), rulebook, judge)
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
        return _replay_whole(given, rulebook, _judge_in_threads)
    return _replay_batches(given.offers(), rulebook, batch, on_changes)


def _replay_whole(
    given: Input, rulebook: Rulebook, judge_slab: Callable[[Slab, Rulebook], list[Finding]]
) -> ReplayResult:
    """Returns the findings that stand after all of the input: all swipes are one slab, judged once."""
    stage_zero = StageZero(given)
    with without_cycle_collection():
        slab = whole_slab(given, stage_zero)
        findings = judge_slab(slab, rulebook)
    return ReplayResult(
        findings=sorted(findings, key=replay_order),
        dead_letters=stage_zero.dead_letters(),
        lines=stage_zero.lines,
        accepted=stage_zero.accepted,
        duplicates=stage_zero.duplicates,
    )


def whole_slab(given: Input, stage_zero: StageZero) -> Slab:
    """Returns one slab of all of the input; stage zero is fresh, and knows the rest afterwards."""
    arrivals: deque[Arrivals] = deque()
    for chunk in given.chunks():
        stage_zero.note(chunk)
        arrivals.extend(chunk.arrivals)
    stage_zero.settle(_repeats(arrivals))
    builder = SlabBuilder()
    while arrivals:
        of_kind = arrivals.popleft()
        if of_kind.columns is None:
            builder.add(stage_zero.accept_events(of_kind))
        else:
            builder.add_columns(stage_zero.accept_columns(of_kind.columns, of_kind.numbers))
    return builder.build(
        reversed_at_ms=stage_zero.reversed_at_ms(builder),
        corrections=stage_zero.corrections(),
        watermark_ms=END_OF_TIME_MS,
    )


def _repeats(arrivals: Collection[Arrivals]) -> Iterator[Repeat]:
    for kind in {one.kind for one in arrivals}:
        of_kind = [(one.hashes, one.numbers, one.marks) for one in arrivals if one.kind is kind]
        yield from repeats_among(*map(np.concatenate, zip(*of_kind, strict=True)))


def replay_in_parts(
    files: Sequence[Path], rulebook: Rulebook, parts: int, directory: Path, progress: Progress = unnoticed
) -> PartedResult:
    """Returns what `replay_files` does, with memory for one part of so many.

    Args: `directory` is empty; it takes three to four times what the events take as columns, and keeps the findings.
    """
    parted = PartedReplay(Input([source_of(file) for file in files], progress), rulebook, parts, directory)
    with without_cycle_collection():
        parted.run()
    return PartedResult(
        findings=parted.findings,
        dead_letters=parted.stage_zero.dead_letters(),
        lines=parted.stage_zero.lines,
        accepted=parted.stage_zero.accepted,
        duplicates=parted.stage_zero.duplicates,
    )


def _judge_in_threads(slab: Slab, rulebook: Rulebook) -> list[Finding]:
    """Returns what judge does. Cost: numpy sorts and searches outside Python's lock, so two cores share the rules."""
    with ThreadPoolExecutor(max_workers=THREADS) as workers:
        judged = workers.map(lambda scope: judge(slab, rulebook, [scope]), SCOPES)
        return list(chain.from_iterable(judged))


@contextmanager
def without_cycle_collection() -> Iterator[None]:
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
        outcomes = decide([Incoming(original, place) for original, place in chunk], self._known)
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

"""Files in, the findings that stand out: whole (one slab) or in batches (the live engine). Both give the same."""

from __future__ import annotations

import gzip
import zlib
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, field
from itertools import islice
from operator import itemgetter
from pathlib import Path
from typing import BinaryIO, TypeVar

from detectors.catalogue import Rulebook, judge
from detectors.slab import END_OF_TIME_MS, Slab
from detectors.slab_builder import SlabBuilder
from events.dead_letters import DeadLetter, Place
from events.errors import ConfigError
from events.findings import Finding, replay_order
from events.identity import identity_of
from events.types import AnyEvent, Reversal, VisitorCorrection
from streams.acceptance import Accepted, RememberedDigests, decide, reversal_mismatch
from streams.changes import Changes
from streams.engine import Engine
from streams.gathering import latest_corrections

CHUNK_LINES = 20_000

Offer = tuple[bytes, Place]
_Item = TypeVar("_Item")


@dataclass(slots=True)
class ReplayResult:
    """What a replay found: findings in replay's order, dead letters in order of the input, and how much was read."""

    findings: list[Finding] = field(default_factory=list)
    dead_letters: list[DeadLetter] = field(default_factory=list)
    lines: int = 0
    accepted: int = 0
    duplicates: int = 0


def read_lines(path: Path, progress: Callable[[int], None] | None = None) -> Iterator[Offer]:
    """Yields every line of a .jsonl or .jsonl.gz file that is not blank, with its place.

    Args: `progress` is told how many bytes of the file have been read since the last call.
    Raises: ConfigError when the file cannot be read.
    """
    if path.suffix == ".parquet":  # its bytes, read as lines, would be thousands of dead letters and a good exit code
        raise ConfigError(str(path), "FILE", str(path), "Parquet is not read yet: .jsonl or .jsonl.gz")
    told = 0
    try:
        with path.open("rb") as file, _unpacked(file, path) as lines:
            for number, line in enumerate(lines, start=1):
                if progress is not None and number % CHUNK_LINES == 0:
                    progress(file.tell() - told)
                    told = file.tell()
                original = line.removesuffix(b"\n").removesuffix(b"\r")
                if original.strip():
                    yield original, Place(file=str(path), line=number)
    except (OSError, EOFError, zlib.error) as error:
        raise ConfigError(str(path), "FILE", str(path), f"cannot be read: {error}") from error


def _unpacked(file: BinaryIO, path: Path) -> AbstractContextManager[Iterable[bytes]]:
    return gzip.GzipFile(fileobj=file) if path.suffix == ".gz" else nullcontext(file)


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
    return _replay_whole(offers, rulebook) if batch is None else _replay_batches(offers, rulebook, batch, on_changes)


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


def _replay_whole(offers: Iterable[Offer], rulebook: Rulebook) -> ReplayResult:
    result = ReplayResult()
    intake, events = _Intake(result), _WholeInput()
    for chunk in _chunks(offers, CHUNK_LINES):
        events.add(intake.accept(chunk))
    slab, mismatched = events.slab()
    intake.set_aside(mismatched)
    intake.finish()
    result.findings = sorted(judge(slab, rulebook), key=replay_order)
    return result


class _WholeInput:
    """Gathers all accepted events into one slab; swipes, observations and movements are columns at once."""

    def __init__(self) -> None:
        self._builder = SlabBuilder()
        self._reversals: dict[str, list[Reversal]] = defaultdict(list)
        self._corrections: list[VisitorCorrection] = []

    def add(self, events: Sequence[AnyEvent]) -> None:
        """Adds accepted events."""
        self._builder.add(events)
        for event in events:
            if isinstance(event, Reversal):
                self._reversals[event.settlement_id].append(event)
            elif isinstance(event, VisitorCorrection):
                self._corrections.append(event)

    def slab(self) -> tuple[Slab, list[Reversal]]:
        """Returns the slab of all swipes, and the reversals that fit no swipe of theirs."""
        reversed_at_ms: dict[str, int] = {}
        mismatched = []
        for settlement_id, owner in self._builder.owners_of(self._reversals).items():
            for reversal in self._reversals[settlement_id]:
                if (reversal.institution_id, reversal.person_id) == owner:
                    earliest_ms = reversed_at_ms.get(settlement_id, reversal.occurred_at_ms)
                    reversed_at_ms[settlement_id] = min(earliest_ms, reversal.occurred_at_ms)
                else:
                    mismatched.append(reversal)
        corrections = latest_corrections(self._corrections)
        slab = self._builder.build(reversed_at_ms=reversed_at_ms, corrections=corrections, watermark_ms=END_OF_TIME_MS)
        return slab, mismatched


def _chunks(items: Iterable[_Item], size: int) -> Iterator[list[_Item]]:
    iterator = iter(items)
    while chunk := list(islice(iterator, size)):
        yield chunk

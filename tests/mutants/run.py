"""Plants every fault in turn, each in a process of its own, and tells which no test has noticed: `make mutants`."""

from __future__ import annotations

import argparse
import os
import resource
import sys
import time
import warnings
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from multiprocessing import get_context
from multiprocessing.connection import Connection, wait
from multiprocessing.process import BaseProcess

from tests.mutants.equivalent import EQUIVALENT
from tests.mutants.faults import KINDS
from tests.mutants.planned import Mutant, planned_mutants
from tests.mutants.planting import plant
from tests.mutants.trials import first_red, make_ready

LONGEST_TRIAL_SECONDS = 300
MEMORY_BYTES = 6 * 2**30


@dataclass(frozen=True, slots=True, kw_only=True)
class Verdict:
    """Which trial went red, or None; and how long it took until then."""

    mutant: Mutant
    red: str | None
    seconds: float


# ---------------------------------------------------------------------------------------------------- how it is tried


def tried(mutants: Sequence[Mutant], jobs: int) -> Iterator[Verdict]:
    """Yields what becomes of each mutant, as many at a time as there are jobs."""
    context = get_context("fork")
    waiting = list(reversed(mutants))
    running: dict[Connection, tuple[BaseProcess, Mutant, float]] = {}
    while waiting or running:
        while waiting and len(running) < jobs:
            mutant = waiting.pop()
            ours, theirs = context.Pipe(duplex=False)
            process: BaseProcess = context.Process(target=_try, args=(mutant, theirs))
            process.start()
            theirs.close()
            running[ours] = (process, mutant, time.monotonic())
        ready = wait(list(running), timeout=1)
        for pipe, (process, mutant, began) in list(running.items()):
            seconds = time.monotonic() - began
            if pipe in ready or seconds > LONGEST_TRIAL_SECONDS:
                red = _answer_of(pipe, mutant) if pipe in ready else "does not end"
                process.kill()
                process.join()
                del running[pipe]
                yield Verdict(mutant=mutant, red=red, seconds=seconds)


def _answer_of(pipe: Connection, mutant: Mutant) -> str | None:
    try:
        answer = pipe.recv()
    except EOFError:
        return "the process dies"
    if answer == _NOT_PLANTED:
        raise RuntimeError(f"cannot be planted: {mutant.fault}")
    return None if answer is None else str(answer)


_NOT_PLANTED = "not planted"


def _try(mutant: Mutant, pipe: Connection) -> None:
    """Runs in a process of its own, which the fault leaves good for nothing else."""
    resource.setrlimit(resource.RLIMIT_AS, (MEMORY_BYTES, MEMORY_BYTES))
    warnings.simplefilter("error")
    if mutant.fault is not None:
        try:
            plant(mutant.fault)
        except BaseException:
            pipe.send(_NOT_PLANTED)
            raise
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stderr.fileno())
    pipe.send(first_red(mutant.rules, mutant.fault, is_listed=mutant.equivalent is not None))


# ------------------------------------------------------------------------------------------------------ what is told


@dataclass(slots=True)
class Tally:
    """Verdicts so far."""

    planted: Counter[tuple[str, str]] = field(default_factory=Counter)
    listed: Counter[tuple[str, str]] = field(default_factory=Counter)
    survivors: list[Mutant] = field(default_factory=list)
    wrongly_listed: list[Verdict] = field(default_factory=list)

    def take(self, verdict: Verdict) -> None:
        mutant = verdict.mutant
        if mutant.fault is None:
            if verdict.red is not None:
                raise RuntimeError(f"red without any fault: {verdict.red}")
            return
        cell = (mutant.row, mutant.fault.kind)
        self.planted[cell] += 1
        if mutant.equivalent is not None:
            self.listed[cell] += 1
            if verdict.red is not None:
                self.wrongly_listed.append(verdict)
        elif verdict.red is None:
            self.survivors.append(mutant)

    def table(self) -> str:
        """Returns rows × kinds: how many went red, +n more that are listed as equivalent, !n that survived."""
        alive = Counter((mutant.row, mutant.fault.kind) for mutant in self.survivors if mutant.fault)
        rows = list(dict.fromkeys(row for row, _ in self.planted))
        lines = [f"{'':24}" + "".join(f"{kind:>11}" for kind in KINDS)]
        for row in rows:
            cells = [self._cell(row, kind, alive[row, kind]) for kind in KINDS]
            lines.append(f"{row.removeprefix('detectors/'):24}" + "".join(f"{cell:>11}" for cell in cells))
        return "\n".join(lines)

    def _cell(self, row: str, kind: str, alive: int) -> str:
        planted, listed = self.planted[row, kind], self.listed[row, kind]
        if not planted:
            return "-"
        return f"{planted - listed - alive}" + (f" +{listed}" if listed else "") + (f" !{alive}" if alive else "")


def main() -> int:
    """Returns the exit code: 0 where every fault went red or is listed as none."""
    options = _options()
    began = time.monotonic()
    make_ready()
    mutants = [mutant for mutant in planned_mutants() if options.only in f"{mutant.row} {mutant.fault}"]
    sound = Mutant(fault=None, rules=tuple({rule: None for mutant in mutants for rule in mutant.rules}), row="")
    tally = Tally()
    for number, verdict in enumerate(tried([sound, *mutants], options.jobs), start=1):
        tally.take(verdict)
        _show_progress(number - 1, len(mutants), tally, time.monotonic() - began)
        if options.verbose:
            print(
                f"{verdict.red or 'SURVIVED'} [{verdict.seconds:.1f}s] <- {verdict.mutant.row}: {verdict.mutant.fault}"
            )
    return _told(tally, mutants, options.only, time.monotonic() - began)


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("only", nargs="?", default="", help="plant only where row, file or kind hold this text")
    parser.add_argument("--jobs", type=int, default=2, help="processes at a time")
    parser.add_argument("--verbose", action="store_true", help="a line for each fault: what went red")
    return parser.parse_args()


def _show_progress(number: int, total: int, tally: Tally, seconds: float) -> None:
    line = f"{number}/{total} planted, {len(tally.survivors)} survived, {seconds:.0f}s"
    if sys.stdout.isatty():
        print(f"\r{line}", end="", flush=True)
    elif number % 200 == 0:
        print(line, flush=True)


def _told(tally: Tally, mutants: Sequence[Mutant], only: str, seconds: float) -> int:
    print(f"\n{tally.table()}\n")
    used = {mutant.equivalent for mutant in mutants}
    stale = [] if only else [entry for entry in EQUIVALENT if entry not in used]
    for mutant in tally.survivors:
        print(f"survived: {mutant.row}: {mutant.fault}")
    for verdict in tally.wrongly_listed:
        print(f"listed as equivalent, but red in {verdict.red}: {verdict.mutant.row}: {verdict.mutant.fault}")
    for entry in stale:
        print(f"listed as equivalent, but never planted: {entry}")
    failed = bool(tally.survivors or tally.wrongly_listed or stale)
    listed = sum(tally.listed.values())
    print(
        f"{sum(tally.planted.values())} faults planted in {seconds:.0f}s: {listed} mean the same and are listed, "
        f"{len(tally.survivors)} survived" + (", FAILED" if failed else ", all others went red")
    )
    return int(failed)

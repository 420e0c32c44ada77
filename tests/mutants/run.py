"""Plants every fault in turn and tries it: the command behind `make mutants`."""

from __future__ import annotations

import os
import resource
import signal
import sys
import time
import warnings
from collections.abc import Iterator
from dataclasses import dataclass
from multiprocessing import get_context
from multiprocessing.connection import Connection, wait
from multiprocessing.process import BaseProcess

from detectors.catalogue import rule_modules
from tests.mutants.faults import Fault, faults_of
from tests.mutants.planting import plant
from tests.mutants.trials import file_of, first_red, functions_called_by, make_ready, worlds

TRIAL_SECONDS = 60
MEMORY_BYTES = 6 * 2**30
KERNELS = tuple(
    f"detectors/{name}.py"
    for name in ("windows", "ties", "meetings", "local_time", "geodesy", "exact", "slab", "slab_builder")
)


@dataclass(frozen=True, slots=True)
class Mutant:
    """A fault and the rules of which one has to notice it."""

    fault: Fault
    rules: tuple[str, ...]
    row: str


@dataclass(frozen=True, slots=True)
class Verdict:
    mutant: Mutant
    red: str | None
    seconds: float


def all_mutants() -> list[Mutant]:
    rules = tuple(rule_modules())
    mutants = [Mutant(fault, (rule,), rule) for rule in rules for fault in faults_of(file_of(rule))]
    called = {rule: functions_called_by(rule) for rule in rules}
    ordered = {rule for rule in rules if any(world.cites_several(rule) for world in worlds())}
    for file in KERNELS:
        for fault in faults_of(file):
            mutants.append(Mutant(fault, rules, file))
            if fault.kind in ("boundary", "edge", "order", "reversal"):
                for rule in rules:
                    leans = (file, fault.function) in called[rule]
                    if fault.kind == "order" and fault.function == "order_by_time_and_id":
                        leans = rule in ordered
                    if fault.kind == "reversal":
                        leans = fault.function == "SlabBuilder.build"
                    if leans:
                        mutants.append(Mutant(fault, (rule,), rule))
    return mutants


def tried(mutants: list[Mutant], jobs: int = 2) -> Iterator[Verdict]:
    context = get_context("fork")
    waiting = list(reversed(mutants))
    running: dict[Connection, tuple[BaseProcess, Mutant, float]] = {}
    while waiting or running:
        while waiting and len(running) < jobs:
            mutant = waiting.pop()
            ours, theirs = context.Pipe(duplex=False)
            process = context.Process(target=_try, args=(mutant, theirs))
            process.start()
            theirs.close()
            running[ours] = (process, mutant, time.monotonic())
        ready = wait(list(running), timeout=1)
        for pipe in list(running):
            process, mutant, began = running[pipe]
            if pipe in ready:
                try:
                    red = pipe.recv()
                except EOFError:
                    red = "process died"
            elif time.monotonic() - began > TRIAL_SECONDS:
                red = "endless"
                process.kill()
            else:
                continue
            process.join()
            del running[pipe]
            yield Verdict(mutant, red, time.monotonic() - began)


def _try(mutant: Mutant, pipe: Connection) -> None:
    resource.setrlimit(resource.RLIMIT_AS, (MEMORY_BYTES, MEMORY_BYTES))
    sys.stderr = open(os.devnull, "w")
    warnings.simplefilter("error")
    plant(mutant.fault)
    pipe.send(first_red(mutant.rules))


def main() -> None:
    began = time.monotonic()
    make_ready()
    only = sys.argv[1:]
    mutants = [m for m in all_mutants() if not only or any(word in f"{m.row} {m.fault}" for word in only)]
    print(len(mutants), f"ready in {time.monotonic() - began:.1f}s", flush=True)
    n = 0
    from collections import Counter

    killers = Counter()
    slow = []
    with open("/tmp/survivors.txt", "w") as out:
        for v in tried(mutants):
            n += 1
            slow.append((v.seconds, str(v.mutant.fault), v.red))
            if v.red is None:
                print(f"{v.mutant.row} | {v.mutant.fault}", file=out, flush=True)
            else:
                killers[v.red.split(" (")[0].split("[")[0]] += 1
            if n % 50 == 0:
                print(n, f"{time.monotonic() - began:.1f}s", flush=True)
    print(killers.most_common(40))
    slow.sort(reverse=True)
    print(sum(s for s, _, _ in slow), slow[:20])
    print(f"{time.monotonic() - began:.1f}s")

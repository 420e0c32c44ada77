"""Which faults are planted for which rules."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from detectors.catalogue import rule_modules
from tests.mutants.equivalent import EQUIVALENT, Equivalent
from tests.mutants.faults import Fault, faults_of
from tests.mutants.trials import CUSTOM, file_of, functions_called_by, worlds

SHARED = tuple(f"detectors/{name}.py" for name in ("windows", "ties", "meetings", "slab"))
"""Kernels whose bounds every rule that leans on them has to hold for itself."""
BENEATH = tuple(f"detectors/{name}.py" for name in ("local_time", "exact", "geodesy", "slab_builder", "slab_tables"))
"""Kernels whose faults are to be noticed by any rule, or by the kernel's own test."""
BOUNDS = {"boundary", "edge", "order"}
SETTLING_TIES = {"order_by_time_and_id", "settle_ties"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Mutant:
    """A fault, the rules of which one has to notice it, and the row of the table that it belongs to.

    Without a fault it is the product itself, in which nothing may be red.
    """

    fault: Fault | None
    rules: tuple[str, ...]
    row: str

    @property
    def equivalent(self) -> Equivalent | None:
        """Returns the entry of the list that says that the fault is none."""
        if self.fault is None:
            return None
        of_row = (entry for entry in EQUIVALENT if not entry.rows or self.row in entry.rows)
        return next((entry for entry in of_row if entry.fits(self.fault)), None)


def planned_mutants() -> Iterator[Mutant]:
    """Yields every fault of every rule and kernel; some of a kernel's once more for each rule that leans on it."""
    rules = tuple(rule_modules())
    for rule in rules:
        yield from (Mutant(fault=fault, rules=(rule,), row=rule) for fault in faults_of(file_of(rule)))
    leaning = _Leaning(rules)
    for file in (*SHARED, *BENEATH):
        for fault in faults_of(file):
            yield Mutant(fault=fault, rules=rules, row=file)
            yield from (Mutant(fault=fault, rules=(rule,), row=rule) for rule in leaning.rules_on(fault))
    for file in CUSTOM:
        yield from (Mutant(fault=fault, rules=(), row=file) for fault in faults_of(file))


class _Leaning:
    """Which rules have to notice a kernel's fault each for itself."""

    def __init__(self, rules: Sequence[str]) -> None:
        self._rules = rules
        self._called = {rule: functions_called_by(rule) for rule in rules}
        self._ordered = [rule for rule in rules if any(world.cites_several(rule) for world in worlds())]

    def rules_on(self, fault: Fault) -> Sequence[str]:
        if fault.kind == "reversal" and fault.function == "SlabBuilder.build":
            return self._rules
        if fault.kind == "order" and fault.function in SETTLING_TIES:
            return self._ordered
        if fault.kind in BOUNDS and fault.file in SHARED:
            return [rule for rule in self._rules if (fault.file, fault.function) in self._called[rule]]
        return ()

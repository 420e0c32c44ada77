"""Faults that are none: the changed source means the same, so no test can tell. Each with the reason why.

An entry that fits no fault any more, or one that goes red, fails the run: the list says what is so.
"""

from __future__ import annotations

from dataclasses import dataclass

from tests.mutants.faults import Fault


@dataclass(frozen=True, slots=True, kw_only=True)
class Equivalent:
    """All faults of a function that fit: of these kinds, where `was` (and `now`) hold these texts; empty fits all."""

    file: str
    function: str
    why: str
    kinds: tuple[str, ...] = ()
    was: str = ""
    now: str = ""
    rules: tuple[str, ...] = ()
    """Where the fault is none for these rules only."""

    def fits(self, fault: Fault, rules: tuple[str, ...]) -> bool:
        """Returns whether it speaks of this fault, tried with these rules."""
        return (
            (fault.file, fault.function) == (self.file, self.function)
            and (not self.kinds or fault.kind in self.kinds)
            and self.was in fault.was
            and self.now in fault.now
            and (not self.rules or set(rules) <= set(self.rules))
        )


EQUIVALENT: tuple[Equivalent, ...] = ()

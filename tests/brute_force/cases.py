"""The hand-made cases one by one, with what each asks, for tries that pytest does not collect."""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import product
from types import ModuleType
from typing import Any

from tests.brute_force import stories, test_golden, test_golden_centre
from tests.brute_force.stories import Row

Question = tuple[list[bytes], dict[str, Row]]
"""The lines of a story and the rules that are asked about it."""


@dataclass(frozen=True)
class Case:
    """One test with its values; `run` raises where it fails."""

    name: str
    run: Callable[[], None]
    questions: tuple[Question, ...] = ()

    @property
    def rules(self) -> set[str]:
        """Returns the rules that it asks about."""
        return {name for _, rules in self.questions for name in rules}


@functools.cache
def golden_cases() -> tuple[Case, ...]:
    """Returns every hand-made case with its questions; its answers are the judge's who stands in `stories` then."""
    cases = (case for module in (test_golden, test_golden_centre) for case in cases_of(module))
    return tuple(Case(case.name, case.run, tuple(_asked_by(case))) for case in cases)


def cases_of(module: ModuleType) -> Iterator[Case]:
    """Yields the tests of a module that need no fixture, each with every combination of its parameters."""
    for name, test in vars(module).items():
        if name.startswith("test_") and inspect.isfunction(test) and test.__module__ == module.__name__:
            marks = [mark for mark in getattr(test, "pytestmark", []) if mark.name == "parametrize"]
            for chosen in product(*(list(_values_of(mark)) for mark in marks)):
                values = {key: value for given in chosen for key, value in given.items()}
                if values.keys() >= set(inspect.signature(test).parameters):
                    yield Case(f"{name}[{', '.join(map(str, values.values()))}]", functools.partial(test, **values))


def _values_of(mark: Any) -> Iterator[dict[str, Any]]:
    """Yields the values of each round of one `parametrize`."""
    names, rounds = mark.args
    if isinstance(names, str):
        names = [name.strip() for name in names.split(",")]
    for given in rounds:
        row = getattr(given, "values", given) if type(given).__name__ == "ParameterSet" else given
        yield dict(zip(names, row, strict=True)) if len(names) > 1 else {names[0]: row}


def _asked_by(case: Case) -> list[Question]:
    asked: list[Question] = []
    judge = stories.judge

    def listen(lines: list[bytes], rules: dict[str, Row]) -> list[Row]:
        asked.append((lines, rules))
        return judge(lines, rules)

    stories.judge = listen
    try:
        case.run()
    finally:
        stories.judge = judge
    return asked

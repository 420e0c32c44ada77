"""CEL, value by value: the only module that knows the library common-expression-language."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from functools import lru_cache

import cel

from detectors.filters.columns import Value

Values = tuple[Value | None, ...]


@lru_cache(maxsize=1024)
def compiled(source: str) -> cel.Program:
    """Returns the program of an expression. Raises: ValueError where it is not CEL."""
    return cel.compile(source)


def evaluated(source: str, names: Sequence[str], rows: Iterable[Values]) -> list[bool | None]:
    """Returns whether a condition holds for each row of values, or None where something unknown leaves it open.

    A value that nobody knows is left out, so that CEL's own rules for errors decide: what is unknown stays so unless
    the other side of `&&` or `||` decides alone. Arithmetic without an answer is unknown too.

    Args:
        source: CEL that `detectors.filters.checking` has found to be a condition.
        names: its variables.
        rows: a value for each name, None where it is unknown.
    Cost: 2 to 10 µs for each row that differs from those before it.
    """
    program = compiled(source)
    known: dict[Values, bool | None] = {}
    answers = []
    for row in rows:
        if row not in known:
            known[row] = _evaluated(program, names, row)
        answers.append(known[row])
    return answers


def _evaluated(program: cel.Program, names: Sequence[str], row: Values) -> bool | None:
    variables = {name: value for name, value in zip(names, row, strict=True) if value is not None}
    try:
        return program.execute(variables) is True
    except (RuntimeError, ArithmeticError):  # a variable that is left out; a division by zero, beyond 64 bits
        return None

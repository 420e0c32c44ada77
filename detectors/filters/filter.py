"""A filter of swipes: compiled once, applied to whole slabs; simple conditions as columns, the others by CEL."""

from __future__ import annotations

import operator
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Final, NoReturn

import numpy as np

from detectors.filters.checking import check, fields_in
from detectors.filters.columns import Numbers, Truth, Value, WordLists, Words
from detectors.filters.expressions import compiled, evaluated
from detectors.filters.fields import SwipeFacts, fields_for
from detectors.filters.syntax import (
    Binary,
    Choices,
    FieldOf,
    FilterError,
    Has,
    Joined,
    Node,
    Quantified,
    Scalar,
    TextTest,
    Unary,
    Written,
    parse,
)
from detectors.windows import Bools, Int64s
from events.errors import InvariantError

_COMPARED: Final[Mapping[str, Callable[..., Bools]]] = {
    "==": operator.eq,
    "!=": operator.ne,
    "<": operator.lt,
    "<=": operator.le,
    ">": operator.gt,
    ">=": operator.ge,
}
_MIRRORED: Final = {"<": ">", "<=": ">=", ">": "<", ">=": "<=", "==": "==", "!=": "!="}
_TEXT_TESTS: Final[Mapping[str, Callable[[str, str], bool]]] = {
    "startsWith": str.startswith,
    "endsWith": str.endswith,
    "contains": operator.contains,
}


@dataclass(frozen=True, slots=True)
class Filter:
    """A condition that swipes meet or not; one that cannot be decided is not met."""

    source: str
    tree: Node

    def met_by(self, facts: SwipeFacts) -> Bools:
        """Returns which swipes meet it."""
        rows = np.arange(len(facts.slab.swipes), dtype=np.int64)
        return _Columns(self.source, facts).truth(self.tree, rows).holds


@lru_cache(maxsize=256)
def filter_of(source: str, *, of_person: bool) -> Filter:
    """Returns the filter that a text says. Raises: FilterError, with the place, where it is none."""
    tree = parse(source)
    check(tree, fields_for(of_person=of_person))
    try:
        compiled(source)
    except ValueError as error:
        raise FilterError(1, f"not CEL: {error}") from error
    return Filter(source, tree)


def is_simple(node: Node) -> bool:
    """Returns whether a condition is evaluated on whole columns: a field against literals."""
    match node:
        case Written() | Has() | FieldOf():
            return True
        case Unary(sign="!"):
            return is_simple(node.operand)
        case Joined():
            return all(map(is_simple, node.terms))
        case TextTest():
            return isinstance(node.text, FieldOf) and isinstance(node.part, Written)
        case Quantified():
            return isinstance(node.of, FieldOf)
        case Binary(sign="in"):
            return (isinstance(node.left, FieldOf) and isinstance(node.right, Choices)) or (
                isinstance(node.left, Written) and isinstance(node.right, FieldOf)
            )
        case Binary():
            one, other = node.left, node.right
            return node.sign in _COMPARED and (_is_field_and_literal(one, other) or _is_field_and_literal(other, one))
        case _:
            return False


def _is_field_and_literal(one: Node, other: Node) -> bool:
    return isinstance(one, FieldOf) and isinstance(other, Written)


class _Columns:
    """Evaluates a tree over the rows that matter; every answer has a value for each of them."""

    def __init__(self, source: str, facts: SwipeFacts) -> None:
        self._source = source
        self._facts = facts

    def truth(self, node: Node, rows: Int64s) -> Truth:
        """Returns where a condition holds and where it fails."""
        match node:
            case Joined():
                return self._joined(node, rows)
            case Unary(sign="!"):
                return ~self.truth(node.operand, rows)
            case Written():
                return _everywhere(len(rows), value=node.value is True)
            case _ if is_simple(node):
                whole = self._simple(node)
                return Truth(holds=whole.holds[rows], fails=whole.fails[rows])
            case _:
                return self._by_row(node, rows)

    def _joined(self, node: Joined, rows: Int64s) -> Truth:
        """Returns the terms joined: the simple ones first, the others only where those leave it open."""
        is_all = node.sign == "&&"
        so_far = _everywhere(len(rows), value=is_all)
        for term in sorted(node.terms, key=is_simple, reverse=True):
            is_open = np.flatnonzero(~(so_far.fails if is_all else so_far.holds))
            there = self.truth(term, rows[is_open])
            term_truth = _everywhere(len(rows), value=is_all)
            term_truth.holds[is_open], term_truth.fails[is_open] = there.holds, there.fails
            so_far = so_far & term_truth if is_all else so_far | term_truth
        return so_far

    def _by_row(self, node: Node, rows: Int64s) -> Truth:
        """Returns what CEL says of each row."""
        source, asked = _with_variables(self._source, node)
        columns = [self._values(field, rows) for field in asked.values()]
        values = zip(*columns, strict=True) if columns else [()] * len(rows)
        found = evaluated(source, list(asked), values)
        return Truth(
            holds=np.fromiter((one is True for one in found), np.bool_, len(rows)),
            fails=np.fromiter((one is False for one in found), np.bool_, len(rows)),
        )

    def _values(self, field: FieldOf | Has, rows: Int64s) -> Sequence[Value | None]:
        if isinstance(field, FieldOf):
            return self._facts.column(field.name).at(rows)
        known: list[bool] = self._facts.column(field.field.name).known[rows].tolist()
        return known

    # ---------------------------------------------------------------------------------------------- simple conditions

    def _simple(self, node: Node) -> Truth:
        """Returns a simple condition for every swipe of the slab."""
        match node:
            case FieldOf():
                return self._compared(node, "==", value=True)
            case Has():
                known = self._facts.column(node.field.name).known
                return Truth(holds=known, fails=~known)
            case TextTest(text=FieldOf() as field, part=Written(value=str() as part)):
                test = _TEXT_TESTS[node.test]
                return self._words(field).where(lambda text: test(text, part))
            case Binary(sign="in", left=FieldOf() as field, right=Choices() as choices):
                return self._among(field, choices)
            case Binary(sign="in", left=Written(value=str() as wanted), right=FieldOf() as field):
                return self._lists(field).some(lambda texts: [text == wanted for text in texts])
            case Quantified(of=FieldOf() as field):
                return self._quantified(node, self._lists(field))
            case Binary(left=FieldOf() as field, right=Written() as literal):
                return self._compared(field, node.sign, value=literal.value)
            case Binary(left=Written() as literal, right=FieldOf() as field):
                return self._compared(field, _MIRRORED[node.sign], value=literal.value)
            case _:
                raise InvariantError(f"{type(node).__name__} is no simple condition")

    def _compared(self, field: FieldOf, sign: str, *, value: Scalar) -> Truth:
        compare = _COMPARED[sign]
        if isinstance(value, str):
            return self._words(field).where(lambda text: bool(compare(text, value)))
        numbers = self._numbers(field)
        return Truth.of(compare(numbers.values, value), numbers.known)

    def _among(self, field: FieldOf, choices: Choices) -> Truth:
        wanted = {item.value for item in choices.items}
        if all(isinstance(value, str) for value in wanted):
            return self._words(field).where(wanted.__contains__)
        numbers = self._numbers(field)
        return Truth.of(np.isin(numbers.values, np.array(list(wanted))), numbers.known)

    def _quantified(self, node: Quantified, lists: WordLists) -> Truth:
        """Returns where some, or all, of a list meet a condition, which is about each text and nothing else."""
        source = self._source[node.condition.start : node.condition.end]
        is_all = node.kind == "all"

        def meets_or_not(texts: Sequence[str]) -> list[bool]:
            found = evaluated(source, [node.variable], [(text,) for text in texts])
            return [(one is True) is not is_all for one in found]

        some = lists.some(meets_or_not)
        return ~some if is_all else some

    def _numbers(self, field: FieldOf) -> Numbers:
        column = self._facts.column(field.name)
        return column if isinstance(column, Numbers) else _wrong_kind(field)

    def _words(self, field: FieldOf) -> Words:
        column = self._facts.column(field.name)
        return column if isinstance(column, Words) else _wrong_kind(field)

    def _lists(self, field: FieldOf) -> WordLists:
        column = self._facts.column(field.name)
        return column if isinstance(column, WordLists) else _wrong_kind(field)


def _wrong_kind(field: FieldOf) -> NoReturn:
    raise InvariantError(f"{field.name} is not what the filter was checked for")


def _everywhere(count: int, *, value: bool) -> Truth:
    return Truth(holds=np.full(count, value), fails=np.full(count, not value))


def _with_variables(source: str, node: Node) -> tuple[str, dict[str, FieldOf | Has]]:
    """Returns a part of a filter with a variable for each field and each has(…), and what the variables stand for.

    The library takes plain variables ten times as fast as the fields of a map.
    """
    asked: dict[str, FieldOf | Has] = {}
    parts, place = [], node.start
    for field in fields_in(node):
        variable = f"has_{field.field.name}" if isinstance(field, Has) else f"swipe_{field.name}"
        asked[variable] = field
        parts += [source[place : field.start], variable]
        place = field.end
    return "".join([*parts, source[place : node.end]]), asked

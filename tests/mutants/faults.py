"""The faults that are planted: every place in a source file where one little change makes another rule of it.

A fault is found in the syntax tree of the real source and named by what it replaces, never by its line, so that it
stays the same fault when the file around it changes.
"""

from __future__ import annotations

import ast
import copy
import functools
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

CHECKOUT = Path(__file__).parents[2]
Found = Iterator[tuple[ast.AST, str]]
"""What is replaced, and the source text that takes its place."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Fault:
    """One change of one file: `was` becomes `now`; of equal ones in a function `number` counts from 1.

    `function` may be the name of a module's constant.
    """

    file: str
    function: str
    kind: str
    was: str
    now: str
    number: int = 1
    line: int
    site: int
    """Its place among all the faults of its file."""

    def __str__(self) -> str:
        count = f" (no. {self.number})" if self.number > 1 else ""
        return f"{self.file}:{self.line} {self.function}, {self.kind}: {self.was}  →  {self.now}{count}"


@dataclass(frozen=True, slots=True)
class _Site:
    function: str
    kind: str
    node: ast.AST
    now: str


@functools.cache
def faults_of(file: str) -> tuple[Fault, ...]:
    """Returns every fault that can be planted into a file of the checkout."""
    seen: Counter[tuple[str, str, str, str]] = Counter()
    faults = []
    for number, site in enumerate(_sites(_tree(file))):
        was = ast.unparse(site.node)
        name = (site.function, site.kind, was, site.now)
        seen[name] += 1
        faults.append(
            Fault(
                file=file,
                function=site.function,
                kind=site.kind,
                was=was,
                now=site.now,
                number=seen[name],
                line=getattr(site.node, "lineno", 0),
                site=number,
            )
        )
    return tuple(faults)


def faulty_tree(fault: Fault) -> ast.Module:
    """Returns the syntax tree of the file with the fault in it."""
    tree = _tree(fault.file)
    site = list(_sites(tree))[fault.site]
    _Replacing(site.node, site.now).visit(tree)
    return ast.fix_missing_locations(tree)


def _tree(file: str) -> ast.Module:
    return ast.parse(_source(file))


@functools.cache
def _source(file: str) -> str:
    """Returns what stood in the file when it was first asked for; an edit meanwhile changes no fault."""
    return (CHECKOUT / file).read_text(encoding="utf-8")


class _Replacing(ast.NodeTransformer):
    def __init__(self, node: ast.AST, now: str) -> None:
        self._node, self._now = node, now

    def visit(self, node: ast.AST) -> ast.AST:
        if node is self._node:
            return ast.copy_location(ast.parse(self._now, mode="eval").body, node)
        return self.generic_visit(node)


# ------------------------------------------------------------------------------------------------- where faults may be


def _sites(tree: ast.Module) -> Iterator[_Site]:
    for function, body in _judging_code(tree):
        for place in _places(body, ()):
            for kind, find in KINDS.items():
                if (kind == "reach") == (function == "reach"):
                    for replaced, now in find(place):
                        yield _Site(function, kind, replaced, now)


def _judging_code(tree: ast.Module) -> Iterator[Code]:
    """Yields the functions and the constants of a module; of a rule only those that its judgement needs."""
    parts = dict(_parts(tree))
    rule_parts = {"detect", "reach"} & parts.keys()
    wanted = _needed_by(rule_parts, parts) if rule_parts else set(parts)
    for name, nodes in parts.items():
        if name in wanted:
            yield from nodes


Code = tuple[str, list[ast.AST]]
"""The name of a function or a constant, and its statements or its value."""


def _parts(tree: ast.Module) -> Iterator[tuple[str, list[Code]]]:
    """Yields what a module defines, by name: a constant, a function, or a class with its methods."""
    for node in tree.body:
        if isinstance(node, ast.FunctionDef | ast.ClassDef):
            yield node.name, list(_functions_in(node, ""))
        elif isinstance(node, ast.Assign) and isinstance(node.targets[0], ast.Name) and not _is_type(node.value):
            yield node.targets[0].id, [(node.targets[0].id, [node.value])]
        elif isinstance(node, ast.AnnAssign) and isinstance(node.target, ast.Name) and node.value is not None:
            yield node.target.id, [(node.target.id, [node.value])]


def _is_type(value: ast.expr) -> bool:
    return any(isinstance(node, ast.Subscript | ast.BitOr) for node in ast.walk(value))


def _functions_in(node: ast.AST, prefix: str) -> Iterator[Code]:
    if isinstance(node, ast.FunctionDef):
        yield prefix + node.name, list(node.body)
    elif isinstance(node, ast.ClassDef):
        for inner in node.body:
            if getattr(inner, "name", "") != "__post_init__":  # it checks settings and judges nothing
                yield from _functions_in(inner, f"{prefix}{node.name}.")


def _needed_by(names: set[str], parts: dict[str, list[Code]]) -> set[str]:
    """Returns the parts that some parts need, themselves among them."""
    needed, unread = set(names), list(names)
    while unread:
        for _, body in parts[unread.pop()]:
            used = {node.id for part in body for node in ast.walk(part) if isinstance(node, ast.Name)}
            for name in sorted((used & parts.keys()) - needed):
                needed.add(name)
                unread.append(name)
    return needed


Place = tuple[ast.AST, ...]
"""A node, and before it those that it lies in; the first is a statement, or the value of a constant."""


def _places(body: list[ast.AST], outer: Place) -> Iterator[Place]:
    """Yields the nodes of a function in reading order, annotations and docstrings aside."""
    for node in body:
        if isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant):
            continue
        place = (*outer, node)
        yield place
        yield from _places([child for field, child in _fields(node) if field != "annotation"], place)


def _fields(node: ast.AST) -> Iterator[tuple[str, ast.AST]]:
    for field, value in ast.iter_fields(node):
        for child in value if isinstance(value, list) else [value]:
            if isinstance(child, ast.AST):
                yield field, child


# ---------------------------------------------------------------------------------------------------- kinds of faults


def _name_of(node: ast.AST) -> str:
    """Returns the last name of `a`, `a.b`, and of what is called `a.b(…)`."""
    if isinstance(node, ast.Call):
        return _name_of(node.func)
    return node.id if isinstance(node, ast.Name) else node.attr if isinstance(node, ast.Attribute) else ""


def _expression(text: str) -> ast.expr:
    return ast.parse(text, mode="eval").body


_OTHER_BOUND: dict[type[ast.cmpop], type[ast.cmpop]] = {
    ast.Lt: ast.LtE,
    ast.LtE: ast.Lt,
    ast.Gt: ast.GtE,
    ast.GtE: ast.Gt,
}
_OPPOSITE: dict[type[ast.cmpop], type[ast.cmpop]] = {
    ast.Eq: ast.NotEq,
    ast.NotEq: ast.Eq,
    ast.Is: ast.IsNot,
    ast.IsNot: ast.Is,
    ast.In: ast.NotIn,
    ast.NotIn: ast.In,
}
_OTHER_SIDE = {"left": "right", "right": "left"}


def _compared(node: ast.AST, others: dict[type[ast.cmpop], type[ast.cmpop]]) -> Found:
    if isinstance(node, ast.Compare):
        for number, operator in enumerate(node.ops):
            if type(operator) in others:
                other = copy.deepcopy(node)
                other.ops[number] = others[type(operator)]()
                yield node, ast.unparse(other)


def boundary(place: Place) -> Found:
    """An open end for a closed one: < for ≤, > for ≥, the other side of a sorted search."""
    node = place[-1]
    yield from _compared(node, _OTHER_BOUND)
    if isinstance(node, ast.Constant) and node.value in _OTHER_SIDE:
        yield node, repr(_OTHER_SIDE[node.value])
    if isinstance(node, ast.Call) and _name_of(node) == "searchsorted" and not node.keywords:
        other = copy.deepcopy(node)
        other.keywords.append(ast.keyword("side", ast.Constant("right")))
        yield node, ast.unparse(other)
    if isinstance(node, ast.Name) and node.id in {"bisect_left", "bisect_right"}:
        yield node, f"__import__('bisect').{'bisect_right' if node.id == 'bisect_left' else 'bisect_left'}"


LENGTHS = {
    "after",
    "agent_within",
    "before",
    "chronic_limit",
    "grace",
    "limit",
    "meeting",
    "reflow_after",
    "window",
    "within",
}
"""The settings of rules that are lengths of time."""
_MOVED_BY = {
    "abs",
    "arange",
    "bisect_left",
    "bisect_right",
    "int",
    "max",
    "maximum",
    "min",
    "minimum",
    "search",
    "searchsorted",
    "unique",
}


def _is_time(node: ast.AST) -> bool:
    name = _name_of(node) if isinstance(node, ast.Name | ast.Attribute) and isinstance(node.ctx, ast.Load) else ""
    return name.lower().endswith("_ms") or (isinstance(node, ast.Attribute) and name in LENGTHS)


def _is_handed_on(place: Place) -> bool:
    """Returns whether a moment goes to a function, which moves it itself, or to a sort, which does not mind."""
    name = _name_of(place[-1])
    holders = [outer for outer in reversed(place[:-1]) if not isinstance(outer, ast.keyword | ast.Subscript)]
    holder = holders[0] if holders else None
    if isinstance(holder, ast.Call):
        return name.removesuffix("_ms") not in LENGTHS and _name_of(holder) not in _MOVED_BY
    sorts = any(isinstance(outer, ast.Lambda) or _name_of(outer) == "lexsort" for outer in place)
    return isinstance(holder, ast.Tuple) and sorts


def edge(place: Place) -> Found:
    """A time or a length of time that is a millisecond more or less."""
    node = place[-1]
    if _is_time(node) and not _is_handed_on(place):
        text = ast.unparse(node)
        yield node, f"({text} + 1)"
        yield node, f"({text} - 1)"


def reach(place: Place) -> Found:
    """A look back or ahead that is two milliseconds shorter: too short for what is just inside an open end too."""
    node = place[-1]
    if isinstance(node, ast.keyword) and not isinstance(node.value, ast.Constant):
        yield node.value, f"({ast.unparse(node.value)}) - 2"


def order(place: Place) -> Found:
    """What comes first among equals comes last: ids descending, a sort the other way round."""
    node = place[-1]
    if isinstance(node, ast.Call):
        yield from _other_order(node)
    if isinstance(node, ast.Tuple) and len(node.elts) > 1 and _name_of(node.elts[-1]) in {"event_id", "settlement_id"}:
        other = copy.deepcopy(node)
        other.elts[-1] = _expression(f"_descending({ast.unparse(node.elts[-1])})")
        yield node, ast.unparse(other)


def _other_order(node: ast.Call) -> Found:
    name, text = _name_of(node), ast.unparse(node)
    if name == "sorted":
        yield node, f"list(reversed({text}))"
    elif name == "sort" and node.args:
        yield node, f"{text}[::-1]"
    elif name == "argsort" and "stable" in text:
        yield node, f"_ties_reversed({ast.unparse(node.args[0])})"
    elif name == "lexsort" and isinstance(node.args[0], ast.Tuple):
        for number, key in enumerate(node.args[0].elts):
            other = copy.deepcopy(node)
            assert isinstance(other.args[0], ast.Tuple)
            other.args[0].elts[number] = _expression(f"-({ast.unparse(key)})")
            yield node, ast.unparse(other)
    elif name == "order_by_time_and_id":
        time_ms, ids = (ast.unparse(argument) for argument in node.args)
        yield node, f"{ast.unparse(node.func)}({time_ms}, _descending_ids({ids}))"


def reversal(place: Place) -> Found:
    """A reversal that nobody knows of."""
    node = place[-1]
    if isinstance(node, ast.Name) and node.id == "reversed_at_ms" and isinstance(node.ctx, ast.Load):
        yield node, "None"


def equality(place: Place) -> Found:
    """Equal for unequal, in for not in, none for some."""
    yield from _compared(place[-1], _OPPOSITE)


def logic(place: Place) -> Found:
    """And for or, or for and, a not left out."""
    node = place[-1]
    other = copy.deepcopy(node)
    if isinstance(node, ast.BoolOp) and isinstance(other, ast.BoolOp):
        other.op = ast.Or() if isinstance(node.op, ast.And) else ast.And()
        yield node, ast.unparse(other)
    elif isinstance(node, ast.BinOp) and isinstance(node.op, ast.BitAnd | ast.BitOr) and isinstance(other, ast.BinOp):
        other.op = ast.BitOr() if isinstance(node.op, ast.BitAnd) else ast.BitAnd()
        yield node, ast.unparse(other)
    elif isinstance(node, ast.UnaryOp) and isinstance(node.op, ast.Not | ast.Invert):
        yield node, ast.unparse(node.operand)


_OTHER_EXTREME = {"min": "max", "max": "min", "minimum": "maximum", "maximum": "minimum", "any": "all", "all": "any"}


def extreme(place: Place) -> Found:
    """The least for the greatest, any for all."""
    node = place[-1]
    if isinstance(node, ast.Call) and _name_of(node) in _OTHER_EXTREME:
        other = copy.deepcopy(node.func)
        if isinstance(other, ast.Name):
            other.id = _OTHER_EXTREME[other.id]
        elif isinstance(other, ast.Attribute):
            other.attr = _OTHER_EXTREME[other.attr]
        yield node.func, ast.unparse(other)


def constant(place: Place) -> Found:
    """A bound, or a number that has a name, that is one more or one less."""
    node = place[-1]
    is_named = not any(isinstance(outer, ast.stmt) for outer in place)
    is_bound = len(place) > 1 and isinstance(place[-2], ast.Compare)
    if isinstance(node, ast.Constant) and type(node.value) is int and (is_named or is_bound):
        yield node, str(node.value + 1)
        yield node, str(node.value - 1)


_OTHER_SIGN: dict[type[ast.operator], type[ast.operator]] = {ast.Add: ast.Sub, ast.Sub: ast.Add}


def sign(place: Place) -> Found:
    """Plus for minus and minus for plus."""
    node = place[-1]
    if isinstance(node, ast.BinOp) and type(node.op) in _OTHER_SIGN:
        other = copy.deepcopy(node)
        other.op = _OTHER_SIGN[type(node.op)]()
        yield node, ast.unparse(other)
    elif isinstance(node, ast.UnaryOp) and isinstance(node.op, ast.USub):
        yield node, ast.unparse(node.operand)


KINDS: dict[str, Callable[[Place], Found]] = {
    find.__name__: find for find in (boundary, edge, reach, order, reversal, equality, logic, extreme, constant, sign)
}

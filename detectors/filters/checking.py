"""Whether a filter means something: every field is known, and only what is of one kind is compared."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Final, Literal

from detectors.filters.fields import FIELDS, Field, Kind
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
    Ternary,
    TextTest,
    Unary,
    Variable,
    Written,
)

_KINDS: Final[Mapping[str, str]] = {
    "flag": "true or false",
    "number": "a number",
    "text": "a text",
    "texts": "a list of texts",
}
_ORDER: Final = ("<", "<=", ">", ">=")
_EQUALITY: Final = ("==", "!=")


def check(node: Node, fields: Mapping[str, Field]) -> None:
    """Returns if the tree is a condition over these fields. Raises: FilterError."""
    _Checker(fields).expect(node, "flag", "a filter")


def fields_in(node: Node) -> Iterator[FieldOf | Has]:
    """Yields every field in a tree and every `has`, in order."""
    if isinstance(node, FieldOf | Has):
        yield node
    else:
        yield from (field for part in parts_of(node) for field in fields_in(part))


def parts_of(node: Node) -> tuple[Node, ...]:
    """Returns the nodes right below one, fields and literals aside."""
    match node:
        case Unary():
            return (node.operand,)
        case Binary():
            return (node.left, node.right)
        case Joined():
            return node.terms
        case Ternary():
            return (node.condition, node.one, node.other)
        case TextTest():
            return (node.text, node.part)
        case Quantified():
            return (node.of, node.condition)
        case _:
            return ()


class _Checker:
    """Finds the kind of every node, with the variables that are named around it."""

    def __init__(self, fields: Mapping[str, Field]) -> None:
        self._fields = fields
        self._variable: str | None = None

    def expect(self, node: Node, kind: Kind, what: str) -> None:
        """Returns if the node is of this kind."""
        found = self.kind_of(node)
        if found != kind:
            raise _error(node, f"{what} is {_KINDS[kind]}, and this is {_KINDS[found]}")

    def kind_of(self, node: Node) -> Kind:
        """Returns the kind of a node whose parts fit together."""
        match node:
            case Written():
                return _kind_of_value(node.value)
            case FieldOf():
                return self._field(node).kind
            case Has():
                self._field(node.field)
                return "flag"
            case Variable():
                return self._kind_of_variable(node)
            case Choices():
                raise _error(node, 'a list stands right of in: swipe.category in ["11", "14"]')
            case Unary():
                kind: Kind = "flag" if node.sign == "!" else "number"
                self.expect(node.operand, kind, f"what stands after {node.sign}")
                return kind
            case Joined():
                for term in node.terms:
                    self.expect(term, "flag", f"what {node.sign} joins")
                return "flag"
            case _:
                return self._kind_of_many(node)

    def _kind_of_many(self, node: Node) -> Kind:
        match node:
            case Binary(sign="in"):
                return self._kind_of_in(node)
            case Binary():
                return self._kind_of_binary(node)
            case Ternary():
                self.expect(node.condition, "flag", "what stands before ?")
                kind = self.kind_of(node.one)
                self.expect(node.other, kind, "what stands after :")
                return kind
            case TextTest():
                self.expect(node.text, "text", f"what stands before .{node.test}")
                self.expect(node.part, "text", f"what {node.test} looks for")
                return "flag"
            case Quantified():
                return self._kind_of_quantified(node)
            case _:
                raise _error(node, "this is not offered")

    # ------------------------------------------------------------------------------------------------- one by one

    def _field(self, node: FieldOf) -> Field:
        field = self._fields.get(node.name)
        if self._variable is not None:
            raise _error(node, f"only {self._variable} and literals stand within exists and all")
        if field is None:
            is_of_person = node.name in FIELDS
            why = "only a rule with a person's key has it" if is_of_person else "there is no such field"
            raise _error(node, f"swipe.{node.name}: {why}; the fields are {', '.join(sorted(self._fields))}")
        return field

    def _kind_of_variable(self, node: Variable) -> Kind:
        if node.name != self._variable:
            raise _error(node, f"{node.name} means nothing here; a field is written swipe.{node.name}")
        return "text"

    def _kind_of_quantified(self, node: Quantified) -> Kind:
        if self._variable is not None:
            raise _error(node, f"{node.kind} does not stand within another")
        self.expect(node.of, "texts", f"what stands before .{node.kind}")
        self._variable = node.variable
        self.expect(node.condition, "flag", f"what {node.kind} asks of each")
        self._variable = None
        return "flag"

    def _kind_of_binary(self, node: Binary) -> Kind:
        if node.sign not in (*_ORDER, *_EQUALITY):
            if self._variable is not None:
                raise _error(node, "nothing is calculated within exists and all")
            self.expect(node.left, "number", f"what stands left of {node.sign}")
            self.expect(node.right, "number", f"what stands right of {node.sign}")
            return "number"
        kind = self.kind_of(node.left)
        if kind == "texts":
            raise _error(node, 'a list is asked with in or exists: "X01" in swipe.drug_codes')
        if kind == "flag" and node.sign in _ORDER:
            raise _error(node, f"{node.sign} compares numbers or texts")
        self.expect(node.right, kind, f"what stands right of {node.sign}")
        for one, other in ((node.left, node.right), (node.right, node.left)):
            if isinstance(one, FieldOf) and isinstance(other, Written):
                self._check_value(one, other, node.sign)
        return "flag"

    def _kind_of_in(self, node: Binary) -> Kind:
        if not isinstance(node.right, Choices):
            self.expect(node.right, "texts", "what stands right of in")
            self.expect(node.left, "text", "what is looked for in a list of texts")
            return "flag"
        kind = self.kind_of(node.left)
        for item in node.right.items:
            self.expect(item, kind, "each of the list")
            if isinstance(node.left, FieldOf):
                self._check_value(node.left, item, "in")
        return "flag"

    def _check_value(self, field: FieldOf, value: Written, sign: str) -> None:
        """A text that no swipe can have is a slip whatever it is compared by; a number may be a limit."""
        known = self._field(field)
        is_limit = known.kind == "number" and sign in _ORDER
        if not is_limit and not known.can_be(value.value):
            raise _error(value, f"swipe.{field.name} is never {value.value}; its values are {known.written}")


def _kind_of_value(value: Scalar) -> Literal["flag", "number", "text"]:
    if isinstance(value, bool):
        return "flag"
    return "number" if isinstance(value, int) else "text"


def _error(node: Node, reason: str) -> FilterError:
    return FilterError(node.start + 1, reason)

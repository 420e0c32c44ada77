"""The part of CEL that a filter may be written in: text becomes a tree that knows its places, without a meaning yet.

    filter     = condition [ "?" condition ":" filter ]
    condition  = conjunction { "||" conjunction }
    conjunction= relation { "&&" relation }
    relation   = sum { ("==" | "!=" | "<" | "<=" | ">" | ">=" | "in") sum }
    sum        = product { ("+" | "-") product }
    product    = unary { ("*" | "/" | "%") unary }
    unary      = { "!" } member | { "-" } member
    member     = primary { "." ("startsWith" | "endsWith" | "contains") "(" filter ")"
                         | "." ("exists" | "all") "(" name "," filter ")" }
    primary    = "swipe" "." name | "has" "(" "swipe" "." name ")" | name | whole number | text | "true" | "false"
               | "[" literal { "," literal } "]" | "(" filter ")"

Whatever is read here is CEL and means the same there. Left out on purpose: regular expressions, null, decimal numbers,
maps, indexes, conversions and escapes within texts. A filter is bounded in length, depth and terms.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Final

MOST_CHARACTERS: Final = 20_000
MOST_LEVELS: Final = 25
MOST_TERMS: Final = 150
LARGEST_NUMBER: Final = 2**63 - 1

Scalar = bool | int | str

SUBJECT: Final = "swipe"
COMPARISONS: Final = ("==", "!=", "<=", ">=", "<", ">")
TEXT_TESTS: Final = ("startsWith", "endsWith", "contains")
QUANTIFIERS: Final = ("exists", "all")

_RESERVED: Final = frozenset(
    re.findall(
        "[a-z]+",
        "as break const continue else false for function has if import in let loop namespace null package return "
        "swipe true var void while",
    )
)
_TOKEN: Final = re.compile(
    r"""[ \t\r\n\f]*(?:
        (?P<number>[0-9]+(?![0-9A-Za-z_.]))
      | (?P<name>[A-Za-z_][A-Za-z0-9_]*)
      | (?P<text>"[^"\\\x00-\x1f]*"|'[^'\\\x00-\x1f]*')
      | (?P<sign>&&|\|\||==|!=|<=|>=|[<>+\-*/%!?:()\[\],.])
      | (?P<end>\Z)
    )""",
    re.VERBOSE,
)


class FilterError(ValueError):
    """A filter that cannot be used: where in it, counted in characters from 1, and why."""

    def __init__(self, at: int, reason: str) -> None:
        super().__init__(f"character {at}: {reason}")


@dataclass(frozen=True, slots=True, kw_only=True)
class Node:
    """A part of a filter: the characters [start, end) of its text, counted from 0."""

    start: int
    end: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Written(Node):
    """A value as it is written."""

    value: Scalar


@dataclass(frozen=True, slots=True, kw_only=True)
class FieldOf(Node):
    """A field of the swipe."""

    name: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Variable(Node):
    """What an enclosing `exists` or `all` gives a name to."""

    name: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Has(Node):
    """Whether a field is known."""

    field: FieldOf


@dataclass(frozen=True, slots=True, kw_only=True)
class Choices(Node):
    """A list of literals, at least one; it may stand right of `in` only."""

    items: tuple[Written, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Unary(Node):
    """`!` or `-` before something."""

    sign: str
    operand: Node


@dataclass(frozen=True, slots=True, kw_only=True)
class Binary(Node):
    """Two things compared or calculated with; `sign` may be `in`."""

    sign: str
    left: Node
    right: Node


@dataclass(frozen=True, slots=True, kw_only=True)
class Joined(Node):
    """Two or more conditions, joined by `&&` or by `||`."""

    sign: str
    terms: tuple[Node, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Ternary(Node):
    """`condition ? one : other`."""

    condition: Node
    one: Node
    other: Node


@dataclass(frozen=True, slots=True, kw_only=True)
class TextTest(Node):
    """`text.startsWith(part)` and its like."""

    test: str
    text: Node
    part: Node


@dataclass(frozen=True, slots=True, kw_only=True)
class Quantified(Node):
    """`list.exists(name, condition)` or `list.all(name, condition)`."""

    kind: str
    of: Node
    variable: str
    condition: Node


@dataclass(frozen=True, slots=True)
class _Token:
    kind: str
    text: str
    start: int
    end: int


def parse(text: str) -> Node:
    """Returns the tree of a filter. Raises: FilterError, at the first character that cannot be read."""
    if len(text) > MOST_CHARACTERS:
        raise FilterError(MOST_CHARACTERS + 1, f"a filter has at most {MOST_CHARACTERS} characters")
    reader = _Reader(_tokens(text))
    node = reader.filter()
    reader.expect_end()
    return node


def _tokens(text: str) -> list[_Token]:
    tokens: list[_Token] = []
    place = 0
    while not tokens or tokens[-1].kind != "end":
        found = _TOKEN.match(text, place)
        if found is None or found.lastgroup is None:
            raise _unreadable(text, place)
        kind = found.lastgroup
        tokens.append(_Token(kind, found[kind], found.start(kind), found.end(kind)))
        place = found.end()
    return tokens


def _unreadable(text: str, place: int) -> FilterError:
    """Returns the error for what is no token, with a hint for what people write."""
    place += len(text[place:]) - len(text[place:].lstrip(" \t\r\n\f"))
    wrong = text[place]
    hints = {
        "=": "equality is written ==",
        "&": "and is written &&",
        "|": "or is written ||",
        '"': "a text ends with the quote it began with, on its line, and has no backslash",
        "'": "a text ends with the quote it began with, on its line, and has no backslash",
    }
    if wrong.isdigit():
        return FilterError(place + 1, "numbers are whole and written in digits: money is in fen")
    return FilterError(place + 1, hints.get(wrong, f"{wrong} means nothing here"))


class _Reader:
    """Reads tokens from left to right, a method a line of the grammar."""

    def __init__(self, tokens: Sequence[_Token]) -> None:
        self._tokens = tokens
        self._next = 0
        self._levels = 0
        self._terms = 0

    # ------------------------------------------------------------------------------------------------- tokens

    @property
    def _token(self) -> _Token:
        return self._tokens[self._next]

    def _take(self) -> _Token:
        self._next += 1
        return self._tokens[self._next - 1]

    def _take_if(self, *texts: str) -> _Token | None:
        return self._take() if self._is_next(*texts) else None

    def _is_next(self, *texts: str) -> bool:
        return self._token.kind in {"sign", "name"} and self._token.text in texts

    def _expect(self, text: str) -> _Token:
        if not self._is_next(text):
            raise self._wrong(f"{text} is missing")
        return self._take()

    def expect_end(self) -> None:
        """Raises: FilterError where something is left over."""
        if self._token.kind != "end":
            hint = {"and": "and is written &&", "or": "or is written ||", "not": "not is written !"}
            raise self._wrong(hint.get(self._token.text.lower(), f"{self._token.text} is not expected"))

    def _wrong(self, reason: str) -> FilterError:
        return FilterError(self._token.start + 1, reason)

    def _count_term(self) -> None:
        self._terms += 1
        if self._terms > MOST_TERMS:
            raise self._wrong(f"a filter has at most {MOST_TERMS} terms; many values are one term with in [...]")

    # ------------------------------------------------------------------------------------------------ grammar

    def filter(self) -> Node:
        """Reads a whole filter, or one in parentheses."""
        self._levels += 1
        if self._levels > MOST_LEVELS:
            raise self._wrong(f"parentheses are at most {MOST_LEVELS} deep")
        condition = self._joined("||", lambda: self._joined("&&", self._relation))
        if self._take_if("?"):
            one = self._joined("||", lambda: self._joined("&&", self._relation))
            self._expect(":")
            other = self.filter()
            condition = Ternary(start=condition.start, end=other.end, condition=condition, one=one, other=other)
        self._levels -= 1
        return condition

    def _joined(self, sign: str, read: Callable[[], Node]) -> Node:
        terms = [read()]
        while self._take_if(sign):
            terms.append(read())
        if len(terms) == 1:
            return terms[0]
        return Joined(start=terms[0].start, end=terms[-1].end, sign=sign, terms=tuple(terms))

    def _relation(self) -> Node:
        return self._chain(self._sum, *COMPARISONS, "in")

    def _sum(self) -> Node:
        return self._chain(self._product, "+", "-")

    def _product(self) -> Node:
        return self._chain(self._unary, "*", "/", "%")

    def _chain(self, read: Callable[[], Node], *signs: str) -> Node:
        left = read()
        while sign := self._take_if(*signs):
            right = read()
            left = Binary(start=left.start, end=right.end, sign=sign.text, left=left, right=right)
        return left

    def _unary(self) -> Node:
        sign = self._take_if("!", "-")
        if sign is None:
            return self._member()
        self._count_term()
        operand = self._unary() if self._is_next(sign.text) else self._member()
        return Unary(start=sign.start, end=operand.end, sign=sign.text, operand=operand)

    def _member(self) -> Node:
        node = self._primary()
        while self._take_if("."):
            method = self._take()
            if method.text in TEXT_TESTS:
                node = self._text_test(method.text, node)
            elif method.text in QUANTIFIERS:
                node = self._quantified(method.text, node)
            else:
                known = ", ".join((*TEXT_TESTS, *QUANTIFIERS))
                raise FilterError(method.start + 1, f"{method.text} is not offered; what may stand here is {known}")
        return node

    def _text_test(self, test: str, text: Node) -> Node:
        self._expect("(")
        part = self.filter()
        return TextTest(start=text.start, end=self._expect(")").end, test=test, text=text, part=part)

    def _quantified(self, kind: str, of: Node) -> Node:
        self._expect("(")
        variable = self._take()
        if variable.kind != "name" or variable.text in _RESERVED:
            raise FilterError(variable.start + 1, f"{kind} names each of the list first: {kind}(d, d == ...)")
        self._expect(",")
        condition = self.filter()
        end = self._expect(")").end
        return Quantified(start=of.start, end=end, kind=kind, of=of, variable=variable.text, condition=condition)

    def _primary(self) -> Node:
        self._count_term()
        if self._is_next(SUBJECT):
            return self._field()
        if self._is_next("has"):
            return self._has()
        if opening := self._take_if("("):
            return replace(self.filter(), start=opening.start, end=self._expect(")").end)
        if self._is_next("["):
            return self._choices()
        if self._token.kind == "name" and self._token.text not in _RESERVED:
            return self._variable()
        return self._literal()

    def _field(self) -> FieldOf:
        subject = self._expect(SUBJECT)
        self._expect(".")
        name = self._take()
        if name.kind != "name":
            raise FilterError(name.start + 1, "the name of a field is missing after swipe.")
        return FieldOf(start=subject.start, end=name.end, name=name.text)

    def _has(self) -> Has:
        start = self._take().start
        self._expect("(")
        field = self._field()
        return Has(start=start, end=self._expect(")").end, field=field)

    def _choices(self) -> Choices:
        start = self._expect("[").start
        items = [self._literal()]
        while self._take_if(","):
            items.append(self._literal())
        return Choices(start=start, end=self._expect("]").end, items=tuple(items))

    def _variable(self) -> Variable:
        name = self._take()
        if self._is_next("("):
            raise FilterError(name.start + 1, f"{name.text} is not offered")
        return Variable(start=name.start, end=name.end, name=name.text)

    def _literal(self) -> Written:
        token = self._take()
        if token.kind == "number":
            if int(token.text) > LARGEST_NUMBER:
                raise FilterError(token.start + 1, f"numbers are at most {LARGEST_NUMBER}")
            return Written(start=token.start, end=token.end, value=int(token.text))
        if token.kind == "text":
            return Written(start=token.start, end=token.end, value=token.text[1:-1])
        if token.kind == "name" and token.text in {"true", "false"}:
            return Written(start=token.start, end=token.end, value=token.text == "true")
        raise FilterError(token.start + 1, "a field (swipe.…), a number, a text, true or false is missing here")

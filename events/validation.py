"""What is wrong with written configuration, in words that name the key, the value and what is allowed."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence

from msgspec import inspect

from events.errors import ConfigError

_UNKNOWN_FIELD = re.compile("unknown field `([^`]*)`")
_STEP = re.compile(r"\[(\d+)\]|\.([^.\[]+)")
_Step = int | str


def config_error(source: str, prefix: str, written: object, kind: object, message: str) -> ConfigError:
    """Returns the error that msgspec's message about `written` stands for.

    Args:
        source: the file, or wherever the value came from.
        prefix: the key of `written` itself, empty at the top of a file.
        written: what msgspec was given.
        kind: the type it was to become.
        message: of msgspec.ValidationError; it ends in the path of what is wrong.
    """
    allowed, _, place = message.partition(" - at `$")
    steps: list[_Step] = [int(number) if number else name for number, name in _STEP.findall(place.rstrip("`"))]
    value = _value_at(written, steps)
    unknown = _UNKNOWN_FIELD.search(allowed)
    if unknown is not None and isinstance(value, Mapping):
        key = _key(prefix, [*steps, unknown[1]])
        return ConfigError(source, key, value.get(unknown[1]), "there is no such setting")
    choices = _choices(inspect.type_info(kind), steps)
    if choices and allowed.startswith("Invalid"):
        allowed = f"one of {', '.join(map(str, choices))}"
    return ConfigError(source, _key(prefix, steps), value, allowed)


def _key(prefix: str, steps: Sequence[_Step]) -> str:
    path = "".join(f"[{step}]" if isinstance(step, int) else f".{step}" for step in steps)
    return (prefix + path).removeprefix(".") or "file"


def _value_at(written: object, steps: Sequence[_Step]) -> object:
    value = written
    for step in steps:
        if isinstance(step, int) and isinstance(value, list | tuple):
            value = value[step]
        elif isinstance(value, Mapping):
            value = value.get(step)
    return value


def _choices(kind: inspect.Type, steps: Sequence[_Step]) -> tuple[object, ...]:
    """Returns the values that the type at the end of the steps allows, if they are listed; else nothing."""
    if isinstance(kind, inspect.UnionType):
        return next((found for one in kind.types if (found := _choices(one, steps))), ())
    if not steps:
        return tuple(kind.values) if isinstance(kind, inspect.LiteralType) else ()
    step, *rest = steps
    if isinstance(kind, inspect.StructType):
        return next((_choices(one.type, rest) for one in kind.fields if one.encode_name == step), ())
    inner = getattr(kind, "item_type", None)
    return () if inner is None else _choices(inner, rest)

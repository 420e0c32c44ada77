"""Plants a fault into the running product: the code of one function, or one constant, is exchanged for the faulty one.

Whoever has imported the function has the fault too, as if it stood in the source. A process with a fault in it is good
for nothing else.
"""

from __future__ import annotations

import ast
import importlib
import inspect
import sys
from collections.abc import Iterator
from functools import cached_property
from types import CodeType, FunctionType, ModuleType
from typing import Any

import numpy as np

from detectors.windows import Int64s, Texts
from tests.mutants.faults import Fault, faulty_tree


def plant(fault: Fault) -> None:
    """Afterwards this process has the fault in it."""
    tree = faulty_tree(fault)
    module = importlib.import_module(fault.file.removesuffix(".py").replace("/", "."))
    vars(module).update(_descending=Descending, _descending_ids=descending_ids, _ties_reversed=ties_reversed)
    path = fault.function.split(".")
    if len(path) == 1 and not inspect.isfunction(inspect.unwrap(getattr(module, path[0]))):
        _exchange_constant(module, path[0], _value_of(tree, path[0], module))
        return
    codes = {code.co_qualname: code for code in _codes_in(compile(tree, fault.file, "exec"))}
    _function_of(module, path).__code__ = codes[fault.function]


def _codes_in(code: CodeType) -> Iterator[CodeType]:
    """Yields all the code in a piece of code; of one name the first is the one that others lie in."""
    for inner in code.co_consts:
        if isinstance(inner, CodeType):
            yield from _codes_in(inner)
            yield inner


def _function_of(module: ModuleType, path: list[str]) -> FunctionType:
    holder: Any = module
    for name in path:
        holder = inspect.getattr_static(holder, name)
    if isinstance(holder, property):
        holder = holder.fget
    if isinstance(holder, cached_property):
        holder = holder.func
    function = inspect.unwrap(getattr(holder, "__func__", holder))
    assert isinstance(function, FunctionType)
    return function


def _value_of(tree: ast.Module, name: str, module: ModuleType) -> object:
    for node in tree.body:
        target = node.targets[0] if isinstance(node, ast.Assign) else getattr(node, "target", None)
        if isinstance(target, ast.Name) and target.id == name:
            return eval(compile(ast.Expression(node.value), name, "eval"), vars(module))  # type: ignore[attr-defined] # noqa: S307 - our own source
    raise LookupError(name)


def _exchange_constant(module: ModuleType, name: str, value: object) -> None:
    """Puts a constant in the place of another, wherever that was imported to."""
    other = getattr(module, name)
    for place in list(sys.modules.values()):
        if place.__name__.split(".")[0] in {"detectors", "streams"} and getattr(place, name, None) is other:
            setattr(place, name, value)


# ------------------------------------------------------------------------------------------------ words of planted code


class Descending(str):
    """A text that comes before the lesser ones."""

    __slots__ = ()

    def __lt__(self, other: str) -> bool:
        return str.__gt__(self, other)

    def __gt__(self, other: str) -> bool:
        return str.__lt__(self, other)


def descending_ids(ids: Texts) -> Int64s:
    """Returns numbers that sort as the ids do from the greatest to the least."""
    return -np.unique(ids.astype(str), return_inverse=True)[1].astype(np.int64)


def ties_reversed(values: Any) -> Int64s:
    """Returns the order of the values in which the last of equal ones comes first."""
    column = np.asarray(values)
    return len(column) - 1 - np.argsort(column[::-1], kind="stable").astype(np.int64)

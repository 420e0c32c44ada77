"""The brute force is worth comparing with only while it shares no code with the product."""

from __future__ import annotations

import ast
import sys
from pathlib import Path

import pytest

FILES = sorted(Path(__file__).parent.glob("*.py"))


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.name)
def test_brute_force_imports_nothing_but_itself_and_the_standard_library(path):
    imported = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            imported |= {name.name for name in node.names}
        elif isinstance(node, ast.ImportFrom):
            imported.add(node.module or "")
    own = {name for name in imported if name == "tests.brute_force" or name.startswith("tests.brute_force.")}
    assert {name.partition(".")[0] for name in imported - own} <= sys.stdlib_module_names | {"pytest"}

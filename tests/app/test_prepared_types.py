"""What is decoded for the first time by several threads at once."""

from __future__ import annotations

import subprocess
import sys

from tests.app.running import CHECKOUT

RACE = """
import sys, threading, types
import msgspec
from events.prepared_types import prepare_types

sys.setswitchinterval(1e-6)
source = [
    "from __future__ import annotations",
    "import msgspec",
    "from typing import Literal",
    "class Inner(msgspec.Struct, frozen=True, tag='inner'):",
    *(f"    f{n}: int | None = None" for n in range(20)),
    "class Outer(msgspec.Struct, frozen=True):",
    "    all: list[Inner | None] | None = None",
    *(f"    g{n}: Inner | None = None" for n in range(20)),
    *(f"    h{n}: Literal['x', 'y'] | None = None" for n in range(20)),
]
body = b"{" + b",".join(b'"g%d":{"f1":1},"h%d":"x"' % (n, n) for n in range(20)) + b"}"
for turn in range(60):
    module = sys.modules["made"] = types.ModuleType("made")
    exec(chr(10).join(source), module.__dict__)
    prepare_types()
    starts = threading.Barrier(3)

    def decode():
        starts.wait()
        for _ in range(20):
            msgspec.json.decode(body, type=module.Outer)

    threads = [threading.Thread(target=decode) for _ in range(3)]
    [one.start() for one in threads]
    [one.join() for one in threads]
print("decoded")
"""


def test_types_that_were_prepared_may_be_decoded_first_by_several_threads_at_once():
    done = subprocess.run(
        [sys.executable, "-c", RACE], cwd=CHECKOUT, capture_output=True, text=True, timeout=60, check=False
    )
    assert (done.returncode, done.stdout) == (0, "decoded\n"), done.stderr

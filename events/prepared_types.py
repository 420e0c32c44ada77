"""Types that are looked into before there are threads.

msgspec looks into a Struct when it is first decoded, and a second thread that decodes it meanwhile ends the process:
seen with 0.22.0, a null pointer in its C code.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import suppress

import msgspec


def prepare_types() -> None:
    """Whoever starts threads calls it before: afterwards any of them may decode any Struct that is imported by now."""
    for kind in _kinds_of(msgspec.Struct):
        with suppress(TypeError):  # one that is never decoded, with fields of which msgspec knows nothing
            msgspec.json.Decoder(kind)


def _kinds_of(kind: type[msgspec.Struct]) -> Iterator[type[msgspec.Struct]]:
    for one in kind.__subclasses__():
        yield one
        yield from _kinds_of(one)

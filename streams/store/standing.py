"""The findings that stand, by the key of the scope that judges them."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import cast

import msgspec
import numpy as np

from detectors.rule import Scope
from events.findings import Finding, finding_json
from streams.store.files import Files
from streams.store.key_index import hash_of
from streams.touched import ScopeKey

_DECODER = msgspec.json.Decoder(Finding)
_ENTRY = msgspec.msgpack.Decoder(tuple[str, str, bytes])


class StandingFindings:
    """What was last said of each finding: its JSON line, or nothing where it was withdrawn."""

    def __init__(self, files: Files) -> None:
        self._anchor_ms, self._said = files.column("finding_anchor", "i8"), files.blobs("finding")
        self._index = files.index("by_finding_key")

    def of(self, scope: Scope, keys: Sequence[ScopeKey]) -> dict[ScopeKey, dict[str, tuple[int, bytes]]]:
        """Returns for each key its standing findings: finding_id → (time, JSON line)."""
        found: dict[ScopeKey, dict[str, tuple[int, bytes]]] = {}
        if len(self._anchor_ms) == 0:
            return found
        texts = [_text(scope, key) for key in keys]
        owner, row = self._index.find([hash_of(text) for text in texts])
        order = np.argsort(row, kind="stable")
        owner, row = owner[order], row[order]
        anchors_ms = self._anchor_ms.values[row].tolist()
        for number, anchor_ms, packed in zip(owner.tolist(), anchors_ms, self._said.at(row), strict=True):
            text, finding_id, line = _ENTRY.decode(packed)
            if text != texts[number]:
                continue
            standing = found.setdefault(keys[number], {})
            if line:
                standing[finding_id] = (anchor_ms, line)
            else:
                standing.pop(finding_id, None)
        return found

    def raise_(self, scope: Scope, key: ScopeKey, findings: Sequence[Finding]) -> None:
        """Afterwards these findings stand under the key."""
        lines = [(finding.finding_id, finding.occurred_at_ms, finding_json(finding)) for finding in findings]
        self._say(_text(scope, key), lines)

    def withdraw(self, scope: Scope, key: ScopeKey, findings: Sequence[Finding]) -> None:
        """Afterwards these findings stand no longer."""
        self._say(_text(scope, key), [(finding.finding_id, finding.occurred_at_ms, b"") for finding in findings])

    def all(self) -> Iterator[Finding]:
        """Yields every finding that stands, in no particular order."""
        return (_DECODER.decode(line) for _, line in self._latest().values() if line)

    def keep(self, other: StandingFindings, frozen_before_ms: Callable[[Scope], int]) -> None:
        """Takes over the findings that stand and whose anchors may still change."""
        for (text, finding_id), (anchor_ms, line) in other._latest().items():
            if line and anchor_ms >= frozen_before_ms(cast("Scope", text.partition("\x00")[0])):
                self._say(text, [(finding_id, anchor_ms, line)])

    def _latest(self) -> dict[tuple[str, str], tuple[int, bytes]]:
        """Returns the time and the line last said of each finding under each key."""
        latest: dict[tuple[str, str], tuple[int, bytes]] = {}
        packed = self._said.at(np.arange(len(self._said)))
        for anchor_ms, one in zip(self._anchor_ms.values.tolist(), packed, strict=True):
            text, finding_id, line = _ENTRY.decode(one)
            latest[text, finding_id] = (anchor_ms, line)
        return latest

    def _say(self, text: str, lines: Sequence[tuple[str, int, bytes]]) -> None:
        self._index.add([hash_of(text)] * len(lines), len(self._anchor_ms))
        self._anchor_ms.extend([anchor_ms for _, anchor_ms, _ in lines])
        self._said.extend([msgspec.msgpack.encode((text, finding_id, line)) for finding_id, _, line in lines])


def _text(scope: Scope, key: ScopeKey) -> str:
    return scope + "\x00" + (key if isinstance(key, str) else "\x00".join(map(str, key)))


def decode_line(line: bytes) -> Finding:
    """Returns the finding of a JSON line."""
    return _DECODER.decode(line)

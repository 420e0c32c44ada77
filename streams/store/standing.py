"""The findings that stand, by the key of the scope that judges them."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

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
        standing: dict[tuple[str, str], bytes] = {}
        for packed in self._said.at(np.arange(len(self._said))):
            text, finding_id, line = _ENTRY.decode(packed)
            standing[text, finding_id] = line
        return (_DECODER.decode(line) for line in standing.values() if line)

    def _say(self, text: str, lines: Sequence[tuple[str, int, bytes]]) -> None:
        self._index.add([hash_of(text)] * len(lines), len(self._anchor_ms))
        self._anchor_ms.extend([anchor_ms for _, anchor_ms, _ in lines])
        self._said.extend([msgspec.msgpack.encode((text, finding_id, line)) for finding_id, _, line in lines])


def _text(scope: Scope, key: ScopeKey) -> str:
    return scope + "\x00" + (key if isinstance(key, str) else "\x00".join(map(str, key)))


def decode_line(line: bytes) -> Finding:
    """Returns the finding of a JSON line."""
    return _DECODER.decode(line)

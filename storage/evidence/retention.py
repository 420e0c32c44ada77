"""What of the evidence goes: its time up, the disk nearly full, no row names the file, or its swipe's holder erased."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Final, NamedTuple

import msgspec
from sqlalchemy import Select, Text, cast, literal, null, select, tuple_, union_all

from events.errors import TransientError
from events.findings import SEVERITIES, Severity, severity_rank
from storage.database import Database
from storage.evidence.citations import Citation, citations, graver
from storage.evidence.kept_files import KeptFiles, KindName
from storage.evidence.removals import Reason, Removal, note_removal
from storage.log import chunks
from storage.models import StillRow

LOOKED_AT_ONCE: Final = 500
SWIPES_AT_ONCE: Final = 200
FREED_AT_ONCE: Final = 20
"""Between so many deletions it is asked whether there is room enough."""
NO_ALERT: Final = -1


class KeepingTimes(msgspec.Struct, frozen=True, kw_only=True):
    """How long evidence is kept after what it shows; that of an alert by its severity, and never for less."""

    still_ms: int
    film_ms: int
    alerted_ms: Mapping[Severity, int]

    def of(self, kind: KindName, cited: Citation | None) -> int:
        """Returns the time in milliseconds."""
        least_ms = self.still_ms if kind == "still" else self.film_ms
        return least_ms if cited is None else max(least_ms, self.alerted_ms[cited.severity])


class Piece(msgspec.Struct, frozen=True, kw_only=True):
    """One file of evidence, with the gravest of what cites it."""

    kind: KindName
    file_id: str
    shown_at_ms: int
    size_bytes: int
    cited: Citation | None


class Swept(msgspec.Struct, frozen=True, kw_only=True):
    """How many files of each kind went, and how many stay because an alert cites them."""

    removed: Mapping[KindName, int]
    cited: Mapping[KindName, int]


class Worth(NamedTuple):
    """How much evidence is worth when room is short: the smallest goes first."""

    waits: bool
    severity: int
    is_still: bool


WORTHS: Final = tuple(
    Worth(waits, severity, is_still)
    for waits, severities in ((False, range(NO_ALERT, len(SEVERITIES))), (True, range(len(SEVERITIES))))
    for severity in severities
    for is_still in (False, True)
)
"""Without an alert, of alerts that are done, of alerts that wait; each from low to critical, films before pictures."""


class EvidenceRetention:
    """Deletes evidence of all kinds; each deletion is on record in the transaction that takes its row.

    Raises: TransientError, from every method, if the disk or the database does not let go; again goes on from there.
    """

    def __init__(self, database: Database, kept: Collection[KeptFiles]) -> None:
        self._database = database
        self._kept = {one.kind.name: one for one in kept}

    def remove_expired(self, times: KeepingTimes, now_ms: int) -> None:
        """Afterwards nothing is kept whose time is up."""
        for name in self._kept:
            for page in self._pages((name,), before_ms=now_ms - times.of(name, None)):
                over = [one for one in page if one.shown_at_ms < now_ms - times.of(name, one.cited)]
                self._remove(over, "time_up", now_ms)

    def make_room(self, is_enough: Callable[[], bool], now_ms: int) -> bool:
        """Returns whether there is room enough: the least valuable was deleted until then, the oldest of it first.

        What an alert cites that still waits for somebody goes only after everything else.
        """
        for worth in WORTHS:
            names = tuple(name for name in self._kept if (name == "still") is worth.is_still)
            for page in self._pages(names):
                least = [one for one in page if _worth_of(one) == worth]
                for start in range(0, len(least), FREED_AT_ONCE):
                    if is_enough():
                        return True
                    self._remove(least[start : start + FREED_AT_ONCE], "disk_full", now_ms)
        return is_enough()

    def remove_unnamed(self, grace_s: float, now_ms: int) -> int:
        """Returns how many files no row names and are left all the same; those older than the grace time are gone.

        Where they are more than those that rows name, they are left: the database is hardly the one they belong to.
        """
        left, before_s = 0, time.time() - grace_s
        for kept in self._kept.values():
            named_count, unnamed = _sorted_out(kept, before_s)
            if len(unnamed) > named_count:
                left += len(unnamed)
            elif unnamed:
                self._unlink(kept.kind.name, [one for one in unnamed if _written_before(one, before_s)], now_ms)
        return left

    def remove_of_swipes(self, settlement_ids: Collection[str], now_ms: int) -> Swept:
        """Returns what was kept of the swipes: all is gone but what an alert cites."""
        removed: Counter[KindName] = Counter()
        cited: Counter[KindName] = Counter()
        for some in chunks(settlement_ids, SWIPES_AT_ONCE):
            of_these = [_rows_of(kept).where(kept.kind.columns.settlement_id.in_(some)) for kept in self._kept.values()]
            pieces = self._found(of_these)
            going = [one for one in pieces if one.cited is None]
            self._remove(going, "erased", now_ms)
            removed.update(one.kind for one in going)
            cited.update(one.kind for one in pieces if one.cited is not None)
        return Swept(removed=dict(removed), cited=dict(cited))

    def _remove(self, pieces: Sequence[Piece], reason: Reason, now_ms: int) -> None:
        for name, kept in self._kept.items():
            own = [one for one in pieces if one.kind == name]
            if not own:
                continue
            for one in own:
                kept.files.remove(one.file_id)
            removal = Removal(
                at_ms=now_ms,
                kind=name,
                reason=reason,
                file_count=len(own),
                size_bytes=sum(one.size_bytes for one in own),
                oldest_ms=min(one.shown_at_ms for one in own),
                newest_ms=max(one.shown_at_ms for one in own),
            )
            with self._database.session() as session:
                cited = [one.file_id for one in own if one.cited is not None]
                kept.forget(session, [one.file_id for one in own], cited, now_ms)
                note_removal(session, removal)

    def _unlink(self, name: KindName, files: Sequence[Path], now_ms: int) -> None:
        size_bytes = 0
        try:
            for path in files:
                size_bytes += path.stat().st_size
                path.unlink()
        except OSError as error:
            raise TransientError(f"a {name} that no row names could not be deleted: {error.strerror}") from error
        removal = Removal(
            at_ms=now_ms,
            kind=name,
            reason="unnamed",
            file_count=len(files),
            size_bytes=size_bytes,
            oldest_ms=None,
            newest_ms=None,
        )
        with self._database.session() as session:
            note_removal(session, removal)

    def _pages(self, names: Collection[KindName], before_ms: int | None = None) -> Iterator[list[Piece]]:
        """Yields what is kept of some kinds, the oldest first; a page may be deleted before the next is asked for."""
        after: tuple[int, str] | None = None
        while page := self._page(names, before_ms, after):
            after = (page[-1].shown_at_ms, page[-1].file_id)
            yield page

    def _page(self, names: Collection[KindName], before_ms: int | None, after: tuple[int, str] | None) -> list[Piece]:
        return self._found([_page_of(self._kept[name], before_ms, after) for name in names], LOOKED_AT_ONCE)

    def _found(self, queries: Sequence[Select[Any]], limit: int | None = None) -> list[Piece]:
        rows_of = union_all(*queries).subquery()
        query = select(rows_of).order_by(rows_of.c.shown_at_ms, rows_of.c.file_id).limit(limit)
        with self._database.read() as session:
            rows = session.execute(query).all()
            ids = {one for row in rows for one in (row.settlement_id, row.observation_id) if one is not None}
            cited = citations(session, ids)
        return [
            Piece(
                kind=row.kind,
                file_id=row.file_id,
                shown_at_ms=row.shown_at_ms,
                size_bytes=row.size_bytes,
                cited=graver(cited.get(row.settlement_id), cited.get(row.observation_id)),
            )
            for row in rows
        ]


def _rows_of(kept: KeptFiles) -> Select[Any]:
    """Returns the query for what is kept of a kind, with the columns that all kinds have."""
    kind, columns = kept.kind, kept.kind.columns
    observation = columns.observation_id if kind.table is StillRow else cast(null(), Text)
    return select(
        literal(kind.name).label("kind"),
        kind.file_id.label("file_id"),
        kind.shown_at_ms.label("shown_at_ms"),
        columns.size_bytes.label("size_bytes"),
        columns.settlement_id.label("settlement_id"),
        observation.label("observation_id"),
    ).where(columns.removed_at_ms.is_(None))


def _page_of(kept: KeptFiles, before_ms: int | None, after: tuple[int, str] | None) -> Select[Any]:
    """Returns the query for the oldest that is kept of a kind, behind what was looked at."""
    kind = kept.kind
    query = _rows_of(kept).order_by(kind.shown_at_ms, kind.file_id).limit(LOOKED_AT_ONCE)
    if before_ms is not None:
        query = query.where(kind.shown_at_ms < before_ms)
    if after is not None:
        query = query.where(tuple_(kind.shown_at_ms, kind.file_id) > after)
    return select(query.subquery())


def _worth_of(piece: Piece) -> Worth:
    if piece.cited is None:
        return Worth(waits=False, severity=NO_ALERT, is_still=piece.kind == "still")
    return Worth(piece.cited.is_waiting, severity_rank(piece.cited.severity), piece.kind == "still")


def _sorted_out(kept: KeptFiles, before_s: float) -> tuple[int, list[Path]]:
    """Returns how many files rows name, and those that none does and that were last written before then.

    Raises: TransientError if the folder cannot be read.
    """
    named_count, unnamed = 0, []
    try:
        for folder in kept.files.folders():
            paths = [path for path in folder.iterdir() if path.is_file()]
            named = kept.named([path.stem for path in paths if path.suffix == ".enc"])
            named_count += len(named)
            unnamed += [
                path
                for path in paths
                if not (path.suffix == ".enc" and path.stem in named) and _written_before(path, before_s)
            ]
    except OSError as error:
        raise TransientError(f"the folder of {kept.kind.name}s could not be read: {error.strerror}") from error
    return named_count, unnamed


def _written_before(path: Path, before_s: float) -> bool:
    try:
        return path.stat().st_mtime < before_s
    except FileNotFoundError:  # deleted or renamed meanwhile
        return False

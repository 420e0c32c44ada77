"""The rules that a product keeps: every version that was ever in force, in its database; and how new ones come in."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path

import msgspec
import structlog

from app.rule_files import RuleFile, parse_rules, rulebook_of_files
from detectors.catalogue import Rulebook, Ruleset, first_difference_ms
from storage.database import Database
from storage.rule_versions import Origin, RuleVersions, StoredVersion, timeline

AT_THE_START = "swipewatch"
"""Who stored what came in when the product started."""

_log = structlog.get_logger()


class KeptRules:
    """The versions in the database, read and validated. Several processes may have one; one is for one thread."""

    def __init__(self, database: Database) -> None:
        self._versions = RuleVersions(database)
        self._read: dict[int, Ruleset] = {}

    def latest_number(self) -> int:
        """Returns the number of the version that was stored last, or 0."""
        return self._versions.latest_number()

    def timeline(self) -> list[StoredVersion]:
        """Returns the versions that are, were or will be in force, by time."""
        return timeline(self._versions.stored())

    def rulebook(self) -> Rulebook:
        """Returns the rules of all time. Raises: ConfigError for a version that this swipewatch cannot read."""
        return self._rulebook_of(self.timeline())

    def ruleset_of(self, stored: StoredVersion) -> Ruleset:
        """Returns what a version says. Raises: ConfigError when this swipewatch cannot read it."""
        known = self._read.get(stored.number)
        if known is None:
            said = parse_rules(stored.content, f"rule version {stored.number} in the database")
            known = msgspec.structs.replace(said, effective_from_ms=stored.effective_from_ms)
            self._read[stored.number] = known
        return known

    def store(self, file: RuleFile, since_ms: int, origin: Origin, now_ms: int, by: str, note: str = "") -> None:
        """Afterwards the rules are in force from that time on."""
        self._versions.append([_written(file, since_ms, origin, now_ms, by, note)])

    def take_in(self, files: Sequence[RuleFile], path: Path, *, given: bool, now_ms: int) -> None:
        """Afterwards the rules that the product is started with are in force, if they are news.

        The first are in force for all time, later ones from now on, those of a folder from the times that they say.
        Rules that are as they were at the start before change nothing: what commands have put into force since stays.
        Those that ship give way to any that somebody named.
        """
        stored = self._versions.stored()
        if not given:
            news = self._shipped_news(files[0], stored, now_ms)
        elif path.is_dir():
            news = self._folder_news(files, path, stored, now_ms)
        else:
            news = self._file_news(files[0], stored, now_ms)
        self._versions.append(news)
        for one in news:
            _log.info("rules.taken_in", version=one.version, effective_from_ms=one.effective_from_ms, origin=one.origin)
        in_force = self.timeline()[-1]
        if given and not news and in_force.origin == "command":
            _log.warning("rules.overruled", version=in_force.version, given=files[-1].ruleset.version)

    def _shipped_news(self, file: RuleFile, stored: Sequence[StoredVersion], now_ms: int) -> list[StoredVersion]:
        if any(one.origin != "shipped" for one in stored):
            return []
        return self._unless_last(file, stored, "shipped", now_ms)

    def _file_news(self, file: RuleFile, stored: Sequence[StoredVersion], now_ms: int) -> list[StoredVersion]:
        news = self._unless_last(file, [one for one in stored if one.origin == "file"], "file", now_ms)
        return [msgspec.structs.replace(one, effective_from_ms=now_ms if stored else 0) for one in news]

    @staticmethod
    def _unless_last(
        file: RuleFile, of_origin: Sequence[StoredVersion], origin: Origin, now_ms: int
    ) -> list[StoredVersion]:
        if of_origin and of_origin[-1].version == file.ruleset.version:
            return []
        return [_written(file, now_ms if of_origin else 0, origin, now_ms, AT_THE_START, file.source)]

    def _folder_news(
        self, files: Sequence[RuleFile], path: Path, stored: Sequence[StoredVersion], now_ms: int
    ) -> list[StoredVersion]:
        """Returns what makes the stored versions judge as the folder's do; nothing if it is as it was before."""
        wanted = rulebook_of_files(files, path)
        before = timeline(one for one in stored if one.origin == "file")
        if before and first_difference_ms(self._rulebook_of(before), wanted) is None:
            return []
        since_ms = first_difference_ms(self._rulebook_of(timeline(stored)), wanted) if stored else 0
        if since_ms is None:
            since_ms = files[-1].ruleset.effective_from_ms
        starts = sorted({since_ms, *(start for start in wanted.version_starts if start > since_ms)})
        return [
            _written(file, start_ms, "file", now_ms, AT_THE_START, file.source)
            for start_ms in starts
            for file in files
            if (ruleset := wanted.in_force_at(start_ms)) is not None and file.ruleset is ruleset
        ]

    def _rulebook_of(self, stored: Iterable[StoredVersion]) -> Rulebook:
        return Rulebook(versions=tuple(self.ruleset_of(one) for one in stored))


def _written(file: RuleFile, since_ms: int, origin: Origin, now_ms: int, by: str, note: str) -> StoredVersion:
    return StoredVersion(
        version=file.ruleset.version,
        effective_from_ms=since_ms,
        content=file.content,
        origin=origin,
        stored_at_ms=now_ms,
        stored_by=by,
        note=note,
    )

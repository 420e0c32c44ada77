from __future__ import annotations

from collections.abc import Iterator

import pytest

from storage.database import Database
from storage.errors import DatabaseUnavailable
from storage.rule_versions import RuleVersions, StoredVersion, timeline


def version(name: str, since_ms: int, note: str = "") -> StoredVersion:
    return StoredVersion(
        version=name,
        effective_from_ms=since_ms,
        content=f"# {name}",
        origin="command",
        stored_at_ms=7,
        stored_by="chen",
        note=note,
    )


def told(*stored: StoredVersion) -> list[tuple[str, int]]:
    return [(one.version, one.effective_from_ms) for one in timeline(stored)]


def test_versions_are_kept_in_the_order_in_which_they_were_stored(database):
    versions = RuleVersions(database)
    assert versions.latest_number() == 0
    versions.append([version("b", 5), version("a", 1, "why")])
    versions.append([version("b", 9)])
    stored = versions.stored()
    assert [(one.number, one.version) for one in stored] == [(1, "b"), (2, "a"), (3, "b")]
    assert versions.latest_number() == 3
    assert (stored[1].content, stored[1].stored_by, stored[1].stored_at_ms, stored[1].note) == ("# a", "chen", 7, "why")


def test_of_several_versions_all_are_stored_or_none(database: Database) -> None:
    versions = RuleVersions(database)

    def some() -> Iterator[StoredVersion]:
        yield version("a", 0)
        raise DatabaseUnavailable("gone")

    with pytest.raises(DatabaseUnavailable):
        versions.append(some())
    assert versions.stored() == []


def test_the_timeline_is_what_was_stored_by_time():
    assert told() == []
    assert told(version("a", 0), version("b", 5), version("a", 9)) == [("a", 0), ("b", 5), ("a", 9)]


def test_what_is_stored_later_holds_from_its_time_on():
    assert told(version("a", 0), version("planned", 50), version("b", 20)) == [("a", 0), ("b", 20)]
    assert told(version("a", 0), version("b", 20), version("c", 20)) == [("a", 0), ("c", 20)]
    assert told(version("a", 10), version("b", 20), version("c", 0)) == [("c", 0)]

"""What of the evidence goes, in which order, and what is said of it."""

from __future__ import annotations

import os
import time
from pathlib import Path

import pytest

from storage.evidence.removals import Removals
from storage.evidence.retention import EvidenceRetention, KeepingTimes
from tests.alerts.builders import NOON_MS
from tests.storage.shown import CLIP_BYTES, DAY_MS, ORIGINAL_BYTES, STILL_BYTES, Shown

TIMES = KeepingTimes(
    still_ms=30 * DAY_MS,
    film_ms=7 * DAY_MS,
    alerted_ms={"low": 90 * DAY_MS, "medium": 180 * DAY_MS, "high": 365 * DAY_MS, "critical": 730 * DAY_MS},
)
HOUR_S = 3_600.0


@pytest.fixture
def shown(database, tmp_path):
    return Shown(database, tmp_path / "data")


@pytest.fixture
def retention(shown):
    return EvidenceRetention(shown.database, shown.kept)


def all_of(*settlements: str) -> set[str]:
    return {f"{kind} {one}" for one in settlements for kind in ("still", "clip", "original")}


def days_ago(days: int) -> int:
    return NOON_MS - days * DAY_MS


def test_films_go_after_their_time_and_pictures_after_theirs(shown, retention):
    for days in (6, 8, 31):
        shown.swipe(f"S-{days}", days_ago(days))
    retention.remove_expired(TIMES, NOON_MS)
    assert shown.left() == all_of("S-6") | {"still S-8"}
    assert shown.rows() == 4


def test_the_moment_at_which_the_time_is_up_is_still_within_it(shown, retention):
    shown.swipe("S-edge", days_ago(7))
    shown.swipe("S-over", days_ago(7) - 1)
    retention.remove_expired(TIMES, NOON_MS)
    assert shown.left() == all_of("S-edge") | {"still S-over"}


@pytest.mark.parametrize(("severity", "days"), [("low", 90), ("critical", 730)])
def test_what_an_alert_cites_is_kept_by_its_severity_and_its_row_says_afterwards_that_it_was(
    shown, retention, severity, days
):
    shown.swipe("SETTLEMENT-YOUNG", days_ago(days))
    shown.swipe("SETTLEMENT-OLD-ENOUGH", days_ago(days + 1))
    shown.alert("SETTLEMENT-YOUNG", severity)
    shown.alert("SETTLEMENT-OLD-ENOUGH", severity)
    retention.remove_expired(TIMES, NOON_MS)
    assert shown.left() == all_of("SETTLEMENT-YOUNG")
    assert shown.rows() == 6
    (clip,) = shown.clips.for_settlement("SETTLEMENT-OLD-ENOUGH")
    (original,) = shown.originals.for_settlement("SETTLEMENT-OLD-ENOUGH")
    assert (clip.state, clip.removed_at_ms) == (original.state, original.removed_at_ms) == ("removed", NOON_MS)
    retention.remove_expired(TIMES, NOON_MS)
    assert [one.file_count for one in Removals(shown.database).of(NOON_MS)] == [1, 1, 1]


def test_a_swipe_that_an_alert_weeks_later_cites_is_kept_as_long_as_the_alerts_own(shown, retention):
    shown.swipe("SETTLEMENT-CITED", days_ago(20))
    shown.swipe("SETTLEMENT-OTHER", days_ago(20))
    shown.swipe("SETTLEMENT-ANCHOR", NOON_MS)
    shown.alert("SETTLEMENT-ANCHOR", "medium", ("SETTLEMENT-CITED",))
    retention.remove_expired(TIMES, NOON_MS)
    assert shown.left() == all_of("SETTLEMENT-CITED", "SETTLEMENT-ANCHOR") | {"still SETTLEMENT-OTHER"}


def test_a_picture_whose_observation_an_alert_cites_is_kept(shown, retention):
    shown.swipe("SETTLEMENT-SEEN", days_ago(40))
    shown.alert("SETTLEMENT-ANCHOR", "medium", ("observation-of-SETTLEMENT-SEEN",))
    retention.remove_expired(TIMES, NOON_MS)
    assert shown.left() == {"still SETTLEMENT-SEEN"}


def test_a_swipe_whose_id_only_ends_like_a_cited_one_is_not_kept_for_it(shown, retention):
    shown.swipe("P1-20260101-000000000001", days_ago(40))
    shown.alert("P2-20260101-000000000001", "critical")
    retention.remove_expired(TIMES, NOON_MS)
    assert shown.left() == set()


def test_the_gravest_of_several_alerts_counts(shown, retention):
    shown.swipe("SETTLEMENT-TWICE", days_ago(300))
    shown.alert("SETTLEMENT-TWICE", "low")
    shown.alert("SETTLEMENT-OTHER", "high", ("SETTLEMENT-TWICE",))
    retention.remove_expired(TIMES, NOON_MS)
    assert shown.left() == all_of("SETTLEMENT-TWICE")


def test_what_was_deleted_is_on_record_by_kind_and_reason(shown, retention):
    for days in (40, 50):
        shown.swipe(f"S-{days}", days_ago(days))
    retention.remove_expired(TIMES, NOON_MS)
    said = {one.kind: one for one in Removals(shown.database).of(NOON_MS)}
    assert {kind: (one.reason, one.file_count, one.size_bytes) for kind, one in said.items()} == {
        "still": ("time_up", 2, 2 * STILL_BYTES),
        "clip": ("time_up", 2, 2 * CLIP_BYTES),
        "original": ("time_up", 2, 2 * ORIGINAL_BYTES),
    }
    assert {(one.oldest_ms, one.newest_ms) for one in said.values()} == {(days_ago(50), days_ago(40))}


def test_a_row_whose_file_a_crash_took_first_goes_with_the_next_sweep(shown, retention):
    shown.swipe("S-1", days_ago(40))
    (clip,) = shown.clips.for_settlement("S-1")
    shown.clips.path_of(clip.clip_id).unlink()
    retention.remove_expired(TIMES, NOON_MS)
    assert shown.rows() == 0


def test_many_more_than_one_page_go_in_one_sweep(shown, retention, monkeypatch):
    monkeypatch.setattr("storage.evidence.retention.LOOKED_AT_ONCE", 3)
    for number in range(8):
        shown.swipe(f"S-{number}", days_ago(40))
    retention.remove_expired(TIMES, NOON_MS)
    assert shown.rows() == 0
    assert {one.file_count for one in Removals(shown.database).of(NOON_MS)} == {8}


# ------------------------------------------------------------------------------------------------ a disk nearly full

SIZES = {"still": STILL_BYTES, "clip": CLIP_BYTES, "original": ORIGINAL_BYTES}
BY_WORTH = (
    ("SETTLEMENT-NONE", ("clip", "original")),
    ("SETTLEMENT-NONE", ("still",)),
    ("SETTLEMENT-LOW", ("clip", "original")),
    ("SETTLEMENT-LOW", ("still",)),
    ("SETTLEMENT-CRITICAL", ("clip", "original")),
    ("SETTLEMENT-CRITICAL", ("still",)),
    ("SETTLEMENT-WAITS", ("clip", "original")),
    ("SETTLEMENT-WAITS", ("still",)),
)


def test_the_least_valuable_goes_first_and_what_an_open_alert_cites_after_everything_else(shown, retention):
    """The open alert is low and its swipe the oldest: neither makes it go before a critical one that is closed."""
    shown.swipe("SETTLEMENT-WAITS", days_ago(5))
    shown.swipe("SETTLEMENT-CRITICAL", days_ago(4))
    shown.swipe("SETTLEMENT-LOW", days_ago(3))
    shown.swipe("SETTLEMENT-NONE", days_ago(2))
    shown.alert("SETTLEMENT-WAITS", "low")
    shown.alert("SETTLEMENT-CRITICAL", "critical", closed=True)
    shown.alert("SETTLEMENT-LOW", "low", closed=True)
    stands = all_of("SETTLEMENT-WAITS", "SETTLEMENT-CRITICAL", "SETTLEMENT-LOW", "SETTLEMENT-NONE")
    assert retention.make_room(lambda: True, NOON_MS)
    assert shown.left() == stands
    for settlement, kinds in BY_WORTH:
        before, wanted_bytes = bytes_on_disk(shown), sum(SIZES[kind] for kind in kinds)
        assert retention.make_room(lambda b=before, w=wanted_bytes: b - bytes_on_disk(shown) >= w, NOON_MS)
        stands -= {f"{kind} {settlement}" for kind in kinds}
        assert shown.left() == stands
    said = Removals(shown.database).since(NOON_MS, "disk_full")
    assert {one.kind: one.file_count for one in said} == {"still": 4, "clip": 4, "original": 4}


def test_of_what_is_worth_the_same_the_oldest_goes_first_and_no_more_than_needed(shown, retention, monkeypatch):
    monkeypatch.setattr("storage.evidence.retention.FREED_AT_ONCE", 1)
    for days in (1, 3, 2):
        shown.swipe(f"S-{days}", days_ago(days))
    before = bytes_on_disk(shown)
    assert retention.make_room(lambda: before - bytes_on_disk(shown) >= CLIP_BYTES + ORIGINAL_BYTES, NOON_MS)
    assert shown.left() == all_of("S-1", "S-2") | {"still S-3"}


def test_that_nothing_is_left_to_delete_is_said(shown, retention):
    shown.swipe("S-1", NOON_MS)
    assert not retention.make_room(lambda: False, NOON_MS)
    assert shown.left() == set()


def bytes_on_disk(shown: Shown) -> int:
    """Returns the size of all sealed files, without what sealing adds to each."""
    sizes = [path.stat().st_size for kept in shown.kept for folder in kept.files.folders() for path in folder.iterdir()]
    return sum(sizes) - 39 * len(sizes)


# ------------------------------------------------------------------------------------------- files that no row names


def aged(path: Path, hours: float) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(b"x" * 500)
    long_ago_s = time.time() - hours * HOUR_S
    os.utime(path, (long_ago_s, long_ago_s))
    return path


def test_a_file_that_no_row_names_goes_after_the_grace_time_and_others_stay(shown, retention):
    for number in range(3):
        shown.swipe(f"S-{number}", NOON_MS)
    old = aged(shown.clips.path_of("ab" * 16), 2)
    torn = aged(shown.clips.path_of("cd" * 16).with_suffix(".enc.tmp"), 2)
    young = aged(shown.clips.path_of("ef" * 16), 0)
    assert retention.remove_unnamed(HOUR_S, NOON_MS) == 0
    assert [path.exists() for path in (old, torn, young)] == [False, False, True]
    assert len(shown.left()) == 9
    (said,) = Removals(shown.database).of(NOON_MS)
    assert (said.kind, said.reason, said.file_count, said.size_bytes, said.oldest_ms) == (
        "clip",
        "unnamed",
        2,
        1000,
        None,
    )


def test_under_a_database_that_names_fewer_files_than_there_are_none_is_deleted(shown, retention):
    shown.swipe("S-1", NOON_MS)
    paths = [aged(shown.clips.path_of(f"{number:02d}" * 16), 50) for number in range(2)]
    assert retention.remove_unnamed(HOUR_S, NOON_MS) == 2
    assert all(path.exists() for path in paths)

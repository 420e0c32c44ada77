"""Whom faces are taken for: as observed, as corrected since, undone, forgotten with a person; and staff by the hour."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

import msgspec
import pytest
from sqlalchemy.orm import Session

from events.errors import TransientError
from storage.access.changes import By
from storage.alerts.terms import SwipeWords, swipe_words
from storage.database import Database
from storage.faces.staff_hours import StaffHour, StaffHours
from storage.faces.visitors import Sighting, VisitorRecord
from storage.log import AcceptedLog
from tests.storage.events import record_of, swipe_bytes

STORE = "P32990000001"
HOUR_MS = 3_600_000
AT_MS = 500_000 * HOUR_MS


def accept(database: Database, *events: dict[str, object] | bytes, sender: str = "li") -> None:
    originals = [one if isinstance(one, bytes) else msgspec.json.encode(one) for one in events]
    with database.session() as session:
        AcceptedLog(database).append(session, [record_of(one, sender=sender) for one in originals])


def observed(event_id: str, *faces: dict[str, object], at_ms: int = AT_MS, **more: object) -> dict[str, object]:
    common = {"type": "face_observed", "institution_id": STORE, "till_id": "1", "camera_id": "c-1", "healthy": True}
    return {**common, "event_id": event_id, "occurred_at_ms": at_ms, "people": len(faces), "faces": faces, **more}


def face(visitor_id: str | None, settlement_id: str | None = "S1", **more: object) -> dict[str, object]:
    return {"quality": 0.8, "visitor_id": visitor_id, "settlement_id": settlement_id, **more}


def corrected(number: int, observation_id: str, becomes: str | None, **more: object) -> dict[str, object]:
    common = {"type": "visitor_correction", "event_id": f"vc-{number}", "occurred_at_ms": AT_MS + number}
    return {**common, "observation_id": observation_id, "face_no": 0, "visitor_id": becomes, **more}


def ids(sightings: Sequence[Sighting]) -> list[str]:
    return [one.observation_id for one in sightings]


@pytest.fixture
def record(database: Database) -> VisitorRecord:
    return VisitorRecord(database)


def test_a_face_is_its_visitors_until_a_correction_and_again_once_that_is_undone(database, record):
    accept(database, observed("o1", face("v1")), observed("o2", face("v1"), face(None)))
    assert ids(record.sightings("v1")) == ["o1", "o2"]
    said = {"act_id": "a", "act": "not_this_person", "was_visitor_id": "v1", "settlement_id": "S1"}
    accept(database, corrected(2, "o1", None, **said))
    assert ids(record.sightings("v1")) == ["o2"]
    (act,) = record.acts("v1")
    assert act.reason is None
    record.note(By("li", AT_MS), "not_this_person", "v1", "S1", "a", "the twin")
    (act,) = record.acts("v1")
    assert (act.kind, act.by, act.reason, act.stands, act.settlement_ids) == (
        "not_this_person",
        "li",
        "the twin",
        True,
        ("S1",),
    )
    accept(database, corrected(3, "o1", "v1", act_id="b", act="undone"), sender="wang")
    assert ids(record.sightings("v1")) == ["o1", "o2"]
    undone, first = record.acts("v1")
    assert (undone.kind, undone.by, first.stands) == ("undone", "wang", False)

    accept(database, observed("o3", face("v3", staff=True)), corrected(4, "o4", "v3", act="nonsense", act_id="a"))
    assert record.sightings("v3") == []  # staff are no visitors
    (others,) = record.acts("v3")  # what others write into a correction breaks nothing
    assert (others.kind, others.act_id, others.reason, others.can_be_undone) == ("other", "vc-4", None, False)


@pytest.mark.parametrize(
    "said",
    [
        {"act": "same_person", "act_id": "a"},
        {"act": "same_person", "was_visitor_id": "v1"},
        {"act": "not_this_person", "act_id": "a", "was_visitor_id": "v1"},
        {"act": "undone", "act_id": ""},
        {"act": "same_person", "act_id": 7, "was_visitor_id": "v1"},
    ],
)
def test_a_senders_correction_that_only_half_looks_like_ours_is_a_senders(database, record, said):
    accept(database, observed("o1", face("v1")), corrected(2, "o1", "v9", **said))
    (act,) = record.acts("v9")
    assert (act.kind, act.act_id, act.corrections[0].was_visitor_id) == ("other", "vc-2", None)
    assert ids(record.sightings("v9")) == ["o1"]


def test_of_two_corrections_the_later_holds_whichever_came_first(database, record):
    accept(database, corrected(9, "o1", "v9"), corrected(4, "o1", "v4"), observed("o1", face("v1")))
    assert ids(record.sightings("v9")) == ["o1"]
    assert record.sightings("v1") == record.sightings("v4") == []
    assert record.sightings("v9", since_ms=AT_MS + 1) == []
    record.remove_before(AT_MS)
    assert ids(record.sightings("v9")) == ["o1"]
    record.remove_before(AT_MS + 1)
    assert record.sightings("v9") == []


def test_erasing_a_person_forgets_the_visitors_of_their_swipes_but_not_who_was_seen_to_be_another(database, record):
    for number, person in enumerate(("329900-1", "329900-1", "329900-2"), 1):
        accept(database, swipe_bytes(f"S{number}", person=person))
    accept(
        database,
        observed("o1", face("own", "S1")),
        observed("o2", face("thief", "S2", verdict="mismatch")),
        observed("o3", face("other", "S3")),
    )
    assert record.erase("329900-1", AT_MS) == 1
    (order,) = record.orders()
    assert (order.kind, order.visitor_id) == ("forget", "own")
    assert record.sightings("own") == []
    assert ids([*record.sightings("thief"), *record.sightings("other")]) == ["o2", "o3"]
    record.done(order.number)
    assert record.orders() == []
    assert record.erase("329900-1", AT_MS) == 0


def test_an_erased_person_is_forgotten_by_the_ids_given_since_and_joined_ones_count_as_one(database, record):
    for number in range(4):
        accept(database, swipe_bytes(f"S{number}", person="329900-1" if number < 3 else "329900-2"))
    joined = {"act": "same_person", "was_visitor_id": "young", "settlement_id": None}
    accept(
        database,
        observed("o0", face("young", "S0")),  # before all windows of rules: no correction is of this face
        observed("o1", face("seen", "S1")),
        observed("o2", face("nobody", "S2")),
        observed("o3", face("young", "S3")),
        corrected(1, "o3", "old", act_id="a", **joined),
        corrected(2, "o3", "oldest", act_id="b", **(joined | {"was_visitor_id": "old"})),
        corrected(3, "o1", "given"),
        corrected(4, "o2", None, act_id="c", act="not_this_person", was_visitor_id="nobody"),
    )
    assert record.erase("329900-1", AT_MS) == 4
    assert {one.visitor_id for one in record.orders()} == {"young", "old", "oldest", "seen", "given", "nobody"}
    assert {one.kind for one in record.orders()} == {"forget"}
    assert ids(record.sightings("oldest")) == ["o3"]


def test_an_erasure_that_breaks_off_has_asked_for_whoever_is_gone_and_goes_on(database, record, monkeypatch):
    monkeypatch.setattr("storage.faces.visitors.LOOKED_AT_ONCE", 1)
    for number in (1, 2):
        accept(
            database,
            swipe_bytes(f"S{number}", person="329900-1"),
            observed(f"o{number}", face(f"v{number}", f"S{number}")),
        )
    fails_at = iter([False, True])

    def words(session: Session, settlement_ids: Iterable[str]) -> dict[str, SwipeWords]:
        if next(fails_at, False):
            raise TransientError("away")
        return swipe_words(session, settlement_ids)

    monkeypatch.setattr("storage.faces.visitors.swipe_words", words)
    with pytest.raises(TransientError):
        record.erase("329900-1", AT_MS)
    assert record.sightings("v1") == []
    assert [one.visitor_id for one in record.orders()] == ["v1"]
    assert record.erase("329900-1", AT_MS) == 1
    assert [one.visitor_id for one in record.orders()] == ["v1", "v2"]


def test_hours_count_the_looks_that_could_tell_and_those_that_saw_the_role(database):
    seen = {"quality": 0.8, "staff": True, "staff_role": "pharmacist"}
    sought: dict[str, Any] = {"staff_sought": ["clerk", "pharmacist"]}
    accept(
        database,
        observed("o1", seen, **sought),
        observed("o2", face("v1"), at_ms=AT_MS + HOUR_MS - 1, **sought),
        observed("o3", seen, at_ms=AT_MS + HOUR_MS, **sought),
        observed("o4", seen, healthy=False, **sought),
        observed("o5", seen),
        observed("o6", seen, staff_sought=7),
    )
    accept(database, observed("o7", seen, **sought))
    hours = StaffHours(database)
    found = sorted(hours.since([STORE], "pharmacist", AT_MS), key=lambda one: one.hour_ms)
    assert [(one.hour_ms - AT_MS, one.looks, one.seen) for one in found] == [(0, 3, 2), (HOUR_MS, 1, 1)]
    assert hours.since([STORE], "clerk", AT_MS + HOUR_MS) == [
        StaffHour(institution_id=STORE, role="clerk", hour_ms=AT_MS + HOUR_MS, looks=1, seen=0)
    ]
    assert hours.since(["P32990000002"], "pharmacist", 0) == []
    hours.remove_before(AT_MS + HOUR_MS)
    assert hours.since([STORE], "pharmacist", 0) == [one for one in found if one.hour_ms > AT_MS]

from __future__ import annotations

import pytest

from storage.cameras.health import CameraHealthRecord, CameraIllness, CameraOutage
from storage.cameras.states import BlindSwipe, CameraStates
from storage.queries.cameras import CameraQueries

T0 = 1_800_000_000_000


@pytest.fixture
def states(database):
    return CameraStates(database)


@pytest.fixture
def record(database):
    return CameraHealthRecord(database)


def outage(record: CameraHealthRecord, camera_id: str) -> CameraOutage:
    return CameraOutage(institution_id="P1", till_id="1", illness=record.ill()[camera_id])


def test_what_a_camera_was_is_kept_with_its_times(states, record):
    states.put("c-1", "ok", "", T0)
    states.put("c-1", "covered", "80% of the view has lost its edges", T0 + 5_000, "st-1")
    states.put("c-1", "ok", "", T0 + 9_000)
    said = [(one.state, one.since_ms - T0, one.ended_at_ms, one.still_id) for one in record.spans("c-1", 10)]
    assert said == [
        ("ok", 9_000, None, None),
        ("covered", 5_000, T0 + 9_000, "st-1"),
        ("ok", 0, T0 + 5_000, None),
    ]
    assert record.ill() == {}


def test_a_camera_is_ill_since_it_was_last_well_whatever_is_wrong_now(states, record):
    states.put("c-1", "ok", "", T0)
    states.put("c-1", "covered", "a hand", T0 + 5_000, "st-1")
    states.put("c-1", "moved", "aside", T0 + 9_000, "st-2")
    states.put("never-well", "offline", "no answer", T0 + 1_000)
    assert record.ill() == {
        "c-1": CameraIllness(camera_id="c-1", state="moved", detail="aside", since_ms=T0 + 5_000, still_id="st-2"),
        "never-well": CameraIllness(
            camera_id="never-well", state="offline", detail="no answer", since_ms=T0 + 1_000, still_id=None
        ),
    }


def test_the_same_report_again_changes_nothing(states, record, database):
    states.put("c-1", "covered", "a hand", T0)
    states.put("c-1", "ok", "", T0 + 1_000)
    states.put("c-1", "covered", "a hand", T0)
    states.put("c-1", "ok", "", T0 + 2_000)
    assert [one.state for one in record.spans("c-1", 10)] == ["ok", "covered"]
    assert CameraQueries(database).states()["c-1"].state == "ok"


def test_a_state_that_is_said_anew_goes_on_since_it_began(states, record, database):
    states.put("c-1", "offline", "no answer", T0)
    states.put("c-1", "offline", "refused", T0 + 60_000)
    known = CameraQueries(database).states()["c-1"]
    assert (known.detail, known.since_ms, record.ill()["c-1"].since_ms) == ("refused", T0, T0)


def test_an_outage_goes_on_while_its_camera_is_among_those_given_and_ends_after(states, record):
    states.put("c-1", "covered", "a hand", T0)
    record.put_outages([outage(record, "c-1")], T0 + 120_000)
    states.put("c-1", "moved", "aside", T0 + 130_000)
    record.put_outages([outage(record, "c-1")], T0 + 140_000)
    (standing,) = record.outages()
    assert (standing.illness.state, standing.illness.since_ms) == ("moved", T0)
    record.put_outages([], T0 + 150_000)
    assert record.outages() == []


def test_swipes_that_no_camera_could_see_are_counted_once_for_each_store(states, record):
    for settlement, camera, store, at_ms in (
        ("S-1", "c-1", "P1", T0),
        ("S-1", "c-2", "P1", T0),
        ("S-2", "c-1", "P1", T0 + 1),
        ("S-2", "c-1", "P1", T0 + 1),
        ("S-3", "c-9", "P2", T0 + 2),
        ("S-0", "c-1", "P1", T0 - 1),
    ):
        states.keep_blind(
            BlindSwipe(settlement_id=settlement, camera_id=camera, institution_id=store, state="covered", at_ms=at_ms)
        )
    assert record.blind_by_institution(T0) == {"P1": 2, "P2": 1}

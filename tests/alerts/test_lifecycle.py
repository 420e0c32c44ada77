from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from alerts.lifecycle import ACTIONS, REPORTS, STATES, TABLE, Action, IllegalTransition, State, advance

# Rows are states, columns the actions of ACTIONS; "!" is illegal. Written by hand from the design, not from the table.
EXPECTED = """
            deliver   see       acknowledge answer    escalate  renew     withdraw  close
open        delivered seen      seen        answered  escalated open      withdrawn closed
delivered   delivered seen      seen        answered  escalated open      withdrawn closed
seen        seen      seen      seen        answered  escalated open      withdrawn closed
answered    answered  answered  answered    answered  !         open      withdrawn closed
escalated   escalated escalated escalated   answered  !         escalated withdrawn closed
withdrawn   withdrawn withdrawn withdrawn   withdrawn !         open      withdrawn closed
closed      closed    closed    closed      !         !         !         !         !
"""


def expected_transitions() -> list[tuple[str, str, str]]:
    header, *rows = [line.split() for line in EXPECTED.strip().splitlines()]
    return [(row[0], action, after) for row in rows for action, after in zip(header, row[1:], strict=True)]


def test_expectation_names_every_state_and_every_action_once():
    pairs = [(state, action) for state, action, _ in expected_transitions()]
    assert sorted(pairs) == sorted((state, action) for state in STATES for action in ACTIONS)


@pytest.mark.parametrize(("state", "action", "after"), expected_transitions())
def test_each_action_in_each_state(state: State, action: Action, after: str):
    if after != "!":
        assert advance(state, action) == after
        return
    with pytest.raises(IllegalTransition) as caught:
        advance(state, action)
    assert (caught.value.state, caught.value.action) == (state, action)
    assert str(caught.value) == f"an alert that is {state} cannot take {action}"


def test_illegal_transition_leaves_the_table_as_it_was():
    before = {state: dict(row) for state, row in TABLE.items()}
    with pytest.raises(IllegalTransition):
        advance("closed", "answer")
    assert before == TABLE


@given(st.sampled_from(STATES), st.sampled_from(sorted(REPORTS)))
def test_a_report_never_takes_an_alert_back(state: State, action: Action):
    order = ("open", "delivered", "seen", "answered", "escalated", "withdrawn", "closed")
    assert order.index(advance(state, action)) >= order.index(state)


@given(st.lists(st.sampled_from(ACTIONS)))
def test_closed_is_the_end_of_any_life(actions: list[Action]):
    for action in actions:
        try:
            assert advance("closed", action) == "closed"
        except IllegalTransition:
            assert action not in REPORTS


def test_every_state_is_reached_from_open():
    reached: set[State] = {"open"}
    for _ in STATES:
        reached |= {advance(state, action) for state in reached for action in ACTIONS if _is_legal(state, action)}
    assert reached == set(STATES)


def _is_legal(state: State, action: Action) -> bool:
    try:
        advance(state, action)
    except IllegalTransition:
        return False
    return True

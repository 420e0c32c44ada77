"""The life of an alert: a table of transitions and two written rules.

open → delivered → seen → answered | escalated → closed; `withdrawn` when the facts no longer hold.

Rule 1: a withdrawal is legal in every state but `closed`, for facts may change at any time.
Rule 2: a report from the terminal (delivered, seen, acknowledged) is legal in every state and never takes an alert
back: where the table has no entry the state stays, and the report is history.
"""

from __future__ import annotations

from typing import Final, Literal

from events.errors import SwipewatchError

State = Literal["open", "delivered", "seen", "answered", "escalated", "withdrawn", "closed"]
Action = Literal["deliver", "see", "acknowledge", "answer", "escalate", "renew", "withdraw", "close"]

STATES: Final[tuple[State, ...]] = ("open", "delivered", "seen", "answered", "escalated", "withdrawn", "closed")
ACTIONS: Final[tuple[Action, ...]] = (
    "deliver",  # a terminal has received the notice
    "see",  # it was on a terminal's screen
    "acknowledge",  # somebody at the store pressed "noted"
    "answer",  # the store said what it was; a later answer replaces it
    "escalate",  # nobody acknowledged in the rule's time: the centre takes over
    "renew",  # facts came that ask for attention anew
    "withdraw",  # no fact of the alert holds any longer
    "close",  # the centre is done with it
)
REPORTS: Final[frozenset[Action]] = frozenset({"deliver", "see", "acknowledge"})

TABLE: Final[dict[State, dict[Action, State]]] = {
    "open": {
        "deliver": "delivered",
        "see": "seen",
        "acknowledge": "seen",
        "answer": "answered",
        "escalate": "escalated",
        "renew": "open",
        "close": "closed",
    },
    "delivered": {
        "see": "seen",
        "acknowledge": "seen",
        "answer": "answered",
        "escalate": "escalated",
        "renew": "open",
        "close": "closed",
    },
    "seen": {"answer": "answered", "escalate": "escalated", "renew": "open", "close": "closed"},
    "answered": {"answer": "answered", "renew": "open", "close": "closed"},
    "escalated": {"answer": "answered", "renew": "escalated", "close": "closed"},
    "withdrawn": {"answer": "withdrawn", "renew": "open", "close": "closed"},
    "closed": {},
}


class IllegalTransition(SwipewatchError):
    """The action makes no sense in the state that the alert is in; nothing was changed."""

    def __init__(self, state: State, action: Action) -> None:
        self.state, self.action = state, action
        super().__init__(f"an alert that is {state} cannot take {action}")


def advance(state: State, action: Action) -> State:
    """Returns the state after the action.

    Raises: IllegalTransition where neither the table nor one of the two rules allows it.
    """
    if action == "withdraw" and state != "closed":  # rule 1
        return "withdrawn"
    if action in TABLE[state]:
        return TABLE[state][action]
    if action in REPORTS:  # rule 2
        return state
    raise IllegalTransition(state, action)

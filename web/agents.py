"""Agents that a store registers at its till: somebody who buys for a card holder, told to the pipeline as an event."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Callable, Iterable
from typing import Annotated, Literal

import msgspec

from storage.terminals.answers import Purchase
from web.access import Refused

PERSON_ID = re.compile(r"[!-~]{1,30}")
ID_CARD = re.compile(r"\d{17}[\dX]")
ID_CARD_WEIGHTS = (7, 9, 10, 5, 8, 4, 2, 1, 6, 3, 7, 9, 10, 5, 8, 4, 2)
ID_CARD_CHECKS = "10X98765432"


class Agent(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Who bought for the card holder: the number of the insured, or of an identity card.

    An identity card's number is kept nowhere: what is kept is a mark of it, by which the same number is recognised.
    """

    kind: Literal["person_id", "id_card"]
    number: Annotated[str, msgspec.Meta(min_length=1, max_length=40)]


def agent_person_id(agent: Agent, card_mark: Callable[[str], str]) -> str:
    """Returns the agent's id as events carry it.

    Raises: Refused for a number that cannot be one of its kind.
    """
    number = agent.number.strip().upper() if agent.kind == "id_card" else agent.number.strip()
    if agent.kind == "id_card":
        if not is_id_card(number):
            raise Refused("bad_agent", "this is no identity card's number: its last digit does not fit", 422)
        return card_mark(number)
    if not PERSON_ID.fullmatch(number):
        raise Refused("bad_agent", "a person's number has 1 to 30 letters, digits or signs", 422)
    return number


def registrations(purchases: Iterable[Purchase], agent_id: str, at_ms: int, answer_key: str) -> list[bytes]:
    """Returns an `agent_registration` for each purchase; of the same answer always the same events.

    Raises: Refused when the agent is the card holder.
    """
    events = []
    for purchase in purchases:
        if purchase.person_id == agent_id:
            raise Refused("agent_is_holder", "the agent is the card holder: no agent is needed", 422)
        own_id = hashlib.sha256(f"{answer_key}/{purchase.settlement_id}".encode()).hexdigest()[:32]
        events.append(
            msgspec.json.encode(
                {
                    "type": "agent_registration",
                    "event_id": f"till-{own_id}",
                    "occurred_at_ms": at_ms,
                    "institution_id": purchase.institution_id,
                    "holder_person_id": purchase.person_id,
                    "agent_person_id": agent_id,
                    "settlement_id": purchase.settlement_id,
                }
            )
        )
    return events


def is_id_card(number: str) -> bool:
    """Returns whether the 18 characters end with the check that belongs to them. Source: GB 11643-1999."""
    if not ID_CARD.fullmatch(number):
        return False
    total = sum(int(digit) * weight for digit, weight in zip(number[:17], ID_CARD_WEIGHTS, strict=True))
    return number[17] == ID_CARD_CHECKS[total % 11]

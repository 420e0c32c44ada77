"""What travels between the stages: swipes as rows, with what is known about them so far."""

from __future__ import annotations

from typing import Literal

from msgspec import Struct

from detectors.slab import REGION_DIGITS, whole_pack_codes
from events.types import Swipe

Home = tuple[int, str | None]
"""From when somebody is of a household, and of which."""


class ItemRow(Struct, frozen=True, array_like=True, gc=False):
    """What rules ask of one item."""

    drug_code: str
    quantity: float
    days_supply: float | None


class SwipeRow(Struct, frozen=True, kw_only=True, array_like=True, gc=False):
    """What rules ask of one swipe, and two things about it that grow with what is known.

    `items` are in line order; `codes` the trace codes of whole packs. What is said of its reversal holds for as many
    matching `reversals` as are known, what is said of `homes` for as many `versions` of its person: a greater number
    replaces a lesser, so that rows may come in any order and again. `homes` are the household in force at the swipe and
    those that come into force shortly after, so far as a meeting can reach.
    """

    settlement_id: str
    occurred_at_ms: int
    person_id: str
    institution_id: str
    till_id: str
    credential: Literal["social_card", "id_card", "e_credential"]
    agent_person_id: str | None
    category: str
    insured_region: str | None
    total_fen: int
    fund_fen: int
    account_fen: int
    delivery: bool
    items: tuple[ItemRow, ...]
    codes: tuple[str, ...]
    reversals: int = 0
    reversed_at_ms: int | None = None
    versions: int = 0
    homes: tuple[Home, ...] = ()


def row_of(swipe: Swipe) -> SwipeRow:
    """Returns the row of a swipe of which nothing else is known yet."""
    region = swipe.insured_region
    return SwipeRow(
        settlement_id=swipe.settlement_id,
        occurred_at_ms=swipe.occurred_at_ms,
        person_id=swipe.person_id,
        institution_id=swipe.institution_id,
        till_id=swipe.till_id,
        credential=swipe.credential,
        agent_person_id=swipe.agent_person_id,
        category=swipe.category,
        insured_region=None if region is None else region[:REGION_DIGITS],
        total_fen=swipe.total_fen,
        fund_fen=swipe.fund_fen,
        account_fen=swipe.account_fen,
        delivery=swipe.delivery is True,
        items=tuple(
            ItemRow(item.drug_code, item.quantity, item.days_supply)
            for item in sorted(swipe.items, key=lambda item: item.line_no)
        ),
        codes=tuple(whole_pack_codes(swipe)),
    )

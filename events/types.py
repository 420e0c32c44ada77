"""Every event of the contract as a frozen type; docs/events.md has the meaning of each field.

Times are integers in milliseconds UTC (`_ms`), money integers in fen (`_fen`). Optional fields default to None;
null and absent are alike. Unknown fields are ignored here; the log keeps the original bytes.
"""

from __future__ import annotations

from typing import Annotated, Literal

from msgspec import Meta, Struct, field

type_tag = "type"

# Years 2000 to 2099, UTC.
FIRST_MS = 946_684_800_000
LAST_MS = 4_102_444_799_999

Id = Annotated[str, Meta(min_length=1)]
TimeMs = Annotated[int, Meta(ge=FIRST_MS, le=LAST_MS)]
Fen = Annotated[int, Meta(ge=0, le=2**63 - 1)]
Positive = Annotated[float, Meta(gt=0)]
NotNegative = Annotated[float, Meta(ge=0)]
Quality = Annotated[float, Meta(ge=0, le=1)]
Count = Annotated[int, Meta(ge=0, le=2**63 - 1)]
Whole = Annotated[int, Meta(ge=-(2**63), le=2**63 - 1)]
DateText = Annotated[str, Meta(pattern=r"^[0-9]{4}-[0-9]{2}-[0-9]{2}\Z")]
HourText = Annotated[str, Meta(pattern=r"^((([01][0-9]|2[0-3]):[0-5][0-9])|24:00)\Z")]

Verdict = Literal["match", "mismatch", "inconclusive"]


class Event(Struct, frozen=True, kw_only=True, gc=False, tag_field=type_tag):
    """What every event has: an id, the time it happened and, once received, the time it arrived."""

    event_id: Id
    occurred_at_ms: TimeMs
    received_at_ms: TimeMs | None = None


class Item(Struct, frozen=True, kw_only=True, gc=False):
    """One line of a swipe: so much of one drug at one price."""

    line_no: Whole
    drug_code: Id
    quantity: Positive
    unit_price_fen: Fen
    amount_fen: Fen
    days_supply: NotNegative | None = None
    prescription_id: Id | None = None
    trace_codes: tuple[str, ...] | None = None
    split_pack: bool | None = None


class Swipe(Event, frozen=True, kw_only=True, gc=False, tag="swipe"):
    """One settled purchase (interfaces 2102 and 2207); `settlement_id` is its identity."""

    settlement_id: Id
    person_id: Id
    institution_id: Id
    till_id: Id
    operator_id: Id | None = None
    credential: Literal["social_card", "id_card", "e_credential"]
    insurance: str
    category: str
    insured_region: str | None = None
    total_fen: Fen
    fund_fen: Fen
    account_fen: Fen
    mutual_fen: Fen
    cash_fen: Fen
    balance_after_fen: Fen | None = None
    agent_person_id: Id | None = None
    delivery: bool | None = None
    items: tuple[Item, ...]


class Reversal(Event, frozen=True, kw_only=True, gc=False, tag="reversal"):
    """Undoes the swipe it names, if settlement, institution and person all agree."""

    settlement_id: Id
    institution_id: Id
    person_id: Id


class Person(Event, frozen=True, kw_only=True, gc=False, tag="person"):
    """A version of an insured member, in force from `effective_from_ms`."""

    person_id: Id
    sex: Literal["M", "F"] | None = None
    birth_date: DateText | None = None
    region: str | None = None
    household_id: Id | None = None
    employment: Literal["active", "retired"] | None = None
    status: Literal["active", "paused", "ended", "deceased"]
    effective_from_ms: TimeMs


class Institution(Event, frozen=True, kw_only=True, gc=False, tag="institution"):
    """A version of a designated pharmacy or clinic, in force from `effective_from_ms`."""

    institution_id: Id
    kind: Literal["pharmacy", "clinic"]
    name: str
    latitude: float | None = None
    longitude: float | None = None
    opens_at: HourText | None = None
    closes_at: HourText | None = None
    time_zone: str | None = None
    region: str | None = None
    agreement: Literal["active", "suspended"]
    effective_from_ms: TimeMs


class Drug(Event, frozen=True, kw_only=True, gc=False, tag="drug"):
    """What is known of one drug code; the latest holds for all time."""

    drug_code: Id
    name: str
    generic_code: str | None = None
    sex: Literal["M", "F"] | None = None
    min_age_years: Whole | None = None
    max_age_years: Whole | None = None


class AccountInjection(Event, frozen=True, kw_only=True, gc=False, tag="account_injection"):
    """Money put into a person's account for a year."""

    person_id: Id
    year: Whole
    amount_fen: Fen


class AgentRegistration(Event, frozen=True, kw_only=True, gc=False, tag="agent_registration"):
    """A store's word that the agent buys for the holder, for one settlement or around one moment."""

    institution_id: Id
    holder_person_id: Id
    agent_person_id: Id
    settlement_id: Id | None = None


class StockMovement(Event, frozen=True, kw_only=True, gc=False, tag="stock_movement"):
    """One movement of one drug's stock at an institution (interfaces 3501 to 3507)."""

    institution_id: Id
    kind: Literal["count", "adjust", "purchase", "purchase_return", "sale", "sale_return", "deletion"]
    drug_code: Id
    quantity: float
    batch_no: str | None = None
    settlement_id: Id | None = None
    setl_kind: Literal["insured", "self_pay"] | None = None
    unit_price_fen: Fen | None = None
    trace_codes: tuple[str, ...] | None = None
    refers_to: str | None = None


class CrossRegionFiling(Event, frozen=True, kw_only=True, gc=False, tag="cross_region_filing"):
    """A person's filing for treatment in another region."""

    person_id: Id
    class_: Literal["relocated_retiree", "long_term_resident", "referral"] = field(name="class")
    from_region: str
    to_region: str
    starts_ms: TimeMs
    ends_ms: TimeMs | None = None
    filed_at_ms: TimeMs
    sent_at_ms: TimeMs | None = None


class Face(Struct, frozen=True, kw_only=True, gc=False):
    """One face of an observation; `settlement_id` names the swipe whose holder it was compared with."""

    quality: Quality
    visitor_id: Id | None = None
    staff: bool | None = None
    settlement_id: Id | None = None
    similarity: float | None = None
    verdict: Verdict | None = None


class FaceObserved(Event, frozen=True, kw_only=True, gc=False, tag="face_observed"):
    """What one camera saw at one till at one moment of till time."""

    institution_id: Id
    till_id: Id
    camera_id: Id
    healthy: bool
    people: Count
    faces: tuple[Face, ...]


class VisitorCorrection(Event, frozen=True, kw_only=True, gc=False, tag="visitor_correction"):
    """Replaces the visitor of one face of an observation; the latest by (occurred_at_ms, event_id) holds."""

    observation_id: Id
    face_no: Count
    visitor_id: Id | None = None


AnyEvent = (
    Swipe
    | Reversal
    | Person
    | Institution
    | Drug
    | AccountInjection
    | AgentRegistration
    | StockMovement
    | CrossRegionFiling
    | FaceObserved
    | VisitorCorrection
)

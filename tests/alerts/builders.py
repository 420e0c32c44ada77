"""Findings and a policy to test with; the values are made up."""

from __future__ import annotations

from alerts.policy import Policy, RulePolicy, StoreInfo
from detectors.catalogue import Route, RuleTexts, TextPair
from events.findings import Finding, Key, Mode, Severity, Status, finding_id_of

NOON_MS = 1_790_827_200_000  # 2026-10-01 12:00:00 in Shanghai
MINUTE_MS = 60_000
STORE = "P32020000001"
OTHER_STORE = "P32020000002"
PERSON = "psn-7731-secret"
VISITOR = "5f2c9a71d0e84b36"

_KEYS: dict[str, tuple[str, ...]] = {
    "frequent_purchase": ("person_id",),
    "split_settlement": ("person_id", "institution_id"),
    "holder_mismatch": ("person_id",),
    "card_batch": ("institution_id", "till_id"),
    "nobody_at_counter": ("institution_id", "till_id"),
    "closed_hours": ("institution_id",),
    "card_ring": ("persons",),
    "one_face_many_cards": ("visitor_id",),
}
_MEASURES: dict[str, dict[str, object]] = {
    "frequent_purchase": {"count": 3},
    "holder_mismatch": {"mismatches": 2, "household": False},
    "card_batch": {"buyers": 5},
    "nobody_at_counter": {"observations": 4},
    "one_face_many_cards": {"buyers": 3, "institutions": 1},
}
_THRESHOLDS: dict[str, dict[str, object]] = {
    "frequent_purchase": {"count": 3, "window_ms": 86_400_000},
    "card_batch": {"buyers": 5, "window_ms": 600_000},
    "one_face_many_cards": {"buyers": 3, "institutions": 1, "window_ms": 1_800_000},
}


def finding(
    detector: str = "holder_mismatch",
    *,
    at_ms: int = NOON_MS,
    settlement: str | None = None,
    person: str = PERSON,
    visitor: str = VISITOR,
    store: str = STORE,
    till: str = "1",
    severity: Severity = "medium",
    status: Status = "raised",
    mode: Mode = "live",
    measure: dict[str, object] | None = None,
    evidence: list[str] | None = None,
) -> Finding:
    values: Key = {"person_id": person, "institution_id": store, "till_id": till, "persons": [person, "psn-other"]}
    values["visitor_id"] = visitor
    key: Key = {name: values[name] for name in _KEYS[detector]}
    anchor = settlement or f"SETL{at_ms}"
    return Finding(
        finding_id=finding_id_of(detector, key, anchor),
        detector=detector,
        status=status,
        key=key,
        settlement_id=anchor,
        institution_id=store,
        occurred_at_ms=at_ms,
        severity=severity,
        measure={**_MEASURES.get(detector, {}), **(measure or {})},
        threshold=_THRESHOLDS.get(detector, {}),
        evidence=evidence or [anchor],
        rules_version="r1",
        mode=mode,
    )


def texts(fact_zh: str, action_zh: str, fact_en: str, action_en: str) -> RuleTexts:
    return RuleTexts(zh=TextPair(fact=fact_zh, action=action_zh), en=TextPair(fact=fact_en, action=action_en))


HOLDER_MISMATCH = RuleTexts(
    zh=TextPair(
        fact="购药人与预留照片不一致",
        action="核对购药人",
        fact_household="购药人似乎不是持卡人本人",
        action_household="确认是否为家属代购",
    ),
    en=TextPair(
        fact="the buyer does not look like the photograph",
        action="check the buyer",
        fact_household="the buyer may be a relative",
        action_household="ask whether it is for the family",
    ),
)
CARD_BATCH = texts(
    "{window}内已有{buyers}位参保人结算", "核对凭证", "{buyers} holders have paid within {window}", "check the cards"
)
FREQUENT = texts(
    "{window}内已结算{count}次", "核对购药需要", "paid {count} times within {window}", "check that it is needed"
)
MANY_CARDS = texts(
    "同一位购药人在{window}内使用了{buyers}位参保人的凭证",
    "核对购药人与持卡人的关系",
    "one buyer has used the cards of {buyers} different holders within {window}",
    "check how the buyer is related to the card holders",
)
NOBODY = texts("柜台前无人", "核对购药人是否到店", "nobody was at the counter", "check that the buyer came")


def policy(*, escalate_after_ms: int | None = 5 * MINUTE_MS, **routes: Route) -> Policy:
    worded = {
        "holder_mismatch": HOLDER_MISMATCH,
        "card_batch": CARD_BATCH,
        "frequent_purchase": FREQUENT,
        "split_settlement": FREQUENT,
        "nobody_at_counter": NOBODY,
        "closed_hours": NOBODY,
        "card_ring": NOBODY,
        "one_face_many_cards": MANY_CARDS,
    }
    wanted: dict[str, Route] = {"card_ring": "centre", **routes}
    return Policy(
        rules={
            detector: RulePolicy(
                route=wanted.get(detector, "both"), texts=rule_texts, escalate_after_ms=escalate_after_ms
            )
            for detector, rule_texts in worded.items()
        },
        store_names={
            STORE: StoreInfo(name_zh="安康药店", name_en="Ankang Pharmacy", time_zone="Asia/Shanghai"),
            OTHER_STORE: StoreInfo(name_zh="城西药店", name_en="Chengxi Pharmacy", time_zone="Asia/Urumqi"),
        },
    )

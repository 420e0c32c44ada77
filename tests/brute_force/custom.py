"""Custom rules as docs/rules.md describes them; each filter of the worlds is given as Python beside its CEL."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from datetime import datetime
from fractions import Fraction
from typing import Any

from tests.brute_force.facts import Facts, Row, exact, finding, highest, ids, in_window, local_time, span
from tests.brute_force.rules import place_of

Predicate = Callable[[Row, Facts], Any]


def custom_findings(accepted: Iterable[Row], rules: dict[str, Row]) -> list[Row]:
    """Returns every finding of the given custom rules (name → as written), measure included, in order."""
    facts = Facts(accepted)
    found = [row for name, rule in rules.items() for row in findings_of(facts, name, rule)]
    return sorted(found, key=place_of)


def findings_of(facts: Facts, name: str, rule: Row) -> Iterable[Row]:
    meets = FILTERS[rule["filter"]] if rule.get("filter") else lambda _swipe, _facts: True
    counting = [s for s in facts.swipes if meets(s, facts) is True]
    tiers = rule.get("tiers") or [{"threshold": rule["threshold"], "severity": rule["severity"]}]
    for s in counting:
        of_key = [x for x in counting if all(x[field] == s[field] for field in rule["key"])]
        reached = []
        for tier in tiers:
            counted = in_window(of_key, s["occurred_at_ms"], span(tier.get("window") or rule["window"]))
            value = aggregated(facts, rule, counted)
            if value >= exact(tier["threshold"]):
                reached.append({**tier, "counted": counted, "value": value})
        tier = highest(reached)
        if tier:
            key = {field: s[field] for field in rule["key"]}
            row = finding(name, key, s, tier["severity"], ids(tier["counted"]))
            yield {**row, "value": tier["value"]}


def aggregated(facts: Facts, rule: Row, swipes: list[Row]) -> Fraction | int:
    kind, of = rule["aggregate"], rule.get("of")
    if kind == "count":
        return len(swipes)
    if kind == "distinct":
        return len({value for s in swipes for value in values_of(facts, s, of)} - {None})
    amounts = [amount_of(s, of) for s in swipes]
    return max(amounts) if kind == "max" else sum(amounts)


def values_of(facts: Facts, s: Row, of: Any) -> Iterable[Any]:
    if of == "buyer":
        return facts.buyers([s])
    if of == "drug_code":
        return [item["drug_code"] for item in s["items"]]
    if of == "till_id":
        return [(s["institution_id"], s["till_id"])]
    if of == "insured_region4":
        return [insured(s)]
    if of == "local_date":
        now = clock(s, facts)
        return [now and now.date()]
    return [s[of]]


def amount_of(s: Row, of: Any) -> Fraction | int:
    if of == "items":
        return len(s["items"])
    if of == "quantity":
        return sum((exact(item["quantity"]) for item in s["items"]), Fraction(0))
    return int(s[of])


# ------------------------------------------------------------------------------------------------------- filters


def clock(s: Row, facts: Facts) -> datetime | None:
    institution = facts.institution_of(s)
    return local_time(institution, s["occurred_at_ms"]) if institution else None


def insured(s: Row) -> str | None:
    region = s.get("insured_region")
    return None if region is None else region[:4]


def treated(s: Row, facts: Facts) -> str | None:
    institution = facts.institution_of(s)
    region = institution.get("region") if institution else None
    return None if region is None else region[:4]


def codes(s: Row) -> list[str]:
    return [item["drug_code"] for item in s["items"]]


def at_night(s: Row, facts: Facts) -> bool:
    now = clock(s, facts)
    return now is not None and (now.hour >= 22 or now.hour < 6)


def outside_the_day(s: Row, facts: Facts) -> bool:
    now = clock(s, facts)
    return now is not None and not (8 * 60 <= now.hour * 60 + now.minute < 20 * 60)


def on_a_weekend(s: Row, facts: Facts) -> bool:
    now = clock(s, facts)
    return now is not None and now.isoweekday() in {6, 7} and s.get("delivery") is not True


def late_or_suspended(s: Row, facts: Facts) -> bool:
    institution, now = facts.institution_of(s), clock(s, facts)
    if institution is None or now is None:
        return False
    return institution["agreement"] == "suspended" or now.date().isoformat() >= "2024-06-20"


def young_and_active(s: Row, facts: Facts) -> bool:
    person, now = facts.person(s["person_id"], s["occurred_at_ms"]), clock(s, facts)
    if person is None or now is None or person.get("birth_date") is None:
        return False
    year, month, day = map(int, person["birth_date"].split("-"))
    age = now.year - year - ((now.month, now.day) < (month, day))
    return person["status"] == "active" and age < 30


def is_man(s: Row, facts: Facts) -> bool:
    person = facts.person(s["person_id"], s["occurred_at_ms"])
    return person is not None and person.get("sex") == "M"


def agent_or_alone(s: Row, facts: Facts) -> bool:
    agent = s.get("agent_person_id")
    has_agent = agent is not None and agent != s["person_id"]
    return has_agent or facts.household(s["person_id"], s["occurred_at_ms"]) is None


def from_elsewhere(s: Row, facts: Facts) -> bool:
    here = treated(s, facts)
    return insured(s) is not None and here is not None and insured(s) != here


FILTERS: dict[str, Predicate] = {
    'swipe.total_fen >= 10000 && swipe.credential == "e_credential"': (
        lambda s, _: s["total_fen"] >= 10_000 and s["credential"] == "e_credential"
    ),
    "swipe.local_hour >= 22 || swipe.local_hour < 6": at_night,
    '!(swipe.local_time >= "08:00" && swipe.local_time < "20:00")': outside_the_day,
    'swipe.category.startsWith("14") || "d1" in swipe.drug_codes': (
        lambda s, _: s["category"].startswith("14") or "d1" in codes(s)
    ),
    "swipe.fund_fen > 0 ? swipe.total_fen < 20000 : swipe.account_fen >= 3000": (
        lambda s, _: s["total_fen"] < 20_000 if s["fund_fen"] > 0 else s["account_fen"] >= 3000
    ),
    "swipe.has_agent || !swipe.has_household": agent_or_alone,
    "swipe.insured_region4 != swipe.institution_region4": from_elsewhere,
    'swipe.drug_codes.exists(d, d.endsWith("2") || d == "d3")': (
        lambda s, _: any(code.endswith("2") or code == "d3" for code in codes(s))
    ),
    'swipe.items > 0 && swipe.drug_codes.all(d, d != "d0")': (lambda s, _: bool(s["items"]) and "d0" not in codes(s)),
    "swipe.weekday in [6, 7] && !swipe.delivery": on_a_weekend,
    'has(swipe.insured_region4) && swipe.insured_region4 != "3501"': (
        lambda s, _: insured(s) is not None and insured(s) != "3501"
    ),
    "swipe.total_fen % 1000 == 0 && 100000 / swipe.account_fen >= 30": (
        lambda s, _: s["total_fen"] % 1000 == 0 and s["account_fen"] > 0 and 100_000 // s["account_fen"] >= 30
    ),
    'swipe.institution_suspended || swipe.local_date >= "2024-06-20"': late_or_suspended,
    'swipe.till_id == "1" && swipe.institution_id != "P00000000002" && !(swipe.person_id in ["p1", "h1"])': (
        lambda s, _: (
            s["till_id"] == "1" and s["institution_id"] != "P00000000002" and s["person_id"] not in {"p1", "h1"}
        )
    ),
}
PERSON_FILTERS: dict[str, Predicate] = {
    'swipe.person_status == "active" && swipe.age_years < 30': young_and_active,
    'swipe.person_sex != "F"': is_man,
}
"""What only a rule with a person's key can ask."""
FILTERS |= PERSON_FILTERS

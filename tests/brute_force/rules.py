"""Section 4 of the contract, one function a rule, in the contract's own words and order."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from fractions import Fraction
from statistics import median
from typing import Any

from tests.brute_force.facts import (
    DAY_MS,
    Facts,
    Row,
    before,
    exact,
    finding,
    highest,
    ids,
    in_window,
    kilometres,
    local_time,
    moment,
    span,
    up_to,
)


def findings(accepted: Iterable[Row], rules: dict[str, Row]) -> list[Row]:
    """Returns every finding of the given rules (name → parameters) that stands, sorted by time, detector and anchor."""
    facts = Facts(accepted)
    found: list[Row] = []
    for name, settings in rules.items():
        if settings.get("mode") != "off":
            found += RULES[name](facts, settings)
    return sorted(found, key=place_of)


def place_of(row: Row) -> tuple[int, str, str, str]:
    return (row["occurred_at_ms"], row["detector"], row["settlement_id"], str(row["key"]))


def frequent_purchase(facts: Facts, settings: Row) -> Iterator[Row]:
    for s in facts.swipes:
        swipes = facts.swipes_of(person_id=s["person_id"])
        reached = [
            tier
            for tier in settings["tiers"]
            if len(in_window(swipes, s["occurred_at_ms"], span(tier["window"]))) >= tier["count"]
        ]
        tier = highest(reached)
        if tier:
            counted = in_window(swipes, s["occurred_at_ms"], span(tier["window"]))
            yield finding("frequent_purchase", {"person_id": s["person_id"]}, s, tier["severity"], ids(counted))


def split_settlement(facts: Facts, settings: Row) -> Iterator[Row]:
    for s in facts.swipes:
        key = {"person_id": s["person_id"], "institution_id": s["institution_id"]}
        counted = in_window(facts.swipes_of(**key), s["occurred_at_ms"], span(settings["window"]))
        if len(counted) >= settings["count"]:
            yield finding("split_settlement", key, s, settings["severity"], ids(counted))


def impossible_travel(facts: Facts, settings: Row) -> Iterator[Row]:
    in_person = [s for s in facts.swipes if s["credential"] in settings["credentials"]]
    for s in in_person:
        earlier = before((x for x in in_person if x["person_id"] == s["person_id"]), s)
        if not earlier:
            continue
        previous = max(earlier, key=moment)
        here, there = facts.institution_of(s), facts.institution_of(previous)
        if not (has_position(here) and has_position(there)):
            continue
        km = kilometres(there or {}, here or {})
        hours = max(s["occurred_at_ms"] - previous["occurred_at_ms"], 1000) / 3_600_000
        if km >= float(settings["min_distance_km"]) and km / hours > float(settings["max_speed_kmh"]):
            evidence = ids([previous, s])
            yield finding("impossible_travel", {"person_id": s["person_id"]}, s, settings["severity"], evidence)


def has_position(institution: Row | None) -> bool:
    return bool(institution) and all((institution or {}).get(name) is not None for name in ("latitude", "longitude"))


def card_batch(facts: Facts, settings: Row) -> Iterator[Row]:
    for s in facts.swipes:
        key = {"institution_id": s["institution_id"], "till_id": s["till_id"]}
        counted = in_window(facts.swipes_of(**key), s["occurred_at_ms"], span(settings["window"]))
        buyers = len(facts.buyers(counted))
        tier = highest([tier for tier in settings["tiers"] if buyers >= tier["buyers"]])
        if tier:
            yield finding("card_batch", key, s, tier["severity"], ids(counted))


def closed_hours(facts: Facts, settings: Row) -> Iterator[Row]:
    for s in facts.swipes:
        institution = facts.institution_of(s)
        if institution and is_closed(institution, s["occurred_at_ms"], span(settings["grace"])):
            key = {"institution_id": s["institution_id"]}
            yield finding("closed_hours", key, s, settings["severity"], ids([s]))


def is_closed(institution: Row, at_ms: int, grace_ms: int) -> bool:
    if institution.get("opens_at") is None or institution.get("closes_at") is None:
        return False
    opens, closes = of_day(institution["opens_at"]), of_day(institution["closes_at"])
    if (closes - opens) % DAY_MS == 0:
        return False
    length = (closes - opens) % DAY_MS + 2 * grace_ms
    local = local_time(institution, at_ms)
    seconds = (local.hour * 60 + local.minute) * 60 + local.second
    time_of_day = seconds * 1000 + local.microsecond // 1000
    return length < DAY_MS and (time_of_day - (opens - grace_ms)) % DAY_MS > length


def of_day(hour: str) -> int:
    return (int(hour[:2]) * 60 + int(hour[3:])) * 60_000


def nobody_at_counter(facts: Facts, settings: Row) -> Iterator[Row]:
    for s in facts.swipes:
        seen = facts.healthy_at_till(s, span(settings["before"]), span(settings["after"]))
        if s.get("delivery") is True or len(seen) < settings["observations"]:
            continue
        if all(observation["people"] == 0 for observation in seen):
            key = {"institution_id": s["institution_id"], "till_id": s["till_id"]}
            evidence = [observation["event_id"] for observation in seen]
            yield finding("nobody_at_counter", key, s, settings["severity"], evidence)


def holder_mismatch(facts: Facts, settings: Row) -> Iterator[Row]:
    for s in facts.swipes:
        about_s = [
            (observation, face)
            for observation in facts.healthy_at_till(s, span(settings["before"]), span(settings["after"]))
            for face in observation["faces"]
            if face.get("settlement_id") == s["settlement_id"]
        ]
        if any(face.get("verdict") == "match" for _, face in about_s):
            continue
        mismatching = [
            observation["event_id"]
            for observation, face in about_s
            if face.get("verdict") == "mismatch" and exact(face["quality"]) >= exact(settings["min_quality"])
        ]
        if mismatching and not has_agent(facts, s, span(settings["agent_within"])):
            severity = settings["fund_severity"] if s["fund_fen"] > 0 else settings["severity"]
            evidence = list(dict.fromkeys(mismatching))
            yield finding("holder_mismatch", {"person_id": s["person_id"]}, s, severity, evidence)


def has_agent(facts: Facts, s: Row, within_ms: int) -> bool:
    if s.get("agent_person_id") is not None and s["agent_person_id"] != s["person_id"]:
        return True
    for told in facts.of("agent_registration"):
        if told["institution_id"] != s["institution_id"] or told["holder_person_id"] != s["person_id"]:
            continue
        if told["agent_person_id"] == s["person_id"]:
            continue
        if told.get("settlement_id") == s["settlement_id"]:
            return True
        if told.get("settlement_id") is None and abs(told["occurred_at_ms"] - s["occurred_at_ms"]) <= within_ms:
            return True
    return False


def one_face_many_cards(facts: Facts, settings: Row) -> Iterator[Row]:
    visitor_of = {s["settlement_id"]: tied_visitor(facts, s, settings) for s in facts.swipes}
    for s in facts.swipes:
        visitor = visitor_of[s["settlement_id"]]
        if visitor is None:
            continue
        tied = [x for x in facts.swipes if visitor_of[x["settlement_id"]] == visitor]
        reached = []
        for tier in settings["tiers"]:
            counted = in_window(tied, s["occurred_at_ms"], span(tier["window"]))
            institutions = {x["institution_id"] for x in counted}
            if len(facts.buyers(counted)) >= tier["buyers"] and len(institutions) >= (tier.get("institutions") or 1):
                reached.append(tier)
        tier = highest(reached)
        if tier:
            counted = in_window(tied, s["occurred_at_ms"], span(tier["window"]))
            yield finding("one_face_many_cards", {"visitor_id": visitor}, s, tier["severity"], ids(counted))


def tied_visitor(facts: Facts, s: Row, settings: Row) -> str | None:
    candidates = [
        (
            -exact(face["quality"]),
            abs(observation["occurred_at_ms"] - s["occurred_at_ms"]),
            observation["event_id"],
            face["visitor_id"],
        )
        for observation in facts.healthy_at_till(s, span(settings["before"]), span(settings["after"]))
        for face in observation["faces"]
        if face.get("visitor_id") is not None
        and face.get("staff") is not True
        and exact(face["quality"]) >= exact(settings["min_quality"])
        and face.get("settlement_id") in (None, s["settlement_id"])
    ]
    return str(min(candidates)[-1]) if candidates else None


def near_limit(facts: Facts, settings: Row) -> Iterator[Row]:
    limit = exact(settings["limit_fen"])
    margin = max(exact(settings["margin_fen"]), exact(settings["margin_ratio"]) * limit)
    near = [s for s in facts.swipes if limit - margin < s["total_fen"] <= limit]
    for s in near:
        of_person = [x for x in near if x["person_id"] == s["person_id"]]
        counted = in_window(of_person, s["occurred_at_ms"], span(settings["window"]))
        if len(counted) >= settings["count"]:
            yield finding("near_limit", {"person_id": s["person_id"]}, s, settings["severity"], ids(counted))


def settle_refund(facts: Facts, settings: Row) -> Iterator[Row]:
    def reversed_ms(swipe: Row) -> int:
        return facts.reversed_at[swipe["settlement_id"]]

    quick = [
        s
        for s in facts.all_swipes
        if s["settlement_id"] in facts.reversed_at
        and 0 <= reversed_ms(s) - s["occurred_at_ms"] <= span(settings["within"])
    ]
    for s in quick:
        r = reversed_ms(s)
        counted = [
            x for x in quick if x["person_id"] == s["person_id"] and r - span(settings["window"]) < reversed_ms(x) <= r
        ]
        if len(counted) >= settings["count"]:
            found = finding("settle_refund", {"person_id": s["person_id"]}, s, settings["severity"], ids(counted))
            yield {**found, "occurred_at_ms": r}


def injection_drawdown(facts: Facts, settings: Row) -> Iterator[Row]:
    for injection in facts.of("account_injection"):
        start, amount = injection["occurred_at_ms"], injection["amount_fen"]
        drawn, counted = 0, []
        for s in facts.swipes_of(person_id=injection["person_id"]):
            if amount <= 0 or not start < s["occurred_at_ms"] <= start + span(settings["window"]):
                continue
            drawn += s["account_fen"]
            counted.append(s)
            if drawn >= exact(settings["ratio"]) * amount:
                key = {"person_id": s["person_id"], "injection": injection["event_id"]}
                yield finding("injection_drawdown", key, s, settings["severity"], ids(counted))
                break


def ineligible_person(facts: Facts, settings: Row) -> Iterator[Row]:
    for s in facts.swipes:
        person = facts.person(s["person_id"], s["occurred_at_ms"])
        if person is None or person["status"] == "active":
            continue
        severity = settings["fund_severity"] if s["fund_fen"] > 0 else settings["severity"]
        if person["status"] == "deceased":
            severity = settings["deceased_severity"]
        yield finding("ineligible_person", {"person_id": s["person_id"]}, s, severity, ids([s]))


def suspended_institution(facts: Facts, settings: Row) -> Iterator[Row]:
    for s in facts.swipes:
        institution = facts.institution_of(s)
        if institution and institution["agreement"] == "suspended":
            key = {"institution_id": s["institution_id"]}
            yield finding("suspended_institution", key, s, settings["severity"], ids([s]))


def sex_age_conflict(facts: Facts, settings: Row) -> Iterator[Row]:
    for s in facts.swipes:
        drugs = [facts.drug(item["drug_code"]) for item in s["items"]]
        if any(drug and (wrong_sex(facts, s, drug) or wrong_age(facts, s, drug)) for drug in drugs):
            severity = settings["fund_severity"] if s["fund_fen"] > 0 else settings["severity"]
            yield finding("sex_age_conflict", {"person_id": s["person_id"]}, s, severity, ids([s]))


def wrong_sex(facts: Facts, s: Row, drug: Row) -> bool:
    person = facts.person(s["person_id"], s["occurred_at_ms"])
    if person is None or person.get("sex") is None or drug.get("sex") is None:
        return False
    return bool(drug["sex"] != person["sex"])


def wrong_age(facts: Facts, s: Row, drug: Row) -> bool:
    person, institution = facts.person(s["person_id"], s["occurred_at_ms"]), facts.institution_of(s)
    if person is None or institution is None or person.get("birth_date") is None:
        return False
    year, month, day = map(int, person["birth_date"].split("-"))
    today = local_time(institution, s["occurred_at_ms"])
    age = today.year - year - ((today.month, today.day) < (month, day))
    youngest, oldest = drug.get("min_age_years"), drug.get("max_age_years")
    return (youngest is not None and age < youngest) or (oldest is not None and age > oldest)


def oversupply(facts: Facts, settings: Row) -> Iterator[Row]:
    for s in facts.swipes:
        chronic = s["category"].startswith(settings["chronic_category"])
        limit = settings["chronic_limit"] if chronic else settings["limit"]
        purchases = in_window(
            up_to(facts.swipes_of(person_id=s["person_id"]), s), s["occurred_at_ms"], span(settings["window"])
        )
        for generic in sorted(supplies(facts, s)):
            cover_end, counted = Fraction(-1), []
            for x in sorted(purchases, key=moment):
                for days in supplies(facts, x).get(generic, []):
                    cover_end = max(cover_end, Fraction(x["occurred_at_ms"])) + days * DAY_MS
                    counted.append(x)
            if cover_end - s["occurred_at_ms"] > span(limit):
                key = {"person_id": s["person_id"], "generic": generic}
                yield finding("oversupply", key, s, settings["severity"], list(dict.fromkeys(ids(counted))))


def supplies(facts: Facts, swipe: Row) -> dict[str, list[Fraction]]:
    """Returns, by generic, the days of supply of a swipe's items in line order."""
    days: dict[str, list[Fraction]] = {}
    for item in sorted(swipe["items"], key=lambda item: item["line_no"]):
        drug = facts.drug(item["drug_code"])
        generic = (drug.get("generic_code") if drug else None) or item["drug_code"]
        if item.get("days_supply") is not None:
            days.setdefault(generic, []).append(exact(item["days_supply"]))
    return days


def trace_code_reuse(facts: Facts, settings: Row) -> Iterator[Row]:
    for s in facts.swipes:
        for code in sorted(codes_of(s)):
            uses = in_window(up_to(facts.swipes, s), s["occurred_at_ms"], span(settings["window"]))
            uses = [x for x in uses if code in codes_of(x)]
            if len(uses) >= 2:
                many = len(uses) >= settings["critical_uses"]
                severity = settings["critical_severity"] if many else settings["severity"]
                previous = max(before(uses, s), key=moment)
                found = finding("trace_code_reuse", {"trace_code": code}, s, severity, ids(uses))
                yield {**found, "measure": {"class": class_of(previous, s, settings), "uses": len(uses)}}


def codes_of(swipe: Row) -> set[str]:
    whole_packs = [item for item in swipe["items"] if item.get("split_pack") is not True]
    return {code for item in whole_packs for code in item.get("trace_codes") or []}


def class_of(previous: Row, s: Row, settings: Row) -> str:
    if previous["institution_id"] == s["institution_id"]:
        return "swap"
    gap = s["occurred_at_ms"] - previous["occurred_at_ms"]
    return "reflow" if gap >= span(settings["reflow_after"]) else "counterfeit"


def stock_imbalance(facts: Facts, settings: Row) -> Iterator[Row]:
    for s in facts.swipes:
        for drug_code in sorted({item["drug_code"] for item in s["items"]}):
            evidence = missing_stock(facts, s, drug_code, settings)
            if evidence:
                key = {"institution_id": s["institution_id"], "drug_code": drug_code}
                yield finding("stock_imbalance", key, s, settings["severity"], evidence)


def missing_stock(facts: Facts, s: Row, drug_code: str, settings: Row) -> list[str]:
    """Returns the ids that were counted where more was sold than supplied, else nothing."""
    at_ms = s["occurred_at_ms"]
    known = in_window(standing_movements(facts, s["institution_id"], drug_code), at_ms, span(settings["window"]))
    if not any(movement["kind"] in ("count", "purchase") for movement in known):
        return []
    counts = [movement for movement in known if movement["kind"] == "count"]
    base = max(counts, key=lambda movement: (movement["occurred_at_ms"], movement["event_id"]), default=None)
    since = base["occurred_at_ms"] if base else at_ms - span(settings["window"])
    supply = exact(base["quantity"]) if base else Fraction(0)
    sold = Fraction(0)
    counted: list[tuple[int, str]] = [(since, base["event_id"])] if base else []
    for movement in in_window(known, at_ms, at_ms - since):
        into_supply, into_sold = shares(movement)
        supply, sold = supply + into_supply, sold + into_sold
        if into_supply or into_sold:
            counted.append((movement["occurred_at_ms"], movement["event_id"]))
    for x in in_window(facts.swipes_of(institution_id=s["institution_id"]), at_ms, at_ms - since):
        quantity = sum((exact(item["quantity"]) for item in x["items"] if item["drug_code"] == drug_code), Fraction(0))
        sold += quantity
        if quantity:
            counted.append(moment(x))
    tolerance = max(exact(settings["min_units"]), exact(settings["ratio"]) * max(supply, Fraction(0)))
    return [name for _, name in sorted(counted)] if sold - supply > tolerance else []


def shares(movement: Row) -> tuple[Fraction, Fraction]:
    """Returns what a movement adds to the supply and to what was sold."""
    quantity, kind = exact(movement["quantity"]), movement["kind"]
    self_pay = movement.get("setl_kind") == "self_pay"
    if kind in ("purchase", "adjust"):
        return quantity, Fraction(0)
    if kind == "purchase_return":
        return -quantity, Fraction(0)
    if kind == "sale" and self_pay:
        return Fraction(0), quantity
    if kind == "sale_return" and self_pay:
        return Fraction(0), -quantity
    return Fraction(0), Fraction(0)


def standing_movements(facts: Facts, institution_id: str, drug_code: str) -> list[Row]:
    at_institution = [row for row in facts.of("stock_movement") if row["institution_id"] == institution_id]
    deleted = {row.get("refers_to") for row in at_institution if row["kind"] == "deletion"}
    return [
        row
        for row in at_institution
        if row["drug_code"] == drug_code and row["kind"] != "deletion" and row["event_id"] not in deleted
    ]


def volume_surge(facts: Facts, settings: Row) -> Iterator[Row]:
    for institution_id in sorted({s["institution_id"] for s in facts.swipes}):
        days: dict[int, list[Row]] = {}
        for s in facts.swipes_of(institution_id=institution_id):
            institution = facts.institution_of(s)
            if institution:
                days.setdefault(local_time(institution, s["occurred_at_ms"]).date().toordinal(), []).append(s)
        for day, swipes in days.items():
            past = [len(days[day - 7 * week]) for week in range(1, settings["weeks"] + 1) if day - 7 * week in days]
            if len(past) < settings["min_days"]:
                continue
            for number, s in enumerate(sorted(swipes, key=moment), start=1):
                if surges(number, past, exact(settings["factor"])):
                    evidence = ids(up_to(swipes, s))
                    key = {"institution_id": institution_id}
                    yield finding("volume_surge", key, s, settings["severity"], evidence)
                    break


def surges(number: int, past: list[int], factor: Fraction) -> bool:
    """Returns whether number ≥ median + factor · max(1.4826 · MAD, √median, 1), without a rounded root."""
    middle = exact(median([Fraction(value) for value in past]))
    mad = exact(median([abs(value - middle) for value in past]))
    above = number - middle
    return (
        above >= factor * Fraction("1.4826") * mad
        and above >= factor
        and (above >= 0 and above * above >= factor * factor * middle)
    )


def card_ring(facts: Facts, settings: Row) -> Iterator[Row]:
    meetings = [
        (first, later)
        for later in facts.swipes
        for first in before(facts.swipes_of(institution_id=later["institution_id"], till_id=later["till_id"]), later)
        if first["person_id"] != later["person_id"]
        and later["occurred_at_ms"] - first["occurred_at_ms"] <= span(settings["meeting"])
    ]
    for s in facts.swipes:
        others = {first["person_id"] for first, later in meetings if later is s}
        for q in sorted(others):
            pair = sorted([s["person_id"], q])
            if of_one_household(facts, pair, s["occurred_at_ms"]):
                continue
            theirs = [
                (first, later)
                for first, later in meetings
                if sorted([first["person_id"], later["person_id"]]) == pair
                and s["occurred_at_ms"] - span(settings["window"]) < later["occurred_at_ms"]
                and moment(later) <= moment(s)
            ]
            if len({later["institution_id"] for _, later in theirs}) >= settings["institutions"]:
                swipes = {x["settlement_id"]: x for meeting in theirs for x in meeting}
                yield finding("card_ring", {"persons": pair}, s, settings["severity"], ids(swipes.values()))


def of_one_household(facts: Facts, pair: list[str], at_ms: int) -> bool:
    households = [facts.household(person_id, at_ms) for person_id in pair]
    return households[0] is not None and households[0] == households[1]


def no_filing(facts: Facts, settings: Row) -> Iterator[Row]:
    for s in facts.swipes:
        institution = facts.institution_of(s)
        region = institution.get("region") if institution else None
        insured = s.get("insured_region")
        if region is None or insured is None or insured[:4] == region[:4]:
            continue
        if not has_filing(facts, s, region):
            severity = settings["fund_severity"] if s["fund_fen"] > 0 else settings["severity"]
            yield finding("no_filing", {"person_id": s["person_id"]}, s, severity, ids([s]))


def has_filing(facts: Facts, s: Row, region: str) -> bool:
    return any(
        filing["person_id"] == s["person_id"]
        and filing["to_region"][:4] == region[:4]
        and filing["starts_ms"] <= s["occurred_at_ms"]
        and (filing.get("ends_ms") is None or s["occurred_at_ms"] < filing["ends_ms"])
        for filing in facts.of("cross_region_filing")
    )


RULES: dict[str, Callable[[Facts, Row], Iterator[Row]]] = {
    rule.__name__: rule
    for rule in (
        frequent_purchase,
        split_settlement,
        impossible_travel,
        card_batch,
        closed_hours,
        near_limit,
        settle_refund,
        injection_drawdown,
        ineligible_person,
        suspended_institution,
        sex_age_conflict,
        oversupply,
        trace_code_reuse,
        stock_imbalance,
        volume_surge,
        card_ring,
        no_filing,
        nobody_at_counter,
        holder_mismatch,
        one_face_many_cards,
    )
}

DEFAULTS: dict[str, dict[str, Any]] = {
    "frequent_purchase": {
        "tiers": [
            {"window": "24h", "count": 3, "severity": "medium"},
            {"window": "30d", "count": 10, "severity": "medium"},
            {"window": "30d", "count": 15, "severity": "high"},
            {"window": "30d", "count": 30, "severity": "critical"},
        ]
    },
    "split_settlement": {"window": "10m", "count": 2, "severity": "medium"},
    "impossible_travel": {
        "min_distance_km": 2,
        "max_speed_kmh": 120,
        "credentials": ["social_card", "id_card"],
        "severity": "high",
    },
    "card_batch": {
        "window": "10m",
        "tiers": [
            {"buyers": 5, "severity": "medium"},
            {"buyers": 8, "severity": "high"},
            {"buyers": 12, "severity": "critical"},
        ],
    },
    "closed_hours": {"grace": "15m", "severity": "medium"},
    "near_limit": {
        "limit_fen": 20000,
        "margin_fen": 500,
        "margin_ratio": "0.03",
        "window": "30d",
        "count": 3,
        "severity": "medium",
    },
    "settle_refund": {"within": "15m", "window": "24h", "count": 2, "severity": "medium"},
    "injection_drawdown": {"window": "72h", "ratio": "0.6", "severity": "medium"},
    "ineligible_person": {"severity": "low", "fund_severity": "high", "deceased_severity": "critical"},
    "suspended_institution": {"severity": "critical"},
    "sex_age_conflict": {"severity": "medium", "fund_severity": "high"},
    "oversupply": {
        "window": "365d",
        "limit": "45d",
        "chronic_limit": "84d",
        "chronic_category": "14",
        "severity": "medium",
    },
    "trace_code_reuse": {
        "window": "730d",
        "reflow_after": "3d",
        "critical_uses": 3,
        "severity": "high",
        "critical_severity": "critical",
    },
    "stock_imbalance": {"window": "400d", "min_units": 3, "ratio": "0.05", "severity": "high"},
    "volume_surge": {"weeks": 8, "min_days": 4, "factor": 3, "severity": "medium"},
    "card_ring": {"meeting": "10m", "window": "30d", "institutions": 3, "severity": "high"},
    "no_filing": {"severity": "low", "fund_severity": "high"},
    "nobody_at_counter": {"before": "120s", "after": "60s", "observations": 3, "severity": "medium"},
    "holder_mismatch": {
        "before": "120s",
        "after": "60s",
        "min_quality": "0.5",
        "agent_within": "15m",
        "severity": "medium",
        "fund_severity": "high",
    },
    "one_face_many_cards": {
        "before": "30s",
        "after": "15s",
        "min_quality": "0.5",
        "tiers": [
            {"window": "30m", "buyers": 3, "severity": "medium"},
            {"window": "30m", "buyers": 5, "severity": "high"},
            {"window": "30m", "buyers": 8, "severity": "critical"},
            {"window": "7d", "buyers": 4, "institutions": 2, "severity": "high"},
        ],
    },
}

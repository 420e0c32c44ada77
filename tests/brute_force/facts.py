"""What the rules may ask of the accepted events: visible swipes, versions in force, buyers, windows."""

from __future__ import annotations

import math
from collections.abc import Iterable
from datetime import UTC, datetime, timedelta
from fractions import Fraction
from typing import Any
from zoneinfo import ZoneInfo

from tests.brute_force.acceptance import matches

Row = dict[str, Any]

UNIT_MS = {"s": 1000, "m": 60_000, "h": 3_600_000, "d": 86_400_000}
DAY_MS = UNIT_MS["d"]
EARTH_KM = 6371.0088
SEVERITIES = ["low", "medium", "high", "critical"]


def span(written: str) -> int:
    """Returns a duration such as `10m` in milliseconds."""
    if written.endswith("ms"):
        return int(written[:-2])
    return int(written[:-1]) * UNIT_MS[written[-1]]


def exact(value: Any) -> Fraction:
    """Returns a number as it is written: 0.03 is three hundredths."""
    return Fraction(str(value))


def moment(swipe: Row) -> tuple[int, str]:
    """Returns the order of swipes."""
    return (swipe["occurred_at_ms"], swipe["settlement_id"])


def local_time(institution: Row, at_ms: int) -> datetime:
    zone = ZoneInfo(institution.get("time_zone") or "Asia/Shanghai")
    return (datetime(1970, 1, 1, tzinfo=UTC) + timedelta(milliseconds=at_ms)).astimezone(zone)


def kilometres(here: Row, there: Row) -> float:
    """Returns the great-circle distance by the haversine formula."""
    phi1, phi2 = math.radians(here["latitude"]), math.radians(there["latitude"])
    half_phi = (phi2 - phi1) / 2
    half_lambda = (math.radians(there["longitude"]) - math.radians(here["longitude"])) / 2
    chord = math.sin(half_phi) ** 2 + math.cos(phi1) * math.cos(phi2) * math.sin(half_lambda) ** 2
    return 2 * EARTH_KM * math.asin(min(1.0, math.sqrt(chord)))


class Facts:
    """The accepted events, asked naively."""

    def __init__(self, accepted: Iterable[Row]) -> None:
        self.events = list(accepted)
        self.all_swipes = sorted(self.of("swipe"), key=moment)
        self.reversed_at = self._reversed_at()
        self.swipes = [swipe for swipe in self.all_swipes if swipe["settlement_id"] not in self.reversed_at]
        self.observations = sorted(
            (self._corrected(observation) for observation in self.of("face_observed")),
            key=lambda observation: (observation["occurred_at_ms"], observation["event_id"]),
        )
        self._buyers = {swipe["settlement_id"]: self._buyer(swipe) for swipe in self.swipes}

    def of(self, kind: str) -> list[Row]:
        return [event for event in self.events if event["type"] == kind]

    def _reversed_at(self) -> dict[str, int]:
        earliest: dict[str, int] = {}
        for swipe in self.all_swipes:
            times = [reversal["occurred_at_ms"] for reversal in self.of("reversal") if matches(reversal, swipe)]
            if times:
                earliest[swipe["settlement_id"]] = min(times)
        return earliest

    def _corrected(self, observation: Row) -> Row:
        """Returns the observation with each face's visitor as the latest correction says."""
        faces = list(observation["faces"])
        corrections = [
            correction
            for correction in self.of("visitor_correction")
            if correction["observation_id"] == observation["event_id"] and correction["face_no"] < len(faces)
        ]
        for said in sorted(corrections, key=lambda said: (said["occurred_at_ms"], said["event_id"])):
            faces[said["face_no"]] = {**faces[said["face_no"]], "visitor_id": said.get("visitor_id")}
        return {**observation, "faces": faces}

    def version(self, kind: str, name: str, wanted: str, at_ms: int) -> Row | None:
        """Returns the version of a person or an institution that is in force, or None where none is."""
        versions = [row for row in self.of(kind) if row[name] == wanted and row["effective_from_ms"] <= at_ms]
        return max(versions, key=lambda row: (row["effective_from_ms"], row["event_id"]), default=None)

    def person(self, person_id: str, at_ms: int) -> Row | None:
        return self.version("person", "person_id", person_id, at_ms)

    def institution_of(self, swipe: Row) -> Row | None:
        """Returns the swipe's institution as it was at the swipe's own time."""
        return self.version("institution", "institution_id", swipe["institution_id"], swipe["occurred_at_ms"])

    def household(self, person_id: str, at_ms: int) -> str | None:
        person = self.person(person_id, at_ms)
        return person.get("household_id") if person else None

    def drug(self, drug_code: str) -> Row | None:
        told = [drug for drug in self.of("drug") if drug["drug_code"] == drug_code]
        return max(told, key=lambda drug: (drug["occurred_at_ms"], drug["event_id"]), default=None)

    def _buyer(self, swipe: Row) -> tuple[str, str]:
        household = self.household(swipe["person_id"], swipe["occurred_at_ms"])
        return ("household", household) if household is not None else ("person", swipe["person_id"])

    def buyers(self, swipes: Iterable[Row]) -> set[tuple[str, str]]:
        return {self._buyers[swipe["settlement_id"]] for swipe in swipes}

    def swipes_of(self, **wanted: str) -> list[Row]:
        """Returns the visible swipes with these field values, in order."""
        return [swipe for swipe in self.swipes if all(swipe[name] == value for name, value in wanted.items())]

    def healthy_at_till(self, swipe: Row, before_ms: int, after_ms: int) -> list[Row]:
        """Returns the healthy observations of the swipe's till around it, both ends inside, in order."""
        at_ms = swipe["occurred_at_ms"]
        return [
            seen
            for seen in self.observations
            if seen["healthy"]
            and seen["institution_id"] == swipe["institution_id"]
            and seen["till_id"] == swipe["till_id"]
            and at_ms - before_ms <= seen["occurred_at_ms"] <= at_ms + after_ms
        ]


def in_window(rows: Iterable[Row], at_ms: int, length_ms: int) -> list[Row]:
    """Returns the rows with t − W < t' ≤ t."""
    return [row for row in rows if at_ms - length_ms < row["occurred_at_ms"] <= at_ms]


def up_to(swipes: Iterable[Row], anchor: Row) -> list[Row]:
    """Returns the swipes that are the anchor or before it, by order."""
    return [swipe for swipe in swipes if moment(swipe) <= moment(anchor)]


def before(swipes: Iterable[Row], anchor: Row) -> list[Row]:
    """Returns the swipes that are before the anchor, by order."""
    return [swipe for swipe in swipes if moment(swipe) < moment(anchor)]


def ids(swipes: Iterable[Row]) -> list[str]:
    return [swipe["settlement_id"] for swipe in sorted(swipes, key=moment)]


def highest(reached: list[Row]) -> Row | None:
    """Returns the reached tier of the highest severity, the first listed among equals."""
    return max(reached, key=lambda tier: SEVERITIES.index(tier["severity"]), default=None)


def finding(detector: str, key: Row, anchor: Row, severity: str, evidence: list[str]) -> Row:
    return {
        "detector": detector,
        "key": key,
        "settlement_id": anchor["settlement_id"],
        "severity": severity,
        "institution_id": anchor["institution_id"],
        "occurred_at_ms": anchor["occurred_at_ms"],
        "evidence": evidence,
    }

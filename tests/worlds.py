"""Random dense worlds: few people, stores and tills, and times that lie on the edges of the rules' windows.

`world(seed)` is made anew, alike, from its seed. Everything is a plain dict that `encode` turns into a JSON line;
shuffling, repeating and cutting into batches is the caller's.
"""

from __future__ import annotations

import copy
import json
import math
import random
from collections.abc import Iterable
from datetime import datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import msgspec
import pytest

Row = dict[str, Any]


def quick_first(seeds: Iterable[int], quick: int) -> list[Any]:
    """Returns the seeds as parameters of a test: the same again on more worlds than these is left to the slow lane."""
    return [pytest.param(seed, marks=() if place < quick else pytest.mark.slow) for place, seed in enumerate(seeds)]


SECOND, MINUTE, HOUR, DAY = 1000, 60_000, 3_600_000, 86_400_000
SHORT_MS = [0, SECOND, 15 * SECOND, 30 * SECOND, MINUTE, 2 * MINUTE, 10 * MINUTE, 10 * MINUTE, 15 * MINUTE, 30 * MINUTE]
LONG_MS = [24 * HOUR, 24 * HOUR, 72 * HOUR, 7 * DAY, 7 * DAY, 30 * DAY, 30 * DAY, 365 * DAY, 400 * DAY, 730 * DAY]
JITTER_MS = [-1, 0, 0, 0, 1]
KM_PER_DEGREE = 6371.0088 * math.pi / 180
SKIES = [  # a day on which something happens to the clocks, and where
    ("Asia/Shanghai", "2024-06-18T02:00Z"),
    (None, "2024-06-18T02:00Z"),
    ("America/New_York", "2024-03-10T06:00Z"),
    ("America/New_York", "2024-11-03T04:00Z"),
    ("Europe/London", "2024-10-26T23:00Z"),
    ("Australia/Lord_Howe", "2024-04-06T13:00Z"),
    ("Asia/Kathmandu", "2024-12-31T17:00Z"),
]
HOURS = [
    ("08:00", "22:00"),
    ("08:00", "22:00"),
    ("09:30", "11:00"),
    ("22:00", "06:00"),
    ("00:00", "24:00"),
    ("09:00", "09:00"),
    ("00:00", "23:30"),
    ("00:10", "23:39"),
    ("00:10", "23:41"),
    ("24:00", "08:00"),
    ("08:00", "24:00"),
    ("08:00", "00:00"),
    ("00:00", "09:30"),
    ("02:30", "12:00"),
    (None, "22:00"),
    ("08:00", None),
    (None, None),
]
KILOMETRES = [0.0, 1.999, 2.001, 19.999, 20.001, 300.0]
QUALITIES = [0, 0.3, 0.49, 0.5, 0.5, 0.51, 0.9, 0.9, 1]
REGIONS = ["320200", "320200", "3202", "320100", "350100"]


def encode(events: Iterable[Row]) -> list[bytes]:
    """Returns each event as the bytes of one JSON line, without the line's end."""
    return [json.dumps(event, ensure_ascii=False).encode() for event in events]


def world(seed: int, size: int = 40, *, conflicts: bool = False) -> list[Row]:
    """Returns a random world of about 2 × size swipes; with conflicts, some events contradict an earlier one."""
    return World(seed).build(size, conflicts=conflicts)


class World:
    """A world in the making."""

    def __init__(self, seed: int) -> None:
        self.chance = random.Random(f"world {seed}")
        self.seed = seed
        self.events: list[Row] = []
        self.swipes: list[Row] = []
        self.observations: list[Row] = []
        self._numbers = self.chance.sample(range(1, 20_000), 19_999)
        self.people = [f"p{number}" for number in range(1, 19)] + ["人19", "h1"]
        self.stores = ["P00000000001", "P00000000002", "H00000000003", "P00000000010"]
        self.visitors = ["v1", "v2", "v10", "访3"]
        self.zone, start = self.chance.choice(SKIES)
        first = int(datetime.fromisoformat(start).timestamp()) * 1000
        self.centres = [first, first + 24 * HOUR, first + 7 * DAY, first + 30 * DAY, first + 13 * DAY, first - 9 * DAY]
        self.hours: dict[str, tuple[str | None, str | None]] = {}

    # ------------------------------------------------------------------------------------------------ small words

    def often(self, probability: float) -> bool:
        return self.chance.random() < probability

    def new_id(self, letter: str) -> str:
        """Returns an id that says nothing of the order in which things were made."""
        return f"{letter}{self._numbers.pop()}"

    def tell(self, kind: str, at_ms: int, /, **fields: Any) -> Row:
        event = {"type": kind, "event_id": self.new_id(kind[:2]), "occurred_at_ms": at_ms, **fields}
        if self.often(0.2):
            event["received_at_ms"] = at_ms + self.chance.choice([-10 * MINUTE, 0, 5 * SECOND, 20 * DAY])
        self.events.append(event)
        return event

    def edge(self, at_ms: int, lengths: list[int]) -> int:
        """Returns a time one of the lengths before or after, give or take a millisecond."""
        return at_ms + self.chance.choice([-1, 1]) * self.chance.choice(lengths) + self.chance.choice(JITTER_MS)

    def some_time(self) -> int:
        if self.swipes and self.often(0.4):
            return self.edge(self.chance.choice(self.swipes)["occurred_at_ms"], SHORT_MS)
        if self.swipes and self.often(0.15):
            return self.edge(self.chance.choice(self.swipes)["occurred_at_ms"], LONG_MS)
        return self.chance.choice(self.centres) + self.chance.randrange(0, 60) * 7 * MINUTE

    # ---------------------------------------------------------------------------------------------------- the cast

    def build(self, size: int, *, conflicts: bool) -> list[Row]:
        self.drugs()
        for store in self.stores[:3] if self.often(0.3) else self.stores:
            self.store_version(store, self.centres[0] - 800 * DAY, first=True)
        for person in self.people[:18]:
            self.person_version(person, self.centres[0] - 800 * DAY)
        for _ in range(size):
            self.swipe()
        self.scenes()
        self.edges_of_opening()
        self.later_versions()
        for swipe in list(self.swipes):
            self.camera(swipe)
        self.reversals()
        self.registrations()
        self.corrections()
        self.injections()
        self.filings()
        self.stock()
        self.repeats()
        if conflicts:
            self.contradictions()
        return self.events

    def drugs(self) -> None:
        for number in range(6):
            for _ in range(self.chance.choice([0, 1, 1, 2])):
                self.tell(
                    "drug",
                    self.centres[0] + self.chance.choice([0, 0, DAY]),
                    drug_code=f"d{number}",
                    name="drug",
                    generic_code=self.chance.choice([None, None, "g1", "d2"]),
                    sex=self.chance.choice([None, None, None, None, None, "F"]),
                    min_age_years=self.chance.choice([None, None, None, 18]),
                    max_age_years=self.chance.choice([None, None, None, None, 59]),
                )

    def person_version(self, person: str, from_ms: int) -> Row:
        return self.tell(
            "person",
            from_ms,
            person_id=person,
            sex=self.chance.choice(["M", "F", None]),
            birth_date=self.chance.choice([None, "1960-01-01", "1965-06-18", "2004-02-29", "2006-03-10", "2006-06-19"]),
            region="320200",
            household_id=self.chance.choice([None, None, None, "h1", "h2", "p3"]),
            status=self.chance.choice(["active"] * 14 + ["paused", "ended", "deceased"]),
            effective_from_ms=from_ms,
        )

    def store_version(self, store: str, from_ms: int, *, first: bool = False) -> Row:
        opens_at, closes_at = self.chance.choice(HOURS)
        kilometres = self.chance.choice(KILOMETRES)
        here = None if self.often(0.12) else 31.5
        if first:
            self.hours[store] = (opens_at, closes_at)
        return self.tell(
            "institution",
            from_ms,
            institution_id=store,
            kind=self.chance.choice(["pharmacy", "clinic"]),
            name="店",
            latitude=here and here + kilometres / KM_PER_DEGREE,
            longitude=None if self.often(0.05) else 0,
            opens_at=opens_at,
            closes_at=closes_at,
            time_zone=self.zone if first or self.often(0.8) else self.chance.choice(SKIES)[0],
            region=self.chance.choice([*REGIONS, None]),
            agreement="suspended" if self.often(0.08) else "active",
            effective_from_ms=from_ms,
        )

    def later_versions(self) -> None:
        """People and stores change exactly at a swipe, a millisecond beside it, and twice at once."""
        for _ in range(10):
            swipe = self.chance.choice(self.swipes)
            from_ms = swipe["occurred_at_ms"] + self.chance.choice([-1, 0, 0, 1])
            for _ in range(self.chance.choice([1, 1, 2])):
                self.person_version(swipe["person_id"], from_ms)
        for _ in range(3):
            swipe = self.chance.choice(self.swipes)
            from_ms = swipe["occurred_at_ms"] + self.chance.choice([-1, 0, 0, 1])
            for _ in range(self.chance.choice([1, 1, 2])):
                self.store_version(swipe["institution_id"], from_ms)

    # --------------------------------------------------------------------------------------------------- purchases

    def swipe(self, at_ms: int | None = None, **fields: Any) -> Row:
        """Tells of one purchase; what is not given is drawn."""
        person = fields.get("person_id") or self.chance.choice(self.people)
        settlement_id = self.new_id("s")
        said: Row = {
            "settlement_id": settlement_id,
            "person_id": person,
            "institution_id": self.chance.choice(self.stores),
            "till_id": self.chance.choice(["1", "2"]),
            "credential": self.chance.choice(["social_card", "social_card", "id_card", "e_credential"]),
            "insurance": "310",
            "category": self.chance.choice(["41", "41", "14", "1402", "11"]),
            "insured_region": self.chance.choice([None, None, None, "320200", "320200", "320200", "350100"]),
            "total_fen": self.chance.choice([1000, 5000, 19400, 19401, 19500, 20000, 20001]),
            "fund_fen": self.chance.choice([0, 0, 100]),
            "account_fen": self.chance.choice([0, 1000, 2000, 3000, 6000]),
            "mutual_fen": 0,
            "cash_fen": 0,
            "agent_person_id": self.chance.choice([None] * 12 + [person, self.chance.choice(self.people)]),
            "delivery": self.chance.choice([None, None, None, False, True]),
            "items": [self.item(line_no) for line_no in range(1, self.chance.choice([1, 2, 2, 3]))],
            **fields,
        }
        swipe = self.tell("swipe", self.some_time() if at_ms is None else at_ms, **said)
        self.swipes.append(swipe)
        return swipe

    def item(self, line_no: int) -> Row:
        code = str(80_000_000_000_000_000_000 + self.chance.randrange(60))
        return {
            "line_no": line_no,
            "drug_code": f"d{self.chance.randrange(7)}",
            "quantity": self.chance.choice([1, 1, 2, 3, 0.5, 1.1]),
            "unit_price_fen": 100,
            "amount_fen": 100,
            "days_supply": self.chance.choice([None, None, 0, 7, 7, 15, 30, 30.5, 45, 84]),
            "trace_codes": self.chance.choice([None, None, None, [], [code], [code, code]]),
            "split_pack": self.chance.choice([None, False, None, True]),
        }

    def scenes(self) -> None:
        stories = [self.batch, self.batch, self.regular_buyer, self.weekly_day]
        for story in self.chance.sample(stories, 2):
            story()
        for story in (self.weekly_day, self.journey, self.ring, self.ring, self.long_ago):
            story()

    def batch(self) -> None:
        """Many people at one till, minutes apart, often led by one visitor, who now and then goes on elsewhere."""
        store, till = self.chance.choice(self.stores), self.chance.choice(["1", "2"])
        leader = self.chance.choice(self.visitors) if self.often(0.7) else None
        people = self.chance.sample(self.people, self.chance.choice([5, 6, 9, 14, 19]))
        step = self.chance.choice([15 * SECOND, 30 * SECOND, MINUTE, MINUTE, 2 * MINUTE, 150 * SECOND])
        at_ms = self.chance.choice(self.centres)
        for person in people:
            at_ms += self.chance.choice([0, step, step, step]) + self.chance.choice(JITTER_MS)
            if self.often(0.1):
                store = self.chance.choice(self.stores)
            swipe = self.swipe(at_ms, person_id=person, institution_id=store, till_id=till)
            if leader and self.often(0.9):
                quality = self.chance.choice([0.5, 0.9, 0.9])
                self.observation(
                    swipe, self.chance.choice([-30 * SECOND, 0, 15 * SECOND]), [self.face(leader, quality)]
                )

    def regular_buyer(self) -> None:
        """One person who comes every day or so, ten to thirty-two times within about thirty days."""
        person, at_ms = self.chance.choice(self.people), self.centres[0]
        times = self.chance.choice([10, 11, 15, 16, 31])
        for _ in range(times):
            self.swipe(at_ms, person_id=person)
            at_ms += self.chance.choice([30 * DAY // (times - 1), DAY, DAY]) + self.chance.choice(JITTER_MS)

    def journey(self) -> None:
        """One person from store to store at about the speed that can just be travelled."""
        person, at_ms = self.chance.choice(self.people), self.chance.choice(self.centres)
        for store in self.chance.choices(self.stores, k=5):
            at_ms += self.chance.choice([0, SECOND, MINUTE, 10 * MINUTE, 10 * MINUTE, 150 * MINUTE])
            self.swipe(at_ms, person_id=person, institution_id=store, credential="id_card")

    def ring(self) -> None:
        """Two people who meet at several stores, about ten minutes apart."""
        pair, at_ms = self.chance.sample(self.people, 2), self.chance.choice(self.centres)
        for store in self.chance.sample(self.stores, self.chance.choice([3, 4])):
            gap = self.chance.choice([0, 5 * MINUTE, 10 * MINUTE, 10 * MINUTE, 10 * MINUTE, 10 * MINUTE + 1])
            till = self.chance.choice(["1", "2"])
            for person, later in zip(pair, [0, gap], strict=True):
                self.swipe(at_ms + later, person_id=person, institution_id=store, till_id=till)
            at_ms += self.chance.choice([HOUR, HOUR, 15 * DAY, 30 * DAY, 10 * DAY])
            self.chance.shuffle(pair)

    def weekly_day(self) -> None:
        """A store with a few swipes on one weekday, and then a busy one."""
        store, at_ms = self.chance.choice(self.stores), self.chance.choice(self.centres)
        for week in range(1, 10):
            for _ in range(self.chance.choice([0, 1, 1, 1, 1, 1, 2])):
                self.swipe(at_ms - week * 7 * DAY + self.chance.randrange(0, 5) * HOUR, institution_id=store)
        for _ in range(self.chance.choice([6, 9, 9])):
            at_ms += self.chance.choice([0, MINUTE, 20 * MINUTE])
            self.swipe(at_ms, institution_id=store)

    def long_ago(self) -> None:
        """Purchases that lie a rule's whole look-back before another of the same person and pack."""
        for swipe in self.chance.sample(self.swipes, 6):
            back = self.chance.choice([30 * DAY, 72 * HOUR, 365 * DAY, 400 * DAY, 730 * DAY])
            at_ms = swipe["occurred_at_ms"] - back + self.chance.choice(JITTER_MS)
            self.swipe(at_ms, person_id=swipe["person_id"], items=copy.deepcopy(swipe["items"]))

    def edges_of_opening(self) -> None:
        """Swipes at the first and last moment of a store's hours with their grace, and a millisecond beside."""
        for store, hours in self.hours.items():
            for hour, sign in zip(hours, [-1, 1], strict=True):
                if hour is None or self.often(0.3):
                    continue
                zone = ZoneInfo(self.zone or "Asia/Shanghai")
                day = datetime.fromtimestamp(self.chance.choice(self.centres) / 1000, zone)
                minutes = int(hour[:2]) * 60 + int(hour[3:]) + sign * 15
                midnight = day.replace(hour=0, minute=0, second=0, microsecond=0, tzinfo=None)
                local = (midnight + timedelta(minutes=minutes)).replace(tzinfo=zone)
                self.swipe(int(local.timestamp() * 1000) + self.chance.choice([-1, 0, 1]), institution_id=store)

    # ----------------------------------------------------------------------------------------------------- cameras

    def face(self, visitor: str | None, quality: float, **fields: Any) -> Row:
        face = {"visitor_id": visitor, "quality": quality, "staff": self.chance.choice([None, None, False]), **fields}
        return {name: value for name, value in face.items() if value is not None or self.often(0.5)}

    def random_face(self, swipe: Row) -> Row:
        about = self.chance.choice([None, None, swipe["settlement_id"], swipe["settlement_id"], self.any_settlement()])
        return self.face(
            self.chance.choice([None, *self.visitors]),
            self.chance.choice(QUALITIES),
            settlement_id=about,
            verdict=about and self.chance.choice(["mismatch", "mismatch", "mismatch", "match", "inconclusive", None]),
            similarity=about and 0.25,
            staff=self.chance.choice([None, None, False, True]),
        )

    def any_settlement(self) -> str:
        return "s0" if self.often(0.2) else str(self.chance.choice(self.swipes)["settlement_id"])

    def observation(self, swipe: Row, offset_ms: int, faces: list[Row], **fields: Any) -> None:
        said: Row = {
            "institution_id": swipe["institution_id"],
            "till_id": swipe["till_id"],
            "camera_id": self.chance.choice(["c1", "c2"]),
            "healthy": True,
            "people": len(faces),
            "faces": faces,
            **fields,
        }
        self.observations.append(self.tell("face_observed", swipe["occurred_at_ms"] + offset_ms, **said))

    def camera(self, swipe: Row) -> None:
        """What the cameras of its till saw around a swipe: nothing, an empty counter, or faces of all kinds."""
        story = self.chance.choice(["none", "none", "none", "empty", "faces"])
        for _ in range(0 if story == "none" else self.chance.choice([2, 3, 3, 4])):
            offset = self.chance.choice([-120, -120, -60, -30, -30, -15, 0, 15, 15, 60, 60]) * SECOND
            if self.often(0.3):
                offset += self.chance.choice([-1, 1])
            count = self.chance.choice([0, 0, 0, 0, 0, 0, 1]) if story == "empty" else self.chance.choice([1, 1, 2, 3])
            faces = [self.random_face(swipe) for _ in range(count)]
            healthy = self.often(0.9)
            people = count if self.often(0.9) else count + 1
            self.observation(swipe, offset, faces, healthy=healthy, people=people)

    def corrections(self) -> None:
        for _ in range(8):
            seen: Row = {"event_id": "o0", "occurred_at_ms": self.centres[0]}
            if self.observations and self.often(0.9):
                seen = self.chance.choice(self.observations)
            at_ms = seen["occurred_at_ms"] + self.chance.choice([0, 0, DAY])
            for _ in range(self.chance.choice([1, 2])):
                visitor = self.chance.choice([None, *self.visitors])
                face_no = self.chance.choice([0, 0, 0, 1, 2])
                self.tell(
                    "visitor_correction", at_ms, observation_id=seen["event_id"], face_no=face_no, visitor_id=visitor
                )

    # ------------------------------------------------------------------------------------------- what is told later

    def reversals(self) -> None:
        lengths: list[int] = [0, 5 * MINUTE, 5 * MINUTE, 15 * MINUTE, 15 * MINUTE + 1, -1, 24 * HOUR, 20 * DAY]
        for swipe in self.chance.sample(self.swipes, len(self.swipes) // 8):
            for _ in range(self.chance.choice([1, 1, 2])):
                self.reversal(swipe, swipe["occurred_at_ms"] + self.chance.choice(lengths))
        for swipe in self.chance.sample(self.swipes, 4):
            self.reversal(swipe, swipe["occurred_at_ms"], person_id="p0")
            self.reversal(swipe, swipe["occurred_at_ms"], institution_id="P0")
        self.reversal({**self.swipes[0], "settlement_id": "s0"}, self.centres[0])
        self.changes_of_mind(lengths)

    def changes_of_mind(self, lengths: list[int]) -> None:
        """One person whose purchases are undone again and again, within fifteen minutes or just not."""
        person, at_ms = self.chance.choice(self.people), self.chance.choice(self.centres)
        for _ in range(5):
            at_ms += self.chance.choice([HOUR, 24 * HOUR, 12 * HOUR])
            self.reversal(self.swipe(at_ms, person_id=person), at_ms + self.chance.choice(lengths))

    def reversal(self, swipe: Row, at_ms: int, **fields: str) -> None:
        names = ("settlement_id", "institution_id", "person_id")
        self.tell("reversal", at_ms, **{name: swipe[name] for name in names} | fields)

    def registrations(self) -> None:
        for swipe in self.chance.sample(self.swipes, len(self.swipes) // 5):
            holder = swipe["person_id"]
            self.tell(
                "agent_registration",
                self.edge(swipe["occurred_at_ms"], [0, 15 * MINUTE, 15 * MINUTE, 3 * DAY]),
                institution_id=swipe["institution_id"] if self.often(0.8) else self.chance.choice(self.stores),
                holder_person_id=holder,
                agent_person_id=holder if self.often(0.2) else self.chance.choice(self.people),
                settlement_id=self.chance.choice([None, None, swipe["settlement_id"], self.any_settlement()]),
            )

    def injections(self) -> None:
        for swipe in self.chance.sample(self.swipes, 8):
            self.tell(
                "account_injection",
                swipe["occurred_at_ms"] - self.chance.choice([0, 1, HOUR, 72 * HOUR - 1, 72 * HOUR, 72 * HOUR + 1]),
                person_id=swipe["person_id"],
                year=2024,
                amount_fen=self.chance.choice([0, 5000, 10_000, 10_000, 15_000]),
            )

    def filings(self) -> None:
        for swipe in self.chance.sample(self.swipes, 8):
            at_ms = swipe["occurred_at_ms"]
            self.tell(
                "cross_region_filing",
                at_ms,
                **{"class": "referral"},
                person_id=swipe["person_id"],
                from_region="350100",
                to_region=self.chance.choice(REGIONS),
                starts_ms=at_ms + self.chance.choice([-DAY, -1, 0, 1]),
                ends_ms=self.chance.choice([None, at_ms, at_ms + 1, at_ms + DAY]),
                filed_at_ms=at_ms + DAY,
            )

    def stock(self) -> None:
        """Deliveries and counts at the very moments of swipes, returns, self-paid sales and deletions."""
        kinds = [
            "count",
            "purchase",
            "purchase",
            "purchase",
            "adjust",
            "purchase_return",
            "sale",
            "sale",
            "sale_return",
        ]
        moved: list[Row] = []
        for swipe in self.chance.choices(self.swipes, k=30):
            kind = self.chance.choice(kinds)
            movement = self.tell(
                "stock_movement",
                self.edge(swipe["occurred_at_ms"], [0, 0, HOUR, 30 * DAY, 400 * DAY]),
                institution_id=swipe["institution_id"],
                kind=kind,
                drug_code=f"d{self.chance.randrange(7)}",
                quantity=self.chance.choice([-2, 2] if kind == "adjust" else [1, 3, 5, 10, 0.5]),
                setl_kind=self.chance.choice([None, "insured", "self_pay", "self_pay"]),
            )
            moved.append(movement)
        for movement in self.chance.sample(moved, 4):
            self.tell(
                "stock_movement",
                movement["occurred_at_ms"] + DAY,
                institution_id=movement["institution_id"] if self.often(0.8) else self.chance.choice(self.stores),
                kind="deletion",
                drug_code=movement["drug_code"],
                quantity=1,
                refers_to=movement["event_id"],
            )

    # ------------------------------------------------------------------------------------------------ twice and worse

    def repeats(self) -> None:
        """The same event again: bare, with nulls left out, received later, with fields nobody knows."""
        for event in self.chance.sample(self.events, len(self.events) // 12):
            again = {name: value for name, value in event.items() if value is not None or self.often(0.5)}
            if self.often(0.5):
                received_ms = event["occurred_at_ms"] + self.chance.choice([HOUR, -10 * MINUTE, -10 * MINUTE - 1])
                again = {"x_note": [1, {"x": None}], **again, "received_at_ms": received_ms}
            if event["type"] == "swipe":
                again["event_id"] = self.new_id("again")
            self.events.append(again)

    def contradictions(self) -> None:
        for event in self.chance.sample(self.events, len(self.events) // 12):
            other = copy.deepcopy(event)
            self.contradict(other)
            self.events.insert(self.chance.randrange(len(self.events)), other)

    def contradict(self, event: Row) -> None:
        change = self.chance.choice(["time", "whole", "field"])
        if change == "time":
            event["occurred_at_ms"] += self.chance.choice([1, HOUR, 30 * DAY])
        elif change == "whole" and event["type"] == "swipe":
            event["person_id"] = self.chance.choice(self.people)
            event["items"] = []
        else:
            names = {"swipe": "total_fen", "person": "household_id", "institution": "name", "face_observed": "people"}
            name = names.get(event["type"], "occurred_at_ms")
            value = event.get(name)
            event[name] = value + 1 if isinstance(value, int) else "另"


# ---------------------------------------------------------------------------------------------------------- parameters


def random_rules(seed: int, defaults: dict[str, Row]) -> dict[str, Row]:
    """Returns the defaults for every third seed, else with limits drawn near them so that small worlds reach them."""
    chance = random.Random(f"rules {seed}")
    rules = copy.deepcopy(defaults)
    if seed % 3 == 0:
        return rules
    draw_severities(chance, rules)
    for settings in rules.values():
        for tier in settings.get("tiers", []):
            if "institutions" not in tier and "window" in tier:
                tier["window"] = chance.choice([tier["window"], "10m", "24h", "7d"])
            for name in ("count", "buyers"):
                if name in tier:
                    tier[name] = chance.choice([2, 3, 4, tier[name]])
    draw_centre_rules(chance, rules)
    rules["closed_hours"]["grace"] = chance.choice(["0s", "15m", "30m"])
    rules["split_settlement"]["count"] = chance.choice([2, 3])
    rules["impossible_travel"]["max_speed_kmh"] = chance.choice([60, 120])
    rules["nobody_at_counter"]["observations"] = chance.choice([1, 2, 3])
    for name in ("nobody_at_counter", "holder_mismatch"):
        rules[name]["before"] = chance.choice(["120s", "60s"])
        rules[name]["after"] = chance.choice(["60s", "15s", "0s"])
    rules["one_face_many_cards"]["before"] = chance.choice(["30s", "120s"])
    rules["holder_mismatch"]["min_quality"] = chance.choice([0.3, 0.5, 0.9])
    return rules


def draw_severities(chance: random.Random, rules: dict[str, Row]) -> None:
    for settings in rules.values():
        for entry in (settings, *settings.get("tiers", [])):
            for name in entry:
                if name.endswith("severity"):
                    entry[name] = chance.choice(["low", "medium", "high", "critical"])


def draw_centre_rules(chance: random.Random, rules: dict[str, Row]) -> None:
    """Draws the limits of the rules of money, supply, stock and volume near their defaults."""
    choices: dict[str, dict[str, list[Any]]] = {
        "near_limit": {"window": ["30d", "24h"], "count": [1, 2, 3], "margin_ratio": [0.03, 0], "margin_fen": [0, 500]},
        "settle_refund": {"within": ["15m", "0s", "24h"], "window": ["24h", "12h"], "count": [1, 2]},
        "injection_drawdown": {"window": ["72h", "1h"], "ratio": [0.6, 0.2, 0, 1]},
        "oversupply": {
            "window": ["365d", "30d"],
            "limit": ["45d", "30d", "0s"],
            "chronic_limit": ["84d", "30d"],
            "chronic_category": ["14", "1", "41"],
        },
        "trace_code_reuse": {
            "window": ["730d", "30d"],
            "reflow_after": ["3d", "24h", "0s"],
            "critical_uses": [2, 3, 4],
        },
        "stock_imbalance": {"window": ["400d", "30d"], "min_units": [3, 0, 0.5, 1.1], "ratio": [0.05, 0.5, 0]},
        "volume_surge": {"weeks": [8, 4], "min_days": [4, 2, 1], "factor": [3, 1.5, 0]},
        "card_ring": {"meeting": ["10m", "30m", "0s"], "window": ["30d", "7d"], "institutions": [2, 3]},
    }
    for name, settings in choices.items():
        rules.get(name, {}).update({setting: chance.choice(values) for setting, values in settings.items()})


SPAN_MS = 6 * 86_400_000
EARLIEST_MS = 10**12


def drawn_together(lines: list[bytes], ends_ms: int) -> list[bytes]:
    """Returns the lines with their times drawn together, so that all that is swiped is of six days before an end.

    So no anchor has left its rules' look-back, and nothing is forgotten.
    """
    rows = [msgspec.json.decode(line) for line in lines]
    swiped_ms = [row["occurred_at_ms"] for row in rows if row["type"] == "swipe"]
    first_ms, last_ms = min(swiped_ms), max(swiped_ms)
    pace = min(1.0, SPAN_MS / (last_ms - first_ms))

    def moved(value: object) -> object:
        if not isinstance(value, int) or value <= EARLIEST_MS:
            return value
        return min(ends_ms, round(ends_ms + (value - last_ms) * pace))

    return [
        msgspec.json.encode({key: moved(value) if key.endswith("_ms") else value for key, value in row.items()})
        for row in rows
    ]

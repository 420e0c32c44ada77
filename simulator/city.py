"""A simulated city that lives: eight institutions, sixty people, swipes as they happen.

Everything here is made up, and says so; people have ids of region 329900, which belongs to nobody. The city decides who
stands at which counter when (the scenes of the camera clips) and which card is then swiped. It knows nothing of rules,
and nothing of it reaches the detection but swipes through the ingestion API and pictures through the cameras.
"""

from __future__ import annotations

import random
from collections import deque
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from simulator.clips import Scene

PEOPLE = 60
BACKGROUND_FROM = 21
"""People below this number have a part in a case; the others shop as people do."""
PARTS_A_LIFE = 36
"""So many people have appeared after the first minutes of a life."""
SHOPPING_RUSH_S = 96
RUSH_GAP_S = 6.0
QUIET_GAP_S = 60.0
CLIP_SECONDS = 120.0

Event = dict[str, object]
Story = Mapping[str, Sequence[Scene]]


@dataclass(frozen=True, kw_only=True)
class Place:
    """An institution of the city: position in degrees and its tills; `watched` tills have a camera."""

    institution_id: str
    kind: str
    name: str
    latitude: float
    longitude: float
    tills: tuple[str, ...]
    watched: tuple[str, ...]


@dataclass(frozen=True, kw_only=True)
class Due:
    """An event that happens `after_s` seconds into the city's life; it gets its time when it happens."""

    after_s: float
    event: Event


POSITIONS: Mapping[str, tuple[float, float]] = {
    "P32990000001": (31.5790, 120.3250),
    "P32990000002": (31.5640, 120.2650),
    "P32990000003": (31.5880, 120.2950),
    "H32990000004": (31.5530, 120.3060),
    "P32990000005": (31.5280, 120.2860),
    "P32990000006": (31.5890, 120.4580),
    "P32990000007": (31.4960, 120.3690),
    "H32990000008": (31.5480, 120.2270),
}

DRUGS = (
    ("XA10BAE077A001010100001", "Metformin tablets", 2480),
    ("XC08CAA253A001010100002", "Amlodipine tablets", 1860),
    ("XJ01CAA041E001010100003", "Amoxicillin capsules", 1290),
    ("XR05CBA175A001010100004", "Ambroxol tablets", 1570),
    ("XN02BEB023A001010100005", "Paracetamol tablets", 980),
)


def person_id(number: int) -> str:
    """Returns the id of the city's person of this number, from 1."""
    return f"329900{number:012d}"


ENROLLED: Mapping[str, str] = {person_id(1): "obama.jpg", person_id(2): "biden.jpg"}
"""Whose photograph the centre has as a reference."""


def counter_scenes(photographs: Path) -> Story:
    """Returns, per camera, who stands at the counter during each loop of its clip, 120 s long."""

    def visit(name: str, seconds: float) -> Scene:
        return Scene(photographs / name, seconds)

    def empty(seconds: float) -> Scene:
        return Scene(None, seconds)

    return {
        "counter-1": (empty(14), visit("obama2.jpg", 28), empty(CLIP_SECONDS - 42)),
        "counter-2": (empty(28), visit("obama3.jpg", 28), empty(CLIP_SECONDS - 56)),
        "counter-3": (empty(22), visit("astronaut.png", 44), empty(CLIP_SECONDS - 66)),
        "counter-4": (empty(98), visit("biden.jpg", 18), empty(CLIP_SECONDS - 116)),
    }


class City:
    """One life of the city, from its start on; the same start gives the same life.

    Lives that follow each other (`earlier_lives` came before) give the parts to other people, so that nobody seems to
    shop again and again only because the city was started again.
    """

    def __init__(self, places: Sequence[Place], start_ms: int, *, earlier_lives: int = 0, seed: int = 1) -> None:
        self._places = {place.institution_id: place for place in places}
        self._start_ms = start_ms
        self._turn = earlier_lives * PARTS_A_LIFE
        self._run = datetime.fromtimestamp(start_ms / 1000, UTC).strftime("%y%m%d%H%M%S")
        self._random = random.Random(seed)
        self._number = 0

    def references(self) -> list[Event]:
        """Returns the institutions, people and drugs as versions in force from the start, their time left open."""
        return [
            *(self._institution(place) for place in self._places.values()),
            *(self._person(number) for number in range(1, PEOPLE + 1)),
            *(
                self._event("drug", f"drug-{code}", drug_code=code, name=name, generic_code=code[:11])
                for code, name, _ in DRUGS
            ),
        ]

    def life(self) -> Iterator[Due]:
        """Yields what happens, in order of time, without end."""
        cases = deque(sorted(self._cases(), key=lambda due: due.after_s))
        for shopping in self._shopping():
            while cases and cases[0].after_s <= shopping.after_s:
                yield cases.popleft()
            yield shopping

    def _cases(self) -> Iterator[Due]:
        """Yields the swipes of those who have a part: times fit the scenes at the counters."""
        yield self._swipe(8, 10, "P32990000005", "1")
        yield self._swipe(30, 10, "P32990000006", "1")
        yield self._swipe(15, 3, "H32990000004", "1", credential="e_credential")
        yield self._swipe(26, 1, "P32990000001", "1")
        yield self._swipe(40, 2, "P32990000002", "1")
        for number in range(4):
            yield self._swipe(30 + 8 * number, 4 + number, "P32990000003", "1", credential="e_credential")
        for number in range(6):
            yield self._swipe(12 + 9 * number, 11 + number, "P32990000007", "1", credential="e_credential")

    def _shopping(self) -> Iterator[Due]:
        """Yields everyday purchases at tills without a camera: a rush at the start of the first life, else quiet."""
        shoppers = deque(range(BACKGROUND_FROM, PEOPLE + 1))
        tills = deque(self._unwatched_tills())
        after_s = 3.0
        rush_until_s = SHOPPING_RUSH_S if self._turn == 0 else 0.0
        while True:
            shopper, (institution_id, till_id) = shoppers[0], tills[0]
            shoppers.rotate(-1)
            tills.rotate(-1)
            yield self._swipe(after_s, shopper, institution_id, till_id)
            after_s += RUSH_GAP_S if after_s < rush_until_s else QUIET_GAP_S

    def _unwatched_tills(self) -> list[tuple[str, str]]:
        busy = ("P32990000007",)
        return [
            (place.institution_id, till_id)
            for place in self._places.values()
            for till_id in place.tills
            if till_id not in place.watched and place.institution_id not in busy
        ]

    def _swipe(
        self, after_s: float, number: int, institution_id: str, till_id: str, credential: str = "social_card"
    ) -> Due:
        self._number += 1
        code, _, price_fen = self._random.choice(DRUGS)
        quantity = self._random.choice((1, 1, 2))
        total_fen = price_fen * quantity
        fund_fen = total_fen // 2 if institution_id.startswith("H") else 0
        event = self._event(
            "swipe",
            f"swipe-{self._number:06d}",
            settlement_id=f"{self._run}{self._number:06d}",
            person_id=person_id(self._cast(number)),
            institution_id=institution_id,
            till_id=till_id,
            credential=credential,
            insurance="310",
            category="11" if institution_id.startswith("H") else "41",
            total_fen=total_fen,
            fund_fen=fund_fen,
            account_fen=total_fen - fund_fen,
            mutual_fen=0,
            cash_fen=0,
            items=[
                {
                    "line_no": 1,
                    "drug_code": code,
                    "quantity": quantity,
                    "unit_price_fen": price_fen,
                    "amount_fen": total_fen,
                    "days_supply": 7 * quantity,
                }
            ],
        )
        return Due(after_s=after_s, event=event)

    def _cast(self, number: int) -> int:
        """Returns who plays this number's part in this life; those who are enrolled always play themselves."""
        first = len(ENROLLED) + 1
        return number if number < first else first + (number - first + self._turn) % (PEOPLE - len(ENROLLED))

    def _institution(self, place: Place) -> Event:
        return self._event(
            "institution",
            f"institution-{place.institution_id}",
            institution_id=place.institution_id,
            kind=place.kind,
            name=place.name,
            latitude=place.latitude,
            longitude=place.longitude,
            opens_at="00:00",
            closes_at="24:00",
            region="329900",
            agreement="active",
            effective_from_ms=self._start_ms,
        )

    def _person(self, number: int) -> Event:
        is_family = number >= BACKGROUND_FROM and number % 3 == 0
        return self._event(
            "person",
            f"person-{number:02d}",
            person_id=person_id(number),
            sex="M" if number % 2 else "F",
            birth_date=f"{1940 + number}-06-15",
            region="329900",
            household_id=f"household-{number // 6:02d}" if is_family else None,
            employment="active" if number > PEOPLE // 3 else "retired",
            status="active",
            effective_from_ms=self._start_ms,
        )

    def _event(self, event_type: str, event_id: str, /, **fields: object) -> Event:
        return {"type": event_type, "event_id": f"{self._run}-{event_id}", **fields}

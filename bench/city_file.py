"""Event files to measure with: so many swipes of a made-up city, cheaply, the same for the same numbers.

A swipe has two items and some 590 bytes. With them come the persons, institutions and drugs that they name, stock
purchases, reversals, injections, and what the cameras of a few stores saw. Lines are written by template, a block of
swipes at a time, so that a file of millions costs seconds and no memory.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np

from detectors.windows import Int64s

FIRST_MS = 1_767_542_400_000
"""Midnight of 5 January 2026 in Shanghai."""
DAY_MS = 86_400_000
DAYS = 30
BLOCK = 50_000
SWIPES_A_PERSON = 4
SWIPES_A_STORE = 500
DRUGS = 3_000
CAMERA_EVERY = 50
"""One store in so many has a camera."""

_SWIPE = (
    '{{"type":"swipe","event_id":"swipe-{0:09d}","occurred_at_ms":{1},"settlement_id":"3299002026{0:010d}",'
    '"person_id":"329900{2:012d}","institution_id":"P3299{3:08d}","till_id":"{4}","credential":"{5}",'
    '"insurance":"310","category":"41","total_fen":{6},"fund_fen":0,"account_fen":{6},"mutual_fen":0,"cash_fen":0,'
    '"items":[{{"line_no":1,"drug_code":"XA10BAE077A0010101{7:05d}","quantity":1,"unit_price_fen":{8},'
    '"amount_fen":{8},"days_supply":7}},{{"line_no":2,"drug_code":"XA10BAE077A0010101{9:05d}","quantity":1,'
    '"unit_price_fen":{10},"amount_fen":{10},"trace_codes":["{11:020d}"]}}]}}\n'
)
_SWIPE_START = '{"type":"swipe"'
_PERSON = (
    '{{"type":"person","event_id":"person-{0:09d}","occurred_at_ms":{1},"person_id":"329900{0:012d}","sex":"{2}",'
    '"birth_date":"{3}-06-15","region":"329900","household_id":{4},"status":"{5}","effective_from_ms":{1}}}\n'
)
_INSTITUTION = (
    '{{"type":"institution","event_id":"institution-{0:06d}","occurred_at_ms":{1},"institution_id":"P3299{0:08d}",'
    '"kind":"pharmacy","name":"Bench Pharmacy {0}","latitude":{2:.5f},"longitude":{3:.5f},"opens_at":"07:00",'
    '"closes_at":"22:00","region":"329900","agreement":"active","effective_from_ms":{1}}}\n'
)
_DRUG = (
    '{{"type":"drug","event_id":"drug-{0:05d}","occurred_at_ms":{1},"drug_code":"XA10BAE077A0010101{0:05d}",'
    '"name":"Drug {0}","generic_code":"G{2:04d}"}}\n'
)
_PURCHASE = (
    '{{"type":"stock_movement","event_id":"purchase-{0:09d}","occurred_at_ms":{1},"institution_id":"P3299{2:08d}",'
    '"kind":"purchase","drug_code":"XA10BAE077A0010101{3:05d}","quantity":{4}}}\n'
)
_REVERSAL = (
    '{{"type":"reversal","event_id":"reversal-{0:09d}","occurred_at_ms":{1},"settlement_id":"3299002026{0:010d}",'
    '"institution_id":"P3299{3:08d}","person_id":"329900{2:012d}"}}\n'
)
_INJECTION = (
    '{{"type":"account_injection","event_id":"injection-{0:09d}","occurred_at_ms":{1},"person_id":"329900{0:012d}",'
    '"year":2026,"amount_fen":150000}}\n'
)
_OBSERVATION = (
    '{{"type":"face_observed","event_id":"face-{0:09d}-{5}","occurred_at_ms":{1},"institution_id":"P3299{3:08d}",'
    '"till_id":"{4}","camera_id":"c{3}","healthy":true,"people":1,"faces":[{{"quality":0.8,'
    '"visitor_id":"v{6}","settlement_id":"3299002026{0:010d}","verdict":"match"}}]}}\n'
)
_CREDENTIALS = ("social_card", "social_card", "id_card", "e_credential")


def write_city(path: Path, swipes: int, seed: int = 1) -> None:
    """Writes the file; one of that name is replaced."""
    with path.open("w", encoding="ascii", newline="\n") as file:
        for lines in _blocks(swipes, seed):
            file.write("".join(lines))


def write_swipes(path: Path, swipes: int, seed: int = 1) -> None:
    """Writes the city's swipes alone."""
    with path.open("w", encoding="ascii", newline="\n") as file:
        for lines in _blocks(swipes, seed):
            file.write("".join(line for line in lines if line.startswith(_SWIPE_START)))


def _blocks(swipes: int, seed: int) -> Iterator[list[str]]:
    chance = np.random.default_rng(seed)
    persons, stores = max(swipes // SWIPES_A_PERSON, 1), max(swipes // SWIPES_A_STORE, 5)
    yield list(_references(chance, persons, stores))
    for first in range(0, swipes, BLOCK):
        numbers = np.arange(first, min(first + BLOCK, swipes))
        at_ms = np.sort(FIRST_MS + numbers * DAYS // swipes * DAY_MS + _time_of_day(chance, len(numbers)))
        yield list(_shopping(chance, numbers, at_ms, persons, stores))


def _references(chance: np.random.Generator, persons: int, stores: int) -> Iterator[str]:
    before_ms = FIRST_MS - 300 * DAY_MS
    births = chance.integers(1935, 2015, persons).tolist()
    households = chance.random(persons).tolist()
    for number, (born, drawn) in enumerate(zip(births, households, strict=True)):
        household = f'"household-{number // 3}"' if drawn < 0.3 else "null"
        status = "active" if number % 2_000 else "paused"
        yield _PERSON.format(number, before_ms, "FM"[number % 2], born, household, status)
        if number % 20 == 0:
            yield _INJECTION.format(number, FIRST_MS + number % (20 * DAY_MS))
    yield from (
        _INSTITUTION.format(number, before_ms, 31.5 + number % 40 / 200, 120.2 + number // 40 % 40 / 200)
        for number in range(stores)
    )
    yield from (_DRUG.format(number, before_ms, number // 3) for number in range(DRUGS))


def _shopping(chance: np.random.Generator, numbers: Int64s, at_ms: Int64s, persons: int, stores: int) -> Iterator[str]:
    """Yields swipes with what belongs to them; some persons shop more often than others, and all around the corner."""
    count = len(numbers)
    person = (persons * chance.random(count) ** 1.1).astype(np.int64)
    store = (person // 50 + chance.integers(0, 8, count) ** 2) % stores
    till = chance.integers(1, 4, count)
    prices, drugs = chance.integers(300, 12_000, (2, count)), (DRUGS * chance.random((2, count)) ** 2).astype(np.int64)
    columns = [numbers, at_ms, person, store, till, *prices, *drugs]
    for number, *row in zip(*(column.tolist() for column in columns), strict=True):
        yield from _visit(number, row)


def _visit(number: int, row: list[int]) -> Iterator[str]:
    at_ms, person, store, till, one_fen, other_fen, one, other = row
    credential, code = _CREDENTIALS[number % 4], 81_000_000_000_000_000_000 + (number - number % 5_000 // 4_999 * 77)
    total_fen = one_fen + other_fen
    yield _SWIPE.format(number, at_ms, person, store, till, credential, total_fen, one, one_fen, other, other_fen, code)
    if number % 10 == 0:
        yield _PURCHASE.format(number, at_ms - DAY_MS, store, one, 40)
    if number % 100 == 0:
        yield _REVERSAL.format(number, at_ms + 600_000 + number, person, store)
    if store % CAMERA_EVERY == 0:
        visitor = f"{person}-{at_ms // DAY_MS}"
        yield from (
            _OBSERVATION.format(number, at_ms + offset_ms, person, store, till, seen, visitor)
            for seen, offset_ms in enumerate((-9_000, -4_000, 1_000))
        )


def _time_of_day(chance: np.random.Generator, count: int) -> Int64s:
    """Returns when people shop: around ten and five, a few at night."""
    peak = np.where(chance.random(count) < 0.55, 11.0, 17.0)
    hours = np.clip(chance.normal(peak, 1.8), 0.0, 23.99)
    return (hours * 3_600_000).astype(np.int64)

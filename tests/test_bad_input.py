"""Every sentence of the contract on bad input has a case here; the product and the brute force agree on each."""

from __future__ import annotations

import copy
import json
import random
import tempfile
from pathlib import Path
from typing import Any

import pytest

from detectors.catalogue import Ruleset, rulebook_of
from events.dead_letters import Place
from streams.replay import ReplayResult, replay, replay_files
from tests.brute_force import accept
from tests.parquet_files import write_rows
from tests.worlds import encode, world

Row = dict[str, Any]

AT = 1_718_683_200_000
BEFORE_2000, YEAR_2100 = 946_684_799_999, 4_102_444_800_000

SWIPE: Row = {
    "type": "swipe",
    "event_id": "e1",
    "occurred_at_ms": AT,
    "settlement_id": "s1",
    "person_id": "p1",
    "institution_id": "P00000000001",
    "till_id": "1",
    "credential": "social_card",
    "insurance": "310",
    "category": "41",
    "total_fen": 100,
    "fund_fen": 0,
    "account_fen": 100,
    "mutual_fen": 0,
    "cash_fen": 0,
    "items": [
        {
            "line_no": 1,
            "drug_code": "d1",
            "quantity": 1.5,
            "unit_price_fen": 100,
            "amount_fen": 150,
            "days_supply": 7.5,
            "trace_codes": ["80000000000000000001"],
        }
    ],
}
EVENTS: dict[str, Row] = {
    "swipe": SWIPE,
    "reversal": {"settlement_id": "s1", "institution_id": "P00000000001", "person_id": "p1"},
    "person": {"person_id": "p1", "birth_date": "2004-02-29", "sex": "F", "status": "active", "effective_from_ms": AT},
    "institution": {
        "institution_id": "P00000000001",
        "kind": "pharmacy",
        "name": "",
        "latitude": 31.5,
        "opens_at": "00:00",
        "closes_at": "24:00",
        "time_zone": "Asia/Shanghai",
        "agreement": "active",
        "effective_from_ms": AT,
    },
    "drug": {"drug_code": "d1", "name": "", "min_age_years": 18},
    "account_injection": {"person_id": "p1", "year": 2024, "amount_fen": 0},
    "agent_registration": {"institution_id": "P1", "holder_person_id": "p1", "agent_person_id": "p2"},
    "stock_movement": {"institution_id": "P1", "kind": "purchase", "drug_code": "d1", "quantity": 0.5},
    "cross_region_filing": {
        "person_id": "p1",
        "class": "referral",
        "from_region": "320200",
        "to_region": "350100",
        "starts_ms": AT,
        "ends_ms": AT,
        "filed_at_ms": AT,
    },
    "face_observed": {
        "institution_id": "P1",
        "till_id": "1",
        "camera_id": "c1",
        "healthy": True,
        "people": 0,
        "faces": [{"quality": 0, "verdict": "match"}, {"quality": 1, "visitor_id": "v1", "similarity": -0.1}],
    },
    "visitor_correction": {"observation_id": "o1", "face_no": 0},
}
DELETE = object()
NO_RULES = rulebook_of(Ruleset(version="no rules", entries=()))


def valid(kind: str, /, **changes: Any) -> Row:
    return {"type": kind, "event_id": "e1", "occurred_at_ms": AT, **copy.deepcopy(EVENTS[kind]), **changes}


def line(event: Row) -> bytes:
    return json.dumps({name: value for name, value in event.items() if value is not DELETE}).encode()


def offered(lines: list[bytes]) -> ReplayResult:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "input.jsonl")
        path.write_bytes(b"\n".join(lines))
        return replay_files([path], NO_RULES)


def reasons(lines: list[bytes]) -> list[tuple[int | None, str]]:
    """Returns (line, reason) of the product's dead letters."""
    return sorted((letter.place.line, letter.reason) for letter in offered(lines).dead_letters)


def set_aside(path: Path) -> list[tuple[int | None, str]]:
    """Returns (line, reason) of the dead letters of a file."""
    letters = replay_files([path], NO_RULES).dead_letters
    return sorted((letter.place.line, letter.reason) for letter in letters)


def agreed(lines: list[bytes]) -> list[tuple[int, str]]:
    """Returns (line, reason) of the brute force's dead letters, after checking that the product says the same.

    It says so of rows of Parquet too, where these can say what the lines say.
    """
    expected = sorted((number, reason) for reason, number in accept(lines)[1])
    assert reasons(lines) == expected
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "input.parquet")
        said = write_rows(path, lines)
        if said is not None:
            assert set_aside(path) == sorted((number, reason) for reason, number in accept(said)[1])
    return expected


# ------------------------------------------------------------------------------------------------------ good input


@pytest.mark.parametrize("kind", EVENTS)
def test_every_type_of_event_is_accepted(kind):
    assert agreed([line(valid(kind))]) == []


@pytest.mark.parametrize(
    "event",
    [
        valid("stock_movement", kind="adjust", quantity=-2),
        valid("stock_movement", kind="count", quantity=0),
        valid("stock_movement", kind="deletion", refers_to="m1"),
        valid("swipe", received_at_ms=AT - 600_000),
        valid("swipe", operator_id=None, delivery=None, items=[]),
        valid("swipe", unknown_fen=-1, unknown_ms=0, unknown_id="", credentials="none"),
        valid("institution", opens_at="24:00", closes_at="23:59", time_zone="America/New_York"),
        valid("person", effective_from_ms=BEFORE_2000 + 1),
        valid("person", effective_from_ms=YEAR_2100 - 1),
        valid("swipe", person_id="人", event_id=" "),
    ],
)
def test_edges_of_good_input_are_accepted(event):
    assert agreed([line(event)]) == []


def test_blank_lines_and_white_space_around_are_no_events():
    assert agreed([b"", b"  \t", b" " + line(valid("drug")) + b"\r\n"]) == []


# ------------------------------------------------------------------------------------------------------- bad input

NOT_JSON = [
    b"{",
    b"swipe",
    b"{'type': 'swipe'}",
    line(valid("drug")) + b" {}",
    line(valid("drug"))[:-1],
    line(valid("drug", name="X")).replace(b'"X"', b"NaN"),
    line(valid("drug", note="X")).replace(b'"X"', b"-Infinity"),
    line(valid("drug", note="X")).replace(b'"X"', b"01"),
    line(valid("drug", name="X")).replace(b"X", b"\xff"),
    line(valid("drug", note="X")).replace(b"X", b"\xff"),
    line(valid("drug", name="X")).replace(b"X", b"\\ud800"),
    line(valid("drug", note="X")).replace(b"X", b"\\ud800"),
    line(valid("drug", name="X")).replace(b"X", b"\x01"),
    b"\xef\xbb\xbf" + line(valid("drug")),
    line(valid("drug")).decode().encode("utf-16"),
]


@pytest.mark.parametrize("original", NOT_JSON)
def test_what_is_not_json_is_bad(original):
    assert agreed([original]) == [(1, "not_json")]


@pytest.mark.parametrize("original", [b"[]", b"null", b"3", b'"swipe"', b"[" + line(valid("drug")) + b"]"])
def test_json_that_is_no_object_has_the_wrong_type(original):
    assert agreed([original]) == [(1, "wrong_type")]


REQUIRED = [
    (kind, name)
    for kind in EVENTS
    for name in valid(kind)
    if name not in {"sex", "birth_date", "latitude", "opens_at", "closes_at", "time_zone", "min_age_years", "ends_ms"}
]


@pytest.mark.parametrize(("kind", "name"), REQUIRED)
def test_missing_required_field_is_bad(kind, name):
    assert agreed([line(valid(kind, **{name: DELETE}))]) == [(1, "missing_field")]


@pytest.mark.parametrize(("kind", "name"), REQUIRED)
@pytest.mark.parametrize("value", [None, {}, [[]]])
def test_ill_typed_required_field_is_bad(kind, name, value):
    assert agreed([line(valid(kind, **{name: value}))]) == [(1, "wrong_type")]


@pytest.mark.parametrize(
    ("kind", "name", "value"),
    [
        ("swipe", "total_fen", "100"),
        ("swipe", "total_fen", 100.5),
        ("swipe", "total_fen", 100.0),
        ("swipe", "total_fen", True),
        ("swipe", "occurred_at_ms", str(AT)),
        ("swipe", "occurred_at_ms", AT + 0.5),
        ("swipe", "received_at_ms", "now"),
        ("swipe", "person_id", 7),
        ("swipe", "delivery", "yes"),
        ("swipe", "delivery", 1),
        ("swipe", "credential", 3),
        ("swipe", "type", 3),
        ("face_observed", "healthy", 1),
        ("face_observed", "people", 1.5),
        ("face_observed", "faces", {}),
        ("stock_movement", "quantity", "1"),
        ("stock_movement", "quantity", True),
        ("stock_movement", "trace_codes", [1]),
        ("institution", "latitude", "31.5"),
        ("institution", "opens_at", 8),
        ("person", "birth_date", 20040229),
        ("account_injection", "year", "2024"),
    ],
)
def test_ill_typed_field_is_bad(kind, name, value):
    assert agreed([line(valid(kind, **{name: value}))]) == [(1, "wrong_type")]


@pytest.mark.parametrize(
    ("kind", "name", "value", "reason"),
    [
        ("swipe", "type", "Swipe", "unknown_type"),
        ("swipe", "type", "", "unknown_type"),
        ("swipe", "credential", "SOCIAL_CARD", "unknown_value"),
        ("swipe", "credential", "", "unknown_value"),
        ("person", "sex", "X", "unknown_value"),
        ("person", "status", "none", "unknown_value"),
        ("person", "employment", "student", "unknown_value"),
        ("institution", "kind", "hospital", "unknown_value"),
        ("institution", "agreement", "ended", "unknown_value"),
        ("stock_movement", "kind", "gift", "unknown_value"),
        ("stock_movement", "setl_kind", "free", "unknown_value"),
        ("cross_region_filing", "class", "tourist", "unknown_value"),
        *(("swipe", name, -1, "out_of_range") for name in SWIPE if name.endswith("_fen")),
        ("swipe", "balance_after_fen", -1, "out_of_range"),
        ("account_injection", "amount_fen", -1, "out_of_range"),
        ("stock_movement", "unit_price_fen", -1, "out_of_range"),
        ("stock_movement", "quantity", 0, "out_of_range"),
        ("stock_movement", "quantity", -0.5, "out_of_range"),
        ("face_observed", "people", -1, "out_of_range"),
        ("visitor_correction", "face_no", -1, "out_of_range"),
        *(
            (kind, name, "", "empty_id")
            for kind in EVENTS
            for name in valid(kind)
            if name.endswith("_id") or name == "drug_code"
        ),
        ("swipe", "operator_id", "", "empty_id"),
        ("swipe", "agent_person_id", "", "empty_id"),
        ("person", "household_id", "", "empty_id"),
        ("visitor_correction", "visitor_id", "", "empty_id"),
        *(
            ("person", "birth_date", value, "bad_date")
            for value in ("", "2024-2-3", "2023-02-29", "2024-13-01", "20240101", "2024-01-01T00:00", "2024-01-01\n")
        ),
        *(
            ("institution", "opens_at", value, "bad_hour")
            for value in ("", "8:00", "24:01", "25:00", "12:60", "0800", "08:00:00", "08:00\n", "０８:００")
        ),
        *(
            ("institution", "time_zone", value, "unknown_time_zone")
            for value in (
                "",
                "Asia/Wuxi",
                "asia/shanghai",
                "Asia",
                "../Asia/Shanghai",
                "+08:00",
                "Asia/Shanghai\n",
                "a\0b",
            )
        ),
        *(
            (kind, name, value, "time_out_of_range")
            for value in (BEFORE_2000, YEAR_2100, 0, -1, 10**30)
            for kind, name in [
                ("swipe", "occurred_at_ms"),
                ("drug", "received_at_ms"),
                ("person", "effective_from_ms"),
                ("institution", "effective_from_ms"),
                ("cross_region_filing", "starts_ms"),
                ("cross_region_filing", "ends_ms"),
                ("cross_region_filing", "filed_at_ms"),
                ("cross_region_filing", "sent_at_ms"),
            ]
        ),
        ("swipe", "received_at_ms", AT - 600_001, "future"),
        ("drug", "received_at_ms", AT - 600_001, "future"),
    ],
)
def test_value_that_the_contract_forbids_is_bad(kind, name, value, reason):
    assert agreed([line(valid(kind, **{name: value}))]) == [(1, reason)]


@pytest.mark.parametrize(
    ("name", "value", "reason"),
    [
        ("quantity", 0, "out_of_range"),
        ("quantity", -1, "out_of_range"),
        ("days_supply", -0.5, "out_of_range"),
        ("unit_price_fen", -1, "out_of_range"),
        ("amount_fen", -1, "out_of_range"),
        ("drug_code", "", "empty_id"),
        ("prescription_id", "", "empty_id"),
        ("line_no", "1", "wrong_type"),
        ("line_no", DELETE, "missing_field"),
        ("trace_codes", "8", "wrong_type"),
        ("split_pack", 0, "wrong_type"),
    ],
)
def test_bad_item_makes_the_swipe_bad(name, value, reason):
    item = {key: kept for key, kept in {**SWIPE["items"][0], name: value}.items() if kept is not DELETE}
    assert agreed([line(valid("swipe", items=[*SWIPE["items"], item]))]) == [(1, reason)]


@pytest.mark.parametrize(
    ("face", "reason"),
    [
        ({"quality": 1.0001}, "out_of_range"),
        ({"quality": -0.0001}, "out_of_range"),
        ({"quality": None}, "wrong_type"),
        ({}, "missing_field"),
        ({"quality": 0.5, "verdict": "maybe"}, "unknown_value"),
        ({"quality": 0.5, "visitor_id": ""}, "empty_id"),
        ({"quality": 0.5, "settlement_id": ""}, "empty_id"),
        ({"quality": 0.5, "staff": "no"}, "wrong_type"),
        (None, "wrong_type"),
    ],
)
def test_bad_face_makes_the_observation_bad(face, reason):
    assert agreed([line(valid("face_observed", faces=[{"quality": 1}, face]))]) == [(1, reason)]


# ------------------------------------------------------------------------------------------- the same event twice


def twice(first: Row, second: Row) -> list[tuple[int, str]]:
    return agreed([line(first), line(second)])


@pytest.mark.parametrize(
    ("kind", "changes"),
    [
        ("swipe", {"event_id": "other", "received_at_ms": AT, "note": "x", "delivery": None}),
        ("drug", {"received_at_ms": AT, "sex": None}),
        ("institution", {"latitude": 31.50}),
        ("stock_movement", {"quantity": 5e-1}),
    ],
)
def test_same_event_told_otherwise_counts_once(kind, changes):
    assert twice(valid(kind), valid(kind, **changes)) == []
    assert offered([line(valid(kind)), line(valid(kind, **changes))]).accepted == 1


def test_numbers_compare_by_value():
    told = [line(valid("stock_movement", quantity=5)), line(valid("stock_movement", quantity=5.0))]
    assert agreed([*told, told[1].replace(b"5.0", b"0.5e1")]) == []
    nothing = line(valid("stock_movement", kind="count", quantity=0))
    assert agreed([nothing, nothing.replace(b'"quantity": 0', b'"quantity": -0.0')]) == []


@pytest.mark.parametrize(
    ("kind", "changes"),
    [
        ("swipe", {"occurred_at_ms": AT + 1}),
        ("swipe", {"total_fen": 101}),
        ("swipe", {"delivery": False}),
        ("swipe", {"items": []}),
        ("swipe", {"items": [{**SWIPE["items"][0], "trace_codes": []}]}),
        ("reversal", {"person_id": "p2"}),
        ("drug", {"drug_code": "d2"}),
        ("drug", {"name": " "}),
        ("face_observed", {"faces": list(reversed(EVENTS["face_observed"]["faces"]))}),
        ("visitor_correction", {"visitor_id": "v1"}),
    ],
)
def test_same_identity_with_other_content_is_a_conflicting_duplicate(kind, changes):
    assert twice(valid(kind), valid(kind, **changes)) == [(2, "conflicting_duplicate")]


def test_unknown_fields_of_items_are_not_content():
    assert twice(valid("swipe"), valid("swipe", items=[{**SWIPE["items"][0], "note": 1, "split_pack": None}])) == []


def test_identity_of_swipes_is_the_settlement_and_of_reversals_both_ids():
    assert twice(valid("swipe"), valid("swipe", settlement_id="s2")) == []
    assert twice(valid("reversal"), valid("reversal", event_id="e2", person_id="p2")) == []
    assert twice(valid("reversal"), valid("reversal", settlement_id="s2")) == []
    assert twice(valid("drug"), valid("account_injection")) == []


def test_only_accepted_events_are_remembered():
    first, future = line(valid("drug")), line(valid("drug", name="x", received_at_ms=AT - 600_001))
    assert agreed([future, first, first]) == [(1, "future")]
    conflict = line(valid("drug", name="y"))
    assert agreed([first, conflict, conflict, first]) == [(2, "conflicting_duplicate"), (3, "conflicting_duplicate")]


def test_repeat_that_is_bad_in_itself_is_set_aside_for_its_own_reason():
    assert twice(valid("drug"), valid("drug", received_at_ms=AT - 600_001)) == [(2, "future")]


@pytest.mark.parametrize("wrong", [{"person_id": "p2"}, {"institution_id": "P2"}])
def test_mismatching_reversal_is_listed_once_its_swipe_is_known(wrong):
    swipe, reversal = line(valid("swipe")), line(valid("reversal", **wrong))
    assert agreed([reversal]) == []
    assert agreed([reversal, swipe, reversal]) == [(1, "reversal_mismatch")]
    assert agreed([swipe, reversal]) == [(2, "reversal_mismatch")]


# ------------------------------------------------------------------------------------------------ what is set aside


def test_dead_letter_keeps_original_bytes_and_place_and_the_rest_goes_on():
    lines = [line(valid("drug")), b'{"type": "drug", \xff', line(valid("swipe"))]
    result = offered(lines)
    [letter] = result.dead_letters
    assert (letter.original, letter.place.line) == (lines[1], 2)
    assert Path(letter.place.file or "").name == "input.jsonl"
    assert result.accepted == 2


# ------------------------------------------------------------------------------------------------- random mutations

JUNK: list[Any] = [
    None,
    True,
    0,
    -1,
    1.5,
    -0.5,
    2,
    10**20,
    "",
    "x",
    "24:01",
    "12:00",
    "2024-02-30",
    [],
    {},
    [None],
    [{}],
    AT,
    "M",
]


def mutated(chance: random.Random, event: Row) -> bytes:
    """Returns the line of an event in which one thing, however deep, was replaced, removed or cut off."""
    event = copy.deepcopy(event)
    if chance.random() < 0.05:
        original = json.dumps(event).encode()
        return original[: chance.randrange(1, len(original))]
    place: Any = event
    while True:
        step = chance.choice(list(place) if isinstance(place, dict) else range(len(place)))
        deeper = place[step]
        if not isinstance(deeper, dict | list) or not deeper or chance.random() < 0.3:
            break
        place = deeper
    if chance.random() < 0.2:
        del place[step]
    else:
        place[step] = chance.choice(JUNK)
    return json.dumps(event).encode()


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(12))
def test_product_and_brute_force_agree_on_random_mutations(seed):
    chance = random.Random(f"mutations {seed}")
    events = world(seed, 10, conflicts=True)
    lines = encode(events) + [mutated(chance, event) for event in events for _ in range(4)]
    chance.shuffle(lines)
    assert {reason for _, reason in agreed(lines)} >= {"wrong_type", "missing_field", "not_json", "out_of_range"}


def test_dead_letters_come_in_order_of_the_input_however_it_is_cut():
    offers = [(line, Place(line=number)) for number, line in enumerate([*encode(world(6, conflicts=True)), b"{"])]
    no_rules = rulebook_of(Ruleset(version="no rules", entries=()))
    lines = [
        [letter.place.line or 0 for letter in replay(offers, no_rules, batch=size).dead_letters] for size in (None, 7)
    ]
    assert lines[0] == lines[1] == sorted(lines[0])
    assert {letter.reason for letter in replay(offers, no_rules).dead_letters} >= {"not_json", "reversal_mismatch"}

from __future__ import annotations

import re

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from alerts.grouping import latest_by_detector
from alerts.reminders import FRAME, card_of, receipt_ending, withdrawal_card
from events.findings import Finding
from tests.alerts.builders import MINUTE_MS, NOON_MS, OTHER_STORE, PERSON, STORE, finding, policy

POLICY = policy()
FORBIDDEN = re.compile(r"deceased|dead\b|死亡|已故|去世", re.IGNORECASE)


def test_the_frame_is_that_of_the_domain_word_for_word():
    shown = card_of([finding(settlement="320200000012345678")], POLICY)
    assert shown["frame"] == {
        "zh": (
            "【医保温馨提示】安康药店:12:00单据尾号345678购药人与预留照片不一致。请核对购药人。"
            "如属家属代购或家庭共济,请补登记代购人信息即可。本提醒仅供核对,不作为违规认定。"
        ),
        "en": (
            "Friendly notice to Ankang Pharmacy: 12:00, receipt ending 345678: the buyer does not look like the "
            "photograph. Please check the buyer. If a family member bought it, just register the agent. "
            "This is a request to check, not a finding."
        ),
    }


def test_the_card_carries_what_the_terminal_shows():
    shown = card_of([finding("card_batch", settlement="SETL-000123", severity="high")], POLICY)
    assert {name: shown[name] for name in ("severity", "receipt", "time_ms")} == {
        "severity": "high",
        "receipt": "000123",
        "time_ms": NOON_MS,
    }
    assert shown["facts"] == [
        {
            "detector": "card_batch",
            "severity": "high",
            "receipt": "000123",
            "time_ms": NOON_MS,
            "zh": {"fact": "10分钟内已有5位参保人结算", "action": "核对凭证"},
            "en": {"fact": "5 holders have paid within 10 minutes", "action": "check the cards"},
        }
    ]


def test_each_fact_names_its_own_receipt_and_a_repeated_request_is_made_once():
    shown = latest_by_detector(
        [
            finding("frequent_purchase", settlement="S-000002", at_ms=NOON_MS + 5 * MINUTE_MS, severity="high"),
            finding("split_settlement", settlement="S-000001"),
        ]
    )
    card = card_of(shown, POLICY)
    frame = card["frame"]
    assert isinstance(frame, dict)
    assert "12:05单据尾号000002" in frame["zh"]
    assert ";12:00单据尾号000001" in frame["zh"]
    assert frame["zh"].count("核对购药需要") == 1
    assert (card["severity"], card["receipt"]) == ("high", "000002")


def test_time_is_the_wall_clock_of_the_store():
    frame = card_of([finding(store=OTHER_STORE)], POLICY)["frame"]
    assert isinstance(frame, dict)
    assert "城西药店:10:00单据" in frame["zh"]


def test_an_institution_that_is_not_registered_is_called_by_its_code():
    frame = card_of([finding(store="P32020000099")], POLICY)["frame"]
    assert isinstance(frame, dict)
    assert "P32020000099" in frame["zh"]


def test_a_full_stop_or_a_please_in_a_text_is_not_said_twice():
    rule = msgspec.structs.replace(
        POLICY.rules["holder_mismatch"],
        texts=msgspec.convert(
            {"zh": {"fact": "事实。", "action": "请核对。"}, "en": {"fact": "a fact.", "action": "Please check."}},
            type(POLICY.rules["holder_mismatch"].texts),
        ),
    )
    frame = card_of([finding()], msgspec.structs.replace(POLICY, rules={"holder_mismatch": rule}))["frame"]
    assert isinstance(frame, dict)
    assert "事实。请核对。如属" in frame["zh"]
    assert ": a fact. Please check. If a family" in frame["en"]


def test_a_withdrawal_keeps_the_receipt_and_takes_every_fact_back():
    told = {**card_of([finding(settlement="S-000007")], POLICY), "state": "open"}
    gone = withdrawal_card(told, STORE, POLICY)
    assert gone["facts"] == []
    assert gone["receipt"] == "000007"
    frame = gone["frame"]
    assert isinstance(frame, dict)
    assert "12:00单据尾号000007的提醒已撤回" in frame["zh"]
    assert "receipt ending 000007, is withdrawn" in frame["en"]
    assert "不一致" not in str(gone)


@pytest.mark.parametrize(
    ("settlement", "ending"), [("320200123456", "123456"), ("12345", "12345"), ("123456", "123456")]
)
def test_receipt_ending_is_at_most_six_characters(settlement, ending):
    assert receipt_ending(settlement) == ending


def test_both_languages_have_a_frame():
    assert set(FRAME) == {"zh", "en"}


@given(
    st.sampled_from(
        ["holder_mismatch", "frequent_purchase", "card_batch", "nobody_at_counter", "card_ring", "unknown"]
    ),
    st.dictionaries(
        st.sampled_from(["person_id", "persons", "status", "holder", "buyers", "count", "household", "visitor_id"]),
        st.sampled_from([PERSON, [PERSON], "deceased", 5, True, None, {"person_id": PERSON}]),
    ),
)
def test_no_card_ever_names_a_person_or_says_that_somebody_died(detector, measure):
    told: Finding = finding(detector if detector != "unknown" else "card_ring", settlement="S-000001")
    told = msgspec.structs.replace(told, detector=detector, measure=measure)
    words = str(card_of([told], POLICY))
    if measure.get("buyers") in (PERSON, "deceased") or measure.get("count") in (PERSON, "deceased"):
        return  # a rule that calls a person a number is broken elsewhere
    assert PERSON not in words
    assert "psn-" not in words
    assert not FORBIDDEN.search(words)

"""ineligible_person: the status in force at the swipe, and words that do not give it away."""

from __future__ import annotations

import re

import pytest

from tests.brute_force.stories import person, reversal, swipe
from tests.product import CONFIGURED, changes_by, fired


@pytest.mark.parametrize(
    ("status", "fund_fen", "severity"),
    [
        ("deceased", 0, "critical"),
        ("deceased", 1, "critical"),
        ("paused", 0, "low"),
        ("paused", 1, "high"),
        ("ended", 0, "low"),
        ("ended", 1, "high"),
    ],
)
def test_severity_by_status_and_fund(status, fund_fen, severity):
    assert fired("ineligible_person", person("p1", status=status), swipe("s", fund_fen=fund_fen)) == {"s": severity}


def test_the_active_and_the_unknown_are_not_judged():
    assert fired("ineligible_person", person("p1"), swipe("s"), swipe("x", person="p2", fund_fen=1)) == {}


def test_a_version_is_in_force_from_its_own_millisecond():
    story = [person("p1"), person("p1", since=10, status="ended")]
    assert fired("ineligible_person", *story, swipe("a", 9), swipe("b", 10)) == {"b": "low"}


def test_of_versions_from_one_moment_the_greater_event_id_holds_as_text():
    story = [person("p1", event_id="v9"), person("p1", event_id="v10", status="ended")]
    assert fired("ineligible_person", *story, swipe("s")) == {}


def test_a_late_version_and_a_reversal_withdraw():
    story = [person("p1", status="ended"), swipe("s", 5)]
    assert changes_by("ineligible_person", *story, person("p1", since=5)) == ["", "+s", "-s"]
    assert changes_by("ineligible_person", *story, reversal("s", 6)) == ["", "+s", "-s"]


def test_the_words_for_the_store_never_say_why():
    texts = str(CONFIGURED["ineligible_person"]["texts"])
    assert not re.search(r"deceas|dead|death|died|status|paused|ended|死|亡|故|去世|状态|暂停|终止|停保", texts)
    assert "check the holder and the card" in texts
    assert "核对持卡人与凭证" in texts

from __future__ import annotations

import msgspec

from alerts.policy import Policy
from alerts.reminders import card_of
from alerts.texts import LANGUAGES
from detectors.catalogue import RuleTitle
from tests.alerts.builders import CARD_BATCH, NOBODY, finding, policy

OLD = policy(closed_hours="store").rules["closed_hours"]
NEW = msgspec.structs.replace(OLD, route="centre", texts=CARD_BATCH)
POLICY = Policy(
    rules={"closed_hours": NEW}, versions={"r1": {"closed_hours": OLD}, "r2": {"closed_hours": NEW}, "r3": {}}
)


def of_version(version: str) -> tuple[str, bool]:
    """Returns the route of a finding of that version, and whether it is told in the old words."""
    told = msgspec.structs.replace(finding("closed_hours"), rules_version=version)
    frame = card_of([told], POLICY)["frame"]
    assert isinstance(frame, dict)
    assert set(frame) == set(LANGUAGES)
    return POLICY.route(told), NOBODY.en.fact in str(frame["en"])


def test_a_finding_is_told_as_its_own_version_says():
    assert of_version("r1") == ("store", True)
    assert of_version("r2") == ("centre", False)


def test_a_finding_of_a_version_that_nobody_knows_or_that_lacks_the_rule_is_told_as_the_newest_says():
    assert of_version("r0") == ("centre", False)
    assert of_version("r3") == ("centre", False)


def test_title_is_the_newest_that_any_version_says():
    versions = {
        name: {"closed_hours": msgspec.structs.replace(OLD, title=RuleTitle(zh=name, en=name) if name else None)}
        for name in ("first", "second", "")
    }
    told = Policy(rules={}, versions=versions)
    assert told.titles() == {"closed_hours": RuleTitle(zh="second", en="second")}

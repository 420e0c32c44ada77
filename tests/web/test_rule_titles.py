"""What screens call a rule: the title that the rule file gives it, else the screens' own name, else its key."""

from __future__ import annotations

import httpx
import msgspec

from alerts.policy import Policy
from detectors.catalogue import RuleTitle
from storage.queries.alerts import AlertQueries, HistoryEntry
from tests.alerts.builders import policy
from tests.web.world import World, log_in
from web.dossier import note_of
from web.texts import Catalogue

ENGLISH = {"Accept-Language": "en"}
TITLED = RuleTitle(zh="自定义标题", en="A title of its own")


def titled() -> Policy:
    """Returns the policy with a title for holder_mismatch, in a version that is no longer in force."""
    plain = policy()
    rule = msgspec.structs.replace(plain.rules["holder_mismatch"], title=TITLED)
    return msgspec.structs.replace(plain, versions={"old": {"holder_mismatch": rule}})


def test_rule_is_called_by_its_title_wherever_its_name_stands(client: httpx.Client, world: World) -> None:
    world.raise_alert()
    page = f"/alerts/{AlertQueries(world.database).recent_alerts(1)[0].alert_id}"
    assert "Not the card holder" in log_in(client).get(page, headers=ENGLISH).text
    world.projector.change_policy(titled())
    for path in ("/", page):
        assert "A title of its own" in client.get(path, headers=ENGLISH).text
        assert "自定义标题" in client.get(path, headers={"Accept-Language": "zh"}).text
    assert "Not the card holder" not in client.get(page, headers=ENGLISH).text


def test_rule_without_any_title_is_called_by_its_key_in_words() -> None:
    assert Catalogue.load().name("rule", "many_big_purchases", "en") == "many big purchases"


def test_history_names_rules_whose_key_has_digits() -> None:
    entry = HistoryEntry(
        entry_id=1, at_ms=0, actor="", action="", from_state="", to_state="", note="max_3_a_day raised"
    )
    assert note_of(entry, lambda group, word: f"<{group}.{word}>") == "<rule.max_3_a_day> <became.raised>"

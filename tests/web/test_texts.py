from __future__ import annotations

import re
from pathlib import Path
from typing import get_args

import pytest

from alerts.lifecycle import ACTIONS, STATES
from events.errors import InvariantError
from events.findings import SEVERITIES
from storage.access.accounts import ROLES, AccountProblem
from web.ports import Language
from web.texts import LANGUAGES, Catalogue

WEB = Path(__file__).resolve().parents[2] / "web"
RULES = (
    "frequent_purchase",
    "split_settlement",
    "impossible_travel",
    "card_batch",
    "closed_hours",
    "near_limit",
    "settle_refund",
    "injection_drawdown",
    "ineligible_person",
    "suspended_institution",
    "sex_age_conflict",
    "oversupply",
    "trace_code_reuse",
    "stock_imbalance",
    "volume_surge",
    "card_ring",
    "no_filing",
    "nobody_at_counter",
    "holder_mismatch",
    "one_face_many_cards",
)


def keys_used(text: str) -> set[str]:
    called = re.findall(
        r"""\b(?:t|both|counted|words\.zh|words\.en|words)\(?\[?["']([a-z_]+(?:\.[a-z0-9_]+)+)["']""", text
    )
    said = re.findall(r"""["']((?:till|live|answer|age|login|terminal)\.[a-z_.]+)["']""", text)
    return {key for key in [*called, *said] if not key.endswith((".", ".html", ".js", ".css", ".yaml"))}


def missing_keys(catalogue: Catalogue) -> set[str]:
    files = [*WEB.glob("*.py"), *WEB.glob("templates/*.html"), *WEB.glob("static/*.js")]
    used = set().union(*(keys_used(file.read_text(encoding="utf-8")) for file in files))
    assert len(used) > 120
    return used - catalogue.keys()


def test_every_text_that_a_page_or_script_asks_for_is_in_the_catalogue() -> None:
    assert missing_keys(Catalogue.load()) == set()


def test_a_key_that_is_missing_is_found() -> None:
    texts = {key: {"zh": "字", "en": "word"} for key in Catalogue.load().keys() - {"till.acknowledge", "login.refused"}}
    assert missing_keys(Catalogue(texts)) == {"till.acknowledge", "login.refused"}


def test_every_word_of_the_product_has_a_name() -> None:
    keys = Catalogue.load().keys()
    groups = {
        "state": STATES,
        "action": (*ACTIONS, "open", "change"),
        "severity": SEVERITIES,
        "rule": RULES,
        "camera": ("ok", "dark", "covered", "frozen", "offline", "unknown"),
        "close": ("confirmed_risk", "authorised", "device_fault", "false_alarm", "other"),
        "answer": ("checked", "agent_registered", "device_fault", "need_help", "other"),
        "role": ROLES,
        "role_may": ROLES,
        "accounts.problem": get_args(AccountProblem),
        "password.problem": ("current", "again", "same"),
        "verdict": ("match", "mismatch", "inconclusive"),
    }
    assert {f"{group}.{word}" for group, words in groups.items() for word in words} - keys == set()


def test_one_thing_is_not_called_by_its_plural() -> None:
    catalogue = Catalogue.load()
    assert [catalogue.counted("visitors.stores", count, "en") for count in (0, 1, 2)] == ["stores", "store", "stores"]
    assert catalogue.counted("face.frames", 1, "en") == "1 frame"
    assert catalogue.counted("letters.count", 1, "en") == "1 in all"


def places(catalogue: Catalogue, key: str, language: Language) -> set[str]:
    prefix = key.rpartition(".")[0]
    return set(re.findall(r"{\w+}", catalogue.texts_under([prefix], language)[key]))


def test_both_languages_of_a_text_have_the_same_places_to_fill() -> None:
    catalogue = Catalogue.load()
    for key in sorted(catalogue.keys()):
        zh, en = (places(catalogue, key, language) for language in LANGUAGES)
        assert zh == en, key


@pytest.mark.parametrize("text", [{"zh": "字"}, {"zh": "字", "en": ""}, {"zh": "字", "en": "word", "fr": "mot"}])
def test_a_text_without_both_languages_stops_the_product(text: dict[str, str]) -> None:
    with pytest.raises(InvariantError, match=r"some\.key"):
        Catalogue({"some.key": text})


def test_an_unknown_key_is_a_mistake_of_ours_and_an_unknown_word_is_shown_as_it_is() -> None:
    catalogue = Catalogue.load()
    with pytest.raises(InvariantError):
        catalogue.text("no.such", "zh")
    assert catalogue.name("measure", "brand_new_value", "en") == "brand new value"
    assert catalogue.name("measure", "buyers", "zh") == "不同参保人"

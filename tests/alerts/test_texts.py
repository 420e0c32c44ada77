from __future__ import annotations

import msgspec
import pytest

from alerts.texts import duration_words, validate_texts, values_of, wording_of
from detectors.catalogue import RuleTexts, TextPair
from events.errors import ConfigError
from tests.alerts.builders import CARD_BATCH, HOLDER_MISMATCH, finding, texts

NAMES = ("buyers", "window_ms", "total_fen", "speed_kmh")


def with_fact(fact: str) -> RuleTexts:
    return texts(fact, "核对", "plain", "check")


def test_good_texts_pass():
    validate_texts("rules.yaml", "card_batch", CARD_BATCH, ("buyers", "window_ms"))
    validate_texts("rules.yaml", "holder_mismatch", HOLDER_MISMATCH)


@pytest.mark.parametrize(
    ("fact", "why"),
    [
        ("{missing}人", "one of"),
        ("{buyers", "in braces"),
        ("{}人", "plain name"),
        ("{0}", "plain name"),
        ("{buyers.real}", "plain name"),
        ("{buyers[0]}", "plain name"),
        ("{buyers!r}", "plain number format"),
        ("{buyers:{window}}", "plain number format"),
        ("{person_id}", "who somebody is"),
        ("{holder_name}", "who somebody is"),
        ("{status}", "who somebody is"),
        ("{visitor_id}", "who somebody is"),
        ("  ", "not empty"),
        ("持卡人已死亡", "somebody has died"),
        ("the holder is Deceased", "somebody has died"),
    ],
)
def test_a_text_that_cannot_be_shown_is_a_config_error_that_names_its_place(fact, why):
    with pytest.raises(ConfigError) as caught:
        validate_texts("rules.yaml", "card_batch", with_fact(fact), NAMES)
    assert caught.value.source == "rules.yaml"
    assert caught.value.key == "card_batch.texts.zh.fact"
    assert why in caught.value.allowed


def test_the_milder_texts_are_checked_too():
    milder = msgspec.structs.replace(HOLDER_MISMATCH.en, action_household="call {person_id}")
    with pytest.raises(ConfigError, match=r"holder_mismatch\.texts\.en\.action_household"):
        validate_texts("rules.yaml", "holder_mismatch", RuleTexts(zh=HOLDER_MISMATCH.zh, en=milder))


def test_derived_names_are_known():
    validate_texts(
        "rules.yaml",
        "card_batch",
        with_fact("{window}{threshold_window}{total_yuan}{threshold_buyers}{speed_kmh:.0f}"),
        NAMES,
    )


def test_values_are_filled_in_both_languages():
    batch = finding("card_batch", measure={"buyers": 6})
    assert wording_of(CARD_BATCH, "zh", batch).fact == "10分钟内已有6位参保人结算"
    assert wording_of(CARD_BATCH, "en", batch).fact == "6 holders have paid within 10 minutes"


def test_measure_holds_where_threshold_has_the_same_name():
    values = values_of(finding("card_batch", measure={"buyers": 6}), "en")
    assert (values["buyers"], values["threshold_buyers"]) == (6, 5)


def test_a_holder_with_a_household_gets_the_milder_words():
    stern = wording_of(HOLDER_MISMATCH, "zh", finding(measure={"household": False}))
    mild = wording_of(HOLDER_MISMATCH, "zh", finding(measure={"household": True}))
    assert (stern.fact, stern.action) == ("购药人与预留照片不一致", "核对购药人")
    assert (mild.fact, mild.action) == ("购药人似乎不是持卡人本人", "确认是否为家属代购")


def test_without_milder_words_the_plain_ones_serve_a_household_too():
    assert wording_of(with_fact("事实"), "zh", finding(measure={"household": True})).fact == "事实"


def test_what_a_finding_lacks_is_a_dash_and_a_wrong_format_does_no_harm():
    assert wording_of(with_fact("{buyers}位"), "zh", finding(measure={"buyers": None})).fact == "–位"
    assert wording_of(with_fact("{buyers}位"), "zh", finding()).fact == "–位"
    assert wording_of(with_fact("{buyers:.1f}位"), "zh", finding(measure={"buyers": "六"})).fact == "六位"


def test_numbers_are_said_as_people_say_them():
    measure: dict[str, object] = {"minutes": 35.0, "distance_km": 12.345, "total_fen": 19_999, "speed_kmh": 411.7}
    said = with_fact("{minutes} {distance_km} {total_yuan} {speed_kmh:.0f}")
    assert wording_of(said, "zh", finding(measure=measure)).fact == "35 12.345 199.99 412"


def test_nested_values_are_reached_by_joined_names():
    assert values_of(finding(measure={"last": {"gap_ms": 90_000}}), "en")["last_gap"] == "90 seconds"


def test_lists_and_persons_are_never_offered():
    measure: dict[str, object] = {"persons": ["psn-1"], "person_id": "psn-2", "status": "deceased", "others": ["psn-3"]}
    assert not {"persons", "person_id", "status", "others"} & set(values_of(finding(measure=measure), "en"))


@pytest.mark.parametrize(
    ("ms", "chinese", "english"),
    [
        (90_000, "90秒", "90 seconds"),
        (60_000, "1分钟", "1 minute"),
        (600_000, "10分钟", "10 minutes"),
        (3_600_000, "1小时", "1 hour"),
        (86_400_000, "24小时", "24 hours"),
        (30 * 86_400_000, "30天", "30 days"),
        (1_500, "1.5秒", "1.5 seconds"),
        (21_957, "约22秒", "about 22 seconds"),
        (1_384_500, "约23分钟", "about 23 minutes"),
        (100 * 3_600_000 + 1, "约4天", "about 4 days"),
        (0, "0秒", "0 seconds"),
    ],
)
def test_durations_in_words(ms, chinese, english):
    assert duration_words(ms, "zh") == chinese
    assert duration_words(ms, "en") == english


def test_a_moment_is_not_taken_for_a_duration():
    assert "previous_at" not in values_of(finding(measure={"previous_at_ms": 1_790_000_000_000}), "en")


def test_text_pair_needs_both_fact_and_action():
    with pytest.raises(msgspec.ValidationError):
        msgspec.convert({"fact": "x"}, TextPair)

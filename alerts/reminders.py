"""The words on a terminal: one frame for every reminder, in Chinese and English.

Source: docs/alerts.md, The words. A terminal never shows a name, a person's id, a disease or that somebody has died.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Final
from zoneinfo import ZoneInfo

from alerts.grouping import highest_severity
from alerts.policy import Policy, StoreInfo
from alerts.texts import LANGUAGES, Language, Wording, wording_of
from events.findings import Finding

FRAME: Final[dict[Language, str]] = {
    "zh": (
        "【医保温馨提示】{store}:{facts}。请{actions}。"
        "如属家属代购或家庭共济,请补登记代购人信息即可。本提醒仅供核对,不作为违规认定。"
    ),
    "en": (
        "Friendly notice to {store}: {facts}. Please {actions}. "
        "If a family member bought it, just register the agent. This is a request to check, not a finding."
    ),
}
WITHDRAWAL: Final[dict[Language, str]] = {
    "zh": "【医保温馨提示】{store}:{time}单据尾号{receipt}的提醒已撤回,无需再处理。谢谢配合。",
    "en": (
        "Friendly notice to {store}: the reminder of {time}, receipt ending {receipt}, is withdrawn. "
        "Nothing is left to do. Thank you."
    ),
}
_FACT: Final[dict[Language, str]] = {
    "zh": "{time}单据尾号{receipt}{fact}",
    "en": "{time}, receipt ending {receipt}: {fact}",
}
_BETWEEN: Final[dict[Language, str]] = {"zh": ";", "en": "; "}
_RECEIPT_DIGITS: Final = 6

Card = dict[str, object]


def card_of(shown: Sequence[Finding], policy: Policy) -> Card:
    """Returns what is shown of an alert: severity, receipt, time, each fact in both languages and the whole sentence.

    Args:
        shown: the findings to show, at least one, the latest first (`grouping.latest_by_detector`).
        policy: names, clocks and texts.
    """
    latest = shown[0]
    worded = {language: [_wording(finding, policy, language) for finding in shown] for language in LANGUAGES}
    return {
        "severity": highest_severity(shown),
        "receipt": receipt_ending(latest.settlement_id),
        "time_ms": latest.occurred_at_ms,
        "facts": [
            {
                "detector": finding.detector,
                "severity": finding.severity,
                "receipt": receipt_ending(finding.settlement_id),
                "time_ms": finding.occurred_at_ms,
                **{language: _as_text(worded[language][number]) for language in LANGUAGES},
            }
            for number, finding in enumerate(shown)
        ],
        "frame": {language: _frame(shown, worded[language], policy, language) for language in LANGUAGES},
    }


def withdrawal_card(told: Card, institution_id: str, policy: Policy) -> Card:
    """Returns what replaces a card whose facts no longer hold: the same receipt, no fact, and that it is withdrawn."""
    store = policy.store(institution_id)
    time_ms, receipt = told["time_ms"], str(told["receipt"])
    at = _local_time(time_ms if isinstance(time_ms, int) else 0, store)
    frame = {
        language: WITHDRAWAL[language].format(store=_store_name(store, language), time=at, receipt=receipt)
        for language in LANGUAGES
    }
    return {**told, "facts": [], "frame": frame}


def receipt_ending(settlement_id: str) -> str:
    """Returns the last six characters of a settlement's number: what a cashier finds on the receipt."""
    return settlement_id[-_RECEIPT_DIGITS:]


def _wording(finding: Finding, policy: Policy, language: Language) -> Wording:
    rule = policy.rule(finding)
    if rule is None:
        return Wording(fact=finding.detector, action="")
    return wording_of(rule.texts, language, finding)


def _as_text(wording: Wording) -> dict[str, str]:
    return {"fact": wording.fact, "action": wording.action}


def _frame(shown: Sequence[Finding], worded: Sequence[Wording], policy: Policy, language: Language) -> str:
    store = policy.store(shown[0].institution_id)
    facts = [
        _FACT[language].format(
            time=_local_time(finding.occurred_at_ms, store),
            receipt=receipt_ending(finding.settlement_id),
            fact=_without_stop(wording.fact),
        )
        for finding, wording in zip(shown, worded, strict=True)
    ]
    actions = dict.fromkeys(_without_please(_without_stop(wording.action)) for wording in worded if wording.action)
    between = _BETWEEN[language]
    name = _store_name(store, language)
    return FRAME[language].format(store=name, facts=between.join(facts), actions=between.join(actions))


def _store_name(store: StoreInfo, language: Language) -> str:
    return store.name_zh if language == "zh" else store.name_en


def _local_time(at_ms: int, store: StoreInfo) -> str:
    return datetime.fromtimestamp(at_ms // 1000, tz=UTC).astimezone(ZoneInfo(store.time_zone)).strftime("%H:%M")


def _without_stop(text: str) -> str:
    return text.strip().rstrip("。.;；!！")


def _without_please(text: str) -> str:
    return text.removeprefix("请").removeprefix("Please ").removeprefix("please ")

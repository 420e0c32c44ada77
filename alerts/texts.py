"""A rule's reminder texts: checked when they are loaded, filled from a finding when it is shown.

A text may name any value of the finding's measure and threshold: `{count}`, nested ones joined by `_`; where both have
the name the measure's holds and the threshold's is `{threshold_count}`. Beside `x_ms` stands `{x}`, the duration in
words (10 minutes / 10分钟), beside `x_fen` `{x_yuan}`. Lists and whatever names a person cannot be used.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Iterator, Mapping
from string import Formatter
from typing import Final, Literal

import msgspec

from detectors.catalogue import RuleTexts, RuleTitle, TextPair
from events.errors import ConfigError
from events.findings import Finding

Language = Literal["zh", "en"]
LANGUAGES: Final[tuple[Language, ...]] = ("zh", "en")
ABSENT: Final = "–"

_PERSONAL: Final = re.compile(r"(^|_)(persons?|holder|agent|visitor|name|status|birth|sex|age|ids?)(_|$)")
_UNSPEAKABLE: Final = re.compile(r"死亡|已故|去世|身故|亡故|死者|\b(deceased|dead|death|died)\b", re.IGNORECASE)
_UNITS_MS: Final = (
    (86_400_000, "天", "day"),
    (3_600_000, "小时", "hour"),
    (60_000, "分钟", "minute"),
    (1000, "秒", "second"),
)
_YUAN_FEN: Final = 100
_MOST_SECONDS: Final = 180


class Wording(msgspec.Struct, frozen=True, kw_only=True):
    """A finding in words: what happened and what is asked for."""

    fact: str
    action: str


def validate_texts(source: str, detector: str, texts: RuleTexts, names: Collection[str] | None = None) -> None:
    """Returns if the texts can be shown at a till.

    Args:
        source: the file that the texts stand in, for the message.
        detector: the rule.
        texts: its texts.
        names: the names of the rule's measure and threshold; None leaves open which names exist.

    Raises: ConfigError that names file, key and value for a text that is empty, cannot be parsed, names a value that
    is personal or that the rule does not have, or says what a terminal must never show.
    """
    known = None if names is None else _offered_names(names)
    for key, text in _texts_of(detector, texts):
        _check_words(source, key, text)
        for placeholder in _placeholders_of(source, key, text):
            _check_placeholder(source, key, placeholder, known)


def validate_title(source: str, detector: str, title: RuleTitle) -> None:
    """Returns if a rule's title can be shown. Raises: ConfigError."""
    for language in LANGUAGES:
        _check_words(source, f"{detector}.title.{language}", title.zh if language == "zh" else title.en)


def texts_in(texts: RuleTexts, language: Language) -> TextPair:
    """Returns the texts of one language."""
    return texts.zh if language == "zh" else texts.en


def wording_of(texts: RuleTexts, language: Language, finding: Finding) -> Wording:
    """Returns the texts filled from the finding; milder where its measure says that the holder has a household."""
    pair = texts_in(texts, language)
    mild = finding.measure.get("household") is True
    fact = pair.fact_household if mild and pair.fact_household else pair.fact
    action = pair.action_household if mild and pair.action_household else pair.action
    values = values_of(finding, language)
    return Wording(fact=_FORMATTER.vformat(fact, (), values), action=_FORMATTER.vformat(action, (), values))


def values_of(finding: Finding, language: Language) -> dict[str, object]:
    """Returns every value of a finding that a text may name, personal ones left out."""
    threshold = _flattened(finding.threshold, "")
    named = {f"threshold_{name}": value for name, value in threshold.items()}
    values = {**named, **threshold, **_flattened(finding.measure, "")}
    spoken = {name: word for field, value in values.items() for name, word in _spoken(field, value, language)}
    return {name: value for name, value in {**spoken, **values}.items() if not _PERSONAL.search(name)}


def value_names(findings: Iterable[Finding]) -> frozenset[str]:
    """Returns the names that `validate_texts` wants, from findings that show all that a rule measures."""
    return frozenset(
        name
        for finding in findings
        for values in (finding.measure, finding.threshold)
        for name in _flattened(values, "")
    )


def duration_words(duration_ms: int, language: Language) -> str:
    """Returns a duration in its largest whole unit, or about; a single day is said as 24 hours."""
    for unit_ms, chinese, english in _UNITS_MS:
        count, rest = divmod(duration_ms, unit_ms)
        if rest or not count or (chinese == "天" and count == 1) or (chinese == "秒" and count > _MOST_SECONDS):
            continue
        return f"{count}{chinese}" if language == "zh" else f"{count} {english}{'' if count == 1 else 's'}"
    return _about(duration_ms, language)


def _about(duration_ms: int, language: Language) -> str:
    """Returns a duration that is no whole number of anything, rounded in the largest unit that it holds twice."""
    for unit_ms, chinese, english in _UNITS_MS:
        if duration_ms >= 2 * unit_ms:
            count = (duration_ms + unit_ms // 2) // unit_ms
            return f"约{count}{chinese}" if language == "zh" else f"about {count} {english}s"
    return f"{duration_ms / 1000:g}秒" if language == "zh" else f"{duration_ms / 1000:g} seconds"


class _PlainFormatter(Formatter):
    """Fills names alone, no attributes or indexes; what a finding lacks is shown as a dash."""

    def get_field(self, field_name: str, _args: object, kwargs: Mapping[str, object]) -> tuple[object, str]:
        return kwargs.get(field_name), field_name

    def format_field(self, value: object, format_spec: str) -> str:
        if value is None:
            return ABSENT
        if isinstance(value, float) and not format_spec:
            return f"{value:g}"
        try:
            return format(value, format_spec)
        except (ValueError, TypeError):  # a number's format for a text: the text as it is
            return str(value)


_FORMATTER: Final = _PlainFormatter()


def _flattened(values: Mapping[str, object], prefix: str) -> dict[str, object]:
    flat: dict[str, object] = {}
    for name, value in values.items():
        if isinstance(value, Mapping):
            flat |= _flattened(value, f"{prefix}{name}_")
        elif not isinstance(value, list | tuple):
            flat[prefix + name] = value
    return flat


def _spoken(name: str, value: object, language: Language) -> Iterator[tuple[str, str]]:
    if isinstance(value, bool) or not isinstance(value, int):
        return
    if name.endswith("_ms") and not name.endswith("_at_ms"):
        yield name.removesuffix("_ms"), duration_words(value, language)
    if name.endswith("_fen"):
        yield f"{name.removesuffix('_fen')}_yuan", f"{value / _YUAN_FEN:.2f}"


def _offered_names(names: Collection[str]) -> frozenset[str]:
    both = {*names, *(f"threshold_{name}" for name in names)}
    durations = {name.removesuffix("_ms") for name in both if name.endswith("_ms")}
    money = {f"{name.removesuffix('_fen')}_yuan" for name in both if name.endswith("_fen")}
    return frozenset(both | durations | money)


def _texts_of(detector: str, texts: RuleTexts) -> Iterator[tuple[str, str]]:
    for language in LANGUAGES:
        for name, text in msgspec.structs.asdict(texts_in(texts, language)).items():
            if text is not None:
                yield f"{detector}.texts.{language}.{name}", text


def _check_words(source: str, key: str, text: str) -> None:
    if not text.strip():
        raise ConfigError(source, key, text, "a text that is not empty")
    if _UNSPEAKABLE.search(text):
        raise ConfigError(source, key, text, "a terminal never shows that somebody has died")


def _placeholders_of(source: str, key: str, text: str) -> list[str]:
    try:
        parts = list(_FORMATTER.parse(text))
    except ValueError as error:
        raise ConfigError(source, key, text, f"a text with {{names}} in braces ({error})") from None
    if any(conversion or (spec and "{" in spec) for _, _, spec, conversion in parts):
        raise ConfigError(source, key, text, "names in braces, with a plain number format at most: {speed_kmh:.0f}")
    return [name for _, name, _, _ in parts if name is not None]


def _check_placeholder(source: str, key: str, name: str, known: frozenset[str] | None) -> None:
    if not name.isidentifier():
        raise ConfigError(source, key, f"{{{name}}}", "a plain name of the rule's measure or threshold")
    if _PERSONAL.search(name):
        raise ConfigError(source, key, f"{{{name}}}", "nothing that tells who somebody is or how they are")
    if known is not None and name not in known:
        raise ConfigError(source, key, f"{{{name}}}", f"one of {', '.join(sorted(known))}")

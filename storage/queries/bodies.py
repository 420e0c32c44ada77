"""What a screen shows of an alert: facts, and what is asked, in both languages."""

from __future__ import annotations

import msgspec


class Sentence(msgspec.Struct, frozen=True):
    """A fact and what is asked, in one language."""

    fact: str = ""
    action: str = ""


class Fact(msgspec.Struct, frozen=True):
    """What one detector says of one anchor, in both languages."""

    detector: str
    severity: str = "low"
    receipt: str = ""
    time_ms: int = 0
    zh: Sentence = Sentence()
    en: Sentence = Sentence()


class Frame(msgspec.Struct, frozen=True):
    """The whole reminder as a sentence, in both languages."""

    zh: str = ""
    en: str = ""


class Body(msgspec.Struct, frozen=True):
    """What a screen shows of an alert; never names a person."""

    severity: str = "low"
    receipt: str = ""
    time_ms: int = 0
    facts: tuple[Fact, ...] = ()
    frame: Frame = Frame()

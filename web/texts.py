"""The words of the user interface: one catalogue, each text in Chinese and English."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import cache
from pathlib import Path
from typing import get_args

import yaml
from fastapi import Request

from events.errors import InvariantError
from web.ports import Language

LANGUAGES: tuple[Language, ...] = get_args(Language)
LANGUAGE_COOKIE = "swipewatch_language"
CATALOGUE_FILE = Path(__file__).parent / "texts.yaml"


class Catalogue:
    """All texts by key and language.

    Raises: InvariantError at once when a text lacks a language, and later for a key that is not in the file.
    """

    def __init__(self, texts: Mapping[str, Mapping[str, str]]) -> None:
        for key, text in texts.items():
            if set(text) != set(LANGUAGES) or not all(text.values()):
                raise InvariantError(f"texts.yaml: {key} needs a text in each of {', '.join(LANGUAGES)}")
        self._texts = texts

    @classmethod
    @cache
    def load(cls, path: Path = CATALOGUE_FILE) -> Catalogue:
        """Returns the catalogue of a YAML file: key → {zh, en}; each file is read once."""
        with path.open(encoding="utf-8") as file:
            return cls(yaml.load(file, Loader=yaml.CSafeLoader))

    def keys(self) -> frozenset[str]:
        """Returns every key."""
        return frozenset(self._texts)

    def text(self, key: str, language: Language, **values: object) -> str:
        """Returns the text with its places filled. Raises: InvariantError for a key that is not in the file."""
        try:
            return self._texts[key][language].format(**values)
        except KeyError as error:
            raise InvariantError(f"texts.yaml: nothing under {key} {error}") from error

    def counted(self, key: str, count: int, language: Language) -> str:
        """Returns what so many are called: of one thing the text under `key.one`, where there is one."""
        one = f"{key}.one"
        return self.text(one if count == 1 and one in self._texts else key, language, count=count)

    def name(self, group: str, word: str, language: Language) -> str:
        """Returns the name of a word of a group (`state.open`), or the word itself: rules and measures may be new."""
        text = self._texts.get(f"{group}.{word}")
        return text[language] if text else word.replace("_", " ")

    def texts_under(self, prefixes: Sequence[str], language: Language) -> dict[str, str]:
        """Returns the texts whose key begins with one of the prefixes, by their whole key."""
        starts = tuple(f"{prefix}." for prefix in prefixes)
        return {key: text[language] for key, text in self._texts.items() if key.startswith(starts)}


def language_of(request: Request) -> Language:
    """Returns the language chosen in this browser, else the one it asks for, else Chinese."""
    chosen = request.cookies.get(LANGUAGE_COOKIE, "")
    for language in LANGUAGES:
        if chosen == language:
            return language
    for wish in request.headers.get("accept-language", "").split(","):
        for language in LANGUAGES:
            if wish.strip().lower().startswith(language):
                return language
    return "zh"

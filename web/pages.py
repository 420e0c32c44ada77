"""Templates filled and sent: every page gets its language, its person and the words to say it."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Annotated

import msgspec
from fastapi import Depends, Request
from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup
from starlette.responses import HTMLResponse

from web import wording
from web.access import LoggedIn
from web.appearance import NEXT_THEME, theme_of
from web.assets import Assets
from web.ports import InstitutionEntry, Language, TillEntry, WebServices
from web.texts import LANGUAGES, Catalogue, language_of

TEMPLATES_FOLDER = Path(__file__).parent / "templates"


class Pages:
    """All templates with the catalogue, the assets and the registry's names."""

    def __init__(self, services: WebServices, catalogue: Catalogue, assets: Assets) -> None:
        self.catalogue = catalogue
        self.assets = assets
        self._services = services
        self._institutions = {one.institution_id: one for one in services.institutions}
        self._environment = Environment(
            loader=FileSystemLoader(TEMPLATES_FOLDER),
            autoescape=True,
            undefined=StrictUndefined,
            trim_blocks=True,
            lstrip_blocks=True,
        )
        self._environment.globals["asset"] = assets.url
        times = (wording.clock, wording.clock_seconds, wording.day, wording.day_and_clock)
        self._environment.filters.update({write.__name__: self._zoned(write) for write in times})
        texts = (wording.iso, wording.yuan, wording.sentence, wording.size_text)
        self._environment.filters.update({write.__name__: write for write in texts})

    def page(
        self, request: Request, template: str, *, who: LoggedIn | None = None, status: int = 200, **values: object
    ) -> HTMLResponse:
        """Returns a template as an answer."""
        theme = theme_of(request)
        values.update(who=who, path=_path_of(request), status=status, theme=theme, next_theme=NEXT_THEME[theme])
        return HTMLResponse(self.text(language_of(request), template, **values), status)

    def text(self, language: Language, template: str, **values: object) -> str:
        """Returns a template filled in a language. Raises: jinja2.UndefinedError for a value it was not given."""
        return self._environment.get_template(template).render(
            lang=language,
            other_lang="en" if language == "zh" else "zh",
            t=partial(self.catalogue.text, language=language),
            counted=partial(self.catalogue.counted, language=language),
            name=self._namer(language),
            store=self.store_of,
            store_name=partial(self.store_name, language=language),
            till_name=partial(self.till_name, language=language),
            figure_text=partial(wording.figure_text, language=language),
            lasting=partial(wording.lasting, language=language),
            words=partial(self._words, language),
            both=self._both,
            words_both=self._words_both,
            now_ms=self._services.now_ms(),
            **values,
        )

    def store_of(self, institution_id: str) -> InstitutionEntry | None:
        """Returns the registry's entry of an institution, or None when it is not registered."""
        return self._institutions.get(institution_id)

    def store_name(self, institution_id: str, language: Language, otherwise: str = "") -> str:
        """Returns the institution's name; when it is not registered, what is given otherwise, or its code."""
        entry = self._institutions.get(institution_id)
        if entry is None:
            return otherwise or institution_id
        return entry.name_zh if language == "zh" else entry.name_en

    def till_name(self, institution_id: str, till_id: str, language: Language) -> str:
        """Returns the till's name, or its id when it is not registered."""
        till = self.till_of(institution_id, till_id)
        if till is None:
            return till_id
        return till.name_zh if language == "zh" else till.name_en

    def till_of(self, institution_id: str, till_id: str) -> TillEntry | None:
        """Returns the registry's entry of a till, or None when it is not registered."""
        entry = self._institutions.get(institution_id)
        tills = entry.tills if entry else ()
        return next((till for till in tills if till.till_id == till_id), None)

    def time_zone_of(self, institution_id: str) -> str:
        """Returns the institution's time zone, or the centre's when it is not registered."""
        entry = self._institutions.get(institution_id)
        return entry.time_zone if entry else self._services.time_zone

    def _words(self, language: Language, *prefixes: str) -> str:
        """Returns the texts under the prefixes as JSON, for a page's script."""
        return msgspec.json.encode(self.catalogue.texts_under(prefixes, language)).decode("utf-8")

    def _words_both(self, *prefixes: str) -> str:
        """Returns the texts under the prefixes by language as JSON, for a script that speaks both."""
        texts = {language: self.catalogue.texts_under(prefixes, language) for language in LANGUAGES}
        return msgspec.json.encode(texts).decode("utf-8")

    def _both(self, key: str, **values: object) -> Markup:
        """Returns a text in both languages, for a screen that everybody at a till reads."""
        texts = {language: self.catalogue.text(key, language, **values) for language in LANGUAGES}
        return Markup('<span lang="zh-CN">{zh}</span> <span class="en" lang="en">{en}</span>').format(**texts)

    def _namer(self, language: Language) -> Callable[[str, str], str]:
        def name(group: str, word: str) -> str:
            said = self._services.rule_titles().get(word) if group == "rule" else None
            return said[language] if said else self.catalogue.name(group, word, language)

        return name

    def _zoned(self, write: Callable[[int, str], str]) -> Callable[..., str]:
        return lambda at_ms, institution_id=None: write(
            at_ms, self.time_zone_of(institution_id) if institution_id else self._services.time_zone
        )


def pages_of(request: Request) -> Pages:
    """Returns the templates of this application."""
    pages: Pages = request.app.state.pages
    return pages


InPages = Annotated[Pages, Depends(pages_of)]


def _path_of(request: Request) -> str:
    query = f"?{request.url.query}" if request.url.query else ""
    return f"{request.url.path}{query}"

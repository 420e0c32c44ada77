"""Light or dark: as the device has it, unless somebody chose in this browser."""

from __future__ import annotations

from typing import Literal, get_args

from fastapi import Request

Theme = Literal["auto", "light", "dark"]
THEMES: tuple[Theme, ...] = get_args(Theme)
THEME_COOKIE = "swipewatch_theme"
NEXT_THEME: dict[Theme, Theme] = {"auto": "dark", "dark": "light", "light": "auto"}
"""What the switch offers, from what is."""


def theme_of(request: Request) -> Theme:
    """Returns what was chosen in this browser, else `auto`."""
    chosen = request.cookies.get(THEME_COOKIE, "")
    return next((theme for theme in THEMES if theme == chosen), "auto")

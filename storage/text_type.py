"""Text columns that order by code point and take every text, on SQLite and on PostgreSQL."""

from __future__ import annotations

from sqlalchemy import Dialect, String
from sqlalchemy.types import TypeDecorator

_ZERO, _ONE = "\x00", "\x01"


class AnyText(TypeDecorator[str]):
    """Text on PostgreSQL, which takes no zero character: 0 is kept as 1 1, and 1 as 1 2, so that the order stays.

    Its collation is "C": lists, pages and findings come in the order of code points whatever the server's language.
    """

    impl = String(collation="C")
    cache_ok = True

    def process_bind_param(self, value: str | None, dialect: Dialect) -> str | None:
        """Returns the text as PostgreSQL keeps it."""
        del dialect
        if value is None or (_ZERO not in value and _ONE not in value):
            return value
        return value.replace(_ONE, "\x01\x02").replace(_ZERO, "\x01\x01")

    def process_result_value(self, value: str | None, dialect: Dialect) -> str | None:
        """Returns the text as it was given."""
        del dialect
        if value is None or _ONE not in value:
            return value
        return value.replace("\x01\x01", _ZERO).replace("\x01\x02", _ONE)


TEXT = String().with_variant(AnyText(), "postgresql")

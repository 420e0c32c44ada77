"""The list of alerts: a search whose whole wording is its address, a page at a time, and searches kept by name."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from typing import Annotated
from urllib.parse import urlencode
from zoneinfo import ZoneInfo

import msgspec
from fastapi import APIRouter, Form, Request
from starlette.responses import RedirectResponse, Response

from events.findings import SEVERITIES
from storage.alerts.search import MIN_RECEIPT_CHARACTERS, WAITING_STATES, AlertFilter, Place
from storage.queries.alerts import AlertQueries
from web.access import Refused, Services
from web.dashboard import AtCentre, InQueries, OnDesk
from web.dossier import main_fact
from web.pages import InPages, Pages
from web.ports import InstitutionEntry, WebServices
from web.texts import LANGUAGES

router = APIRouter()
ROWS_AT_ONCE = 50
MOST_STORES = 200
MAX_NAME_CHARACTERS = 60
MAX_QUERY_CHARACTERS = 600
FIELDS = ("receipt", "person", "store", "rule", "severity", "state", "reviewed", "from", "to")
STATES: Mapping[str, tuple[str, ...]] = {
    "waiting": WAITING_STATES,
    "escalated": ("escalated",),
    "answered": ("answered",),
    "closed": ("closed",),
    "withdrawn": ("withdrawn",),
}
_PLACE = re.compile(r"(?P<opened>\d{1,16})\.(?P<alert>[0-9A-Za-z_-]{1,64})\Z")


class Asked(msgspec.Struct, frozen=True, kw_only=True):
    """A search as it was written, what it means, and which of its fields mean nothing."""

    written: Mapping[str, str]
    wanted: AlertFilter
    unclear: tuple[str, ...]

    def query(self, **more: str) -> str:
        """Returns the search as the part of an address after the `?`."""
        return urlencode({**self.written, **more})


@router.get("/alerts")
def alerts(
    request: Request,
    who: AtCentre,
    services: Services,
    queries: InQueries,
    pages: InPages,
    desk: OnDesk,
    before: str = "",
) -> Response:
    """The alerts that a search finds, newest first, fifty a page; each page has an address of its own."""
    asked = asked_of(request.query_params, services, who.account.username)
    found = [] if asked.unclear else queries.search(asked.wanted, ROWS_AT_ONCE + 1, place_of(before))
    shown = found[:ROWS_AT_ONCE]
    last = shown[-1] if len(found) > ROWS_AT_ONCE else None
    return pages.page(
        request,
        "alerts.html",
        who=who,
        asked=asked,
        alerts=shown,
        reviewed=desk.reviewed_by(who.account.username, [one.alert_id for one in shown]),
        searches=desk.searches_of(who.account.username),
        rules=queries.rules_with_alerts(),
        severities=tuple(reversed(SEVERITIES)),
        states=tuple(STATES),
        main_fact=main_fact,
        before=before,
        older=asked.query(before=f"{last.opened_at_ms}.{last.alert_id}") if last else None,
    )


@router.get("/search")
def search(who: AtCentre, services: Services, queries: InQueries, pages: InPages, q: str = "") -> Response:
    """What somebody typed into the one field, as a search of the list: a rule, a store, a person, else a receipt."""
    del who
    return RedirectResponse(f"/alerts?{urlencode(meaning_of(q.strip(), services, queries, pages))}", 303)


@router.post("/searches")
def save_search(
    who: AtCentre,
    services: Services,
    desk: OnDesk,
    name: Annotated[str, Form(max_length=MAX_NAME_CHARACTERS)],
    query: Annotated[str, Form(max_length=MAX_QUERY_CHARACTERS)],
) -> Response:
    """The search is among this person's, under this name."""
    if not name.strip():
        raise Refused("name", "a saved search needs a name", 422)
    desk.save_search(who.account.username, name.strip(), query, services.now_ms())
    return RedirectResponse(f"/alerts?{query}", 303)


@router.post("/searches/{search_id}/forget")
def forget_search(search_id: int, who: AtCentre, desk: OnDesk) -> Response:
    """The search is no longer among this person's."""
    desk.forget_search(who.account.username, search_id)
    return RedirectResponse("/alerts", 303)


def asked_of(parameters: Mapping[str, str], services: WebServices, username: str) -> Asked:
    """Returns the search that an address asks for; empty fields ask for nothing."""
    written = {name: parameters[name].strip() for name in FIELDS if parameters.get(name, "").strip()}
    zone = ZoneInfo(services.time_zone)
    from_ms, to_ms = (_time_of(written.get(name), zone) for name in ("from", "to"))
    wanted = AlertFilter(
        receipt=written.get("receipt", ""),
        person_id=written.get("person", ""),
        rule=written.get("rule", ""),
        institution_ids=_stores_of(written.get("store", ""), services.institutions),
        severities=(written["severity"],) if "severity" in written else (),
        states=STATES.get(written.get("state", ""), ()),
        from_ms=from_ms,
        to_ms=to_ms,
        unreviewed_by=username if written.get("reviewed") == "no" else "",
    )
    return Asked(written=written, wanted=wanted, unclear=tuple(_unclear(written, wanted)))


def place_of(before: str) -> Place | None:
    """Returns the place in the list that an address names, or None for the beginning."""
    found = _PLACE.match(before)
    return (int(found["opened"]), found["alert"]) if found else None


def meaning_of(typed: str, services: WebServices, queries: AlertQueries, pages: Pages) -> dict[str, str]:
    """Returns the search that one typed word stands for."""
    if not typed:
        return {}
    rule = _rule_called(typed, services, queries, pages)
    if rule:
        return {"rule": rule}
    if queries.is_known_person(typed):
        return {"person": typed}
    if any(_is_called(one, typed) for one in services.institutions):
        return {"store": typed}
    return {"receipt": typed}


def _unclear(written: Mapping[str, str], wanted: AlertFilter) -> Iterable[str]:
    if wanted.receipt and len(wanted.receipt) < MIN_RECEIPT_CHARACTERS:
        yield "receipt"
    if "severity" in written and written["severity"] not in SEVERITIES:
        yield "severity"
    if "state" in written and not wanted.states:
        yield "state"
    for name, read_ms in (("from", wanted.from_ms), ("to", wanted.to_ms)):
        if name in written and read_ms is None:
            yield name


def _time_of(written: str | None, zone: ZoneInfo) -> int | None:
    try:
        return int(datetime.fromisoformat(written or "").replace(tzinfo=zone).timestamp() * 1000)
    except ValueError:
        return None


def _stores_of(written: str, institutions: Sequence[InstitutionEntry]) -> tuple[str, ...]:
    """Returns the stores of a name or code; a name of none of the registry is taken for a code."""
    if not written:
        return ()
    called = tuple(one.institution_id for one in institutions if _is_called(one, written))
    return called[:MOST_STORES] or (written,)


def _is_called(entry: InstitutionEntry, written: str) -> bool:
    names = (entry.institution_id, entry.name_zh, entry.name_en)
    return any(written.casefold() in name.casefold() for name in names)


def _rule_called(typed: str, services: WebServices, queries: AlertQueries, pages: Pages) -> str | None:
    """Returns the rule whose name or title has what was typed in it, the one called exactly so before others."""
    said, wish = services.rule_titles(), typed.casefold()
    names = {
        rule: {rule, rule.replace("_", " "), *(title.casefold() for title in said.get(rule, {}).values())}
        | {pages.catalogue.name("rule", rule, language).casefold() for language in LANGUAGES}
        for rule in queries.rules_with_alerts()
    }
    exact = [rule for rule, called in names.items() if wish in called]
    part = [rule for rule, called in names.items() if len(wish) > 1 and any(wish in name for name in called)]
    return next(iter([*exact, *part]), None)

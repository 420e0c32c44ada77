"""Devices: a store's terminals, paired by a short code and revoked here; the tokens of senders and camera agents."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Annotated, Literal

import msgspec
from fastapi import APIRouter, Depends, Form, Request
from starlette.responses import RedirectResponse, Response

from storage.access.accounts import AccountError, AccountProblem, Token
from storage.access.changes import AccessChange, AccessChanges
from storage.cameras.agents import AgentContacts
from storage.terminals.pairing import CODE_LIFETIME_MS, Pairing, shown
from web.access import LoggedIn, Person, Refused, Services
from web.pages import InPages, Pages
from web.ports import InstitutionEntry, WebServices

router = APIRouter()
STORES_AT_ONCE = 40
NEWEST_CHANGES = 8

PairsTerminals = Annotated[LoggedIn, Depends(Person("pair_terminals"))]
ManagesSenders = Annotated[LoggedIn, Depends(Person("manage_senders"))]
ShortText = Annotated[str, Form(max_length=64)]
ProgramKind = Annotated[Literal["sender", "agent"], Form()]


class StoreDevices(msgspec.Struct, frozen=True, kw_only=True):
    """A store with the terminals that are paired there; `entry` is null where the registry does not know it."""

    institution_id: str
    entry: InstitutionEntry | None
    terminals: tuple[Token, ...]


def pairing_of(request: Request) -> Pairing:
    """Returns the pairing of this application's database."""
    pairing: Pairing = request.app.state.pairing
    return pairing


InPairing = Annotated[Pairing, Depends(pairing_of)]


@router.get("/terminals")
def terminals_page(request: Request, who: PairsTerminals, services: Services, pages: InPages, q: str = "") -> Response:
    """Every store with its terminals; a search narrows them."""
    found = _stores(services, q.strip().casefold())
    return pages.page(
        request,
        "terminals.html",
        who=who,
        q=q,
        stores=found[:STORES_AT_ONCE],
        left=len(found) - STORES_AT_ONCE,
        changes=[] if q else AccessChanges(services.database).latest(NEWEST_CHANGES, kind="terminal"),
    )


@router.post("/terminals/pair")
def pair(
    request: Request,
    who: PairsTerminals,
    services: Services,
    pages: InPages,
    pairing: InPairing,
    institution_id: ShortText,
    till_id: ShortText = "",
) -> Response:
    """A code is shown, this once, that makes one device a terminal of the store or of one of its tills."""
    entry = pages.store_of(institution_id)
    if entry is None or (till_id and pages.till_of(institution_id, till_id) is None):
        raise Refused("no_such_store", "the registry has no such store or till", 404)
    now_ms = services.now_ms()
    code = pairing.new_code(institution_id, till_id or None, who.account.username, now_ms)
    return pages.page(
        request,
        "pairing_code.html",
        who=who,
        institution_id=institution_id,
        till_id=till_id,
        code=shown(code),
        ends_at_ms=now_ms + CODE_LIFETIME_MS,
        address=str(request.url.replace(path="/terminal", query="")),
    )


@router.post("/terminals/revoke")
def revoke_terminal(who: PairsTerminals, services: Services, name: ShortText) -> Response:
    """The device is a terminal no longer; an open screen ends within seconds."""
    now_ms = services.now_ms()
    if not services.accounts.acting_as(who.account.username, now_ms).revoke_token(name, now_ms, "terminal"):
        raise Refused("no_such_terminal", "there is no such terminal", 404)
    return RedirectResponse("/terminals", 303)


@router.get("/senders")
def senders_page(request: Request, who: ManagesSenders, services: Services, pages: InPages) -> Response:
    """Every sender and every camera agent with the institutions it speaks for."""
    return _senders(request, who, services, pages)


@router.post("/senders/add")
def add_sender(
    request: Request,
    who: ManagesSenders,
    services: Services,
    pages: InPages,
    name: ShortText,
    institutions: Annotated[str, Form(max_length=20_000)],
    kind: ProgramKind = "sender",
) -> Response:
    """A new sender or camera agent exists; its token is shown this once."""
    fresh, problem = None, None
    try:
        token = _new_program(services, kind, name.strip(), institutions.replace(",", " ").split(), who)
        fresh = (name.strip(), token)
    except AccountError as error:
        problem = error.problem
    return _senders(request, who, services, pages, problem=problem, fresh=fresh)


@router.post("/senders/revoke")
def revoke_sender(who: ManagesSenders, services: Services, name: ShortText, kind: ProgramKind = "sender") -> Response:
    """The sender's or camera agent's token opens nothing any more."""
    now_ms = services.now_ms()
    if not services.accounts.acting_as(who.account.username, now_ms).revoke_token(name, now_ms, kind):
        raise Refused("no_such_sender", "there is no such sender", 404)
    return RedirectResponse("/senders", 303)


def _senders(
    request: Request,
    who: LoggedIn,
    services: WebServices,
    pages: Pages,
    *,
    problem: AccountProblem | None = None,
    fresh: tuple[str, str] | None = None,
) -> Response:
    return pages.page(
        request,
        "senders.html",
        who=who,
        status=422 if problem else 200,
        senders=services.accounts.tokens("sender"),
        agents=services.accounts.tokens("agent"),
        contacts=AgentContacts(services.database).known(),
        problem=problem,
        fresh=fresh,
        changes=_newest_changes(services),
    )


def _newest_changes(services: WebServices) -> list[AccessChange]:
    trail = AccessChanges(services.database)
    changes = [*trail.latest(NEWEST_CHANGES, kind="sender"), *trail.latest(NEWEST_CHANGES, kind="agent")]
    return sorted(changes, key=lambda change: -change.change_id)[:NEWEST_CHANGES]


def _new_program(
    services: WebServices, kind: Literal["sender", "agent"], name: str, institution_ids: Sequence[str], who: LoggedIn
) -> str:
    if name in {token.name for token in services.accounts.tokens(kind)}:
        raise AccountError("taken", f"there is a {kind} {name} already")
    return services.accounts.put_token(kind, name, institution_ids, services.now_ms(), created_by=who.account.username)


def _stores(services: WebServices, wanted: str) -> list[StoreDevices]:
    """Returns the stores whose name, code or terminals have the words, those of the registry first."""
    by_store: dict[str, list[Token]] = {}
    for token in services.accounts.tokens("terminal"):
        for institution_id in token.institution_ids:
            by_store.setdefault(institution_id, []).append(token)
    known = {entry.institution_id: entry for entry in services.institutions}
    others = [institution_id for institution_id in sorted(by_store) if institution_id not in known]
    stores = [
        StoreDevices(
            institution_id=institution_id,
            entry=known.get(institution_id),
            terminals=tuple(by_store.get(institution_id, ())),
        )
        for institution_id in (*known, *others)
    ]
    return [store for store in stores if not wanted or any(wanted in word.casefold() for word in _words_of(store))]


def _words_of(store: StoreDevices) -> Iterable[str]:
    yield store.institution_id
    if store.entry is not None:
        yield from (store.entry.name_zh, store.entry.name_en)
    yield from (token.name for token in store.terminals)

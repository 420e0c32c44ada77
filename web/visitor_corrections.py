"""Correcting whom a face was taken for: a swipe is not that visitor's, two visitors are one; and all of it undone."""

from __future__ import annotations

import secrets
from collections.abc import Callable, Iterable, Sequence
from typing import Annotated, Final
from urllib.parse import quote

import msgspec
from fastapi import APIRouter, Depends, Form
from starlette.concurrency import run_in_threadpool
from starlette.responses import RedirectResponse, Response

from detectors.ties import TieParameters
from events.codec import decode_event
from events.errors import TransientError
from events.types import Swipe
from storage.access.changes import By
from storage.faces.seen import ActKind, Correcting
from storage.faces.visitors import Act, Correction, FaceKey, Sighting, VisitorRecord
from storage.queries.alerts import AlertQueries
from web.access import LoggedIn, Person, Refused, Services
from web.dashboard import InQueries
from web.ports import Overloaded, WebServices
from web.visitors import longest_window_ms

router = APIRouter()
MAX_REASON_CHARACTERS: Final = 500
TIE: Final = TieParameters()

Reason = Annotated[str, Form(max_length=MAX_REASON_CHARACTERS)]
AlertId = Annotated[str, Form(pattern="^[0-9A-Za-z_-]*$")]
CorrectsVisitors = Annotated[LoggedIn, Depends(Person("correct_visitors"))]
MergesVisitors = Annotated[LoggedIn, Depends(Person("merge_visitors"))]


class NewCorrection(Correcting, frozen=True, kw_only=True, tag_field="type", tag="visitor_correction"):
    """The event of one face, with what our own pages show of it."""

    event_id: str
    occurred_at_ms: int
    observation_id: str
    face_no: int
    visitor_id: str | None


class Change(msgspec.Struct, frozen=True, kw_only=True):
    """One face that is taken for `becomes` from now on, None for nobody; `since_ms` is its last correction's time."""

    face: FaceKey
    was: str | None
    becomes: str | None
    settlement_id: str | None
    since_ms: int | None


@router.post("/visitors/{visitor_id:path}/not-this")
async def not_this(
    visitor_id: str,
    who: CorrectsVisitors,
    services: Services,
    queries: InQueries,
    settlement_id: Annotated[str, Form(min_length=1)],
    reason: Reason = "",
    alert_id: AlertId = "",
) -> Response:
    """Whoever paid with this swipe is not the visitor: none of the faces that tie it to them is theirs."""
    faces = await run_in_threadpool(_tied_to, visitor_id, settlement_id, services, queries)
    if not faces:
        raise Refused("not_the_visitors", "the swipe is not taken for this visitor's", 404)
    changes = [_change(one, None, settlement_id) for one in faces]
    await _decide(services, who, "not_this_person", visitor_id, changes, reason, settlement_id)
    return _back(visitor_id, alert_id)


@router.post("/visitors/{visitor_id:path}/same")
async def same(
    visitor_id: str,
    who: MergesVisitors,
    services: Services,
    other_id: Annotated[str, Form(min_length=1)],
    reason: Reason = "",
) -> Response:
    """Two visitors are one person: what the rules still count of the younger one is the older one's from now on."""
    record, other_id = VisitorRecord(services.database), other_id.strip()
    first, second = await run_in_threadpool(_first_seen, record, visitor_id, other_id)
    if first is None or second is None or visitor_id == other_id:
        raise Refused("no_such_visitor", "there is no other visitor of this id, or it was forgotten", 422)
    older, younger = (visitor_id, other_id) if (first, visitor_id) <= (second, other_id) else (other_id, visitor_id)
    now_ms = services.now_ms()
    since_ms = now_ms - longest_window_ms(services.rules_at(now_ms)) - int(TIE.before)
    faces = await run_in_threadpool(record.sightings, younger, since_ms)
    begun = await run_in_threadpool(
        _begun,
        record,
        younger,
        who,
        "same_person",
        lambda one: (one.was_visitor_id, one.visitor_id) == (younger, older),
    )
    if not faces and begun is None:
        raise Refused("nothing_counted", "no rule counts anything of that visitor any more", 422)
    await run_in_threadpool(record.ask, "join", [younger], now_ms, older)
    if faces:
        await _decide(services, who, "same_person", older, [_change(one, older) for one in faces], reason, younger)
    elif begun is not None:
        await _note(services, who, "same_person", older, younger, begun.act_id, reason)
    return _back(visitor_id, "")


@router.post("/visitors/{visitor_id:path}/undo")
async def undo(
    visitor_id: str,
    who: CorrectsVisitors,
    services: Services,
    act_id: Annotated[str, Form(min_length=1)],
    reason: Reason = "",
    alert_id: AlertId = "",
) -> Response:
    """Faces are taken for whom they were before that decision, but for those that were corrected again since.

    Two visitors who were made one are forgotten by whoever remembers faces: each has an id of its own when seen next.
    """
    record = VisitorRecord(services.database)
    act = await run_in_threadpool(record.act, act_id)
    if act is None or not act.can_be_undone or visitor_id not in _visitors_of(act):
        raise Refused("no_such_correction", "there is no such correction of this visitor", 404)
    if act.kind == "same_person" and not who.may("merge_visitors"):
        raise Refused("role", "only who may join two visitors may part them", 403)
    changes = [
        Change(
            face=(one.observation_id, one.face_no),
            was=one.visitor_id,
            becomes=one.was_visitor_id,
            settlement_id=one.settlement_id,
            since_ms=one.at_ms,
        )
        for one in act.corrections
        if one.stands
    ]
    faces = {(one.observation_id, one.face_no) for one in act.corrections}
    begun = await run_in_threadpool(
        _begun, record, visitor_id, who, "undone", lambda one: (one.observation_id, one.face_no) in faces
    )
    if not changes and begun is None:
        raise Refused("not_standing", "it was corrected again since", 409)
    if act.kind == "same_person":
        kept = {one.visitor_id for one in act.corrections if one.visitor_id is not None}
        await run_in_threadpool(record.ask, "forget", kept, services.now_ms())
    if changes:
        await _decide(services, who, "undone", visitor_id, changes, reason, act_id)
    elif begun is not None:
        await _note(services, who, "undone", visitor_id, act_id, begun.act_id, reason)
    return _back(visitor_id, alert_id)


def tied(sightings: Iterable[Sighting], swipes: Sequence[Swipe]) -> dict[str, list[Sighting]]:
    """Returns by settlement which of a visitor's faces may tie these swipes to them.

    Those that were compared with the swipe's holder, or with nobody and seen around it. Source: docs/rules.md,
    one_face_many_cards.
    """
    found: dict[str, list[Sighting]] = {}
    for one in sightings:
        for swipe in swipes:
            if one.settlement_id == swipe.settlement_id or (one.settlement_id is None and _is_near(one, swipe)):
                found.setdefault(swipe.settlement_id, []).append(one)
    return found


def _is_near(sighting: Sighting, swipe: Swipe) -> bool:
    is_there = (sighting.institution_id, sighting.till_id) == (swipe.institution_id, swipe.till_id)
    return is_there and -TIE.before <= sighting.at_ms - swipe.occurred_at_ms <= TIE.after


def _tied_to(visitor_id: str, settlement_id: str, services: WebServices, queries: AlertQueries) -> list[Sighting]:
    swipes = [
        event for one in queries.events([settlement_id]) if isinstance(event := decode_event(one.original), Swipe)
    ]
    return tied(VisitorRecord(services.database).sightings(visitor_id), swipes).get(settlement_id, [])


def _first_seen(record: VisitorRecord, *visitor_ids: str) -> list[int | None]:
    return [record.first_seen_ms(one) for one in visitor_ids]


def _begun(
    record: VisitorRecord, visitor_id: str, who: LoggedIn, kind: ActKind, is_of_it: Callable[[Correction], bool]
) -> Act | None:
    """Returns the same decision of the same person that holds although it is not on record: asked again, it will be."""
    for act in record.acts(visitor_id):
        is_begun = act.reason is None and act.stands and (act.kind, act.by) == (kind, who.account.username)
        if is_begun and all(map(is_of_it, act.corrections)):
            return act
    return None


def _visitors_of(act: Act) -> set[str | None]:
    return {visitor_id for one in act.corrections for visitor_id in (one.visitor_id, one.was_visitor_id)}


def _change(sighting: Sighting, becomes: str | None, settlement_id: str | None = None) -> Change:
    return Change(
        face=(sighting.observation_id, sighting.face_no),
        was=sighting.visitor_id,
        becomes=becomes,
        settlement_id=settlement_id or sighting.settlement_id,
        since_ms=sighting.corrected_at_ms,
    )


async def _decide(
    services: WebServices,
    who: LoggedIn,
    kind: ActKind,
    visitor_id: str,
    changes: Sequence[Change],
    reason: str,
    about: str,
) -> None:
    """The corrections are accepted, and who made them is on record. Raises: TransientError; again does no harm."""
    now_ms = services.now_ms()
    # Another process's clock may be ahead: what is decided later holds.
    at_ms = max([now_ms, *(one.since_ms + 1 for one in changes if one.since_ms is not None)])
    act_id = secrets.token_hex(8)
    events = [
        msgspec.json.encode(
            NewCorrection(
                event_id=f"vc-{act_id}-{number}",
                occurred_at_ms=at_ms,
                observation_id=one.face[0],
                face_no=one.face[1],
                visitor_id=one.becomes,
                act_id=act_id,
                act=kind,
                was_visitor_id=one.was,
                settlement_id=one.settlement_id,
            )
        )
        for number, one in enumerate(changes)
    ]
    try:
        results = await services.intake.submit(who.account.username, events, services.limits.submit_deadline_s)
    except (Overloaded, TimeoutError) as error:
        raise TransientError("the correction could not be taken now") from error
    for result in results:
        if result.status == "dead_letter":
            raise Refused("bad_correction", f"the correction was set aside: {result.reason}", 422)
    await _note(services, who, kind, visitor_id, about, act_id, reason)


async def _note(
    services: WebServices, who: LoggedIn, kind: ActKind, visitor_id: str, about: str, act_id: str, reason: str
) -> None:
    by, record = By(who.account.username, services.now_ms()), VisitorRecord(services.database)
    await run_in_threadpool(record.note, by, kind, visitor_id, about, act_id, reason.strip())


def _back(visitor_id: str, alert_id: str) -> Response:
    return RedirectResponse(f"/alerts/{alert_id}" if alert_id else f"/visitors/{quote(visitor_id, safe='')}", 303)

"""Enrolling faces of holders and staff, opting out, erasing, faces under two persons: the page, its photographs."""

from __future__ import annotations

from datetime import date, datetime
from typing import Annotated, Final, TypeVar
from urllib.parse import quote
from zoneinfo import ZoneInfo

import msgspec
from fastapi import APIRouter, Depends, Form, Request
from starlette.concurrency import run_in_threadpool
from starlette.responses import RedirectResponse, Response

from storage.access.changes import By
from storage.faces.duplicates import Duplicate, Outcome
from storage.faces.enrolment import Erased, must_be_filed, subject_of
from storage.faces.references import Basis, Grounds, OptedOut, is_staff
from storage.faces.staff import STAFF_ROLES, StaffMember, StaffRole
from web.access import LoggedIn, Person, Refused, Services
from web.pages import InPages, Pages
from web.ports import Calibrations, FalseMatch, PhotosUnread, WebServices
from web.texts import language_of

router = APIRouter()
PHOTOS_PATH: Final = "/enrolment/photos"
STAFF_PATH: Final = "/enrolment/staff"
MOST_PHOTOS: Final = 6
MOST_BYTES: Final = 12 * 1024 * 1024
"""Of a request with photographs; the page makes them smaller before it sends them."""
PEOPLE_AT_ONCE: Final = 100
STAFF_AT_ONCE: Final = 200

PersonId = Annotated[str, Form(min_length=1, max_length=100)]
WantedT = TypeVar("WantedT", bound="Wanted")
EnrolsFaces = Annotated[LoggedIn, Depends(Person("enrol_faces"))]
SettlesDuplicates = Annotated[LoggedIn, Depends(Person("settle_duplicates"))]


class Wanted(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """On what grounds to enrol somebody, by which photographs (their bytes as base64)."""

    basis: Basis
    day: str
    proof: Annotated[str, msgspec.Meta(min_length=1, max_length=200)]
    photos: Annotated[list[bytes], msgspec.Meta(min_length=1, max_length=MOST_PHOTOS)]


class WantedHolder(Wanted, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A holder to be enrolled."""

    person_id: Annotated[str, msgspec.Meta(min_length=1, max_length=64)]


class WantedStaff(Wanted, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A member of an institution's staff to be enrolled; `staff_id` is the institution's own word, and no name."""

    institution_id: str
    staff_id: Annotated[str, msgspec.Meta(min_length=1, max_length=64)]
    role: StaffRole


class Told(msgspec.Struct, frozen=True, kw_only=True):
    """What became of it: whether the references are kept, what to say of all, and of each photograph what to change."""

    is_kept: bool
    told: str
    photos: list[list[str]]


_HOLDER = msgspec.json.Decoder(WantedHolder)
_STAFF = msgspec.json.Decoder(WantedStaff)


@router.get("/enrolment")
def enrolment(
    request: Request, who: EnrolsFaces, services: Services, pages: InPages, person: str = "", after: str = ""
) -> Response:
    """The form, one person's state, and for who may see person ids the list and the look-alikes."""
    return _page(request, who, services, pages, person=person.strip(), after=after)


@router.post(PHOTOS_PATH)
async def enrol(request: Request, who: EnrolsFaces, services: Services, pages: InPages) -> Response:
    """The person is enrolled by all photographs, or by none and each says what to change."""
    wanted = _decoded(_HOLDER, await request.body())
    person_id = wanted.person_id.strip()
    whom = None if not person_id or is_staff(person_id) else person_id
    return await _answered(request, who, services, pages, whom, wanted)


@router.post(STAFF_PATH)
async def enrol_staff(request: Request, who: EnrolsFaces, services: Services, pages: InPages) -> Response:
    """The member of an institution's staff is enrolled by all photographs, or by none and each says what to change."""
    wanted = _decoded(_STAFF, await request.body())
    staff_id = wanted.staff_id.strip()
    is_known = any(wanted.institution_id == one.institution_id for one in services.institutions)
    member = StaffMember(institution_id=wanted.institution_id, staff_id=staff_id, role=wanted.role)
    return await _answered(request, who, services, pages, member if is_known and staff_id else None, wanted)


@router.post("/enrolment/opt-out")
def opt_out(
    who: EnrolsFaces,
    services: Services,
    person_id: PersonId,
    basis: Annotated[str, Form(min_length=1, max_length=200)],
    day: Annotated[str, Form(max_length=10)],
) -> Response:
    """Nothing of the person's face is kept, and nobody can enrol them."""
    if _day(services, day) is None:
        raise Refused("bad_day", "a day that has come, YYYY-MM-DD", 422)
    services.enrolment.opt_out(person_id.strip(), basis.strip(), day, _by(who, services))
    return _to(person_id)


@router.post("/enrolment/withdraw")
def withdraw(who: EnrolsFaces, services: Services, person_id: PersonId) -> Response:
    """The person may be enrolled again."""
    services.enrolment.withdraw_opt_out(person_id, _by(who, services))
    return _to(person_id)


@router.post("/enrolment/erase")
def erase(request: Request, who: EnrolsFaces, services: Services, pages: InPages, person_id: PersonId) -> Response:
    """The person's references and evidence that no alert cites are gone; the answer is the report."""
    erased = services.enrolment.erase(person_id, _by(who, services))
    return _page(request, who, services, pages, person=person_id, erased=erased)


@router.post("/enrolment/settle")
def settle(
    who: SettlesDuplicates,
    services: Services,
    duplicate_id: Annotated[int, Form()],
    outcome: Annotated[Outcome, Form()],
) -> Response:
    """Somebody has looked at two persons with one face; nothing is merged."""
    if not services.enrolment.duplicates.settle(duplicate_id, outcome, _by(who, services)):
        raise Refused("no_such_pair", "there is no such pair", 404)
    return RedirectResponse("/enrolment#duplicates", 303)


def _decoded(decoder: msgspec.json.Decoder[WantedT], body: bytes) -> WantedT:
    try:
        return decoder.decode(body)
    except msgspec.DecodeError as error:
        raise Refused("bad_request", str(error), 422) from error


async def _answered(
    request: Request, who: LoggedIn, services: WebServices, pages: Pages, whom: str | StaffMember | None, wanted: Wanted
) -> Response:
    told = await run_in_threadpool(_enrolled, request, who, services, pages, whom, wanted)
    return Response(msgspec.json.encode(told), media_type="application/json")


def _enrolled(
    request: Request, who: LoggedIn, services: WebServices, pages: Pages, whom: str | StaffMember | None, wanted: Wanted
) -> Told:
    language = language_of(request)
    day = _day(services, wanted.day)
    if whom is None or day is None:
        return Told(is_kept=False, told=pages.catalogue.text("enrolment.bad_day", language), photos=[])
    if services.enrolment.is_opted_out(subject_of(whom)):
        return Told(is_kept=False, told=pages.catalogue.text("enrolment.opted_out", language), photos=[])
    try:
        read = services.photo_reader.read(wanted.photos)
    except PhotosUnread as error:
        text = pages.catalogue.name("enrolment_unread", error.reason, language)
        return Told(is_kept=False, told=text, photos=[])
    photos = [[pages.catalogue.name("photo", problem, language) for problem in one.problems] for one in read]
    if any(photos):
        return Told(is_kept=False, told=pages.catalogue.text("enrolment.refused", language), photos=photos)
    grounds = Grounds(basis=wanted.basis, day=day, proof=wanted.proof.strip(), by=who.account.username)
    faces = [face for one in read for face in one.faces]
    try:
        enrolled = services.enrolment.enrol(whom, faces, grounds, services.now_ms())
    except OptedOut:
        return Told(is_kept=False, told=pages.catalogue.text("enrolment.opted_out", language), photos=photos)
    text = pages.catalogue.text("enrolment.kept", language, count=enrolled.references)
    return Told(is_kept=True, told=text, photos=photos)


def _page(
    request: Request,
    who: LoggedIn,
    services: WebServices,
    pages: Pages,
    *,
    person: str = "",
    after: str = "",
    erased: Erased | None = None,
) -> Response:
    kept = services.enrolment
    people = kept.people(after, PEOPLE_AT_ONCE) if who.may("see_persons") else {}
    people_count, staff = kept.people_count(), kept.staff.enrolled()
    duplicates = kept.duplicates.found() if who.may("settle_duplicates") else []
    return pages.page(
        request,
        "enrolment.html",
        who=who,
        today=_today(services).isoformat(),
        most_photos=MOST_PHOTOS,
        status_of=kept.status(person) if person else None,
        erased=erased,
        people=people,
        more=list(people)[-1] if len(people) == PEOPLE_AT_ONCE else None,
        people_count=people_count,
        staff=staff[:STAFF_AT_ONCE],
        more_staff=max(0, len(staff) - STAFF_AT_ONCE),
        staff_roles=STAFF_ROLES,
        institutions=services.institutions,
        must_be_filed=must_be_filed(people_count),
        opt_out_count=kept.opt_out_count(),
        duplicates=duplicates,
        worths={one.duplicate_id: _worth(one, services.calibrations) for one in duplicates},
    )


def _worth(one: Duplicate, calibrations: Calibrations) -> FalseMatch | None:
    if one.engine_version is None:
        return None
    return calibrations.false_match(None, one.engine, one.engine_version, one.similarity)


def _day(services: WebServices, text: str) -> str | None:
    """Returns an ISO date that has come at the centre, or None."""
    try:
        day = date.fromisoformat(text)
    except ValueError:
        return None
    return day.isoformat() if day <= _today(services) else None


def _today(services: WebServices) -> date:
    return datetime.fromtimestamp(services.now_ms() / 1000, ZoneInfo(services.time_zone)).date()


def _by(who: LoggedIn, services: WebServices) -> By:
    return By(who.account.username, services.now_ms())


def _to(person_id: str) -> Response:
    return RedirectResponse(f"/enrolment?person={quote(person_id.strip(), safe='')}", 303)

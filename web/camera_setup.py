"""Setting cameras up: adding one, where its till's customers stand, its clock, its address, on and off."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Annotated, Final, Literal
from urllib.parse import quote

import msgspec
from fastapi import APIRouter, Form, Request
from starlette.responses import RedirectResponse, Response

from storage.access.changes import By
from storage.cameras.health import CameraHealthRecord
from storage.cameras.registry import CameraChange, CameraError
from storage.cameras.sources import SourceRefused
from storage.cameras.zones import Zone
from web.access import LoggedIn, Refused, Services
from web.camera_trial import (
    CameraId,
    InAddress,
    InTried,
    ManagesCameras,
    ShortText,
    TendsCameras,
    camera_of,
    keep_picture,
)
from web.cameras import facts_text, views_of
from web.dashboard import OnWall
from web.pages import InPages, Pages
from web.ports import WebServices
from web.texts import language_of

router = APIRouter()
TILLS_AT_ONCE: Final = 200
SPANS_SHOWN: Final = 20

ZoneText = Annotated[str, Form(max_length=2_000)]
WhoLooks = Annotated[Literal["centre", "store"], Form(alias="who")]

_ZONE: msgspec.json.Decoder[tuple[tuple[float, float], ...]] = msgspec.json.Decoder(tuple[tuple[float, float], ...])
_SECONDS: Final = re.compile(r"^[-+\u2212]?[0-9]{1,5}([.,][0-9]{1,3})?$")


@router.get("/cameras/new")
def new_camera(request: Request, who: ManagesCameras, services: Services, pages: InPages, q: str = "") -> Response:
    """The form for a new camera; a search narrows the stores."""
    return _new_camera(request, who, services, pages, {"q": q})


@router.post("/cameras/add")
def add_camera(
    request: Request,
    who: ManagesCameras,
    services: Services,
    pages: InPages,
    wall: OnWall,
    tried: InTried,
    given: InAddress,
    till: ShortText,
    zone: ZoneText = "",
    camera_id: CameraId = "",
    who_looks: WhoLooks = "centre",
) -> Response:
    """The camera is at its till, and looked through within seconds."""
    institution_id, _, till_id = till.partition("/")
    if pages.till_of(institution_id, till_id) is None:
        raise Refused("no_such_till", "the registry has no such store or till", 404)
    try:
        source = given.source(services)
        added = services.cameras.add(
            _by(who, services),
            institution_id=institution_id,
            till_id=till_id,
            source=source,
            camera_id=camera_id.strip(),
            zone=read_zone(zone),
            at_store=who_looks == "store",
        )
    except (CameraError, SourceRefused) as error:
        values = {**msgspec.structs.asdict(given), "password": "", "till": till, "camera_id": camera_id, "zone": zone}
        values["who"] = who_looks
        return _new_camera(request, who, services, pages, values, problem=error.problem)
    picture = tried.take(who.account.username, source)
    if picture is not None:
        keep_picture(services, added, picture)
    wall.forget()
    return _to(added)


@router.get("/cameras/edit")
def edit_camera(request: Request, who: TendsCameras, services: Services, pages: InPages, camera_id: str) -> Response:
    """One camera: its zone over its newest picture, its clock, and what may be done to it."""
    return _camera(request, who, services, pages, camera_id)


@router.post("/cameras/change")
def change_camera(
    request: Request,
    who: TendsCameras,
    services: Services,
    pages: InPages,
    camera_id: CameraId,
    clock_offset_s: ShortText,
    zone: ZoneText = "",
) -> Response:
    """The camera has this zone and this clock offset; it is looked through anew within seconds."""
    camera_of(services, camera_id)
    try:
        wanted = CameraChange(zone=read_zone(zone), clock_offset_ms=read_offset_ms(clock_offset_s))
        services.cameras.change(_by(who, services), camera_id, wanted)
    except CameraError as error:
        return _camera(request, who, services, pages, camera_id, problem=error.problem)
    return _to(camera_id)


@router.post("/cameras/address")
def change_address(
    request: Request,
    who: ManagesCameras,
    services: Services,
    pages: InPages,
    given: InAddress,
    camera_id: CameraId,
) -> Response:
    """The camera is reached at another address."""
    camera_of(services, camera_id)
    try:
        services.cameras.change(_by(who, services), camera_id, CameraChange(source=given.source(services)))
    except (CameraError, SourceRefused) as error:
        return _camera(request, who, services, pages, camera_id, problem=error.problem)
    return _to(camera_id)


@router.post("/cameras/who")
def change_who(who: ManagesCameras, services: Services, camera_id: CameraId, who_looks: WhoLooks) -> Response:
    """The centre looks through the camera, or the store's own machine."""
    camera_of(services, camera_id)
    services.cameras.change(_by(who, services), camera_id, CameraChange(at_store=who_looks == "store"))
    return _to(camera_id)


@router.post("/cameras/disable")
def disable_camera(who: ManagesCameras, services: Services, wall: OnWall, camera_id: CameraId) -> Response:
    """Nobody looks through the camera."""
    camera_of(services, camera_id)
    services.cameras.change(_by(who, services), camera_id, CameraChange(is_enabled=False))
    wall.forget()
    return _to(camera_id)


@router.post("/cameras/enable")
def enable_camera(who: ManagesCameras, services: Services, wall: OnWall, camera_id: CameraId) -> Response:
    """The camera is looked through again."""
    camera_of(services, camera_id)
    services.cameras.change(_by(who, services), camera_id, CameraChange(is_enabled=True))
    wall.forget()
    return _to(camera_id)


@router.post("/cameras/remove")
def remove_camera(who: ManagesCameras, services: Services, wall: OnWall, camera_id: CameraId) -> Response:
    """A camera that was added is no more; one of the registry file is as the file says."""
    camera = camera_of(services, camera_id)
    services.cameras.remove(_by(who, services), camera_id)
    wall.forget()
    return RedirectResponse("/cameras", 303) if camera.origin == "page" else _to(camera_id)


def read_zone(written: str) -> Zone | None:
    """Returns the corners of a zone written as JSON, None for an empty text. Raises: CameraError for anything else."""
    if not written.strip():
        return None
    try:
        return _ZONE.decode(written)
    except msgspec.DecodeError:
        raise CameraError("zone", "a list of corners, each two numbers from 0 to 1") from None


def read_offset_ms(written: str) -> int:
    """Returns seconds, written with a point or a comma, as milliseconds. Raises: CameraError for anything else."""
    seconds = written.strip()
    if not _SECONDS.match(seconds):
        raise CameraError("clock_offset", "seconds, such as -1.5")
    return round(float(seconds.replace(",", ".").replace("\u2212", "-")) * 1000)


def _new_camera(
    request: Request,
    who: LoggedIn,
    services: WebServices,
    pages: Pages,
    values: Mapping[str, str],
    *,
    problem: str | None = None,
) -> Response:
    wanted = values.get("q", "").strip().casefold()
    places = [(entry, till) for entry in services.institutions for till in entry.tills]
    found = [
        (entry, till)
        for entry, till in places
        if wanted in f"{entry.institution_id} {entry.name_zh} {entry.name_en}".casefold()
    ]
    return pages.page(
        request,
        "camera_new.html",
        who=who,
        status=422 if problem else 200,
        values=values,
        problem=problem,
        tills=found[:TILLS_AT_ONCE],
        left=len(found) - TILLS_AT_ONCE,
        is_long=len(places) > TILLS_AT_ONCE,
        has_tills=bool(places),
    )


def _camera(
    request: Request,
    who: LoggedIn,
    services: WebServices,
    pages: Pages,
    camera_id: str,
    *,
    problem: str | None = None,
) -> Response:
    (view,) = views_of([camera_of(services, camera_id)], services)
    status = 422 if problem else 200
    return pages.page(
        request,
        "camera.html",
        who=who,
        status=status,
        one=view,
        problem=problem,
        spans=CameraHealthRecord(services.database).spans(camera_id, SPANS_SHOWN),
        zone_json=msgspec.json.encode(view.camera.zone).decode() if view.camera.zone else "",
        facts=facts_text(view.facts, pages.catalogue, language_of(request)) if view.facts else "",
    )


def _by(who: LoggedIn, services: WebServices) -> By:
    return By(who.account.username, services.now_ms())


def _to(camera_id: str) -> Response:
    return RedirectResponse(f"/cameras/edit?camera_id={quote(camera_id, safe='')}", 303)

"""Every camera: its newest picture, how it is, where its till's customers stand, and how its clock stands."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Annotated
from urllib.parse import quote

import msgspec
from fastapi import APIRouter, Query, Request
from starlette.responses import Response

from storage.cameras.clocks import CameraClock, CameraClocks
from storage.cameras.health import CameraHealthRecord
from storage.cameras.pictures import CameraFacts
from storage.cameras.registry import RegisteredCamera
from storage.errors import UnknownStill
from storage.queries.cameras import CameraQueries, CameraState
from web.access import Refused, Services
from web.dashboard import AtCentre
from web.observations import observation_of
from web.overview import WEEK_MS, CameraMark, camera_mark
from web.pages import InPages
from web.ports import CalibrationStanding, CameraPicture, Language, WebServices
from web.staff_hours import PharmacistDays
from web.texts import Catalogue

router = APIRouter()
CAMERAS_AT_ONCE = 60
# Ill ones first, then those not heard of, then the healthy.
_ORDER = {"unknown": 1, "ok": 2}
SWITCHED_OFF = 3


class CameraView(msgspec.Struct, frozen=True, kw_only=True):
    """A camera on its page.

    Fields:
        picture: the address of its newest picture: of a swipe, or of the last time that somebody tried it.
        clock: what its swipes say of its clock; None until there are enough of them.
        offset_ms: what its worker applied at its newest picture of a swipe; until there is one, what is set.
        facts: what the camera sends, as it was when somebody tried it.
        calibration: what its similarities are judged by.
    """

    camera: RegisteredCamera
    mark: CameraMark
    picture: str | None
    pictured_at_ms: int | None
    clock: CameraClock | None
    offset_ms: float
    facts: CameraFacts | None
    calibration: CalibrationStanding


@router.get("/cameras")
def cameras(
    request: Request,
    who: AtCentre,
    services: Services,
    pages: InPages,
    page: Annotated[int, Query(ge=1, le=10_000)] = 1,
) -> Response:
    """The cameras, those that are ill in front, those that are switched off at the end."""
    pharmacists: PharmacistDays = request.app.state.pharmacists
    listed, states = services.cameras.listed(), CameraQueries(services.database).states()
    ordered = sorted(listed, key=lambda camera: (_rank(camera, states), camera.institution_id, camera.camera_id))
    shown = ordered[(page - 1) * CAMERAS_AT_ONCE : page * CAMERAS_AT_ONCE]
    return pages.page(
        request,
        "cameras.html",
        who=who,
        cameras=views_of(shown, services),
        count=len(listed),
        ill=sum(_rank(camera, states) == 0 for camera in listed),
        page=page,
        pages=-(-len(listed) // CAMERAS_AT_ONCE),
        blind=CameraHealthRecord(services.database).blind_by_institution(services.now_ms() - WEEK_MS),
        staff_days=pharmacists.of({camera.institution_id for camera in shown}),
        has_tills=any(one.tills for one in services.institutions),
    )


@router.get("/cameras/picture")
def camera_picture(_who: AtCentre, services: Services, camera_id: str) -> Response:
    """The picture of the last time that somebody tried the camera; nobody can be recognised in it."""
    try:
        return Response(services.camera_pictures.read(camera_id), media_type="image/jpeg")
    except UnknownStill:
        raise Refused("no_picture", "nobody has tried this camera", 404) from None


def views_of(cameras: Iterable[RegisteredCamera], services: WebServices) -> list[CameraView]:
    """Returns the cameras as their pages show them."""
    cameras = list(cameras)
    camera_ids = [camera.camera_id for camera in cameras]
    queries = CameraQueries(services.database)
    states, stills = queries.states(), queries.newest_stills(camera_ids)
    calibrations = services.calibrations.standing(camera_ids)
    tried, clocks = services.camera_pictures.facts(camera_ids), CameraClocks(services.database).of(camera_ids)
    views = []
    for camera in cameras:
        still, event = stills.get(camera.camera_id, (None, None))
        observation, facts = observation_of(event.original) if event else None, tried.get(camera.camera_id)
        picture = f"/stills/{still.still_id}/blurred" if still else None
        pictured_at_ms = still.captured_at_ms if still else None
        if facts is not None and facts.at_ms > (pictured_at_ms or 0):
            picture, pictured_at_ms = (
                f"/cameras/picture?camera_id={quote(camera.camera_id, safe='')}&at={facts.at_ms}",
                facts.at_ms,
            )
        applied_ms = observation.clock_offset_ms if observation else None
        views.append(
            CameraView(
                camera=camera,
                mark=camera_mark(camera.camera_id, camera.till_id, states.get(camera.camera_id)),
                picture=picture,
                pictured_at_ms=pictured_at_ms,
                clock=clocks.get(camera.camera_id),
                offset_ms=camera.clock_offset_ms if applied_ms is None else applied_ms,
                facts=facts,
                calibration=calibrations[camera.camera_id],
            )
        )
    return views


def facts_text(facts: CameraFacts | CameraPicture, catalogue: Catalogue, language: Language) -> str:
    """Returns what a camera sends, in words: size, codec and, where it says so, how many pictures a second."""
    codec = facts.codec.upper()
    told = catalogue.text("camera.sends", language, width=facts.width_px, height=facts.height_px, codec=codec)
    if facts.frames_per_s is None:
        return told
    return told + catalogue.text("camera.rate", language, rate=f"{facts.frames_per_s:g}")


def _rank(camera: RegisteredCamera, states: dict[str, CameraState]) -> int:
    if not camera.is_enabled:
        return SWITCHED_OFF
    known = states.get(camera.camera_id)
    return _ORDER.get(known.state if known else "unknown", 0)

"""Trying cameras: what an address shows now, or why it shows nothing, before and after the camera is saved."""

from __future__ import annotations

import base64
import threading
from collections import OrderedDict
from typing import Annotated, Final

import msgspec
from fastapi import APIRouter, Depends, Form, Request
from starlette.responses import Response

from storage.cameras.pictures import CameraFacts
from storage.cameras.registry import CameraError, RegisteredCamera
from storage.cameras.sources import SecretText, SourceRefused, checked_source, shown_source
from web.access import LoggedIn, Person, Refused, Services
from web.cameras import facts_text
from web.pages import InPages, Pages
from web.ports import CameraPicture, ProbeFailed, WebServices
from web.texts import language_of

router = APIRouter()
TRIED_AT_ONCE: Final = 16
"""So many pictures of addresses that are not saved yet are remembered, of at most 60 kB each."""

ManagesCameras = Annotated[LoggedIn, Depends(Person("manage_cameras"))]
TendsCameras = Annotated[LoggedIn, Depends(Person("tend_cameras"))]
CameraId = Annotated[str, Form(max_length=200)]
ShortText = Annotated[str, Form(max_length=200)]


class GivenAddress(msgspec.Struct, frozen=True):
    """A camera's address as somebody wrote it, with a name and a password for it where they stand apart."""

    address: str
    username: str
    password: str

    def source(self, services: WebServices) -> SecretText:
        """Returns where the camera is reached. Raises: SourceRefused."""
        folder = services.cameras.folder
        return checked_source(self.address, folder, username=self.username, password=self.password)


class Tried:
    """What addresses showed that are not saved yet, by who tried them: the new camera begins with that picture."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._pictures: OrderedDict[tuple[str, str], CameraPicture] = OrderedDict()

    def remember(self, username: str, source: str, picture: CameraPicture) -> None:
        """The picture is remembered; of too many the oldest is forgotten."""
        with self._lock:
            self._pictures[username, source] = picture
            while len(self._pictures) > TRIED_AT_ONCE:
                self._pictures.popitem(last=False)

    def take(self, username: str, source: str) -> CameraPicture | None:
        """Returns the picture once."""
        with self._lock:
            return self._pictures.pop((username, source), None)


def given_address(
    address: Annotated[str, Form(max_length=2_000)], username: ShortText = "", password: ShortText = ""
) -> GivenAddress:
    """Returns the address of a form."""
    return GivenAddress(address, username, password)


def tried_of(request: Request) -> Tried:
    """Returns what was tried in this application."""
    tried: Tried = request.app.state.tried_cameras
    return tried


InAddress = Annotated[GivenAddress, Depends(given_address)]
InTried = Annotated[Tried, Depends(tried_of)]


@router.post("/cameras/try")
def try_address(
    request: Request, who: ManagesCameras, services: Services, pages: InPages, tried: InTried, given: InAddress
) -> Response:
    """What an address shows now, or why it shows nothing; the product connects to it."""
    try:
        source = given.source(services)
    except SourceRefused as error:
        return _told(request, pages, error.problem)
    found = services.camera_probe.look(source)
    if isinstance(found, ProbeFailed):
        return _told(request, pages, found.reason, shown_source(source))
    tried.remember(who.account.username, source, found)
    return _pictured(request, pages, found)


@router.post("/cameras/look")
def look_through(
    request: Request, _who: TendsCameras, services: Services, pages: InPages, camera_id: CameraId
) -> Response:
    """What the camera shows now, or why it shows nothing; the picture is kept."""
    camera = camera_of(services, camera_id)
    if camera.source is None:
        return _told(request, pages, "unreadable")
    found = services.camera_probe.look(camera.source)
    if isinstance(found, ProbeFailed):
        return _told(request, pages, found.reason, camera.shown)
    keep_picture(services, camera_id, found)
    return _pictured(request, pages, found)


def camera_of(services: WebServices, camera_id: str) -> RegisteredCamera:
    """Returns the camera. Raises: Refused when there is none."""
    try:
        return services.cameras.camera(camera_id)
    except CameraError:
        raise Refused("no_such_camera", "there is no such camera", 404) from None


def keep_picture(services: WebServices, camera_id: str, picture: CameraPicture) -> None:
    """The picture is the camera's newest."""
    facts = CameraFacts(
        at_ms=services.now_ms(),
        width_px=picture.width_px,
        height_px=picture.height_px,
        codec=picture.codec,
        frames_per_s=picture.frames_per_s,
    )
    services.camera_pictures.keep(camera_id, picture.jpeg, facts)


def _pictured(request: Request, pages: Pages, found: CameraPicture) -> Response:
    told = facts_text(found, pages.catalogue, language_of(request))
    return _json({"picture": base64.b64encode(found.jpeg).decode("ascii"), "told": told})


def _told(request: Request, pages: Pages, problem: str, address: str = "") -> Response:
    told = pages.catalogue.text(f"camera_problem.{problem}", language_of(request), address=address)
    return _json({"problem": problem, "told": told})


def _json(body: dict[str, str]) -> Response:
    return Response(msgspec.json.encode(body), media_type="application/json")

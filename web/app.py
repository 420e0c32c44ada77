"""The application: every route with its parts wired in."""

from __future__ import annotations

import msgspec
from fastapi import APIRouter, Depends, FastAPI, Request
from fastapi.exceptions import RequestValidationError
from starlette.exceptions import HTTPException
from starlette.responses import RedirectResponse, Response

from alerts.lifecycle import IllegalTransition
from events.errors import TransientError
from storage.access.failed_logins import FailedLogins
from storage.alerts.centre_desk import CentreDesk
from storage.errors import (
    AlteredData,
    EvidenceMissing,
    UnknownAlert,
    UnknownClip,
    UnknownOriginal,
    UnknownStill,
    WrongKey,
)
from storage.institution_places import InstitutionPlaces
from storage.queries.alerts import AlertQueries
from storage.queries.notices import NoticeQueries
from storage.terminals.pairing import Pairing
from web import (
    accounts,
    alert_list,
    alert_page,
    api_document,
    camera_agents,
    camera_setup,
    camera_trial,
    cameras,
    clips,
    dashboard,
    devices,
    enrolment,
    health,
    ingestion,
    login,
    originals,
    removals,
    rules,
    sign_on,
    terminal,
    visitor_corrections,
    visitor_pages,
)
from web.access import ANYBODY, NotLoggedIn, PasswordChangeNeeded, Refused
from web.assets import Assets
from web.headers import SecurityHeaders
from web.ingestion import BodyBudget
from web.live import Desk
from web.overview import Wall
from web.pages import Pages
from web.ports import WebServices
from web.small_bodies import SmallBodies
from web.staff_hours import PharmacistDays
from web.texts import Catalogue

YEAR_S = 365 * 86_400
RETRY_S = 2
EXPLAINED = (
    NotLoggedIn,
    PasswordChangeNeeded,
    Refused,
    HTTPException,
    RequestValidationError,
    IllegalTransition,
    UnknownAlert,
    TransientError,
    EvidenceMissing,
    UnknownStill,
    UnknownClip,
    UnknownOriginal,
    AlteredData,
    WrongKey,
)
static_router = APIRouter(dependencies=[Depends(ANYBODY)])


def create_app(services: WebServices) -> FastAPI:
    """Returns the ASGI application. It starts nothing: what `services` holds is started and stopped by its owner.

    Raises: InvariantError when a text of the catalogue lacks a language.
    """
    app = FastAPI(title="swipewatch", docs_url=None, redoc_url=None, openapi_url=None, redirect_slashes=False)
    assets = Assets()
    app.state.services = services
    app.state.assets = assets
    app.state.queries = AlertQueries(services.database)
    app.state.notices = NoticeQueries(services.database)
    app.state.terminal_desk = Desk(services, app.state.notices)
    app.state.places = InstitutionPlaces(services.database)
    app.state.desk = CentreDesk(services.database)
    app.state.pharmacists = PharmacistDays(services)
    app.state.wall = Wall(services, app.state.queries)
    app.state.pages = Pages(services, Catalogue.load(), assets)
    app.state.body_budget = BodyBudget(services.limits.bodies_in_flight_bytes)
    app.state.camera_message_budget = BodyBudget(services.limits.camera_messages_in_flight_bytes)
    app.state.tried_cameras = camera_trial.Tried()
    app.state.pairing = Pairing(services.database, services.accounts)
    limits = services.limits
    app.state.failed_logins = FailedLogins(services.database, limits.failed_logins, limits.failed_logins_window_s)
    for part in (
        api_document,
        health,
        ingestion,
        camera_agents,
        login,
        terminal,
        dashboard,
        alert_list,
        alert_page,
        visitor_corrections,
        visitor_pages,
        rules,
        cameras,
        camera_setup,
        camera_trial,
        clips,
        originals,
        removals,
        enrolment,
        accounts,
        devices,
        sign_on,
    ):
        app.include_router(part.router)
    app.include_router(static_router)
    for kind in EXPLAINED:
        app.add_exception_handler(kind, explain)
    app.add_middleware(
        SmallBodies,
        except_paths={ingestion.PATH, camera_agents.MESSAGES_PATH},
        most_bytes=dict.fromkeys((enrolment.PHOTOS_PATH, enrolment.STAFF_PATH), enrolment.MOST_BYTES),
    )
    app.add_middleware(SecurityHeaders)
    return app


@static_router.get("/static/{digest}/{name:path}")
async def static_file(request: Request, digest: str, name: str) -> Response:
    """A file that pages need; kept for a year under an address of its content."""
    assets: Assets = request.app.state.assets
    asset = assets.get(name)
    if asset is None:
        raise HTTPException(404)
    kept = f"public, max-age={YEAR_S}, immutable" if digest == assets.digest else "no-store"
    return Response(asset.content, headers={"Cache-Control": kept, "Content-Type": asset.content_type})


async def explain(request: Request, error: Exception) -> Response:
    """Returns what went wrong, as a page for a browser and as JSON for everybody else."""
    if isinstance(error, NotLoggedIn) and _wants_page(request):
        return RedirectResponse(_address_and_back(request, error.log_in_at), 303)
    if isinstance(error, PasswordChangeNeeded) and _wants_page(request):
        return RedirectResponse(_address_and_back(request, "/account/password"), 303)
    status, code, detail = _meaning_of(error)
    response = _problem(request, status, code, detail)
    if isinstance(error, TransientError):
        response.headers["Retry-After"] = str(RETRY_S)
    return response


def _meaning_of(error: Exception) -> tuple[int, str, str]:
    match error:
        case NotLoggedIn():
            return 401, "not_logged_in", "log in first"
        case PasswordChangeNeeded():
            return 403, "password_change", "change your password first: /account/password"
        case Refused():
            return error.status, error.code, error.detail
        case HTTPException():
            return error.status_code, f"http_{error.status_code}", str(error.detail)
        case RequestValidationError():
            return 422, "bad_request", _where(error)
        case IllegalTransition():
            return 409, "illegal_transition", str(error)
        case _:
            return _meaning_of_failure(error)


def _meaning_of_failure(error: Exception) -> tuple[int, str, str]:
    if isinstance(error, UnknownAlert):
        return 404, "no_such_alert", "there is no such alert"
    if isinstance(error, TransientError):
        return 503, "not_available", "a part of the product does not answer now; try again"
    if isinstance(error, UnknownStill | UnknownClip | UnknownOriginal):
        return 410, "evidence", "it is no longer kept"
    return 410, "evidence", str(error)


def _where(error: RequestValidationError) -> str:
    return "; ".join(".".join(str(part) for part in one["loc"]) + ": " + one["msg"] for one in error.errors())


def _problem(request: Request, status: int, code: str, detail: str) -> Response:
    if _wants_page(request):
        pages: Pages = request.app.state.pages
        return pages.page(request, "problem.html", status=status, code=code, detail=detail)
    body = {"error": {"code": code, "detail": detail}}
    return Response(msgspec.json.encode(body), status, media_type="application/json")


def _wants_page(request: Request) -> bool:
    return "text/html" in request.headers.get("accept", "") and not request.url.path.startswith("/v1/")


def _address_and_back(request: Request, leads_to: str) -> str:
    if request.method != "GET" or request.url.path in {"/", "/terminal"}:
        return leads_to
    return str(request.url.replace(scheme="", netloc="", path=leads_to).include_query_params(to=request.url.path))

"""The application: every route with its parts wired in."""

from __future__ import annotations

import msgspec
from fastapi import APIRouter, Depends, FastAPI, Request
from fastapi.exceptions import RequestValidationError
from starlette.exceptions import HTTPException
from starlette.responses import RedirectResponse, Response

from alerts.lifecycle import IllegalTransition
from events.errors import TransientError
from storage.errors import AlteredData, EvidenceMissing, UnknownAlert, WrongKey
from storage.queries import Queries
from web import dashboard, health, ingestion, login, terminal
from web.access import ANYBODY, NotLoggedIn, Refused
from web.assets import Assets
from web.headers import SecurityHeaders
from web.ingestion import BodyBudget
from web.login import FailedLogins
from web.overview import Wall
from web.pages import Pages
from web.ports import WebServices
from web.texts import Catalogue

YEAR_S = 365 * 86_400
RETRY_S = 2
static_router = APIRouter(dependencies=[Depends(ANYBODY)])


def create_app(services: WebServices) -> FastAPI:
    """Returns the ASGI application. It starts nothing: what `services` holds is started and stopped by its owner.

    Raises: InvariantError when a text of the catalogue lacks a language.
    """
    app = FastAPI(title="swipewatch", docs_url=None, redoc_url=None, openapi_url=None)
    assets = Assets()
    app.state.services = services
    app.state.assets = assets
    app.state.queries = Queries(services.database)
    app.state.wall = Wall(services, app.state.queries)
    app.state.pages = Pages(services, Catalogue.load(), assets)
    app.state.body_budget = BodyBudget(services.limits.bodies_in_flight_bytes)
    app.state.failed_logins = FailedLogins(services.limits.failed_logins, services.limits.failed_logins_window_s)
    for part in (static_router, health.router, ingestion.router, login.router, terminal.router, dashboard.router):
        app.include_router(part)
    _explain_errors(app)
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


def _explain_errors(app: FastAPI) -> None:
    @app.exception_handler(NotLoggedIn)
    async def not_logged_in(request: Request, refusal: NotLoggedIn) -> Response:
        if _wants_page(request):
            return RedirectResponse(_log_in_address(request, refusal.log_in_at), 303)
        return _problem(request, 401, "not_logged_in", "log in first")

    @app.exception_handler(Refused)
    async def refused(request: Request, refusal: Refused) -> Response:
        return _problem(request, refusal.status, refusal.code, refusal.detail)

    @app.exception_handler(HTTPException)
    async def http_problem(request: Request, problem: HTTPException) -> Response:
        return _problem(request, problem.status_code, f"http_{problem.status_code}", str(problem.detail))

    @app.exception_handler(RequestValidationError)
    async def bad_request(request: Request, problem: RequestValidationError) -> Response:
        where = "; ".join(".".join(str(part) for part in one["loc"]) + ": " + one["msg"] for one in problem.errors())
        return _problem(request, 422, "bad_request", where)

    @app.exception_handler(IllegalTransition)
    async def illegal(request: Request, problem: IllegalTransition) -> Response:
        return _problem(request, 409, "illegal_transition", str(problem))

    @app.exception_handler(UnknownAlert)
    async def unknown_alert(request: Request, _problem_: UnknownAlert) -> Response:
        return _problem(request, 404, "no_such_alert", "there is no such alert")

    @app.exception_handler(TransientError)
    async def transient(request: Request, _problem_: TransientError) -> Response:
        response = _problem(request, 503, "not_available", "a part of the product does not answer now; try again")
        response.headers["Retry-After"] = str(RETRY_S)
        return response

    async def evidence_gone(request: Request, problem: Exception) -> Response:
        return _problem(request, 410, "evidence", str(problem))

    for kind in (EvidenceMissing, AlteredData, WrongKey):
        app.add_exception_handler(kind, evidence_gone)


def _problem(request: Request, status: int, code: str, detail: str) -> Response:
    if _wants_page(request):
        pages: Pages = request.app.state.pages
        return pages.page(request, "problem.html", status=status, code=code, detail=detail)
    body = {"error": {"code": code, "detail": detail}}
    return Response(msgspec.json.encode(body), status, media_type="application/json")


def _wants_page(request: Request) -> bool:
    return "text/html" in request.headers.get("accept", "") and not request.url.path.startswith("/v1/")


def _log_in_address(request: Request, log_in_at: str) -> str:
    if request.method != "GET" or request.url.path == "/":
        return log_in_at
    return str(request.url.replace(scheme="", netloc="", path=log_in_at).include_query_params(to=request.url.path))

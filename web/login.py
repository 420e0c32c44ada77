"""Coming in and going out: people with a password, terminals with their device token; and the language."""

from __future__ import annotations

import secrets
from typing import Annotated, Any

from fastapi import APIRouter, Depends, Form, Request
from fastapi.concurrency import run_in_threadpool
from starlette.responses import RedirectResponse, Response

from events.metrics import LOGINS
from storage.access.accounts import SESSION_LIFETIME_MS, TOKEN_PREFIXES
from storage.access.failed_logins import FailedLogins
from storage.terminals.pairing import Pairing
from web.access import (
    ANYBODY,
    FORM_COOKIE,
    SESSION_COOKIE,
    TERMINAL,
    TERMINAL_COOKIE_PREFIX,
    TERMINAL_LIFETIME_S,
    LoggedIn,
    Person,
    Screen,
    Services,
    csrf_of,
    is_loopback,
    services_of,
    set_cookie,
    terminal_slug,
)
from web.appearance import THEME_COOKIE, THEMES
from web.pages import InPages, Pages
from web.texts import LANGUAGE_COOKIE, LANGUAGES

router = APIRouter()
YEAR_S = 365 * 86_400


@router.get("/login", dependencies=[Depends(ANYBODY)])
async def login_page(request: Request, pages: InPages, to: str = "/") -> Response:
    """The page where a person logs in."""
    return _form(request, pages, "login.html", to=local_path(to))


@router.post("/login", dependencies=[Depends(ANYBODY)])
async def log_in(
    request: Request,
    services: Services,
    pages: InPages,
    username: Annotated[str, Form()],
    password: Annotated[str, Form()],
    to: Annotated[str, Form()] = "/",
) -> Response:
    """Opens a session, or says what is wrong without saying whether the name exists."""
    failed: FailedLogins = request.app.state.failed_logins
    address = request.client.host if request.client else ""
    wait_s = await run_in_threadpool(failed.wait_s, username, address, services.now_ms())
    if wait_s:
        services.measurements.count(LOGINS, result="limited")
        return _form(request, pages, "login.html", 429, to=local_path(to), problem="login.limited", wait_s=wait_s)
    session_token = await run_in_threadpool(services.accounts.log_in, username, password, services.now_ms())
    if session_token is None:
        await run_in_threadpool(failed.add, username, address, services.now_ms())
        services.measurements.count(LOGINS, result="refused")
        return _form(request, pages, "login.html", 401, to=local_path(to), problem="login.refused")
    services.measurements.count(LOGINS, result="opened")
    response = RedirectResponse(local_path(to), 303)
    set_cookie(request, response, SESSION_COOKIE, session_token, strict=False, max_age_s=SESSION_LIFETIME_MS // 1000)
    return response


@router.post("/logout")
async def log_out(
    request: Request, services: Services, _who: Annotated[LoggedIn, Depends(Person("own_account"))]
) -> Response:
    """Ends the session."""
    await run_in_threadpool(services.accounts.log_out, request.cookies[SESSION_COOKIE])
    response = RedirectResponse("/login", 303)
    response.delete_cookie(SESSION_COOKIE)
    return response


@router.get("/terminal/login", dependencies=[Depends(ANYBODY)])
async def terminal_login_page(request: Request, pages: InPages) -> Response:
    """The page where a device gives its pairing code; it also lists the terminals that this browser already is."""
    return _form(request, pages, "terminal_login.html", mine=await _own_terminals(request))


@router.post("/terminal/login", dependencies=[Depends(ANYBODY)])
async def terminal_log_in(
    request: Request, services: Services, pages: InPages, token: Annotated[str, Form(max_length=200)]
) -> Response:
    """Makes this browser the store's terminal until it is revoked: by the centre's pairing code, or a device token."""
    failed: FailedLogins = request.app.state.failed_logins
    address = request.client.host if request.client else ""
    # The name is the address as well: strangers elsewhere do not stop this store's pairing.
    name = f"terminal at {address}"
    wait_s = await run_in_threadpool(failed.wait_s, name, address, services.now_ms())
    if wait_s:
        values = {"problem": "login.limited", "wait_s": wait_s, "mine": []}
        return _form(request, pages, "terminal_login.html", 429, **values)
    plain = await run_in_threadpool(_device_token, request, token.strip())
    known = await run_in_threadpool(services.accounts.token, "terminal", plain) if plain else None
    if plain is None or known is None:
        await run_in_threadpool(failed.add, name, address, services.now_ms())
        services.measurements.count(LOGINS, result="refused")
        values = {"problem": "terminal.refused", "mine": await _own_terminals(request)}
        return _form(request, pages, "terminal_login.html", 401, **values)
    slug = terminal_slug(known.name)
    response = RedirectResponse(f"/terminal?terminal={slug}", 303)
    cookie = TERMINAL_COOKIE_PREFIX + slug
    set_cookie(request, response, cookie, plain, strict=True, max_age_s=TERMINAL_LIFETIME_S)
    return response


@router.post("/terminal/logout")
async def terminal_log_out(screen: Annotated[Screen, Depends(TERMINAL)]) -> Response:
    """This browser is the terminal no longer; its token stays good."""
    response = RedirectResponse("/terminal/login", 303)
    response.delete_cookie(TERMINAL_COOKIE_PREFIX + screen.slug)
    return response


@router.get("/language/{language}", dependencies=[Depends(ANYBODY)])
async def choose_language(request: Request, language: str, to: str = "/") -> Response:
    """Pages of this browser are in this language from now on."""
    response = RedirectResponse(local_path(to), 303)
    if language in LANGUAGES:
        set_cookie(request, response, LANGUAGE_COOKIE, language, strict=False, max_age_s=YEAR_S)
    return response


@router.get("/theme/{theme}", dependencies=[Depends(ANYBODY)])
async def choose_theme(request: Request, theme: str, to: str = "/") -> Response:
    """Pages of this browser are light, dark, or as the device has it, from now on."""
    response = RedirectResponse(local_path(to), 303)
    if theme in THEMES:
        set_cookie(request, response, THEME_COOKIE, theme, strict=False, max_age_s=YEAR_S)
    return response


def login_form(request: Request, status: int, *, problem: str) -> Response:
    """Returns the log-in page with what went wrong."""
    return _form(request, request.app.state.pages, "login.html", status, to="/", problem=problem)


def local_path(to: str) -> str:
    """Returns the path if it lies on this site, else `/`: a log-in never leads elsewhere."""
    ours = to.startswith("/") and not to.startswith(("//", "/\\")) and to.isprintable()
    return to if ours else "/"


def _form(request: Request, pages: Pages, template: str, status: int = 200, **values: Any) -> Response:  # noqa: ANN401 - whatever the template asks for
    secret = request.cookies.get(FORM_COOKIE) or secrets.token_urlsafe(24)
    insecure = request.url.scheme != "https" and not is_loopback(request)
    sign_on = services_of(request).sign_on is not None
    shown = {"problem": None, "wait_s": 0, "csrf": csrf_of(secret), "insecure": insecure, "sign_on": sign_on, **values}
    response = pages.page(request, template, status=status, **shown)
    if shown["wait_s"]:
        response.headers["Retry-After"] = str(shown["wait_s"])
    set_cookie(request, response, FORM_COOKIE, secret, strict=True, max_age_s=YEAR_S)
    return response


def _device_token(request: Request, typed: str) -> str | None:
    """Returns the token that was typed, or the one that a pairing code stands for; None for a code that is none."""
    if typed.startswith(TOKEN_PREFIXES["terminal"]):
        return typed
    pairing: Pairing = request.app.state.pairing
    return pairing.pair(typed, services_of(request).now_ms())


async def _own_terminals(request: Request) -> list[Screen]:
    accounts = request.app.state.services.accounts
    screens = []
    for name, value in request.cookies.items():
        if name.startswith(TERMINAL_COOKIE_PREFIX):
            token = await run_in_threadpool(accounts.token, "terminal", value)
            if token is not None:
                screens.append(Screen(token=token, slug=terminal_slug(token.name), csrf=csrf_of(value)))
    return sorted(screens, key=lambda screen: screen.token.name)

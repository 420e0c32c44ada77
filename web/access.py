"""Who may use a route: each route declares one access, and nothing else decides. What a role may: `web.permissions`.

Cookies open pages, so everything but reading also needs the form's token (against cross-site requests); a bearer
token in a header opens the ingestion API and, for a device that is no browser, the terminal's API.
"""

from __future__ import annotations

import hashlib
import hmac
import ipaddress
import time
from collections.abc import Iterable
from typing import Annotated, Literal

import msgspec
from fastapi import Depends, Request
from fastapi.concurrency import run_in_threadpool
from starlette.responses import Response

from storage.access.accounts import Account, Token
from web.permissions import Permission, may
from web.ports import WebServices

SESSION_COOKIE = "swipewatch_session"
FORM_COOKIE = "swipewatch_form"
TERMINAL_COOKIE_PREFIX = "swipewatch_terminal_"
FORM_FIELD = "csrf"
FORM_HEADER = "X-CSRF-Token"
SAFE_METHODS = frozenset({"GET", "HEAD", "OPTIONS"})
TERMINAL_LIFETIME_S = 400 * 86_400
OWN_ACCOUNT: Permission = "own_account"


class NotLoggedIn(Exception):
    """Nobody is logged in, or the log-in has ended; `log_in_at` is the page where one can."""

    def __init__(self, log_in_at: str) -> None:
        super().__init__(log_in_at)
        self.log_in_at = log_in_at


class Refused(Exception):
    """The one who asks is known but may not, or did not ask through our own page."""

    def __init__(self, code: str, detail: str, status: int = 403) -> None:
        super().__init__(detail)
        self.code, self.detail, self.status = code, detail, status


class PasswordChangeNeeded(Exception):
    """Somebody else knows the password of who is logged in: nothing opens before it is changed."""


class LoggedIn(msgspec.Struct, frozen=True, kw_only=True):
    """A person with an open session; `csrf` is what the session's forms carry."""

    account: Account
    csrf: str

    def may(self, permission: Permission) -> bool:
        """Returns whether the person's role has the permission, and the password is the person's own."""
        if self.account.must_change_password and permission != OWN_ACCOUNT:
            return False
        return may(self.account.role, permission)


class Screen(msgspec.Struct, frozen=True, kw_only=True):
    """A store's terminal that has shown its device token; `slug` names it in addresses of this browser."""

    token: Token
    slug: str
    csrf: str


def services_of(request: Request) -> WebServices:
    """Returns the parts that `create_app` was given."""
    services: WebServices = request.app.state.services
    return services


Services = Annotated[WebServices, Depends(services_of)]


class Anybody:
    """Everybody may; a form that is sent must be ours."""

    declares: Permission | Literal["anybody"] = "anybody"

    async def __call__(self, request: Request) -> None:
        """Raises: Refused for a form without its token."""
        if request.method not in SAFE_METHODS:
            await check_form(request, request.cookies.get(FORM_COOKIE))


class Program:
    """Whoever holds a token of this kind; for which institutions is decided on what it asks or sends."""

    def __init__(self, kind: Literal["sender", "agent"], permission: Permission) -> None:
        self._kind: Literal["sender", "agent"] = kind
        self.declares: Permission = permission

    async def __call__(self, request: Request) -> Token:
        """Raises: Refused with 401 without a token, or with one that is unknown or revoked."""
        plain = _bearer(request)
        token = await run_in_threadpool(services_of(request).accounts.token, self._kind, plain) if plain else None
        if token is None:
            raise Refused("no_token", f"a token of a {self._kind} is needed: Authorization: Bearer …", 401)
        return token


class Terminal:
    """A store's terminal, by its cookie or, outside a browser, by its token."""

    declares: Permission = "show_reminders"

    async def __call__(self, request: Request) -> Screen:
        """Raises: NotLoggedIn without a token that opens a terminal, Refused for a form that is not ours."""
        plain = _bearer(request)
        by_cookie = plain is None
        plain = plain or _terminal_cookie(request)
        token = await run_in_threadpool(services_of(request).accounts.token, "terminal", plain) if plain else None
        if token is None or plain is None:
            raise NotLoggedIn("/terminal/login")
        if by_cookie and request.method not in SAFE_METHODS:
            await check_form(request, plain)
        return Screen(token=token, slug=terminal_slug(token.name), csrf=csrf_of(plain))


class Person:
    """Whoever is logged in and whose role has this permission."""

    def __init__(self, permission: Permission) -> None:
        self.declares: Permission = permission

    async def __call__(self, request: Request) -> LoggedIn:
        """Raises: NotLoggedIn without a session, PasswordChangeNeeded, Refused for another role or a form not ours."""
        who = await person_of(request)
        if who is None:
            raise NotLoggedIn("/login")
        if not may(who.account.role, self.declares):
            raise Refused("role", f"the role {who.account.role} may not: {self.declares}")
        if not who.may(self.declares):
            raise PasswordChangeNeeded
        if request.method not in SAFE_METHODS:
            await check_form(request, request.cookies.get(SESSION_COOKIE))
        return who


ANYBODY = Anybody()
SENDER = Program("sender", "hand_in_events")
AGENT = Program("agent", "look_for_centre")
TERMINAL = Terminal()


async def person_of(request: Request) -> LoggedIn | None:
    """Returns who is logged in, or None."""
    plain = request.cookies.get(SESSION_COOKIE)
    if not plain:
        return None
    services = services_of(request)
    account = await run_in_threadpool(services.accounts.session_account, plain, services.now_ms())
    return None if account is None else LoggedIn(account=account, csrf=csrf_of(plain))


def declared_access(dependencies: Iterable[object]) -> list[str]:
    """Returns what the dependencies of a route declare; a route has exactly one declaration."""
    return [call.declares for call in dependencies if isinstance(call, Anybody | Program | Terminal | Person)]


class Right:
    """A reader's right to a stream: a log-in ends and a token can be revoked, however much there is to say."""

    def __init__(self, access: Person | Program | Terminal, request: Request) -> None:
        """Args: `access` has just let the request in."""
        self._access, self._request = access, request
        self._asked_s = time.monotonic()

    async def stands(self, within_s: float) -> bool:
        """Returns whether the reader may go on, as of at most so long ago."""
        if time.monotonic() - self._asked_s >= within_s:
            try:
                await self._access(self._request)
            except (NotLoggedIn, PasswordChangeNeeded, Refused):
                return False
            self._asked_s = time.monotonic()
        return True


def csrf_of(secret: str) -> str:
    """Returns the token that forms of this secret's holder carry; it tells nothing of the secret."""
    return hmac.new(secret.encode("utf-8"), b"form", hashlib.sha256).hexdigest()


async def check_form(request: Request, secret: str | None) -> None:
    """Nothing happens when the request came from our own page.

    Raises: Refused for one from elsewhere, or without the form token that belongs to `secret`.
    """
    if request.headers.get("sec-fetch-site", "same-origin") not in ("same-origin", "none"):
        raise Refused("cross_site", "the request came from another site")
    sent = request.headers.get(FORM_HEADER)
    if sent is None:
        field = (await request.form()).get(FORM_FIELD)
        sent = field if isinstance(field, str) else ""
    if not secret or not hmac.compare_digest(sent.encode("utf-8"), csrf_of(secret).encode("ascii")):
        raise Refused("form", "the page was open for too long; load it again")


def terminal_slug(name: str) -> str:
    """Returns the short name of a terminal in cookies and addresses."""
    return hashlib.sha256(name.encode("utf-8")).hexdigest()[:10]


def set_cookie(request: Request, response: Response, name: str, value: str, *, strict: bool, max_age_s: int) -> None:
    """The browser keeps the cookie out of scripts' reach, and sends it over TLS only unless this is loopback."""
    response.set_cookie(
        name,
        value,
        max_age=max_age_s,
        httponly=True,
        secure=not is_loopback(request),
        samesite="strict" if strict else "lax",
        path="/",
    )


def is_loopback(request: Request) -> bool:
    """Returns whether the address in the browser is this very machine's, where no TLS is needed."""
    host = request.url.hostname or ""
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def _bearer(request: Request) -> str | None:
    scheme, _, value = request.headers.get("authorization", "").partition(" ")
    return value.strip() or None if scheme.lower() == "bearer" else None


def _terminal_cookie(request: Request) -> str | None:
    slug = request.query_params.get("terminal")
    if slug is not None:
        return request.cookies.get(TERMINAL_COOKIE_PREFIX + slug)
    mine = [value for name, value in request.cookies.items() if name.startswith(TERMINAL_COOKIE_PREFIX)]
    return mine[0] if len(mine) == 1 else None

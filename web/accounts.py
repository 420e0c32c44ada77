"""Accounts: the own password, and for administrators everybody's role and access; and who looked at which face."""

from __future__ import annotations

from collections.abc import Callable
from typing import Annotated, cast

from fastapi import APIRouter, Depends, Form, Request
from fastapi.concurrency import run_in_threadpool
from starlette.responses import RedirectResponse, Response

from storage.access.accounts import ROLES, SESSION_LIFETIME_MS, AccountError, AccountProblem, Accounts, Role
from storage.access.changes import AccessChanges
from storage.access.failed_logins import FailedLogins
from storage.faces.views import FaceViews
from web.access import SESSION_COOKIE, LoggedIn, Person, Services, set_cookie
from web.login import local_path
from web.pages import InPages, Pages
from web.ports import WebServices

router = APIRouter()
VIEWS_AT_ONCE = 100
CHANGES_AT_ONCE = 100
NEWEST_CHANGES = 8

Oneself = Annotated[LoggedIn, Depends(Person("own_account"))]
AsAdministrator = Annotated[LoggedIn, Depends(Person("manage_accounts"))]
Username = Annotated[str, Form(max_length=64)]
ChosenRole = Annotated[str, Form(max_length=32)]


@router.get("/account/password")
def password_page(request: Request, who: Oneself, pages: InPages, to: str = "/") -> Response:
    """The page where people change their own password."""
    return pages.page(request, "password.html", who=who, to=local_path(to), problem=None, wait_s=0)


@router.post("/account/password")
async def change_password(
    request: Request,
    who: Oneself,
    services: Services,
    pages: InPages,
    current: Annotated[str, Form()],
    password: Annotated[str, Form()],
    again: Annotated[str, Form()],
    to: Annotated[str, Form()] = "/",
) -> Response:
    """The password is another; every session of the account has ended but this browser's new one."""
    failed: FailedLogins = request.app.state.failed_logins
    username, address = who.account.username, request.client.host if request.client else ""
    wait_s = await run_in_threadpool(failed.wait_s, username, address, services.now_ms())
    if wait_s:
        values = {"problem": "limited", "wait_s": wait_s}
        return pages.page(request, "password.html", who=who, to=local_path(to), status=429, **values)
    problem = await run_in_threadpool(_changed_password, services, username, current, password, again)
    if problem == "current":
        await run_in_threadpool(failed.add, username, address, services.now_ms())
    if problem is not None:
        return pages.page(request, "password.html", who=who, to=local_path(to), status=422, problem=problem, wait_s=0)
    session_token = await run_in_threadpool(services.accounts.log_in, username, password, services.now_ms())
    response = RedirectResponse(local_path(to), 303)
    if session_token is not None:
        lasting_s = SESSION_LIFETIME_MS // 1000
        set_cookie(request, response, SESSION_COOKIE, session_token, strict=False, max_age_s=lasting_s)
    return response


@router.get("/accounts")
def accounts_page(request: Request, who: AsAdministrator, services: Services, pages: InPages) -> Response:
    """Everybody who may log in, with role and state."""
    return _accounts(request, who, services, pages)


@router.post("/accounts/add")
def add_account(
    request: Request, who: AsAdministrator, services: Services, pages: InPages, username: Username, role: ChosenRole
) -> Response:
    """A new account exists; its one-time password is shown this once."""

    def add() -> str:
        return _acting(who, services).add_account(username.strip(), cast("Role", role), services.now_ms())

    return _with_password(request, who, services, pages, username.strip(), add)


@router.post("/accounts/reset")
def reset_password(
    request: Request, who: AsAdministrator, services: Services, pages: InPages, username: Username
) -> Response:
    """The account has a new one-time password, shown this once, and no sessions."""
    return _with_password(
        request, who, services, pages, username, lambda: _acting(who, services).reset_password(username)
    )


@router.post("/accounts/role")
def set_role(
    request: Request, who: AsAdministrator, services: Services, pages: InPages, username: Username, role: ChosenRole
) -> Response:
    """The account has the role, and no sessions."""
    return _done(request, who, services, pages, lambda: _acting(who, services).set_role(username, cast("Role", role)))


@router.post("/accounts/disable")
def disable(request: Request, who: AsAdministrator, services: Services, pages: InPages, username: Username) -> Response:
    """Nobody can log in by the account."""
    return _done(request, who, services, pages, lambda: _acting(who, services).disable(username, services.now_ms()))


@router.post("/accounts/enable")
def enable(request: Request, who: AsAdministrator, services: Services, pages: InPages, username: Username) -> Response:
    """The account can be logged in by again."""
    return _done(request, who, services, pages, lambda: _acting(who, services).enable(username))


@router.get("/access-changes")
def access_changes(
    request: Request,
    who: Annotated[LoggedIn, Depends(Person("see_access_changes"))],
    services: Services,
    pages: InPages,
    before: int | None = None,
    name: str = "",
) -> Response:
    """Who changed which account, token or terminal, the newest first; `name` is of who did or to whom it was done."""
    changes = AccessChanges(services.database).latest(CHANGES_AT_ONCE, before=before, name=name)
    more = changes[-1].change_id if len(changes) == CHANGES_AT_ONCE else None
    return pages.page(request, "access_changes.html", who=who, changes=changes, wanted=name, more=more)


@router.get("/face-views")
def face_views(
    request: Request,
    who: Annotated[LoggedIn, Depends(Person("see_face_views"))],
    services: Services,
    pages: InPages,
    before: int | None = None,
    username: str = "",
) -> Response:
    """Who looked at which face, when and why, the newest first."""
    views = FaceViews(services.database).latest(VIEWS_AT_ONCE, before, username)
    return pages.page(
        request,
        "face_views.html",
        who=who,
        views=views,
        username=username,
        more=views[-1].view_id if len(views) == VIEWS_AT_ONCE else None,
    )


def _acting(who: LoggedIn, services: WebServices) -> Accounts:
    return services.accounts.acting_as(who.account.username, services.now_ms())


def _changed_password(
    services: WebServices, username: str, current: str, password: str, again: str
) -> AccountProblem | str | None:
    """Returns why the password was not changed, or None."""
    if not services.accounts.is_password(username, current):
        return "current"
    if password != again:
        return "again"
    if password == current:
        return "same"
    try:
        services.accounts.acting_as(username, services.now_ms()).change_password(username, password)
    except AccountError as error:
        return error.problem
    return None


def _accounts(
    request: Request,
    who: LoggedIn,
    services: WebServices,
    pages: Pages,
    *,
    status: int = 200,
    problem: AccountProblem | None = None,
    fresh: tuple[str, str] | None = None,
) -> Response:
    accounts = services.accounts.accounts()
    return pages.page(
        request,
        "accounts.html",
        who=who,
        status=status,
        accounts=accounts,
        roles=ROLES,
        changes=AccessChanges(services.database).latest(NEWEST_CHANGES, kind="account"),
        problem=problem,
        fresh=fresh,
    )


def _with_password(
    request: Request, who: LoggedIn, services: WebServices, pages: Pages, username: str, make: Callable[[], str]
) -> Response:
    try:
        password = make()
    except AccountError as error:
        return _accounts(request, who, services, pages, status=422, problem=error.problem)
    return _accounts(request, who, services, pages, fresh=(username, password))


def _done(request: Request, who: LoggedIn, services: WebServices, pages: Pages, change: Callable[[], None]) -> Response:
    try:
        change()
    except AccountError as error:
        return _accounts(request, who, services, pages, status=422, problem=error.problem)
    return RedirectResponse("/accounts", 303)

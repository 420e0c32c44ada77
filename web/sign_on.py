"""Single sign-on: the centre's own OpenID Connect provider says who somebody is, and by a claim in which role.

Authorization code flow with PKCE. What one attempt must remember waits in a cookie of the browser that began it, so an
answer that another browser's attempt got opens nothing.
"""

from __future__ import annotations

import secrets
import time
from collections.abc import Mapping
from typing import Any
from urllib.parse import quote, unquote

import httpx
import msgspec
import structlog
from authlib.common.errors import AuthlibBaseError
from authlib.oauth2.client import OAuth2Client
from authlib.oidc.core.claims import CodeIDToken
from fastapi import APIRouter, Depends, Request
from joserfc import jwt
from joserfc.errors import JoseError
from joserfc.jwk import KeySet
from starlette.exceptions import HTTPException
from starlette.responses import RedirectResponse, Response

from events.metrics import LOGINS
from storage.access.accounts import SESSION_LIFETIME_MS, AccountError, Role
from web.access import ANYBODY, SESSION_COOKIE, Services, set_cookie
from web.login import local_path, login_form
from web.ports import SignOnSettings, WebServices

router = APIRouter()
ATTEMPT_COOKIE = "swipewatch_sign_on"
ATTEMPT_LIFETIME_S = 600
ANSWER_WITHIN_S = 10.0
CLOCK_LEEWAY_S = 60
# Only signatures that a public key checks: a shared secret could be forged by whoever has it.
ALGORITHMS = ("RS256", "PS256", "ES256", "EdDSA")

_log = structlog.get_logger()


class Attempt(msgspec.Struct, frozen=True, kw_only=True):
    """What one attempt to come in must remember until the provider answers."""

    state: str
    nonce: str
    verifier: str
    to: str


class Vouched(msgspec.Struct, frozen=True, kw_only=True):
    """Whom the provider vouches for; the role is null when none of the person's claims stands for one."""

    username: str
    subject: str
    role: Role | None


class SignOnFailed(Exception):
    """The provider did not answer, refused, or its word does not hold; the message is for the log."""


@router.get("/sign-on", dependencies=[Depends(ANYBODY)])
def begin(request: Request, services: Services, to: str = "/") -> Response:
    """Leads to the provider's log-in."""
    settings = _settings(services)
    attempt = Attempt(
        state=secrets.token_urlsafe(24),
        nonce=secrets.token_urlsafe(24),
        verifier=secrets.token_urlsafe(48),
        to=local_path(to),
    )
    with _session() as session:
        try:
            metadata = _metadata(session, settings)
            leads_to, _ = _client(session, settings, request).create_authorization_url(
                metadata["authorization_endpoint"],
                state=attempt.state,
                nonce=attempt.nonce,
                code_verifier=attempt.verifier,
            )
        except (SignOnFailed, httpx.HTTPError) as error:
            return _refused(request, services, "login.sign_on.failed", str(error))
    response = RedirectResponse(leads_to, 303)
    cookie = quote(msgspec.json.encode(attempt).decode("utf-8"), safe="")
    set_cookie(request, response, ATTEMPT_COOKIE, cookie, strict=False, max_age_s=ATTEMPT_LIFETIME_S)
    return response


@router.get("/sign-on/return", dependencies=[Depends(ANYBODY)])
def come_back(request: Request, services: Services, state: str = "", code: str = "") -> Response:
    """Opens a session for whom the provider vouches, or says on the log-in page why not."""
    settings = _settings(services)
    attempt = _attempt(request)
    if attempt is None or not state or not secrets.compare_digest(state.encode(), attempt.state.encode()):
        return _refused(request, services, "login.sign_on.over", "no attempt of this browser")
    try:
        vouched = _vouched(request, settings, attempt, code)
        session_token = _admitted(services, vouched)
    except (SignOnFailed, httpx.HTTPError) as error:
        return _refused(request, services, "login.sign_on.failed", str(error))
    except AccountError as error:
        return _refused(request, services, "login.sign_on.account", error.problem)
    if session_token is None:
        return _refused(request, services, "login.sign_on.role", "no role")
    services.measurements.count(LOGINS, result="opened")
    response = RedirectResponse(attempt.to, 303)
    response.delete_cookie(ATTEMPT_COOKIE)
    lasting_s = SESSION_LIFETIME_MS // 1000
    set_cookie(request, response, SESSION_COOKIE, session_token, strict=False, max_age_s=lasting_s)
    return response


def _settings(services: WebServices) -> SignOnSettings:
    if services.sign_on is None:
        raise HTTPException(404)
    return services.sign_on


def _session() -> httpx.Client:
    return httpx.Client(timeout=ANSWER_WITHIN_S)


def _client(session: httpx.Client, settings: SignOnSettings, request: Request) -> OAuth2Client:
    return OAuth2Client(
        session,
        client_id=settings.client_id,
        scope=settings.scope,
        redirect_uri=str(request.url.replace(path="/sign-on/return", query="")),
        code_challenge_method="S256",
    )


def _metadata(session: httpx.Client, settings: SignOnSettings) -> Mapping[str, Any]:
    """Returns what the provider says of itself. Raises: SignOnFailed when it speaks for another issuer."""
    answer = session.get(f"{settings.issuer.rstrip('/')}/.well-known/openid-configuration").raise_for_status()
    metadata: dict[str, Any] = _json(answer)
    if metadata.get("issuer") != settings.issuer:
        raise SignOnFailed(f"the provider says it is {metadata.get('issuer')}")
    return metadata


def _vouched(request: Request, settings: SignOnSettings, attempt: Attempt, code: str) -> Vouched:
    """Returns whom the provider vouches for. Raises: SignOnFailed, httpx.HTTPError."""
    # The two parts are form-encoded before they are joined: RFC 6749, section 2.3.1.
    basic = httpx.BasicAuth(quote(settings.client_id, safe=""), quote(settings.client_secret, safe=""))
    with _session() as session:
        metadata = _metadata(session, settings)
        try:
            answer = _client(session, settings, request).fetch_token(
                metadata["token_endpoint"],
                grant_type="authorization_code",
                code=code,
                code_verifier=attempt.verifier,
                auth=basic,
            )
            keys = _keys(session, metadata["jwks_uri"])
            claims = _checked_claims(settings, attempt, answer, keys)
        except (AuthlibBaseError, JoseError, KeyError, ValueError) as error:
            raise SignOnFailed(f"{type(error).__name__}: {error}") from error
    return _read(settings, claims)


def _keys(session: httpx.Client, address: str) -> KeySet:
    published = _json(session.get(address).raise_for_status())
    return KeySet.import_key_set({"keys": published["keys"]})


def _checked_claims(
    settings: SignOnSettings, attempt: Attempt, answer: Mapping[str, Any], keys: KeySet
) -> Mapping[str, Any]:
    """Returns the id token's claims. Raises: JoseError when signature, issuer, audience, time or nonce do not hold."""
    token = jwt.decode(answer["id_token"], keys, algorithms=list(ALGORITHMS))
    claims: CodeIDToken = CodeIDToken(
        token.claims,
        token.header,
        options={
            "iss": {"essential": True, "value": settings.issuer},
            "aud": {"essential": True, "value": settings.client_id},
        },
        params={
            "nonce": attempt.nonce,
            "client_id": settings.client_id,
            "access_token": answer.get("access_token"),
        },
    )
    claims.validate(now=int(time.time()), leeway=CLOCK_LEEWAY_S)
    return dict(claims)


def _read(settings: SignOnSettings, claims: Mapping[str, Any]) -> Vouched:
    username = claims.get(settings.username_claim)
    if not isinstance(username, str) or not username.strip():
        raise SignOnFailed(f"the claim {settings.username_claim} names nobody")
    said = claims.get(settings.role_claim)
    words = set(said) if isinstance(said, list) else {said}
    role = next((role for word, role in settings.roles.items() if word in words), None)
    return Vouched(username=username.strip(), subject=f"{claims['iss']} {claims['sub']}", role=role)


def _admitted(services: WebServices, vouched: Vouched) -> str | None:
    if vouched.role is None:
        return None
    return services.accounts.log_in_subject(vouched.username, vouched.subject, vouched.role, services.now_ms())


def _attempt(request: Request) -> Attempt | None:
    try:
        return msgspec.json.decode(unquote(request.cookies.get(ATTEMPT_COOKIE, "")), type=Attempt)
    except msgspec.DecodeError:
        return None


def _refused(request: Request, services: WebServices, problem: str, why: str) -> Response:
    services.measurements.count(LOGINS, result="refused")
    _log.warning("sign_on.refused", why=why)
    response = login_form(request, 401, problem=problem)
    response.delete_cookie(ATTEMPT_COOKIE)
    return response


def _json(answer: httpx.Response) -> dict[str, Any]:
    try:
        body = answer.json()
    except ValueError as error:
        raise SignOnFailed(f"{answer.url.path} is no JSON") from error
    if not isinstance(body, dict):
        raise SignOnFailed(f"{answer.url.path} is no JSON object")
    return body

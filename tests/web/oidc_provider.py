"""A small OpenID Connect provider, as a process: `python -m tests.web.oidc_provider PORT`.

Whoever is named in `user=` of the log-in address has logged in; a user whose name begins with `forged-` gets an id
token with that fault. Codes work once, for the redirect address and the PKCE verifier that they were asked with.
"""

from __future__ import annotations

import base64
import hashlib
import secrets
import sys
import time
from typing import Annotated, Any

import uvicorn
from fastapi import FastAPI, Form, Request
from joserfc import jwt
from joserfc.jwk import KeySet, RSAKey
from starlette.responses import JSONResponse, RedirectResponse, Response

CLIENT_ID, CLIENT_SECRET = "swipewatch", "s3cret/with:signs"
ROLES: dict[str, object] = {
    "wang": ["centre-staff", "canteen"],
    "audrey": "audit",
    "visitor": ["canteen"],
    "operator": ["centre-staff"],
}


def provider(issuer: str) -> FastAPI:
    app = FastAPI()
    key = RSAKey.generate_key(2048, auto_kid=True)
    foreign = RSAKey.generate_key(2048, {"kid": key.kid or ""})
    asked: dict[str, dict[str, str]] = {}

    @app.get("/.well-known/openid-configuration")
    def metadata() -> dict[str, str]:
        return {
            "issuer": issuer,
            "authorization_endpoint": f"{issuer}/authorize",
            "token_endpoint": f"{issuer}/token",
            "jwks_uri": f"{issuer}/keys",
        }

    @app.get("/keys")
    def keys() -> dict[str, Any]:
        return dict(KeySet([key]).as_dict(private=False))

    @app.get("/authorize")
    def authorize(request: Request) -> Response:
        wish = dict(request.query_params)
        if wish["client_id"] != CLIENT_ID or wish["response_type"] != "code" or "openid" not in wish["scope"].split():
            return JSONResponse({"error": "invalid_request"}, 400)
        code = secrets.token_urlsafe(16)
        asked[code] = wish
        return RedirectResponse(f"{wish['redirect_uri']}?code={code}&state={wish['state']}", 303)

    @app.post("/token")
    def token(
        request: Request,
        code: Annotated[str, Form()],
        redirect_uri: Annotated[str, Form()],
        code_verifier: Annotated[str, Form()],
        grant_type: Annotated[str, Form()],
    ) -> Response:
        basic = base64.b64encode(f"{CLIENT_ID}:{CLIENT_SECRET.replace('/', '%2F').replace(':', '%3A')}".encode())
        if request.headers.get("authorization") != f"Basic {basic.decode()}":
            return JSONResponse({"error": "invalid_client"}, 401)
        wish = asked.pop(code, None)
        digest = base64.urlsafe_b64encode(hashlib.sha256(code_verifier.encode()).digest()).rstrip(b"=").decode()
        wanted = {"redirect_uri": redirect_uri, "code_challenge": digest, "code_challenge_method": "S256"}
        if wish is None or grant_type != "authorization_code" or not wanted.items() <= wish.items():
            return JSONResponse({"error": "invalid_grant"}, 400)
        return JSONResponse({"access_token": "a", "token_type": "Bearer", "id_token": id_token(wish)})

    def id_token(wish: dict[str, str]) -> str:
        user, now_s = wish["user"], int(time.time())
        fault, _, _ = user.removeprefix("forged-").partition("@")
        claims: dict[str, Any] = {
            "iss": issuer,
            "sub": f"sub-{user}",
            "aud": CLIENT_ID,
            "iat": now_s,
            "exp": now_s + 300,
            "nonce": wish["nonce"],
            "preferred_username": user,
            "roles": ROLES.get(user, ["centre-staff"]),
        }
        changes: dict[str, dict[str, Any]] = {
            "iss": {"iss": "https://elsewhere.example"},
            "aud": {"aud": "another"},
            "exp": {"iat": now_s - 900, "exp": now_s - 600},
            "nonce": {"nonce": "of another attempt"},
            "nobody": {"preferred_username": ""},
        }
        forged = user.startswith("forged-")
        claims |= changes.get(fault, {}) if forged else {}
        signer = foreign if forged and fault == "key" else key
        return jwt.encode({"alg": "RS256", "kid": key.kid or ""}, claims, signer)

    return app


if __name__ == "__main__":
    port = int(sys.argv[1])
    uvicorn.run(provider(f"http://127.0.0.1:{port}"), host="127.0.0.1", port=port, log_level="warning")

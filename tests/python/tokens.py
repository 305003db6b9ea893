"""Mints the server's HS256 tokens without the server, so that a test can be any user it likes."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import secrets
import time

from harness import JWT_SECRET

ISSUER = "https://amun.ai/"
AUDIENCE = "https://amun-ai.eu.auth0.com/api/v2/"
NAMESPACE = "https://amun.ai/"


def _part(value) -> str:
    raw = value if isinstance(value, bytes) else json.dumps(value).encode()
    return base64.urlsafe_b64encode(raw).rstrip(b"=").decode()


def sign(claims: dict, secret: str = JWT_SECRET, algorithm: str = "HS256") -> str:
    """A signed token with exactly these claims."""
    signed = f"{_part({'alg': algorithm, 'typ': 'JWT'})}.{_part(claims)}"
    return f"{signed}.{_part(hmac.new(secret.encode(), signed.encode(), hashlib.sha256).digest())}"


def claims_of(token: str) -> dict:
    """The claims of a token, unverified."""
    middle = token.split(".")[1]
    return json.loads(base64.urlsafe_b64decode(middle + "=" * (-len(middle) % 4)))


def user_claims(user_id: str, *, scope: str | None = None, roles=(), email=None, parent=None, expires_in=3600) -> dict:
    """Claims of a signed-in user; without `scope` an admin of the own home workspace, joined by default."""
    now = int(time.time())
    claims = {
        "iss": ISSUER,
        "sub": user_id,
        "aud": AUDIENCE,
        "iat": now,
        "exp": now + expires_in,
        "scope": f"ws:ws-user-{user_id}#a" if scope is None else scope,
        "gty": "client-credentials",
        f"{NAMESPACE}roles": list(roles),
        f"{NAMESPACE}email": email,
    }
    if parent is not None:
        claims[f"{NAMESPACE}parent"] = parent
    return claims


def user_token(user_id: str, **claims) -> str:
    """A token of a signed-in user; keywords as in `user_claims`."""
    return sign(user_claims(user_id, **claims))


def new_user_id(prefix: str = "user") -> str:
    """A user id that no other test uses."""
    return f"{prefix}-{secrets.token_hex(5)}"

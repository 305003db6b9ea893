"""A custom authentication provider: keys and tokens of its own, and the server's tokens as a fallback."""

import os
import time

from hypha.core import UserInfo, UserPermission
from hypha.core.auth import create_scope

KEYS = {"key-ada": "ada-of-keys"}
ISSUED = {}


async def parse_token(token: str) -> UserInfo:
    if token.startswith("key-"):
        if token not in KEYS:
            raise ValueError("Invalid API key")
        user = KEYS[token]
        return UserInfo(
            id=user,
            is_anonymous=False,
            email=f"{user}@example.org",
            roles=["keyholder"],
            scope=create_scope(workspaces={f"ws-user-{user}": UserPermission.admin}),
        )
    if token.startswith("own-"):
        entry = ISSUED.get(token)
        if entry is None or entry["expires_at"] < time.time():
            raise ValueError("Token expired")
        return entry["user"]
    from hypha.core.auth import _parse_token

    return _parse_token(token)


def generate_token(user_info: UserInfo, expires_in: int) -> str:
    token = f"own-{os.urandom(16).hex()}"
    ISSUED[token] = {"user": user_info, "expires_at": time.time() + expires_in}
    return token


def get_token(scope):
    headers = {name.decode(): value.decode() for name, value in scope["headers"]}
    return headers.get("x-api-key")


async def hypha_startup(server):
    gate = os.environ.get("TEST_GATE")
    if gate and os.path.exists(gate):
        # The second start in this test: it does not come to an end.
        raise RuntimeError("the gate is shut")
    await server.register_auth_service(parse_token=parse_token, generate_token=generate_token, get_token=get_token)
    await server.register_service(
        {
            "id": "auth-probe",
            "config": {"visibility": "public", "require_context": ["caller"]},
            "pid": os.getpid,
            "caller": lambda context=None: context["user"]["id"],
        }
    )


async def through_item(server):
    """The older way to say it."""
    await server["set_parse_token_function"](parse_token)

"""Tokens and scopes, for start-up functions that know users of their own.

What needs the server's key asks the server; that works in the process of a start-up function only.
"""

from __future__ import annotations

import base64
import random
import string
import sys
import time

from .. import _installed, _server
from . import ScopeInfo, UserInfo, UserPermission, UserTokenInfo, WorkspaceInfo

__all__ = [
    "ScopeInfo", "UserInfo", "UserPermission", "UserTokenInfo", "WorkspaceInfo", "create_scope",
    "extract_token_from_authorization", "extract_token_from_scope", "generate_anonymous_user", "generate_auth_token",
    "generate_jwt_scope", "parse_auth_token", "parse_scope", "set_generate_token_function", "set_get_token_function",
    "set_parse_token_function", "update_user_scope",
]  # fmt: skip


def __getattr__(name):
    if name == "HTTPException":
        return _http_exception()
    return _installed.member(__name__, name, "the server is not a Python program")


class _Refused(Exception):
    """A request is refused with an HTTP status."""

    def __init__(self, status_code, detail=None, headers=None):
        super().__init__(f"{status_code}: {detail}")
        self.status_code, self.detail, self.headers = status_code, detail, headers


def _http_exception():
    # The class of FastAPI where it is used, so that `except` finds it.
    fastapi = sys.modules.get("fastapi")
    return fastapi.HTTPException if fastapi else _Refused


# Scopes


def _word(what, text):
    if not text or "#" in text or any(c.isspace() or not c.isprintable() for c in text):
        raise ValueError(f"{what} must not be empty or contain blanks or '#': {text!r}")
    return text


def create_scope(workspaces=None, client_id=None, current_workspace=None, extra_scopes=None):
    """A scope. `workspaces` is a map of ids to permissions, or text like `a#rw,b#r`."""
    if isinstance(workspaces, str):
        pairs = [item.strip().partition("#") for item in workspaces.split(",")]
        workspaces = {name: UserPermission(level) for name, _, level in pairs}
    if not isinstance(workspaces, dict):
        raise AssertionError("Invalid workspaces, it should be a string or a dict")
    return ScopeInfo(
        workspaces=workspaces, client_id=client_id, current_workspace=current_workspace, extra_scopes=extra_scopes
    )


def generate_jwt_scope(scope):
    """The text of a scope in a token. Refuses names that would be read as something else."""
    items = [f"ws:{_word('a workspace', name)}#{level.value}" for name, level in (scope.workspaces or {}).items()]
    if scope.client_id:
        # `#` means nothing in a client id.
        items.append(f"cid:{_word('a client id', scope.client_id.replace('#', '')) and scope.client_id}")
    if scope.current_workspace:
        items.append(f"wid:{_word('a workspace', scope.current_workspace)}")
    for extra in scope.extra_scopes or []:
        if extra.startswith(("ws:", "cid:", "wid:")):
            raise ValueError(f"Invalid scope, cannot start with ws or cid: {extra}")
        items.append(_word("an extra scope", extra))
    return " ".join(items)


def parse_scope(scope):
    """A scope from its text in a token."""
    parsed = ScopeInfo(extra_scopes=[])
    for item in scope.split():
        kind, _, rest = item.partition(":")
        if kind == "ws":
            name, level = rest.split("#")
            parsed.workspaces[name] = UserPermission(level)
        elif kind == "cid":
            parsed.client_id = rest
        elif kind == "wid":
            parsed.current_workspace = rest
        else:
            parsed.extra_scopes.append(item)
    return parsed


def update_user_scope(user_info, workspace_info, client_id=None):
    """The scope of a user who joins a workspace."""
    name = workspace_info.id
    grants = dict((user_info.scope and user_info.scope.workspaces) or {})
    is_owner = workspace_info.owned_by(user_info) if isinstance(workspace_info, WorkspaceInfo) else False
    level = user_info.get_permission(name)
    if level is None and (is_owner or name == user_info.get_workspace()):
        level = UserPermission.admin
    if level is not None:
        grants[name] = level
    if "admin" in user_info.roles:
        grants["*"] = UserPermission.admin
    extra = user_info.scope.extra_scopes if user_info.scope else None
    return ScopeInfo(workspaces=grants, client_id=client_id, current_workspace=name, extra_scopes=extra)


def generate_anonymous_user(scope=None):
    """A user who has not signed in."""
    name = "-".join("".join(random.choices(string.ascii_lowercase, k=6)) for _ in range(2))
    return UserInfo(
        id=f"anonymouz-{name}-{random.randrange(10**8):08}",
        roles=["anonymous"],
        is_anonymous=True,
        scope=scope,
        expires_at=time.time() + 600,
    )


# Tokens


def _parse_token(authorization, expected_workspace=None):
    """The user that a token of the server stands for: what the server does when no function is set."""
    if not authorization:
        raise AssertionError("Authorization is required")
    try:
        user = UserInfo.model_validate(_server.ask("parse_token", token=authorization))
    except _server.Refused as error:
        raise _http_exception()(status_code=401, detail=str(error)) from error
    pinned = user.scope.current_workspace if user.scope else None
    if expected_workspace and pinned and pinned != expected_workspace:
        detail = f"Token is not authorized for workspace '{expected_workspace}'"
        raise _http_exception()(status_code=403, detail=detail)
    return user


async def parse_auth_token(token, expected_workspace=None):
    """The user that a token stands for, as the function that is set says, or else the server."""
    function = _server.functions.get("parse_token")
    if function is None:
        return _parse_token(token, expected_workspace)
    return await _server.finished(function(token))


def _generate_presigned_token(user_info, expires_in):
    """A token of the server: what it does when no function is set."""
    try:
        return _server.ask("generate_token", user=_server.plain(user_info), expires_in=int(expires_in))
    except _server.Refused as error:
        raise ValueError(str(error)) from error


async def generate_auth_token(user_info, expires_in):
    """A token for a user, as the function that is set makes it, or else the server."""
    function = _server.functions.get("generate_token")
    if function is None:
        return _generate_presigned_token(user_info, expires_in)
    return await _server.finished(function(user_info, expires_in))


def set_parse_token_function(auth_function):
    """Let `auth_function(token)`, sync or async, decide whom every token stands for."""
    return _server.provide("parse_token", auth_function)


def set_generate_token_function(generate_token_function):
    """Let `generate_token_function(user_info, expires_in)`, sync or async, make all tokens."""
    return _server.provide("generate_token", generate_token_function)


def set_get_token_function(get_token_function):
    """Let `get_token_function(scope)`, sync or async, find the token of HTTP requests; None leaves it to the server."""
    return _server.provide("get_token", get_token_function)


def extract_token_from_authorization(authorization):
    """The token in an `Authorization` header."""
    scheme, _, rest = authorization.partition(" ")
    if scheme.lower() == "basic":
        return base64.b64decode(rest).decode().partition(":")[2]
    return rest if scheme.lower() == "bearer" else authorization


async def extract_token_from_scope(scope):
    """The token in the usual places of an HTTP request, or None."""
    headers = scope.get("headers") or []
    pairs = headers.items() if isinstance(headers, dict) else headers
    text = {_text(name).lower(): _text(value) for name, value in pairs}
    if text.get("authorization"):
        return extract_token_from_authorization(text["authorization"])
    for pair in text.get("cookie", "").split(";"):
        name, _, value = pair.strip().partition("=")
        if name == "access_token" and value:
            return value
    return None


def _text(value):
    return value.decode("latin-1") if isinstance(value, bytes) else value

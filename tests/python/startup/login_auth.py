"""A custom login service with accounts of its own; what a page does, the tests do."""

import asyncio

import shortuuid
from hypha.core import UserInfo, UserPermission
from hypha.core.auth import _generate_presigned_token, _parse_token, create_scope

SESSIONS = {}
ACCOUNTS = {}


async def parse_token(token):
    return _parse_token(token)


async def generate_token(user_info, expires_in):
    return _generate_presigned_token(user_info, expires_in)


async def login_page(event):
    user = event.get("user") or {}
    return {"status": 200, "headers": {"Content-Type": "text/html"}, "body": f"<h1>Who are you, {user.get('id')}?</h1>"}


async def start_login(workspace=None, expires_in=None):
    key = shortuuid.uuid()
    SESSIONS[key] = {"status": "pending", "workspace": workspace, "expires_in": expires_in}
    return {"login_url": f"/public/apps/hypha-login/?key={key}", "key": key}


async def check_login(key, timeout=180, profile=False):
    if key not in SESSIONS:
        raise ValueError("Invalid login key")
    for _ in range(int(timeout * 20) + 1):
        if SESSIONS[key]["status"] == "completed":
            return SESSIONS[key]["token"]
        await asyncio.sleep(0.05)
    raise TimeoutError("Login timeout")


async def report_login(key, token=None, email=None, **kwargs):
    if key not in SESSIONS:
        raise ValueError("Invalid login key")
    SESSIONS[key].update(status="completed", token=token, email=email)
    return {"success": True}


async def sign_up(server, context=None, email=None, password=None):
    ACCOUNTS[email] = password
    return {"success": True, "for": context["user"]["id"] if context else None}


async def sign_in(server, context=None, email=None, password=None, key=None, **kwargs):
    if ACCOUNTS.get(email) != password:
        return {"success": False, "error": "Invalid credentials"}
    user_id = email.split("@")[0]
    user = UserInfo(
        id=user_id,
        email=email,
        roles=["user"],
        is_anonymous=False,
        scope=create_scope(
            workspaces={f"ws-user-{user_id}": UserPermission.admin}, current_workspace=f"ws-user-{user_id}"
        ),
    )
    return {"success": True, "token": await generate_token(user, 3600), "email": email}


async def hypha_startup(server):
    await server.register_auth_service(
        parse_token=parse_token,
        generate_token=generate_token,
        index_handler=login_page,
        start_handler=start_login,
        check_handler=check_login,
        report_handler=report_login,
        logout_handler=lambda config=None: {"logout_url": "/bye"},
        signup=lambda context=None, **kwargs: sign_up(server, context, **kwargs),
        login=lambda context=None, **kwargs: sign_in(server, context, **kwargs),
    )

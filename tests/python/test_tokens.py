"""Tokens: what they grant, to whom, for how long (workspace-api.md §7, auth.md)."""

import asyncio
import os
import subprocess
import time

import pytest

from harness import JWT_SECRET, ROOT_TOKEN
from helpers import fails, fails_with
from raw import Raw, Refused
from tokens import AUDIENCE, ISSUER, NAMESPACE, claims_of, new_user_id


def scope(token):
    return claims_of(token)["scope"].split()


async def test_the_claims_of_a_token(user):
    token = await user.generate_token()
    claims = claims_of(token)
    home = user.account.home
    assert claims["iss"] == ISSUER and claims["aud"] == AUDIENCE
    assert claims["gty"] == "client-credentials"
    assert claims["scope"].split() == [f"ws:{home}#rw", f"wid:{home}"]
    assert claims["exp"] - claims["iat"] == 3600
    assert claims["sub"] not in ("", user.account.id)
    assert claims[f"{NAMESPACE}parent"] == user.account.id
    assert claims[f"{NAMESPACE}roles"] == []
    assert abs(claims["iat"] - time.time()) < 30


@pytest.mark.parametrize(("permission", "mode"), [("read", "r"), ("read_write", "rw"), ("admin", "a")])
async def test_permissions(user, connect, permission, mode):
    token = await user.generate_token({"permission": permission})
    assert scope(token)[0] == f"ws:{user.account.home}#{mode}"
    client = await connect(token=token) if mode != "r" else None
    if client is not None:
        assert (await client.check_status())["user_permission"] == mode
        assert client.config["user"]["parent"] == user.account.id


async def test_an_unknown_permission(user):
    with pytest.raises(Exception):
        await user.generate_token({"permission": "emperor"})


@pytest.mark.parametrize(("expires_in", "seconds"), [(100, 100), (0, 3600), (None, 3600), (86400, 86400)])
async def test_life_times(user, expires_in, seconds):
    claims = claims_of(await user.generate_token({"expires_in": expires_in}))
    assert claims["exp"] - claims["iat"] == seconds


async def test_a_token_expires(user, server):
    token = await user.generate_token({"expires_in": 1})
    await asyncio.sleep(2.2)
    with pytest.raises(Refused) as caught:
        await Raw.open(server, token=token)
    assert caught.value.reason == "Authentication error: The token has expired. Please fetch a new one"


async def test_a_token_for_another_workspace_of_mine(user, connect):
    name = new_user_id("lab")
    await user.create_workspace({"name": name})
    token = await user.generate_token({"workspace": name, "permission": "admin"})
    assert scope(token) == [f"ws:{name}#a", f"wid:{name}"]
    inside = await connect(token=token)
    assert inside.config["workspace"] == name


async def test_a_token_for_a_workspace_of_others(user, make_user, connect):
    other = await connect(token=make_user().token)
    with fails_with("You do not have any permission for workspace", other.config["workspace"]):
        await user.generate_token({"workspace": other.config["workspace"]})


async def test_a_token_restricted_to_a_client(user, server, connect):
    token = await user.generate_token({"client_id": "worker-7"})
    assert scope(token)[1] == "cid:worker-7"
    with pytest.raises(Refused) as caught:
        await Raw.open(server, client_id="worker-8", token=token)
    assert "this token is restricted to client with client_id='worker-7'" in caught.value.message
    assert (await connect(client_id="worker-7", token=token)).config["client_id"] == "worker-7"


async def test_extra_scopes_make_a_special_token(user, server):
    token = await user.generate_token({"extra_scopes": ["file:download"]})
    assert scope(token)[-1] == "file:download"
    with pytest.raises(Refused) as caught:
        await Raw.open(server, token=token)
    assert "Specialized token with scopes [file:download]" in caught.value.message


@pytest.mark.ours
async def test_extra_scopes_may_be_null(user):
    assert await user.generate_token({"extra_scopes": None})


async def test_parse(user):
    token = await user.generate_token({"permission": "read", "client_id": "c7", "expires_in": 60})
    info = await user.parse_token(token)
    claims = claims_of(token)
    assert info["id"] == claims["sub"]
    assert info["parent"] == user.account.id
    assert info["expires_at"] == claims["exp"]
    assert info["is_anonymous"] is False
    assert info["roles"] == []
    assert info["scope"]["current_workspace"] == user.account.home
    assert info["scope"]["client_id"] == "c7"
    assert info["scope"]["workspaces"][user.account.home] == "r"


async def test_parse_garbage(user):
    with pytest.raises(Exception) as caught:
        await user.parse_token("garbage")
    assert "token" in str(caught.value).lower()


async def test_parse_a_token_of_elsewhere(user, connect, make_user):
    other = await connect(token=make_user().token)
    with fails_with(f"Token is not authorized for workspace '{user.account.home}'"):
        await user.parse_token(await other.generate_token())


async def test_revoke(user, connect, server):
    token = await user.generate_token()
    await connect(token=token)
    assert await user.revoke_token(token) is None
    with pytest.raises(Refused) as caught:
        await Raw.open(server, token=token)
    assert "Token has been revoked" in caught.value.message
    assert caught.value.code == 1001


async def test_revoke_garbage(user):
    with fails_with("Invalid token"):
        await user.revoke_token("garbage")


async def test_revoke_needs_admin(user, connect):
    writer = await connect(token=await user.generate_token({"permission": "read_write"}))
    with fails_with("Permission denied", user.account.home):
        await writer.revoke_token(await user.generate_token())


async def test_a_revoked_token_leaves_its_children(user, connect):
    token = await user.generate_token({"permission": "admin"})
    child = await (await connect(token=token)).generate_token()
    await user.revoke_token(token)
    assert (await connect(token=child)).config["workspace"] == user.account.home


async def test_a_child_of_a_child_names_the_first_parent(user, connect):
    child = await connect(token=await user.generate_token({"permission": "admin"}))
    grandchild = await child.generate_token()
    assert claims_of(grandchild)[f"{NAMESPACE}parent"] == user.account.id


async def test_an_owner_may_mint_through_a_write_token(user, connect):
    writer = await connect(token=await user.generate_token({"permission": "read_write"}))
    token = await writer.generate_token({"permission": "read_write"})
    assert (await connect(token=token)).config["workspace"] == user.account.home


async def test_the_email_needs_the_admin_role(user, root):
    with fails_with("Only callers with the 'admin' role may set TokenConfig.email"):
        await user.generate_token({"email": "boss@example.org"})
    token = await root.generate_token({"email": "boss@example.org"})
    assert claims_of(token)[f"{NAMESPACE}email"] == "boss@example.org"


async def test_the_admin_role_is_admin_everywhere(user, connect, make_user):
    boss = await connect(token=make_user(roles=["admin"]).token, workspace=user.account.home)
    assert boss.config["workspace"] == user.account.home
    assert boss.config["user"]["scope"]["workspaces"]["*"] == "a"
    assert (await boss.check_status())["user_permission"] == "a"


async def test_anonymous_clients_can_share_a_workspace(connect):
    one = await connect()
    two = await connect(token=await one.generate_token())
    assert two.config["workspace"] == one.config["workspace"]
    await one.register_service({"id": "hello", "hi": lambda: "hi"})
    assert await (await two.get_service("hello")).hi() == "hi"


async def test_the_root_token_cannot_be_revoked(root, connect):
    with pytest.raises(Exception):
        await root.revoke_token(ROOT_TOKEN)
    assert (await connect(token=ROOT_TOKEN)).config["user"]["id"] == "root"


@pytest.mark.ours
@pytest.mark.parametrize(
    "weak",
    ["short", "a" * 31, "my-root-token-that-is-long-enough-x", "password" + "x" * 30],
)
def test_weak_root_tokens_stop_the_start(fresh_server, weak):
    from harness import ServerFailed

    server = fresh_server({"root-token": weak}, start=False)
    with pytest.raises(ServerFailed) as caught:
        server.start()
    text = str(caught.value)
    assert "Root token must be at least 32 characters" in text or "Root token appears to be too simple" in text
    assert weak not in text


ORIGINAL_PYTHON = os.environ.get("HYPHA_TEST_ORIGINAL")


@pytest.mark.skipif(not ORIGINAL_PYTHON, reason="HYPHA_TEST_ORIGINAL names no interpreter with the hypha package")
async def test_tokens_of_the_original_package_are_valid_here(connect):
    program = (
        "import asyncio\n"
        "from hypha.core.auth import generate_auth_token, create_scope\n"
        "from hypha.core import UserInfo\n"
        "user = UserInfo(id='ada', is_anonymous=False, email='ada@example.org', roles=['researcher'],\n"
        "    scope=create_scope(workspaces={'ws-user-ada': 'a'}))\n"
        "print(asyncio.run(generate_auth_token(user, 600)))\n"
    )
    env = {**os.environ, "HYPHA_JWT_SECRET": JWT_SECRET}
    done = subprocess.run([ORIGINAL_PYTHON, "-c", program], env=env, capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stderr
    client = await connect(token=done.stdout.strip().splitlines()[-1])
    assert client.config["user"]["id"] == "ada"
    assert client.config["user"]["email"] == "ada@example.org"
    assert client.config["user"]["roles"] == ["researcher"]


@pytest.mark.skipif(not ORIGINAL_PYTHON, reason="HYPHA_TEST_ORIGINAL names no interpreter with the hypha package")
async def test_tokens_made_here_are_valid_for_the_original_package(user):
    token = await user.generate_token({"client_id": "c7"})
    program = (
        "import asyncio, sys\n"
        "from hypha.core.auth import _parse_token\n"
        "user = _parse_token(sys.argv[1])\n"
        "print(user.id, user.parent, user.scope.client_id, user.scope.current_workspace)\n"
    )
    env = {**os.environ, "HYPHA_JWT_SECRET": JWT_SECRET}
    done = subprocess.run([ORIGINAL_PYTHON, "-c", program, token], env=env, capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stderr
    expected = [claims_of(token)["sub"], user.account.id, "c7", user.account.home]
    assert done.stdout.split() == expected

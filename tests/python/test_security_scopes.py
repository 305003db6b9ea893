"""Security cases 1 and 5: nobody becomes more than they are through the text or the ancestry of a token."""

import pytest

from helpers import fails_with
from raw import Raw, RawError, Refused
from tokens import NAMESPACE, claims_of, new_user_id, user_token

pytestmark = pytest.mark.ours

INJECTIONS = ["ws:*#a", "ws:ws-user-root#a", "wid:ws-user-root", "cid:other", "a ws:*#a", "a\tws:*#a", "a\nws:*#a", "a#b", "", " "]


async def assert_harmless(server, user, token):
    """A token, if one was given out at all, opens nothing but the user's own workspace."""
    granted = {item for item in claims_of(token)["scope"].split() if item.startswith(("ws:", "wid:"))}
    assert granted <= {f"ws:{user.account.home}#rw", f"wid:{user.account.home}"}, granted
    for workspace in ("ws-user-root", "public"):
        with pytest.raises(Refused):
            await Raw.open(server, token=token, workspace=workspace)


@pytest.mark.parametrize("text", INJECTIONS)
async def test_extra_scopes_add_no_permission(server, user, text):
    try:
        token = await user.generate_token({"extra_scopes": [text]})
    except Exception as error:
        assert "scope" in str(error).lower()
    else:
        await assert_harmless(server, user, token)


@pytest.mark.parametrize("text", ["z ws:*#a", "z\tws:*#a", "z\nws:*#a", "*", "a b", "#", "x" * 200])
async def test_a_token_client_id_adds_no_permission(server, user, text):
    with pytest.raises(Exception) as caught:
        token = await user.generate_token({"client_id": text})
        await assert_harmless(server, user, token)
    assert "client" in str(caught.value).lower()


@pytest.mark.parametrize("workspace", ["a ws:*#a", "lab ws:ws-user-root#a", "*", "ws-user-root", "public#a"])
async def test_a_token_workspace_adds_no_permission(user, workspace):
    with pytest.raises(Exception):
        await user.generate_token({"workspace": workspace})


@pytest.mark.parametrize("client_id", ["x ws:ws-user-root#a", "x\tws:*#a", "x\u00a0ws:*#a", "x ws:*#a wid:ws-user-root"])
async def test_a_client_id_adds_no_permission(server, client_id):
    with pytest.raises(Refused) as caught:
        await Raw.open(server, client_id=client_id)
    assert "Invalid client id" in caught.value.message


async def test_a_reconnection_token_holds_what_the_connection_held(raw, user):
    reader = await raw(client_id="reader", token=await user.generate_token({"permission": "read"}))
    items = claims_of(reader.info["reconnection_token"])["scope"].split()
    assert f"ws:{user.account.home}#r" in items
    assert not [item for item in items if item.endswith(("#a", "#rw")) and user.account.home in item]
    again = await raw(client_id="reader", reconnection_token=reader.info["reconnection_token"])
    assert (await again.ask("check_status"))["user_permission"] == "r"


async def test_a_read_child_mints_nothing_for_its_parent(raw, user):
    """Case 5: a read-only child of a user must not get an admin token for the user's home."""
    name = new_user_id("lab")
    await user.create_workspace({"name": name})
    for token in (
        await user.generate_token({"permission": "read"}),
        await user.generate_token({"permission": "read", "workspace": name}),
    ):
        child = await raw(token=token)
        for workspace in (user.account.home, name, "ws-user-root", "public"):
            for permission in ("admin", "read_write"):
                with fails_with("ermission"):
                    await child.ask("generate_token", {"workspace": workspace, "permission": permission})


async def test_a_write_child_mints_no_more_than_write_elsewhere(raw, user):
    name = new_user_id("lab")
    await user.create_workspace({"name": name})
    child = await raw(token=await user.generate_token({"permission": "read_write", "workspace": name}))
    with fails_with("ermission"):
        await child.ask("generate_token", {"workspace": user.account.home, "permission": "admin"})


async def test_a_child_owns_nothing_of_its_parent(raw, user):
    """A read token of one workspace neither deletes, overwrites nor joins the parent's others."""
    name = new_user_id("lab")
    await user.create_workspace({"name": name, "persistent": True})
    child = await raw(token=await user.generate_token({"permission": "read"}))
    with fails_with("ermission"):
        await child.ask("delete_workspace", name)
    with pytest.raises(RawError):
        await child.ask("create_workspace", {"name": name}, True)
    assert (await user.get_workspace_info(name))["id"] == name


async def test_a_read_token_of_an_admin_is_a_read_token(raw, connect, make_user):
    boss = await connect(token=make_user(roles=["admin"]).token)
    token = await boss.generate_token({"permission": "read"})
    assert "admin" not in claims_of(token)[f"{NAMESPACE}roles"]
    reader = await raw(token=token)
    assert "*" not in reader.info["user"]["scope"]["workspaces"]
    assert (await reader.ask("check_status"))["user_permission"] == "r"
    with fails_with("Permission denied"):
        await reader.ask("set_env", "K", "v")
    with pytest.raises(RawError):
        await reader.ask("generate_token", {"workspace": "ws-user-root", "permission": "admin"})


async def test_a_token_of_root_for_one_workspace_is_for_that_one(raw, root, server):
    name = new_user_id("lab")
    await root.create_workspace({"name": name})
    token = await root.generate_token({"workspace": name, "permission": "read_write"})
    inside = await raw(token=token)
    assert inside.workspace == name
    with pytest.raises(Refused):
        await Raw.open(server, token=token, workspace="ws-user-root")
    with fails_with("ermission"):
        await inside.ask("list_clients", "ws-user-root")


async def test_a_child_never_outlives_by_request(user):
    """`expires_in` is bounded."""
    try:
        claims = claims_of(await user.generate_token({"expires_in": 10**12}))
    except Exception as error:
        assert "expires_in" in str(error)
    else:
        assert claims["exp"] - claims["iat"] <= 20 * 366 * 86400


@pytest.mark.parametrize("expires_in", [-1, -(10**9), 2**63, 2**64 - 1, 1.5e300, "soon", [1]])
async def test_odd_life_times(user, expires_in):
    try:
        claims = claims_of(await user.generate_token({"expires_in": expires_in}))
    except Exception as error:
        assert str(error)
    else:
        assert claims["exp"] > claims["iat"]
    assert await user.echo("alive") == "alive"


@pytest.mark.parametrize(
    "scope",
    ["ws:#a", "ws:x", "ws:x#z", "ws:x#a#r", "ws:#", "ws:", "ws:x#"],
)
async def test_a_malformed_scope_is_refused(server, scope):
    name = new_user_id()
    with pytest.raises(Refused):
        await Raw.open(server, token=user_token(name, scope=f"ws:ws-user-{name}#a {scope}"))


@pytest.mark.parametrize("token", [f"{part}.eyJzdWIiOiJyb290In0." for part in ("eyJhbGciOiJub25lIn0", "eyJhbGciOiJOb25lIn0")])
async def test_unsigned_tokens(server, token):
    with pytest.raises(Refused) as caught:
        await Raw.open(server, token=token)
    assert caught.value.code == 1008

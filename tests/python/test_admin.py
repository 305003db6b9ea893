"""What root can do: `admin-utils` (workspace-api.md §10) and the block lists."""

import asyncio

import pytest

from harness import ROOT_TOKEN
from helpers import eventually, fails_with
from raw import Raw, Refused


@pytest.fixture
async def admin(root):
    return await root.get_service("admin-utils")


async def test_only_root_gets_it(user, connect, root):
    server_id = root.config["server_id"]
    for client in (user, await connect()):
        with fails_with("Permission denied", "ws-user-root"):
            await client.get_service(f"ws-user-root/{server_id}:admin-utils")


async def test_list_servers(admin, root):
    assert await admin.list_servers() == [root.config["server_id"]]


async def test_list_workspaces(admin, user):
    listed = {w["id"] for w in await admin.list_workspaces()}
    assert {"ws-user-root", "public", "ws-anonymous", user.account.home} <= listed


async def test_metrics(admin):
    assert isinstance(await admin.get_metrics(), dict)


async def test_kick_out(admin, raw, make_user):
    account = make_user()
    victim = await (await raw(client_id="victim", token=account.token)).join()
    await admin.kickout_client(account.home, "victim", 4001, "you know why")
    assert await victim.closed() == (4001, "you know why")


async def test_kick_out_by_default(admin, raw, make_user):
    account = make_user()
    victim = await (await raw(client_id="victim", token=account.token)).join()
    await admin.kickout_client(account.home, "victim")
    assert await victim.closed() == (1000, "Admin requested disconnect")


async def test_kick_out_nobody(admin):
    with fails_with("Client not connected"):
        await admin.kickout_client("ws-user-nobody", "nothing")


async def test_usage(admin, user):
    await user.register_service({"id": "x", "f": lambda: 1})
    usage = await admin.get_resource_usage()
    assert usage["connections_per_user"][user.account.id] == 1
    assert usage["connections_per_workspace"][user.account.home] == 1
    assert usage["services_per_client"][f"{user.account.home}/{user.config['client_id']}"] == 1
    limits = usage["limits"]
    assert limits["max_connections_per_user"] == 200
    assert limits["max_clients_per_workspace"] == 1000


async def test_block_a_user(fresh_server, connect, raw, make_user):
    server, account = fresh_server(), make_user()
    admin = await (await connect(server, token=ROOT_TOKEN)).get_service("admin-utils")
    bystander = await (await raw(server, token=make_user().token)).join()
    victim = await (await raw(server, token=account.token)).join()
    text = await admin.block_user(account.id, 600, "spamming")
    assert text == f"Blocked user {account.id}, kicked 1 connections"
    code, reason = await victim.closed()
    assert code == 1008
    assert "spamming" in reason
    with pytest.raises(Refused) as caught:
        await Raw.open(server, token=account.token)
    assert (caught.value.code, caught.value.reason) == (1008, "User is blocked: spamming")
    listed = (await admin.list_blocked())["users"]
    assert [(b["id"], b["reason"]) for b in listed] == [(account.id, "spamming")]
    assert 500 < listed[0]["ttl_seconds"] <= 600
    assert bystander.is_open
    await admin.unblock_user(account.id)
    assert (await admin.list_blocked())["users"] == []
    assert (await raw(server, token=account.token)).is_open


async def test_a_block_reaches_child_tokens_and_reconnections(fresh_server, connect, raw, make_user):
    server, account = fresh_server(), make_user()
    admin = await (await connect(server, token=ROOT_TOKEN)).get_service("admin-utils")
    client = await raw(server, client_id="back", token=account.token)
    reconnection = client.info["reconnection_token"]
    await admin.block_user(account.id, 600, "no")
    await client.closed()
    with pytest.raises(Refused) as caught:
        await Raw.open(server, client_id="back", reconnection_token=reconnection)
    assert "User is blocked: no" in caught.value.reason


async def test_a_block_ends(fresh_server, connect, raw, make_user):
    server, account = fresh_server(), make_user()
    admin = await (await connect(server, token=ROOT_TOKEN)).get_service("admin-utils")
    await admin.block_user(account.id, 1, "briefly")
    with pytest.raises(Refused):
        await Raw.open(server, token=account.token)
    await asyncio.sleep(2)
    assert (await raw(server, token=account.token)).is_open


async def test_block_an_address(fresh_server, connect):
    server = fresh_server()
    root = await connect(server, token=ROOT_TOKEN)
    admin = await root.get_service("admin-utils")
    await admin.block_ip("203.0.113.9", 60, "elsewhere")
    assert (await Raw.open(server)).is_open
    await admin.block_ip("127.0.0.1", 60, "here")
    with pytest.raises(Refused) as caught:
        await Raw.open(server)
    assert (caught.value.code, caught.value.reason) == (1008, "IP is blocked: here")
    await admin.unblock_ip("127.0.0.1")
    assert (await Raw.open(server)).is_open
    assert [b["id"] for b in (await admin.list_blocked())["ips"]] == ["203.0.113.9"]


@pytest.mark.ours
async def test_a_block_survives_a_restart(fresh_server, connect, make_user):
    server, account = fresh_server(), make_user()
    admin = await (await connect(server, token=ROOT_TOKEN)).get_service("admin-utils")
    await admin.block_user(account.id, 600, "for good")
    server.kill()
    server.start()
    with pytest.raises(Refused) as caught:
        await Raw.open(server, token=account.token)
    assert caught.value.reason == "User is blocked: for good"


async def test_a_kicked_client_comes_back(admin, connect, make_user):
    """Clients reconnect on every close they did not ask for (rpc-protocol.md trap 8)."""
    account = make_user()
    watcher = await connect(token=account.token)
    kicked = await connect(token=account.token, client_id="kicked")
    await kicked.register_service({"id": "hello", "hi": lambda: "hi"})
    await admin.kickout_client(account.home, "kicked")

    async def back():
        try:
            return await (await watcher.get_service("kicked:hello")).hi() == "hi"
        except Exception:
            return False

    await asyncio.sleep(0.3)
    await eventually(back, 15, 0.2)


@pytest.mark.ours
async def test_nobody_names_another_address(fresh_server, connect):
    """Security case 17: `X-Forwarded-For` from whoever connects neither hides from a block list nor frames others."""
    server = fresh_server()
    admin = await (await connect(server, token=ROOT_TOKEN)).get_service("admin-utils")
    await admin.block_ip("203.0.113.9", 60, "elsewhere")
    for name in ("X-Forwarded-For", "X-Real-IP", "Forwarded"):
        value = "for=203.0.113.9" if name == "Forwarded" else "203.0.113.9, 10.0.0.1"
        framed = await Raw.open(server, additional_headers={name: value})
        await framed.close()
    await admin.block_ip("127.0.0.1", 60, "here")
    for name in ("X-Forwarded-For", "X-Real-IP"):
        with pytest.raises(Refused) as caught:
            await Raw.open(server, additional_headers={name: "198.51.100.7"})
        assert caught.value.reason == "IP is blocked: here"

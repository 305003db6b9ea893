"""Connections that break and come back (rpc-protocol.md §1.5, §7.3)."""

import asyncio

import pytest

from helpers import eventually
from raw import Raw


async def works(call) -> bool:
    """Whether a call succeeds now."""
    try:
        await asyncio.wait_for(call(), 5)
        return True
    except Exception:
        return False


@pytest.mark.ours
async def test_a_client_survives_a_crash_of_the_server(fresh_server, connect, make_user):
    server, account = fresh_server(), make_user()
    provider = await connect(server, token=account.token, client_id="provider")
    caller = await connect(server, token=account.token, client_id="caller")
    await provider.register_service({"id": "hello", "hi": lambda name: f"hi {name}"})
    service = await caller.get_service("hello")
    assert await service.hi("before") == "hi before"
    server.kill()
    await asyncio.sleep(0.5)
    server.start()

    async def again():
        return await (await caller.get_service("hello")).hi("after")

    await eventually(lambda: works(again), 30, 0.3)
    assert await service.hi("the old proxy") == "hi the old proxy"
    assert await caller.echo("manager") == "manager"
    ids = {c["id"] for c in await caller.list_clients()}
    assert ids == {f"{account.home}/provider", f"{account.home}/caller"}


@pytest.mark.ours
async def test_the_address_of_the_manager_stays(fresh_server, raw):
    """design.md 6: the manager's address is the same across restarts."""
    server = fresh_server()
    before = (await raw(server)).manager
    server.kill()
    server.start()
    assert (await raw(server)).manager == before


@pytest.mark.ours
async def test_an_anonymous_client_gets_its_workspace_back(fresh_server, connect):
    server = fresh_server()
    client = await connect(server, client_id="anon")
    workspace = client.config["workspace"]
    await client.register_service({"id": "hello", "hi": lambda: "hi"})
    server.kill()
    await asyncio.sleep(0.5)
    server.start()

    async def registered():
        assert f"{workspace}/anon:hello" in [s["id"] for s in await client.list_services()]

    await eventually(lambda: works(registered), 45, 0.3)


@pytest.mark.ours
async def test_a_polite_stop_brings_clients_back_too(fresh_server, connect, make_user):
    server, account = fresh_server(), make_user()
    client = await connect(server, token=account.token, client_id="c")
    await client.register_service({"id": "hello", "hi": lambda: "hi"})
    server.terminate()
    server.start()

    async def call():
        return await (await client.get_service("hello")).hi()

    await eventually(lambda: works(call), 30, 0.3)


async def test_a_call_made_while_reconnecting_is_sent_later(fresh_server, connect, make_user):
    server, account = fresh_server(), make_user()
    client = await connect(server, token=account.token, method_timeout=30)
    server.kill()
    await asyncio.sleep(0.3)
    pending = asyncio.ensure_future(client.rpc.get_manager_service({"timeout": 30, "case_conversion": "snake"}))
    server.start()
    manager = await asyncio.wait_for(pending, 40)
    await eventually(lambda: works(lambda: manager.echo(1)), 20, 0.3)


async def test_a_cut_connection_reconnects(connect, make_user):
    account = make_user()
    watcher = await connect(token=account.token)
    client = await connect(token=account.token, client_id="cut")
    await client.register_service({"id": "hello", "hi": lambda: "hi"})
    connection = client.rpc._connection
    connection._websocket.transport.abort()
    await asyncio.sleep(0.2)

    async def call():
        return await (await watcher.get_service("cut:hello")).hi()

    await eventually(lambda: works(call), 20, 0.2)


async def test_the_newer_connection_wins(raw, make_user):
    account = make_user()
    first = await (await raw(client_id="twin", token=account.token)).join("who", {"am_i": lambda main: "first"})
    caller = await (await raw(token=account.token)).join()
    assert await caller.call("twin", "services.who.am_i") == "first"
    second = await raw(client_id="twin", reconnection_token=first.info["reconnection_token"])
    await second.join("who", {"am_i": lambda main: "second"})
    code, reason = await first.closed()
    assert code in (1001, 1006)
    if code == 1001:
        assert reason == f"Old connection for {account.home}/twin superseded"
    assert await caller.call("twin", "services.who.am_i") == "second"
    await asyncio.sleep(0.5)
    assert await caller.call("twin", "services.who.am_i") == "second"
    assert (await caller.ask("get_service_info", "twin:who"))["id"] == f"{account.home}/twin:who"


async def test_superseding_again_and_again(raw, make_user, server):
    """The late clean-up of an old connection never removes its successor."""
    account = make_user()
    watcher = await (await raw(token=account.token)).join()
    current = await (await raw(client_id="hop", token=account.token)).join("s", {"n": lambda main: 0})
    for n in range(1, 6):
        token = current.info["reconnection_token"]
        if n % 2:
            current.abort()
        current = await raw(client_id="hop", reconnection_token=token)
        await current.join("s", {"n": lambda main, n=n: n})
        assert await watcher.call("hop", "services.s.n") == n
    await asyncio.sleep(1)
    assert await watcher.call("hop", "services.s.n") == 5
    assert len([c for c in await watcher.ask("list_clients") if c["id"].endswith("/hop")]) == 1


async def test_a_reconnection_token_works_after_a_restart(fresh_server):
    server = fresh_server()
    first = await Raw.open(server, client_id="x")
    server.kill()
    server.start()
    again = await Raw.open(server, client_id="x", reconnection_token=first.info["reconnection_token"])
    assert again.workspace == first.workspace
    assert again.info["user"]["id"] == first.info["user"]["id"]
    await again.close()


async def test_a_hundred_clients_come_back(fresh_server, connect, make_user):
    """A crash under a crowd: everybody is served again."""
    server, account = fresh_server(), make_user()
    clients = await asyncio.gather(
        *(connect(server, token=account.token, client_id=f"w{n}") for n in range(30))
    )
    for n, client in enumerate(clients):
        await client.register_service({"id": f"s{n}", "f": lambda n=n: n})
    server.kill()
    server.start()
    caller = await connect(server, token=account.token, client_id="caller")

    async def all_back():
        ids = {s["id"].split(":")[-1] for s in await caller.list_services()}
        return {f"s{n}" for n in range(30)} <= ids

    await eventually(all_back, 45, 0.5)
    services = await asyncio.gather(*(caller.get_service(f"s{n}") for n in range(30)))
    assert await asyncio.gather(*(s.f() for s in services)) == list(range(30))

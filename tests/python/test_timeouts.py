"""Calls that take long, heartbeats, answers that never come (rpc-protocol.md §5)."""

import asyncio

import pytest

from helpers import fails_with
from raw import Silence


@pytest.fixture
async def account(make_user):
    return make_user()


async def test_a_call_longer_than_the_timeout_succeeds(connect, account):
    provider = await connect(token=account.token)
    caller = await connect(token=account.token, method_timeout=2)

    async def slow():
        await asyncio.sleep(5)
        return "finished"

    await provider.register_service({"id": "s", "slow": slow})
    assert await (await caller.get_service("s")).slow() == "finished"


async def test_silence_times_out_and_says_what(connect, raw, account):
    def stay_silent(main):
        raise Silence

    caller = await connect(token=account.token, method_timeout=1)
    await (await raw(client_id="mute", token=account.token)).join("mute", {"hello": stay_silent})
    with fails_with(f"Method call timed out: {account.home}/mute:services.mute.hello"):
        await (await caller.get_service("mute")).hello()


async def test_a_late_answer_is_ignored(connect, raw, account):
    seen = []

    def stay_silent(main):
        seen.append(main)
        raise Silence

    caller = await connect(token=account.token, method_timeout=1)
    mute = await (await raw(client_id="mute", token=account.token)).join("mute", {"hello": stay_silent})
    with fails_with("Method call timed out"):
        await (await caller.get_service("mute")).hello()
    reply = {"type": "method", "to": seen[0]["from"], "method": f"{seen[0]['session']}.resolve", "parent": seen[0]["session"]}
    await mute.send(reply, {"args": ["too late"]})
    assert await caller.echo("alive") == "alive"


async def test_heartbeats_keep_a_call_alive(connect, raw, account):
    """A hand-made callee sends heartbeats for three times the timeout, then answers."""

    async def later(connection, main):
        for _ in range(6):
            await asyncio.sleep(0.5)
            beat = {"type": "method", "to": main["from"], "method": f"{main['session']}.heartbeat"}
            await connection.send(beat, {"args": []})
        reply = {"type": "method", "to": main["from"], "method": f"{main['session']}.resolve", "parent": main["session"]}
        await connection.send(reply, {"args": ["patience"]})

    tasks = []

    def slow(main):
        tasks.append(asyncio.create_task(later(worker, main)))
        raise Silence

    caller = await connect(token=account.token, method_timeout=1)
    worker = await raw(client_id="worker", token=account.token)
    await worker.join("slow", {"slow": slow})
    assert await (await caller.get_service("slow")).slow() == "patience"
    assert len(tasks) == 1


async def test_get_service_is_bounded_by_its_timeout(connect, raw, account):
    def stay_silent(main, service_id):
        raise Silence

    caller = await connect(token=account.token)
    mute = await (await raw(client_id="mute", token=account.token)).join("mute", {"hello": stay_silent})
    mute.handlers["services.built-in.get_service"] = stay_silent
    started = asyncio.get_running_loop().time()
    with pytest.raises(Exception):
        await caller.get_service("mute", {"timeout": 1})
    assert asyncio.get_running_loop().time() - started < 8


async def test_a_ping_to_a_client_that_does_not_answer(connect, raw, account):
    def stay_silent(main, *_):
        raise Silence

    caller = await connect(token=account.token)
    mute = await (await raw(client_id="mute", token=account.token)).join()
    mute.handlers["services.built-in.ping"] = mute.handlers["services.built-in.get_service"] = stay_silent
    assert (await caller.ping("mute", 1)).startswith(f"Failed to ping client {account.home}/mute")


async def test_a_stuck_receiver_delays_nobody_else(connect, raw, account):
    """decisions.md 26: calls to others go on while one peer sits on its calls."""

    def stay_silent(main):
        raise Silence

    caller = await connect(token=account.token, method_timeout=20)
    await (await raw(client_id="mute", token=account.token)).join("mute", {"hello": stay_silent})
    mute = await caller.get_service("mute")
    stuck = [asyncio.ensure_future(mute.hello()) for _ in range(50)]
    await asyncio.sleep(0.1)
    async with asyncio.timeout(5):
        assert await asyncio.gather(*(caller.echo(n) for n in range(50))) == list(range(50))
    for call in stuck:
        call.cancel()


async def test_cancelling_a_call_leaves_the_peer_usable(connect, account):
    provider, caller = await connect(token=account.token), await connect(token=account.token)

    async def slow(n):
        await asyncio.sleep(n)
        return n

    await provider.register_service({"id": "s", "slow": slow})
    service = await caller.get_service("s")
    call = asyncio.ensure_future(service.slow(5))
    await asyncio.sleep(0.1)
    call.cancel()
    assert await service.slow(0) == 0

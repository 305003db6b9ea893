"""Functions that travel: in arguments, in results, nested, long-lived (rpc-protocol.md §6.1, §6.2)."""

import asyncio

import pytest

from helpers import eventually, fails_with


@pytest.fixture
async def peers(connect, user):
    """Provider and caller in one workspace."""
    return user, await connect(token=user.account.token, client_id="caller")


async def test_a_callback_in_the_arguments(peers):
    provider, caller = peers

    async def each(items, callback):
        return [await callback(item) for item in items]

    await provider.register_service({"id": "s", "each": each})
    service = await caller.get_service("s")
    assert await service.each([1, 2, 3], lambda x: x * 10) == [10, 20, 30]


async def test_an_async_callback_by_keyword(peers):
    provider, caller = peers

    async def run(task=None):
        return await task("in")

    async def task(x):
        await asyncio.sleep(0.05)
        return x + "-out"

    await provider.register_service({"id": "s", "run": run})
    assert await (await caller.get_service("s")).run(task=task) == "in-out"


async def test_callbacks_inside_containers(peers):
    provider, caller = peers

    async def use(handlers):
        return [await handlers["a"](), await handlers["list"][0](5)]

    await provider.register_service({"id": "s", "use": use})
    service = await caller.get_service("s")
    assert await service.use({"a": lambda: "A", "list": [lambda x: x + 1]}) == ["A", 6]


async def test_progress_arrives_in_order(peers):
    provider, caller = peers

    async def work(n, progress):
        for step in range(n):
            await progress(step)
        return "done"

    await provider.register_service({"id": "s", "work": work})
    seen = []
    assert await (await caller.get_service("s")).work(50, seen.append) == "done"
    assert seen == list(range(50))


async def test_a_callback_that_raises(peers):
    provider, caller = peers

    async def run(callback):
        try:
            await callback()
        except Exception as error:
            return str(error)

    def bad():
        raise ValueError("from the caller")

    await provider.register_service({"id": "s", "run": run})
    assert "from the caller" in await (await caller.get_service("s")).run(bad)


async def test_a_callback_calls_back(peers):
    provider, caller = peers

    async def ping_pong(depth, other):
        return depth if depth == 0 else await other(depth - 1, ping_pong)

    await provider.register_service({"id": "s", "go": ping_pong})
    service = await caller.get_service("s")

    async def mine(depth, other):
        return depth if depth == 0 else await other(depth - 1, mine)

    assert await service.go(6, mine) == 0


async def test_a_function_in_the_result(peers):
    provider, caller = peers
    await provider.register_service({"id": "s", "make_adder": lambda n: lambda x: x + n})
    service = await caller.get_service("s")
    adder = await service.make_adder(5)
    assert await adder(1) == 6
    assert await adder(2) == 7


async def test_an_object_in_the_result(peers):
    provider, caller = peers

    def counter():
        state = {"n": 0}

        def up(by=1):
            state["n"] += by
            return state["n"]

        return {"up": up, "peek": lambda: state["n"], "label": "a counter"}

    await provider.register_service({"id": "s", "counter": counter})
    service = await caller.get_service("s")
    one, two = await service.counter(), await service.counter()
    assert await one.up() == 1
    assert await one.up(by=4) == 5
    assert await two.peek() == 0
    assert one.label == "a counter"


async def test_a_callback_of_a_finished_call_is_gone(peers):
    provider, caller = peers
    kept = []
    await provider.register_service({"id": "s", "keep": lambda callback: kept.append(callback) and None})
    await (await caller.get_service("s")).keep(lambda: "still here")
    with pytest.raises(Exception) as caught:
        await kept[0]()
    text = str(caught.value)
    assert "Session not found" in text or "Method expired or not found" in text or "Method not found" in text


async def test_a_long_lived_interface(peers):
    provider, caller = peers
    kept = {}
    await provider.register_service({"id": "s", "keep": lambda api: kept.update(api=api) and None})
    seen = []
    interface = {"_rintf": True, "notify": seen.append, "add": lambda a, b: a + b}
    await (await caller.get_service("s")).keep(interface)
    await asyncio.sleep(0.1)
    for n in range(3):
        await kept["api"].notify(n)
    assert seen == [0, 1, 2]
    assert await kept["api"].add(2, 3) == 5
    assert interface["_rintf_service_id"].startswith("_rintf_") or "_rintf_" in interface["_rintf_service_id"]


async def test_an_interface_can_be_disposed_of(peers):
    provider, caller = peers
    kept = {}
    await provider.register_service({"id": "s", "keep": lambda api: kept.update(api=api) and None})
    await (await caller.get_service("s")).keep({"_rintf": True, "f": lambda: "alive"})
    assert await kept["api"].f() == "alive"
    await kept["api"]._dispose()
    with pytest.raises(Exception):
        await asyncio.wait_for(kept["api"].f(), 12)


async def test_an_interface_serves_only_whom_it_was_given_to(peers, connect, raw, make_user):
    provider, _ = peers
    kept = {}
    keep = {"id": "keep", "config": {"visibility": "public"}, "keep": lambda api: kept.update(api=api) and None}
    await provider.register_service(keep)
    giver = await connect(token=make_user().token)
    interface = {"_rintf": True, "f": lambda: "secret"}
    await (await giver.get_service(f"{provider.account.home}/keep")).keep(interface)
    third = await (await raw(token=make_user().token)).join()
    service_id = interface["_rintf_service_id"].split(":")[-1]
    address = f"{giver.config['workspace']}/{giver.config['client_id']}"
    with fails_with("Permission denied for _rintf callback", "is not the allowed caller"):
        await third.call(address, f"services.{service_id}.f")
    assert await kept["api"].f() == "secret"


async def test_interfaces_are_never_listed(peers):
    provider, caller = peers
    kept = {}
    await provider.register_service({"id": "s", "keep": lambda api: kept.update(api=api) and None})
    await (await caller.get_service("s")).keep({"_rintf": True, "f": lambda: 1})
    assert [e["id"] for e in await provider.list_services(include_unlisted=True) if "_rintf_" in e["id"]] == []


async def test_a_remote_function_handed_on(peers, connect, user):
    """A third client gets a function of the first through the second."""
    provider, middle = peers
    third = await connect(token=user.account.token, client_id="third")
    await provider.register_service({"id": "origin", "hello": lambda name: f"hello {name}"})
    origin = await middle.get_service("origin")
    await middle.register_service({"id": "relay", "get": lambda: origin.hello})
    hello = await (await third.get_service("relay")).get()
    assert await hello("third") == "hello third"


async def test_many_callbacks_at_once(peers):
    provider, caller = peers

    async def fan(callback):
        return sum(await asyncio.gather(*(callback(n) for n in range(100))))

    await provider.register_service({"id": "s", "fan": fan})
    service = await caller.get_service("s")
    results = await asyncio.gather(*(service.fan(lambda n, k=k: n + k) for k in range(5)))
    assert results == [4950 + 100 * k for k in range(5)]


async def test_callbacks_across_workspaces(connect, make_user):
    mine, theirs = make_user(), make_user()
    provider = await connect(token=mine.token)

    async def call_me(callback):
        return await callback("from afar")

    await provider.register_service({"id": "open", "config": {"visibility": "public"}, "call_me": call_me})
    caller = await connect(token=theirs.token)
    service = await caller.get_service(f"{mine.home}/open")
    assert await service.call_me(lambda text: text.upper()) == "FROM AFAR"


async def test_a_callback_of_a_client_that_left(peers, connect, user):
    provider, _ = peers
    kept = {}
    await provider.register_service({"id": "s", "keep": lambda api: kept.update(api=api) and None})
    guest = await connect(token=user.account.token)
    await (await guest.get_service("s")).keep({"_rintf": True, "f": lambda: 1})
    assert await kept["api"].f() == 1
    await guest.disconnect()

    async def gone():
        return len(await provider.list_clients()) == 2

    await eventually(gone)
    with pytest.raises(Exception):
        await asyncio.wait_for(kept["api"].f(), 12)

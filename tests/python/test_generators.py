"""Generators in both directions (rpc-protocol.md §6.3)."""

import asyncio

import pytest

from helpers import eventually


@pytest.fixture
async def peers(connect, user):
    return user, await connect(token=user.account.token)


async def collect(generator):
    return [item async for item in generator]


async def test_an_async_generator_as_a_result(peers):
    provider, caller = peers

    async def count(n):
        for i in range(n):
            yield i

    await provider.register_service({"id": "s", "count": count})
    assert await collect(await (await caller.get_service("s")).count(5)) == [0, 1, 2, 3, 4]


async def test_a_plain_generator_as_a_result(peers):
    provider, caller = peers

    def words():
        yield "a"
        yield {"b": [1, 2]}
        yield None

    await provider.register_service({"id": "s", "words": words})
    assert await collect(await (await caller.get_service("s")).words()) == ["a", {"b": [1, 2]}, None]


async def test_an_empty_generator(peers):
    provider, caller = peers

    async def nothing():
        return
        yield

    await provider.register_service({"id": "s", "nothing": nothing})
    assert await collect(await (await caller.get_service("s")).nothing()) == []


async def test_a_generator_as_an_argument(peers):
    provider, caller = peers

    async def total(numbers):
        return sum([n async for n in numbers])

    async def numbers():
        for n in range(10):
            yield n

    await provider.register_service({"id": "s", "total": total})
    service = await caller.get_service("s")
    assert await service.total(numbers()) == 45
    assert await service.total(n for n in (1, 2)) == 3


async def test_a_generator_that_fails_midway(peers):
    provider, caller = peers

    async def broken():
        yield 1
        raise ValueError("ran out of numbers")

    await provider.register_service({"id": "s", "broken": broken})
    seen = []
    with pytest.raises(Exception, match="ran out of numbers"):
        async for item in await (await caller.get_service("s")).broken():
            seen.append(item)
    assert seen == [1]


async def test_leaving_early_closes_the_generator(peers):
    provider, caller = peers
    closed = asyncio.Event()

    async def endless():
        try:
            n = 0
            while True:
                yield n
                n += 1
        finally:
            closed.set()

    await provider.register_service({"id": "s", "endless": endless})
    generator = await (await caller.get_service("s")).endless()
    async for item in generator:
        if item == 3:
            break
    await generator.aclose()
    await asyncio.wait_for(closed.wait(), 5)


async def test_two_generators_do_not_mix(peers):
    provider, caller = peers

    async def letters(prefix, n):
        for i in range(n):
            yield f"{prefix}{i}"

    await provider.register_service({"id": "s", "letters": letters})
    service = await caller.get_service("s")
    a, b = await service.letters("a", 20), await service.letters("b", 20)
    left, right = await asyncio.gather(collect(a), collect(b))
    assert left == [f"a{i}" for i in range(20)]
    assert right == [f"b{i}" for i in range(20)]


async def test_a_thousand_items(peers):
    provider, caller = peers

    async def many():
        for i in range(1000):
            yield i

    await provider.register_service({"id": "s", "many": many})
    assert await collect(await (await caller.get_service("s")).many()) == list(range(1000))


async def test_items_may_be_large_and_arrays(peers):
    import numpy as np

    provider, caller = peers

    async def frames():
        for i in range(3):
            yield np.full((400, 400), i, dtype="float32")

    await provider.register_service({"id": "s", "frames": frames})
    items = await collect(await (await caller.get_service("s")).frames())
    assert [float(frame[0, 0]) for frame in items] == [0.0, 1.0, 2.0]
    assert all(frame.shape == (400, 400) for frame in items)


async def test_a_generator_of_a_client_that_left(peers, connect, user):
    _, caller = peers
    guest = await connect(token=user.account.token)

    async def endless():
        while True:
            yield 1
            await asyncio.sleep(0.01)

    await guest.register_service({"id": "leaving", "endless": endless})
    generator = await (await caller.get_service("leaving")).endless()
    assert await anext(generator) == 1
    await guest.disconnect()
    await eventually(lambda: True)
    with pytest.raises(Exception):
        async with asyncio.timeout(12):
            async for _ in generator:
                pass

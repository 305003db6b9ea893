"""Payloads that travel in chunks (rpc-protocol.md §8)."""

import asyncio
import hashlib

import numpy as np
import pytest

MB = 1024 * 1024


def digest(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


def pattern(size: int, seed: int = 0) -> bytes:
    return np.random.default_rng(seed).bytes(size)


@pytest.fixture
async def peers(connect, user):
    caller = await connect(token=user.account.token, client_id="caller", method_timeout=30)
    await user.register_service(
        {
            "id": "bulk",
            "config": {"visibility": "public"},
            "digest": lambda data: digest(data),
            "make": lambda size, seed=0: pattern(size, seed),
            "same": lambda data: data,
        }
    )
    return user, caller


# Around the limit for direct sending (one chunk and a little), and several chunks.
EDGES = [262144 - 1, 262144, 262144 + 512, 262144 + 1024, 262144 + 1025, 2 * 262144, 2 * 262144 + 1]


@pytest.mark.parametrize("size", EDGES)
async def test_around_the_chunk_size(peers, size):
    _, caller = peers
    bulk = await caller.get_service("bulk")
    data = pattern(size)
    assert await bulk.digest(data) == digest(data)
    assert digest(await bulk.make(size)) == digest(data)


@pytest.mark.parametrize("size", [MB, 5 * MB, 20 * MB])
async def test_both_directions(peers, size):
    _, caller = peers
    bulk = await caller.get_service("bulk")
    data = pattern(size)
    assert await bulk.digest(data) == digest(data)
    assert digest(await bulk.make(size)) == digest(data)


async def test_there_and_back(peers):
    _, caller = peers
    bulk = await caller.get_service("bulk")
    data = pattern(3 * MB)
    assert await bulk.same(data) == data


async def test_several_at_once(peers):
    _, caller = peers
    bulk = await caller.get_service("bulk")
    blobs = [pattern(MB + n, n) for n in range(6)]
    assert await asyncio.gather(*(bulk.digest(b) for b in blobs)) == [digest(b) for b in blobs]
    answers = await asyncio.gather(*(bulk.make(MB + n, n) for n in range(6)))
    assert [digest(a) for a in answers] == [digest(b) for b in blobs]


async def test_small_calls_go_on_meanwhile(peers):
    _, caller = peers
    bulk = await caller.get_service("bulk")
    big = asyncio.ensure_future(bulk.digest(pattern(10 * MB)))
    small = 0
    while not big.done():
        assert await caller.echo(small) == small
        small += 1
    assert await big == digest(pattern(10 * MB))
    assert small >= 3


async def test_a_large_structure(peers):
    _, caller = peers
    bulk = await caller.get_service("bulk")
    rows = [{"id": n, "name": f"row {n}", "values": [n, n / 2, None]} for n in range(20000)]
    assert await bulk.same(rows) == rows


async def test_a_large_array(peers):
    _, caller = peers
    bulk = await caller.get_service("bulk")
    array = np.arange(1_500_000, dtype="float64").reshape(1000, 1500)
    np.testing.assert_array_equal(await bulk.same(array), array)


async def test_to_and_from_the_manager(peers):
    _, caller = peers
    data = "x" * (2 * MB)
    assert await caller.echo(data) == data


async def test_through_a_callback(peers):
    provider, caller = peers

    async def feed(callback):
        return await callback(pattern(MB))

    await provider.register_service({"id": "feeder", "feed": feed})
    feeder = await caller.get_service("feeder")
    assert await feeder.feed(lambda data: digest(data)) == digest(pattern(MB))
    assert digest(await feeder.feed(lambda data: data)) == digest(pattern(MB))


async def test_across_workspaces(peers, connect):
    provider, _ = peers
    stranger = await connect()
    bulk = await stranger.get_service(f"{provider.account.home}/bulk")
    data = pattern(2 * MB)
    assert await bulk.same(data) == data


async def test_another_chunk_size(peers, connect, user):
    fine = await connect(token=user.account.token, long_message_chunk_size=64 * 1024)
    bulk = await fine.get_service("bulk")
    data = pattern(MB)
    assert await bulk.digest(data) == digest(data)


async def test_an_unpacked_frame_of_half_a_megabyte(peers, connect, user):
    coarse = await connect(token=user.account.token, long_message_chunk_size=400 * 1024)
    bulk = await coarse.get_service("bulk")
    data = pattern(390 * 1024)
    assert await bulk.digest(data) == digest(data)

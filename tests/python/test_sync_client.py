"""The blocking client, `hypha_rpc.sync`."""

import asyncio
import threading

import numpy as np
import pytest
from hypha_rpc import connect_to_server as connect_asynchronously
from hypha_rpc.sync import connect_to_server

from helpers import fails_with


@pytest.fixture
def client(server):
    with connect_to_server({"server_url": server.url}) as connected:
        yield connected


def test_calls_block_and_return(client):
    client.register_service({"id": "calc", "add": lambda a, b: a + b})
    calc = client.get_service("calc")
    assert calc.add(1, 2) == 3
    assert client.echo("x") == "x"


@pytest.fixture
def async_provider(client, server):
    """A service of the asynchronous client in the same workspace, on a thread of its own."""
    token, ready, loop = client.generate_token(), threading.Event(), asyncio.new_event_loop()

    async def each(items, callback):
        return [await callback(item) for item in items]

    async def serve():
        provider = await connect_asynchronously({"server_url": server.url, "token": token})
        await provider.register_service({"id": "each", "each": each})
        ready.set()
        await stop.wait()
        await provider.disconnect()

    stop = asyncio.Event()
    thread = threading.Thread(target=loop.run_until_complete, args=(serve(),))
    thread.start()
    assert ready.wait(20)
    yield
    loop.call_soon_threadsafe(stop.set)
    thread.join(10)


def test_callbacks(client, async_provider):
    assert client.get_service("each").each([1, 2], lambda x: x * 2) == [2, 4]


def test_generators(client):
    def count(n):
        yield from range(n)

    client.register_service({"id": "s", "count": count})
    assert list(client.get_service("s").count(4)) == [0, 1, 2, 3]


def test_errors(client):
    def fail():
        raise ValueError("blocking failure")

    client.register_service({"id": "s", "fail": fail})
    with fails_with("ValueError", "blocking failure"):
        client.get_service("s").fail()
    with fails_with("Service not found"):
        client.get_service("nope")


def test_arrays_and_large_payloads(client):
    client.register_service({"id": "s", "same": lambda x: x})
    service = client.get_service("s")
    array = np.arange(200_000, dtype="float64")
    np.testing.assert_array_equal(service.same(array), array)

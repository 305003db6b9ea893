"""Stopping politely (configuration.md §5.1, rpc-protocol.md §1.3)."""

import asyncio
import signal
import time

import pytest

from helpers import eventually
from raw import Raw


@pytest.mark.ours
async def test_sigterm_closes_clients_and_exits_cleanly(fresh_server):
    server = fresh_server()
    connections = [await (await Raw.open(server)).join() for _ in range(5)]
    stopping = asyncio.create_task(asyncio.to_thread(server.terminate))
    for connection in connections:
        code, reason = await connection.closed(15)
        assert code == 1001
        assert reason in ("Server is shutting down", "Server is stopping")
    assert await stopping == 0


@pytest.mark.ours
async def test_sigint_too(fresh_server):
    server = fresh_server()
    connection = await Raw.open(server)
    server.process.send_signal(signal.SIGINT)
    code, _ = await connection.closed(15)
    assert code == 1001
    assert await asyncio.to_thread(server.process.wait, 15) == 0


@pytest.mark.ours
async def test_stopping_is_quick_with_idle_clients(fresh_server):
    server = fresh_server()
    connections = [await Raw.open(server) for _ in range(50)]
    started = time.monotonic()
    assert await asyncio.to_thread(server.terminate) == 0
    assert time.monotonic() - started < 5
    for connection in connections:
        await connection.close()


@pytest.mark.ours
async def test_a_client_that_does_not_read_cannot_hold_the_stop(fresh_server):
    server = fresh_server()
    stuck = await Raw.open(server)
    stuck._reader.cancel()
    stuck.socket.transport.pause_reading()
    started = time.monotonic()
    assert await asyncio.to_thread(server.terminate) == 0
    assert time.monotonic() - started < 10
    stuck.abort()


@pytest.mark.ours
async def test_no_new_clients_while_stopping(fresh_server):
    server = fresh_server()
    server.process.send_signal(signal.SIGTERM)
    await eventually(lambda: not server.alive(), 10)
    with pytest.raises(OSError):
        await Raw.open(server)


async def test_the_port_is_free_afterwards(fresh_server):
    server = fresh_server()
    await asyncio.to_thread(server.terminate)
    server.start()
    assert server.is_ready()

"""Peers that are slow, gone, too loud or too many (security case 20, decisions.md 6 and 26)."""

import asyncio
import json
import os
import pathlib
import socket as sockets
import subprocess
import sys
import time

import pytest
import websockets

from helpers import eventually, fails_with
from raw import Raw, RawError, closing, open_socket

pytestmark = pytest.mark.ours

MB = 1024 * 1024


@pytest.fixture
async def three(raw, make_user):
    """A callee, a caller and a third client of one workspace; the callee answers sizes."""
    account = make_user()
    callee = await (await raw(client_id="callee", token=account.token)).join("s", {"size": lambda main, data: len(data)})
    caller = await (await raw(client_id="caller", token=account.token)).join()
    third = await (await raw(client_id="third", token=account.token)).join("s2", {"echo": lambda main, x: x})
    third.account = account
    return callee, caller, third


def stop_reading(connection: Raw) -> None:
    """From now on the kernel's buffers fill up."""
    connection._reader.cancel()
    connection.socket.transport.pause_reading()


@pytest.mark.slow
async def test_a_client_that_stops_reading(server, three):
    """It is disconnected; callers waiting for it get an error; others see nothing; memory stays bounded."""
    callee, caller, third = three
    stop_reading(callee)
    before = server.rss()
    waiting = await caller.start_call("callee", "services.s.size", b"first")
    blob, sent, started = b"x" * 200_000, 0, time.monotonic()
    calls = []
    while not waiting.done() and time.monotonic() - started < 40:
        calls.append(await caller.start_call("callee", "services.s.size", blob))
        sent += len(blob)
        if len(calls) % 10 == 0:
            t0 = time.monotonic()
            assert await caller.call("third", "services.s2.echo", len(calls)) == len(calls)
            assert time.monotonic() - t0 < 2, "a call to another client had to wait"
        await asyncio.sleep(0.01)
    assert waiting.done(), f"no error although {sent / MB:.0f} MB were sent to a client that does not read"
    with pytest.raises(RawError):
        await waiting
    assert server.rss() - before < 200 * MB
    assert len([c for c in await third.ask("list_clients") if c["id"].endswith("/callee")]) == 0
    assert await third.ask("echo", "fine") == "fine"


@pytest.mark.slow
async def test_a_subscriber_that_stops_reading(server, three):
    """A broadcaster and the other subscribers go on."""
    slow, speaker, listener = three
    for client in (slow, listener):
        await client.ask("subscribe", "firehose")
    stop_reading(slow)
    before = server.rss()
    heard = 0
    for n in range(300):
        await speaker.send({"type": "firehose", "to": "*", "n": n, "data": b"x" * 100_000})
        if n % 20 == 19:
            while heard <= n:
                main, _ = await listener.message(10)
                assert main["n"] == heard
                heard += 1
    assert heard == 300
    assert server.rss() - before < 200 * MB


async def test_a_caller_that_does_not_read_its_answers(server, three):
    callee, caller, third = three
    callee.handlers["services.s.make"] = lambda main: b"x" * 200_000
    stop_reading(caller)
    for _ in range(200):
        try:
            await caller.send({"type": "method", "to": "callee", "method": "services.s.make", "session": "z"}, {"args": []})
        except websockets.ConnectionClosed:
            break
    assert await third.call("callee", "services.s.size", b"abc") == 3


async def test_a_killed_peer_is_noticed_at_once(server, raw, make_user):
    """A peer process dies by SIGKILL in the middle of a call: the caller hears of it now, not at its timeout."""
    account = make_user()
    caller = await (await raw(token=account.token)).join()
    program = (
        "import asyncio, sys\n"
        "from hypha_rpc import connect_to_server\n"
        "async def hang():\n"
        "    print('called', flush=True)\n"
        "    await asyncio.sleep(100)\n"
        "async def main():\n"
        "    client = await connect_to_server({'server_url': sys.argv[1], 'token': sys.argv[2], 'client_id': 'victim'})\n"
        "    await client.register_service({'id': 'hang', 'hang': hang})\n"
        "    print('ready', flush=True)\n"
        "    await asyncio.sleep(100)\n"
        "asyncio.run(main())\n"
    )
    child = await asyncio.create_subprocess_exec(
        sys.executable, "-c", program, server.url, account.token, stdout=asyncio.subprocess.PIPE
    )
    try:
        assert (await asyncio.wait_for(child.stdout.readline(), 20)).strip() == b"ready"
        answer = await caller.start_call("victim", "services.hang.hang")
        assert (await asyncio.wait_for(child.stdout.readline(), 10)).strip() == b"called"
        child.kill()
        started = time.monotonic()
        with fails_with(f"{account.home}/victim"):
            await asyncio.wait_for(answer, 10)
        assert time.monotonic() - started < 3
    finally:
        if child.returncode is None:
            child.kill()
        await child.wait()


async def test_a_cut_connection_is_cleaned_up(three):
    callee, caller, third = three
    await third.ask("subscribe", "client_disconnected")
    callee.abort()
    main, _ = await third.message(5)
    assert main["type"] == "client_disconnected"
    assert main["data"] == {"id": "callee", "workspace": third.workspace}
    with fails_with("is not connected"):
        await caller.call("callee", "services.s.size", b"")


async def test_flooding_ends_the_flooder(fresh_server, raw, make_user):
    """The rate limit is set low; the flooder is slowed down or closed with 1008, others go on."""
    server = fresh_server(env={"HYPHA_WS_MSG_RATE_LIMIT": "50", "HYPHA_WS_MSG_BURST_LIMIT": "100"})
    flooder, other = await raw(server), await raw(server, token=make_user().token)
    started, sent = time.monotonic(), 0
    try:
        for _ in range(5000):
            await flooder.send({"type": "x", "to": "nobody"})
            sent += 1
        await flooder.ask("echo", 1, timeout=5)
    except (websockets.ConnectionClosed, ConnectionError):
        code, reason = await flooder.closed()
        assert (code, reason) == (1008, "Rate limit exceeded: too many messages per second")
    except TimeoutError:
        assert flooder.is_open  # slowed down: back-pressure instead of a close
    else:
        raise AssertionError(f"{sent} messages passed in {time.monotonic() - started:.1f} s at 50 a second")
    assert await other.ask("echo", "fine") == "fine"


async def test_the_burst_is_allowed(fresh_server, raw):
    server = fresh_server(env={"HYPHA_WS_MSG_RATE_LIMIT": "50", "HYPHA_WS_MSG_BURST_LIMIT": "100"})
    connection = await raw(server)
    for n in range(60):
        assert await connection.ask("echo", n) == n
    assert connection.is_open


async def test_many_half_open_sockets(fresh_server, raw):
    """TCP connections that never send anything do not keep an honest client out."""
    server = fresh_server()
    idle = []
    try:
        for _ in range(400):
            idle.append(sockets.create_connection(("127.0.0.1", server.port)))
        started = time.monotonic()
        connection = await raw(server)
        assert await connection.ask("echo", 1) == 1
        assert time.monotonic() - started < 5
        assert server.is_ready()
    finally:
        for one in idle:
            one.close()


@pytest.mark.slow
async def test_slow_handshakes_do_not_block_the_door(fresh_server, raw):
    """Upgraded sockets that never send the first frame: admission slots are not held by the silent."""
    server = fresh_server(env={"HYPHA_MAX_CONCURRENT_CONNECTIONS": "5"})
    silent = [await open_socket(server) for _ in range(60)]
    started = time.monotonic()
    connection = await raw(server)
    assert await connection.ask("echo", 1) == 1
    assert time.monotonic() - started < 4
    code, reason = await closing(silent[0], 10)
    assert (code, reason) == (1008, "Authentication payload timeout")
    await asyncio.gather(*(s.close() for s in silent))


@pytest.mark.slow
async def test_a_request_dripping_in(fresh_server, raw):
    """Headers sent byte by byte are given up on."""
    server = fresh_server()
    reader, writer = await asyncio.open_connection("127.0.0.1", server.port)
    writer.write(b"GET /ws HTTP/1.1\r\nHost: x\r\n")
    started = time.monotonic()
    try:
        async with asyncio.timeout(45):
            while True:
                writer.write(b"X-Drip: 1\r\n")
                await writer.drain()
                if reader.at_eof() or await _eof_within(reader, 1):
                    break
    except ConnectionError:
        pass
    except TimeoutError:
        raise AssertionError("headers may drip in for ever") from None
    assert time.monotonic() - started < 45
    writer.close()
    assert (await raw(server)).is_open


async def _eof_within(reader, seconds) -> bool:
    try:
        return await asyncio.wait_for(reader.read(100), seconds) == b""
    except TimeoutError:
        return False


async def test_endless_headers(server, raw):
    reader, writer = await asyncio.open_connection("127.0.0.1", server.port)
    writer.write(b"GET /ws HTTP/1.1\r\nHost: x\r\n")
    before = server.rss()
    try:
        for _ in range(2000):
            writer.write(b"X-Endless: " + b"y" * 10_000 + b"\r\n")
            await writer.drain()
    except ConnectionError:
        pass
    assert server.rss() - before < 32 * MB
    writer.close()
    assert (await raw()).is_open


async def test_connections_that_come_and_go(server, raw, make_user):
    """Five hundred short connections leave nothing behind."""
    account = make_user()
    watcher = await (await raw(token=account.token)).join()

    async def visit(n):
        connection = await Raw.open(server, token=account.token)
        if n % 3 == 0:
            await connection.join()
        if n % 2:
            connection.abort()
        else:
            await connection.close()

    async def visits(count):
        for start in range(0, count, 10):
            await asyncio.gather(*(visit(start + n) for n in range(10)))

    await visits(100)
    before = server.rss()
    await visits(400)

    async def alone():
        return len(await watcher.ask("list_clients")) == 1

    await eventually(alone, 10)
    assert server.rss() - before < 32 * MB


async def test_transfers_that_are_never_finished(server, raw, make_user):
    """Chunked transfers to the hub's own services are bounded; the sender gets an error, others are served."""
    attacker = await (await raw(token=make_user().token)).join()
    cache, chunk, before = "services.built-in.message_cache", b"x" * 262_144, server.rss()
    stopped = False
    try:
        for transfer in range(40):
            await attacker.call(attacker.manager, f"{cache}.create", f"k{transfer}")
            for index in range(40):
                await attacker.call(attacker.manager, f"{cache}.set", f"k{transfer}", index, chunk)
    except (RawError, ConnectionError, websockets.ConnectionClosed):
        stopped = True
    assert stopped, "400 MB of unfinished transfers were taken"
    assert server.rss() - before < 200 * MB
    assert await (await raw()).ask("echo", 1) == 1


async def test_a_crowd_of_subscriptions(raw):
    """Subscriptions of one connection are bounded or cheap."""
    connection = await (await raw()).join()
    try:
        for start in range(0, 100_000, 5000):
            await connection.ask("subscribe", [f"event-{n}" for n in range(start, start + 5000)])
    except RawError as error:
        assert str(error)
    assert await connection.ask("echo", 1) == 1


NAMESPACE_PROGRAM = pathlib.Path(__file__).with_name("half_open_peer.py")


# Root makes network namespaces as it is, anybody else inside a user namespace.
AS_ROOT = [] if os.geteuid() == 0 else ["unshare", "--map-root-user"]


def can_make_namespaces() -> bool:
    return subprocess.run([*AS_ROOT, "unshare", "-n", "true"], capture_output=True).returncode == 0


@pytest.mark.slow
@pytest.mark.timeout(120)
def test_a_half_open_peer_is_removed_within_thirty_seconds(make_user, fresh_server):
    """The network between a client and the server goes away without a FIN or RST, as with a pulled cable.

    Runs in network namespaces of its own; without the right to make them the test fails loudly rather than passing.
    """
    assert can_make_namespaces(), "this test makes network namespaces: allow user namespaces, or run it as root"
    server = fresh_server(start=False)
    done = subprocess.run(
        [*AS_ROOT, sys.executable, str(NAMESPACE_PROGRAM), json.dumps(server.command()), server.data_dir, str(server.port)],
        env={**os.environ, **server.env},
        capture_output=True,
        text=True,
        timeout=110,
    )
    assert done.returncode == 0, f"{done.stdout}\n{done.stderr}"
    removed_after = float(done.stdout.split("removed after ")[1].split()[0])
    assert removed_after <= 32


@pytest.mark.slow
async def test_pings_whose_answers_nobody_reads(server, raw):
    """The server keeps a few answers for whoever does not read them, not all."""
    attacker, before = await raw(), server.rss()
    stop_reading(attacker)
    transport = attacker.socket.transport
    ping = bytes([0x89, 0x80 | 125]) + b"\x00" * 4 + b"p" * 125
    deadline = time.monotonic() + 5
    sent = 0
    while time.monotonic() < deadline and sent < 100 * MB:
        if transport.get_write_buffer_size() < MB:
            transport.write(ping * 500)
            sent += len(ping) * 500
        await asyncio.sleep(0)
    assert server.rss() - before < 32 * MB
    transport.abort()
    assert await (await raw()).ask("echo", 1) == 1

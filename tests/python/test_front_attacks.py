"""Malformed, ambiguous, huge and slow requests: a clear refusal, and nobody else notices (security case 20)."""

import asyncio
import contextlib

import pytest

from front import exchange, http, statuses

pytestmark = pytest.mark.ours


@pytest.fixture(autouse=True)
async def unharmed(server):
    """After each attack the server still answers, and has not panicked."""
    start = server.log_size()
    yield
    async with http(server) as client:
        assert (await client.get("/health")).status_code == 200
    assert "panicked" not in server.log(start)


SMUGGLED = b"GET /smuggled HTTP/1.1\r\nHost: h\r\n\r\n"


@pytest.mark.parametrize(
    "headers, body",
    [
        # Two lengths: where would the next request begin?
        ("Content-Length: 5\r\nContent-Length: 6", b"01234"),
        ("Content-Length: 5, 6", b"01234"),
        ("Content-Length: +5", b"01234"),
        ("Content-Length: -1", b""),
        ("Content-Length: 0x5", b"01234"),
        ("Content-Length: 99999999999999999999", b""),
        ("Transfer-Encoding: chunked, identity", b"0\r\n\r\n"),
        ("Transfer-Encoding: xchunked", b"0\r\n\r\n"),
        ("Transfer-Encoding : chunked", b"0\r\n\r\n"),
        ("Content-Length : 5", b"01234"),
        ("X: a\r\n Transfer-Encoding: chunked", b"0\r\n\r\n"),
        ("X: a\nTransfer-Encoding: chunked\x00", b"0\r\n\r\n"),
    ],
)
async def test_ambiguous_lengths(server, headers, body):
    """Refused, and what follows is never taken for a request of its own."""
    head = f"POST /login HTTP/1.1\r\nHost: h\r\n{headers}\r\n\r\n".encode()
    received = await exchange(server, head + body + SMUGGLED)
    assert statuses(received) == [400], received
    assert b"smuggled" not in received


async def test_both_lengths(server):
    """Chunked wins, as the RFC says, and the connection ends: whoever counted otherwise gets no second request."""
    head = b"POST /login HTTP/1.1\r\nHost: h\r\nContent-Length: 4\r\nTransfer-Encoding: chunked\r\n\r\n"
    received = await exchange(server, head + b"0\r\n\r\n" + SMUGGLED)
    assert statuses(received)[0] in (400, 405)
    assert len(statuses(received)) == 1, received


@pytest.mark.parametrize("chunk", [b"zz\r\nab\r\n", b"-1\r\n", b"ffffffffffffffffff\r\nab", b"2\r\nabcd\r\n", b"1;" + b"x" * 99999])
async def test_broken_chunks(server, chunk):
    head = b"POST /x-y/services/a/b HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n"
    received = await exchange(server, head + chunk + b"\r\n" + SMUGGLED)
    assert b"smuggled" not in received
    assert all(400 <= status < 500 for status in statuses(received)), received


@pytest.mark.parametrize(
    "request_bytes, expected",
    [
        (b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + b"\0" * 200, 400),
        (b"\0" * 300 + b"\r\n\r\n", 400),
        (b"GET / HTTP/9.9\r\nHost: h\r\n\r\n", 400),
        (b"GET /\xff\xfe HTTP/1.1\r\nHost: h\r\n\r\n", 400),
        (b"GET / HTTP/1.1\r\nHost: h\r\nX\x01: y\r\n\r\n", 400),
        (b"GET /" + b"a" * 70_000 + b" HTTP/1.1\r\nHost: h\r\n\r\n", 431),
        (b"GET / HTTP/1.1\r\nHost: h\r\nX: " + b"a" * 70_000 + b"\r\n\r\n", 431),
        (b"GET / HTTP/1.1\r\nHost: h\r\n" + b"".join(b"x-%d: y\r\n" % i for i in range(101)) + b"\r\n", 431),
    ],
)
async def test_what_is_no_request(server, request_bytes, expected):
    received = await exchange(server, request_bytes)
    assert statuses(received) == [expected]


async def test_http2_without_tls(server):
    """Nobody asks for it like that; the connection ends without a word."""
    assert await exchange(server, b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + b"\0" * 30) == b""


async def test_a_head_without_end(server):
    """A head that goes on for megabytes is not kept in memory."""
    before = server.rss()
    lines = b"GET / HTTP/1.1\r\n" + b"x: " + b"y" * (8 << 20)
    await asyncio.gather(*(exchange(server, lines, parts=8) for _ in range(8)))
    assert server.rss() - before < 32 << 20


@pytest.mark.parametrize("target", ["*", "http://other.example.org/health", "//etc/passwd", "/%00", "/%ff/", "/\\evil-x", "/a;b=c/"])
async def test_strange_targets(server, target):
    received = await exchange(server, f"GET {target} HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n".encode())
    assert statuses(received) in ([200], [404]) and b"location" not in received.lower()


async def test_connect_is_no_proxy(server):
    received = await exchange(server, b"CONNECT example.org:443 HTTP/1.1\r\nHost: example.org:443\r\nConnection: close\r\n\r\n")
    assert statuses(received)[0] in (400, 404, 405)


PATHS = [
    "/..",
    "/../etc/passwd",
    "/%2e%2e/etc/passwd",
    "/%2e%2e%2fetc%2fpasswd",
    "/..%5c..%5cetc/passwd",
    "/assets/../../etc/passwd",
    "/assets/%2e%2e%2f%2e%2e%2fCargo.toml",
    "/assets//etc/passwd",
    "/assets/%2fetc%2fpasswd",
    "/my-lab/../../etc/passwd",
    "/my-lab/%2e%2e/%2e%2e/etc/passwd",
    "/my-lab/%00.html",
    "//my-lab",
    "/-lab",
    "/%ff-lab",
    "/" + "a-" * 2000,
    "/static/../hypha.db",
]


@pytest.mark.parametrize("path", PATHS)
async def test_path_tricks(server, path):
    received = await exchange(server, f"GET {path} HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n".encode())
    assert statuses(received) == [404], received
    assert b'"success":false' in received and b"root:" not in received


async def idle(server, first: bytes, then: bytes | None = None, pause: float = 12) -> bytes:
    """Send `first`, and `then` after a pause, which is longer than a head may take; all that comes back."""
    reader, writer = await asyncio.open_connection("127.0.0.1", server.port)
    received = b""
    with contextlib.suppress(ConnectionError):
        writer.write(first)
        if then is not None:
            await asyncio.sleep(pause)
            writer.write(then)
        async with asyncio.timeout(30):
            while chunk := await reader.read(65536):
                received += chunk
    writer.close()
    return received


@pytest.mark.slow
async def test_slow_heads_and_idle_connections(server):
    """A head that has begun has seconds; so has a new connection; one that is idle between requests has minutes."""
    get = b"GET /health/liveness HTTP/1.1\r\nHost: h\r\n"
    last = get + b"Connection: close\r\n\r\n"
    silent, slow, second, kept = await asyncio.gather(
        idle(server, b""),
        idle(server, get),
        idle(server, get + b"\r\n", get, pause=1),
        idle(server, get + b"\r\n", last),
    )
    assert statuses(silent) in ([], [408])
    assert statuses(slow) in ([], [408])
    # The connection of a request that is answered, and of a second one that never ends.
    assert statuses(second) in ([200], [200, 408])
    assert statuses(kept) == [200, 200]


async def test_hundreds_of_half_open_connections(server):
    connections = [await asyncio.open_connection("127.0.0.1", server.port) for _ in range(500)]
    for _, writer in connections:
        writer.write(b"GET / HTTP/1.1\r\nX: ")
    async with http(server) as client:
        assert (await client.get("/health")).status_code == 200
    for _, writer in connections:
        writer.close()

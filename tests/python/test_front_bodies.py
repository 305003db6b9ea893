"""Bodies of requests and responses: sizes, compression, slowness (http-api.md 1.7; security case 20)."""

import asyncio
import gzip
import json
import zlib

import msgpack
import numpy as np
import pytest

from front import exchange, http, statuses

pytestmark = pytest.mark.ours

LARGEST_JSON = 32 * 1024 * 1024
MSGPACK = {"Content-Type": "application/msgpack"}
GZIP = {"Content-Encoding": "gzip"}


@pytest.fixture
async def echo(connect, make_user):
    """The path of a public function that gives back its argument."""
    client = await connect(token=make_user().token)

    async def same(value):
        return value

    info = await client.register_service({"id": "echo", "config": {"visibility": "public"}, "same": same})
    workspace, _, rest = info["id"].partition("/")
    return f"/{workspace}/services/{rest.partition(':')[2].partition('@')[0]}/same"


async def test_compressed_requests(server, echo):
    value = {"text": "y" * 5000, "list": list(range(100))}
    array = np.arange(1000, dtype="float32")
    packed = {"_rtype": "ndarray", "_rvalue": array.tobytes(), "_rshape": [1000], "_rdtype": "float32"}
    async with http(server) as client:
        body = gzip.compress(json.dumps({"value": value}).encode())
        answer = await client.post(echo, content=body, headers={**GZIP, "Content-Type": "application/json"})
        assert (answer.status_code, answer.json()) == (200, value)
        body = gzip.compress(msgpack.packb({"value": packed}))
        answer = await client.post(echo, content=body, headers={**GZIP, **MSGPACK})
        returned = msgpack.unpackb(answer.content)
        assert np.array_equal(np.frombuffer(returned["_rvalue"], "float32"), array)


@pytest.mark.parametrize("body", [b"not gzip at all", gzip.compress(b'{"value": 1}' * 9999)[:40], gzip.compress(b"{}")[:-9]], ids=["plain", "cut", "cut short"])
async def test_broken_compression(server, echo, body):
    async with http(server) as client:
        answer = await client.post(echo, content=body, headers={**GZIP, "Content-Type": "application/json"})
    assert (answer.status_code, answer.json()["success"]) == (400, False)


@pytest.mark.parametrize("encoding", ["br", "deflate", "gzip, gzip", "zip"])
async def test_other_encodings_are_refused(server, echo, encoding):
    async with http(server) as client:
        answer = await client.post(echo, content=b"{}", headers={"Content-Encoding": encoding})
    assert (answer.status_code, answer.json()["code"]) == (415, "unsupported_encoding")


async def test_a_bomb_is_not_inflated(server, echo):
    """A few hundred kilobytes that would become 256 MiB cost no more memory than a body of the largest size."""
    packer = zlib.compressobj(9, zlib.DEFLATED, 31)
    bomb = packer.compress(b'{"value": "')
    for _ in range(256):
        bomb += packer.compress(b" " * (1 << 20))
    bomb += packer.flush()
    assert len(bomb) < 1 << 20
    async with http(server) as client:
        before = server.rss()
        headers = {**GZIP, "Content-Type": "application/json"}
        answers = await asyncio.gather(*(client.post(echo, content=bomb, headers=headers) for _ in range(4)))
        grown = server.rss() - before
    assert [(a.status_code, a.json()["code"]) for a in answers] == [(413, "payload_too_large")] * 4
    assert grown < 4 * 3 * LARGEST_JSON, f"{grown >> 20} MiB"


async def test_an_announced_length_is_refused_before_it_is_sent(server, echo):
    """The client waits for the server's word, and gets a refusal with the limit in it."""
    head = (
        f"POST {echo} HTTP/1.1\r\nHost: h\r\nContent-Type: application/json\r\n"
        f"Content-Length: {LARGEST_JSON + 1}\r\nExpect: 100-continue\r\nConnection: close\r\n\r\n"
    )
    received = await exchange(server, head.encode())
    assert statuses(received) == [413]
    failure = json.loads(received.split(b"\r\n\r\n", 1)[1])
    assert failure["success"] is False and failure["code"] == "payload_too_large"
    assert str(LARGEST_JSON) in failure["detail"]


async def test_a_length_that_is_not_announced(server, echo):
    async def parts():
        for _ in range(40):
            yield b" " * (1 << 20)

    async with http(server) as client:
        answer = await client.post(echo, content=parts(), headers={"Content-Type": "application/json"})
    assert (answer.status_code, answer.json()["code"]) == (413, "payload_too_large")


async def test_responses_are_compressed_where_it_is_worth_it(server, echo):
    async with http(server) as client:
        for size, accepted, encoding in [
            (5000, "gzip", "gzip"),
            (5000, "zstd, br, gzip", "gzip"),
            (5000, "identity", None),
            (5000, "br", None),
            (5000, "gzip;q=0", None),
            (100, "gzip", None),
        ]:
            async with client.stream("POST", echo, json="x" * size, headers={"Accept-Encoding": accepted}) as answer:
                raw = b"".join([part async for part in answer.aiter_raw()])
            assert answer.headers.get("content-encoding") == encoding, (size, accepted)
            text = gzip.decompress(raw) if encoding else raw
            assert json.loads(text) == "x" * size
            assert len(raw) < size / 2 or not encoding


@pytest.mark.slow
async def test_a_client_that_stops_sending(server, echo):
    """It is told, and others are served meanwhile."""
    head = f"POST {echo} HTTP/1.1\r\nHost: h\r\nContent-Type: application/json\r\nContent-Length: 100\r\n\r\n{{"
    reader, writer = await asyncio.open_connection("127.0.0.1", server.port)
    writer.write(head.encode())
    async with http(server) as client:
        assert (await client.post(echo, json=1)).json() == 1
    received = b""
    while b"body_too_slow" not in received:
        chunk = await reader.read(65536)
        assert chunk, received
        received += chunk
    assert statuses(received) == [408]
    writer.close()


async def test_a_refusal_reaches_a_client_that_is_still_sending(server, echo):
    """The rest of the body is read and dropped for a moment, so that the answer is not lost in a reset."""
    for length in (LARGEST_JSON + 1, 4 * LARGEST_JSON):
        async with http(server) as client:
            answer = await client.post(echo, content=b" " * length, headers={"Content-Type": "application/json"})
        assert (answer.status_code, answer.json()["code"]) == (413, "payload_too_large")

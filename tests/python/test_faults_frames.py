"""Frames that no client sends: malformed, truncated, oversized, deeply nested, mutated (security case 20)."""

import asyncio
import contextlib
import random
import secrets

import msgpack
import pytest
import websockets

from raw import Raw, auth_frame, closing, open_socket, pack
from tokens import new_user_id, user_token

pytestmark = pytest.mark.ours

CALL = {"type": "method", "to": "nobody", "method": "services.x.y", "session": "s"}


def nested(depth: int, opening: bytes, core: bytes = b"\xc0") -> bytes:
    return opening * depth + core


BAD_FRAMES = {
    "nothing": b"",
    "one byte": b"\x80",
    "never used": b"\xc1",
    "not a map": msgpack.packb([1, 2, 3]),
    "a number": msgpack.packb(7),
    "a text": msgpack.packb("hello"),
    "an empty map": msgpack.packb({}),
    "no type": msgpack.packb({"to": "*"}),
    "no target": msgpack.packb({"type": "method", "method": "a.b", "session": "s"}),
    "a null target": pack({**CALL, "to": None}),
    "an empty target": pack({**CALL, "to": ""}),
    "a numeric target": pack({**CALL, "to": 7}),
    "a map as target": pack({**CALL, "to": {"a": 1}}),
    "a numeric type": pack({**CALL, "type": 7}),
    "a numeric method": pack({**CALL, "method": 7}),
    "no method": pack({"type": "method", "to": "nobody", "session": "s"}),
    "a list as session": pack({**CALL, "session": [1]}),
    "numeric keys": msgpack.packb({1: 2, 3: 4}),
    "binary keys": msgpack.packb({b"type": b"method", b"to": b"*"}),
    "a map as key": b"\x81\x80\xc0",
    "text that is no UTF-8": b"\x82\xa4type\xa2\xff\xfe\xa2to\xa1*",
    "a truncated map": pack(CALL)[:-3],
    "a map that promises more": b"\xdf\xff\xff\xff\xff\xa4type\xa6method",
    "a list that promises more": pack(CALL) + b"\x81\xa4args\xdd\xff\xff\xff\xff",
    "a binary that promises more": pack(CALL) + b"\x81\xa4args\xc6\xff\xff\xff\xff",
    "a text that promises more": b"\x81\xdb\xff\xff\xff\xff",
    "an extension that promises more": pack(CALL) + b"\x81\xa4args\xc9\xff\xff\xff\xff\x01",
    "a payload that is a list": pack(CALL) + msgpack.packb([1]),
    "a payload that is a number": pack(CALL) + b"\x01",
    "a truncated payload": pack(CALL, {"args": ["x" * 50]})[:-10],
    "something after the payload": pack(CALL, {"args": []}) + b"\x80\x80\x80",
    "arguments that are no list": pack(CALL, {"args": {"a": 1}}),
    "keyword arguments without a map": pack(CALL, {"args": [1], "with_kwargs": True}),
    "a promise that is a number": pack(CALL, {"args": [], "promise": 5}),
    "deep lists in the payload": pack(CALL) + b"\x81\xa4args" + nested(100_000, b"\x91"),
    "deep maps in the payload": pack(CALL) + b"\x81\xa4args" + nested(50_000, b"\x81\xa1a"),
    "deep lists in the header": b"\x81\xa4type" + nested(100_000, b"\x91"),
    "deep maps in the header": b"\x83\xa4type\xa1e\xa2to\xa1*\xa4data" + nested(50_000, b"\x81\xa1a"),
    "a long header key": msgpack.packb({"k" * 1_000_000: 1, **CALL}),
    "a long type": pack({**CALL, "type": "t" * 1_000_000}),
    "a long target": pack({**CALL, "to": "t" * 1_000_000}),
    "a long method": pack({**CALL, "method": "m." * 500_000}),
    "a long session": pack({**CALL, "session": "s" * 1_000_000}),
    "many header keys": msgpack.packb({**{f"k{n}": n for n in range(100_000)}, **CALL}),
}


@pytest.fixture
async def bystanders(raw, make_user):
    """Two clients that keep calling each other while the attack goes on."""
    account = make_user()
    callee = await (await raw(client_id="callee", token=account.token)).join("s", {"add": lambda main, a, b: a + b})
    caller = await (await raw(token=account.token)).join()

    async def check(rounds=5):
        for n in range(rounds):
            assert await caller.call("callee", "services.s.add", n, n) == 2 * n

    assert callee.is_open
    return check


@pytest.mark.parametrize("frame", BAD_FRAMES.values(), ids=BAD_FRAMES.keys())
async def test_a_bad_frame(server, raw, bystanders, frame):
    """The sender gets an error, silence or a close; nobody else notices."""
    attacker = await raw()
    await attacker.join()
    before = server.rss()
    try:
        for _ in range(3):
            await attacker.send_bytes(frame)
        await attacker.ask("echo", "still here", timeout=5)
    except (ConnectionError, websockets.ConnectionClosed):
        code, _ = await attacker.closed(5)
        assert code in (1002, 1003, 1007, 1008, 1009, 1001)
    await bystanders()
    assert server.alive()
    assert server.rss() - before < 64 * 1024 * 1024


async def test_a_frame_to_the_manager_that_is_wrong_inside(raw, bystanders):
    attacker = await (await raw()).join()
    for value in ({"_rtype": "ndarray"}, {"_rtype": "method"}, {"_rtype": 7}, {"_rtype": "ndarray", "_rvalue": 1},
                  {"_rtype": "ndarray", "_rvalue": b"", "_rshape": [2**62, 2**62], "_rdtype": "float64"},
                  {"_rtype": "orderedmap", "_rvalue": [[1]]}, {"_rtype": "set", "_rvalue": {}},
                  {"_rtype": "generator"}, {"_rtype": "error"}, {"_rtype": "typedarray", "_rdtype": "x", "_rvalue": b"1"},
                  msgpack.ExtType(5, b"x"), msgpack.Timestamp(1, 2)):  # fmt: skip
        try:
            await attacker.ask("echo", value, timeout=5)
        except TimeoutError:
            raise
        except Exception as error:
            assert str(error)
    assert await attacker.ask("echo", "fine") == "fine"
    await bystanders()


async def test_an_oversized_frame_closes_the_sender(server, raw, bystanders):
    """16 MiB is the limit of a frame; what is longer is not even buffered."""
    attacker = await (await raw()).join()
    before = server.rss()
    with contextlib.suppress(websockets.ConnectionClosed, ConnectionError):
        await attacker.send_bytes(pack(CALL, {"args": [b"x" * (40 * 1024 * 1024)]}))
    code, _ = await attacker.closed()
    assert code in (1009, 1006), "1006: the socket was reset while the frame was still on its way"
    await bystanders()
    assert server.rss() - before < 80 * 1024 * 1024


@pytest.mark.parametrize("size", [20_000, 1_000_000, 30_000_000])
async def test_an_oversized_first_frame(server, bystanders, size):
    """decisions.md 27: what comes before authentication is a few KiB."""
    socket = await open_socket(server)
    try:
        await socket.send(auth_frame("x", token="t" * size))
    except websockets.ConnectionClosed:
        pass
    code, _ = await closing(socket)
    assert code != 1000
    await bystanders()


async def test_a_long_but_sane_token_is_read(server, raw):
    """The first frame may be longer than the 1000 characters of later text frames."""
    name = new_user_id()
    scope = " ".join(f"ws:lab-{n}#r" for n in range(60)) + f" ws:ws-user-{name}#a"
    connection = await raw(token=user_token(name, scope=scope))
    assert connection.workspace == f"ws-user-{name}"


@pytest.mark.parametrize("text", ['{"a":' * 5000, "[" * 10_000, '{"type":"ping"' + " " * 900 + "}", "\x00" * 500])
async def test_text_frames_that_are_odd(raw, bystanders, text):
    connection = await raw()
    await connection.send_text(text)
    await connection.send_text('{"type":"ping"}')
    assert (await connection.text())["type"] == "pong"
    await bystanders()


async def test_deep_json_at_the_door(server, bystanders):
    for text in ("[" * 8000, '{"client_id":' * 500 + "1" + "}" * 500, '{"client_id":"x","workspace":' + "[" * 4000):
        socket = await open_socket(server)
        await socket.send(text)
        code, _ = await closing(socket)
        assert code in (1003, 1008, 1009, 1001)
    await bystanders()


async def record_session(raw, make_user) -> list[bytes]:
    """Frames of an ordinary session, to be mutated."""
    account = make_user()
    address = f"{account.home}/rec"
    manager = (await raw(token=account.token)).manager
    info = {"id": f"{address}:svc", "name": "svc", "config": {"visibility": "public"}, "service_schema": {"f": {}}}
    built_in = {**info, "id": f"{address}:built-in", "name": "built-in", "type": "built-in"}

    def call(to, method, *args, **extra):
        header = {"type": "method", "to": to, "method": method, "session": secrets.token_hex(4)}
        return pack(header, {"args": list(args), "promise": "*", "t": 15.0, **extra})

    return [
        call(manager, "services.built-in.get_service", "default"),
        call(manager, "services.default.register_service", built_in),
        call(manager, "services.default.register_service", info),
        call(manager, "services.default.list_services", {"workspace": "*"}),
        call(manager, "services.default.subscribe", ["news", "client_connected"]),
        call(manager, "services.default.generate_token", {"permission": "read", "expires_in": 60}),
        call(manager, "services.default.echo", {"_rtype": "ndarray", "_rvalue": b"\0" * 8, "_rshape": [2], "_rdtype": "float32"}),
        call(address, "services.svc.f", 1, {"a": [None, True, 1.5]}, with_kwargs=True),
        call(address, "services.built-in.message_cache.create", "key"),
        call(address, "services.built-in.message_cache.set", "key", 0, b"chunk" * 100),
        call(address, "services.built-in.message_cache.process", "key"),
        pack({"type": "news", "to": "*", "data": {"n": [1, 2, {"x": "y"}]}}),
        pack({"type": "method", "to": "nobody", "method": "abc.resolve", "parent": "abc"}, {"args": ["result"]}),
    ]


def mutate(rng: random.Random, frame: bytes) -> bytes:
    """One random change of a frame."""
    data = bytearray(frame)
    for _ in range(rng.randint(1, 4)):
        at = rng.randrange(len(data)) if data else 0
        match rng.randrange(6):
            case 0 if data:
                data[at] ^= 1 << rng.randrange(8)
            case 1 if data:
                data[at] = rng.choice(b"\xc1\xc4\xc6\xc9\xd9\xdb\xdc\xdd\xde\xdf\x80\x90\xa0\xff\x00")
            case 2:
                del data[at : at + rng.randint(1, 20)]
            case 3:
                data[at:at] = rng.randbytes(rng.randint(1, 20))
            case 4:
                data[at:at] = data[at : at + rng.randint(1, 50)]
            case _:
                del data[at:]
    return bytes(data)


@pytest.mark.slow
@pytest.mark.timeout(150)
async def test_a_thousand_mutations(server, raw, make_user, bystanders):
    """Seeded, so that a failure can be repeated. The server stays up, others are served, memory stays flat."""
    rng = random.Random(20240607)
    frames = await record_session(raw, make_user)
    before, attacker, opened = server.rss(), None, 0
    for n in range(1000):
        if attacker is None or not attacker.is_open:
            attacker = await Raw.open(server)
            opened += 1
        try:
            await attacker.send_bytes(mutate(rng, rng.choice(frames)))
        except websockets.ConnectionClosed:
            attacker = None
        if n % 50 == 0:
            await bystanders(2)
    if attacker is not None:
        await attacker.close()
    await bystanders(20)
    assert server.alive()
    assert server.rss() - before < 48 * 1024 * 1024
    assert opened <= 1000


@pytest.mark.slow
async def test_mutated_first_frames(server, bystanders):
    rng = random.Random(4711)
    good = auth_frame("someone", token="x" * 30).encode()
    for _ in range(150):
        socket = await open_socket(server)
        data = mutate(rng, good)
        try:
            text = data.decode()
        except UnicodeDecodeError:
            text = data.decode("latin-1")
        await socket.send(text)
        try:
            await asyncio.wait_for(socket.recv(), 3)
        except (websockets.ConnectionClosed, TimeoutError):
            pass
        await socket.close()
    await bystanders(5)


async def test_frames_before_the_handshake_is_answered(server, bystanders):
    """RPC frames sent at once after the first frame wait or are dropped; they are never run for somebody else."""
    socket = await open_socket(server)
    await socket.send(auth_frame("eager", token=user_token(new_user_id())))
    for _ in range(20):
        await socket.send(pack({**CALL, "to": "*/manager"}, {"args": []}))
    assert '"connection_info"' in await asyncio.wait_for(_first_text(socket), 5)
    await socket.close()
    await bystanders()


async def _first_text(socket):
    while True:
        frame = await socket.recv()
        if isinstance(frame, str):
            return frame


async def test_fragmented_frames(raw, bystanders):
    """A message in many WebSocket fragments is one message."""
    connection = await (await raw()).join()
    frame = pack(
        {"type": "method", "to": connection.manager, "method": "services.default.echo", "session": "frag"},
        {"args": ["in pieces"], "promise": "*", "t": 15.0},
    )
    answer = asyncio.get_running_loop().create_future()
    connection._calls["frag"] = answer
    await connection.socket.send([frame[i : i + 7] for i in range(0, len(frame), 7)])
    assert await asyncio.wait_for(answer, 5) == "in pieces"
    await bystanders()

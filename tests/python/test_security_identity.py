"""Security cases 3, 4 and 9: client ids are names, live clients are safe, senders cannot be forged."""

import asyncio
from types import SimpleNamespace

import msgpack
import pytest
import websockets

from helpers import service_ids
from raw import Raw, RawError, Refused, pack
from tokens import new_user_id, user_token

pytestmark = pytest.mark.ours

FORGED = {"id": "root", "roles": ["admin"], "is_anonymous": False, "scope": {"workspaces": {"*": "a"}}}


@pytest.mark.parametrize("client_id", ["*", "?", "[a-z]*", "victi*", "*:built-in", "victim|*"])
async def test_a_client_id_is_no_pattern(server, connect, user, client_id):
    """Case 3: with a read token and a glob as its id, a client used to wipe every registration."""
    await user.register_service({"id": "hello", "hi": lambda: "hi"})
    token = await user.generate_token({"permission": "read"})
    with pytest.raises(Refused) as caught:
        await Raw.open(server, client_id=client_id, token=token)
    assert "Invalid client id" in caught.value.message
    assert await (await user.get_service("hello")).hi() == "hi"
    assert len(await user.list_clients()) == 1


async def test_ids_with_special_characters_are_compared_exactly(raw, make_user):
    account = make_user()
    one = await (await raw(client_id="a.c", token=account.token)).join()
    two = await (await raw(client_id="abc", token=account.token)).join()
    await one.close()
    await asyncio.sleep(0.3)
    assert [c["id"] for c in await two.ask("list_clients")] == [f"{account.home}/abc"]


async def test_a_refused_duplicate_leaves_the_live_client_alone(server, raw, make_user):
    """Case 4."""
    account = make_user()
    victim = await (await raw(client_id="victim", token=account.token)).join("hello", {"hi": lambda main: "hi"})
    caller = await (await raw(token=account.token)).join()
    for _ in range(3):
        with pytest.raises(Refused) as caught:
            await Raw.open(server, client_id="victim", token=account.token)
        assert "Client already exists and is active" in caught.value.message
    assert victim.is_open
    assert service_ids(await caller.ask("list_services")) == {"hello"}
    assert await caller.call("victim", "services.hello.hi") == "hi"
    assert await victim.ask("echo", "alive") == "alive"


async def test_a_duplicate_of_a_reader_cannot_evict_either(server, raw, make_user):
    account = make_user()
    victim = await (await raw(client_id="victim", token=account.token)).join("hello", {"hi": lambda main: "hi"})
    reader_token = await victim.ask("generate_token", {"permission": "read"})
    with pytest.raises(Refused):
        await Raw.open(server, client_id="victim", token=reader_token)
    assert await victim.ask("echo", 1) == 1
    assert service_ids(await victim.ask("list_services")) == {"hello"}


async def test_the_reconnection_token_of_another_does_not_supersede(server, raw, make_user):
    account = make_user()
    victim = await (await raw(client_id="victim", token=account.token)).join()
    other = await raw(client_id="other", token=account.token)
    with pytest.raises(Refused):
        await Raw.open(server, client_id="victim", reconnection_token=other.info["reconnection_token"])
    assert await victim.ask("echo", 1) == 1


@pytest.fixture
async def witness(connect, make_user):
    """A public service that tells what it was told about its caller, by the official client."""
    account = make_user()
    client = await connect(token=account.token, client_id="witness")
    seen = []

    def look(*args, context=None, **kwargs):
        seen.append(context)
        return {key: context.get(key) for key in ("ws", "from", "user")}

    await client.register_service({"id": "look", "config": {"visibility": "public", "require_context": True}, "look": look})
    return SimpleNamespace(seen=seen, address=f"{account.home}/witness")


@pytest.fixture
async def forger(raw, make_user):
    return await (await raw(token=make_user().token)).join()


KEYS = ["ctx", "from", "ws", "user", "to", "type", "method", "session", "parent", "connection_type", "_anything", "context"]


@pytest.mark.parametrize("key", KEYS)
async def test_the_payload_cannot_name_the_sender(witness, forger, key):
    """Case 9: a payload with such a key is rejected, and the error names the key."""
    value = {
        "ctx": {"user": FORGED, "ws": "ws-user-root", "from": "*/manager-x"},
        "from": "*/manager-x",
        "user": FORGED,
    }.get(key, "ws-user-root")
    answer = await forger.start_call(witness.address, "services.look.look", extra={key: value})
    with pytest.raises(RawError) as caught:
        await asyncio.wait_for(answer, 5)
    assert key in str(caught.value)
    assert witness.seen == []


@pytest.mark.parametrize("key", ["ctx", "from", "ws", "user", "connection_type", "_scope_validated"])
async def test_the_header_cannot_name_the_sender(witness, forger, key):
    value = {"ctx": {"user": FORGED, "ws": "ws-user-root"}, "from": "*/manager-x", "user": FORGED}.get(key, "ws-user-root")
    answer = await forger.start_call(witness.address, "services.look.look", main={key: value})
    seen = await asyncio.wait_for(answer, 5)
    assert seen["ws"] == forger.workspace
    assert seen["from"] == forger.address
    assert seen["user"]["id"] == forger.info["user"]["id"]
    context = witness.seen[0]
    assert "ctx" not in context and "_scope_validated" not in context
    assert context.get("connection_type") == "websocket"


async def refused_or_closed(connection) -> None:
    """A frame that no client makes is refused, or ends the connection with a close code that says why."""
    try:
        assert await connection.ask("echo", "alive") == "alive"
    except (ConnectionError, websockets.ConnectionClosed):
        code, reason = await connection.closed()
        assert code in (1002, 1003, 1007, 1008)
        assert reason


async def test_doubled_keys_do_not_slip_through(witness, forger):
    """Two `from` in one map: decoders keep the last one, a careless scan looks at the first."""
    session = "s1"
    header = {"type": "method", "to": witness.address, "method": "services.look.look", "session": session}

    def doubled(pairs):
        return bytes([0x80 | len(pairs)]) + b"".join(msgpack.packb(k) + msgpack.packb(v) for k, v in pairs)

    pairs = [*header.items(), ("user", FORGED), ("user", FORGED), ("from", "a/b"), ("from", "*/manager-x")]
    await forger.send_bytes(doubled(pairs) + msgpack.packb({"args": [], "promise": "*", "t": 15.0}))
    payload = doubled([("args", []), ("promise", "*"), ("args", [{"ctx": 1}]), ("ctx", {"user": FORGED})])
    await forger.send_bytes(msgpack.packb(header) + payload)
    await forger.send_bytes(doubled([*header.items(), ("to", "public/x")]) + msgpack.packb({"args": []}))
    await refused_or_closed(forger)
    for context in witness.seen:
        assert context["user"]["id"] == forger.info["user"]["id"]
        assert context["from"] == forger.address


async def test_a_third_map_does_not_slip_through(witness, forger):
    header = {"type": "method", "to": witness.address, "method": "services.look.look", "session": "s"}
    await forger.send_bytes(pack(header, {"args": [], "promise": "*", "t": 15.0}) + msgpack.packb({"ctx": {"user": FORGED}}))
    await refused_or_closed(forger)
    for context in witness.seen:
        assert context["user"]["id"] == forger.info["user"]["id"]


async def chunked(forger, target, inner: bytes, size: int, key="k1"):
    """Send a message through the receiver's message cache, as clients do with large ones."""
    cache = "services.built-in.message_cache"
    await forger.call(target, f"{cache}.create", key)
    for index, start in enumerate(range(0, len(inner), size)):
        await forger.call(target, f"{cache}.set", key, index, inner[start : start + size])
    return await forger.call(target, f"{cache}.process", key)


@pytest.mark.parametrize("size", [1, 7, 64, 100_000])
async def test_a_chunked_payload_cannot_name_the_sender(witness, forger, size):
    target = witness.address
    header = {"type": "method", "to": target, "from": forger.address, "method": "services.look.look", "session": "x"}
    inner = pack(header, {"args": [1], "promise": "*", "t": 15.0, "ctx": {"user": FORGED, "ws": "ws-user-root"}})
    try:
        await chunked(forger, target, inner, size)
    except RawError as error:
        assert "ctx" in str(error) or "does not exist" in str(error)
    await asyncio.sleep(0.3)
    assert witness.seen == []
    assert await forger.ask("echo", "alive") == "alive"


@pytest.mark.parametrize("size", [1, 64, 100_000])
async def test_an_honest_chunked_message_arrives(witness, forger, size):
    target = witness.address
    header = {"type": "method", "to": target, "from": "*/manager-x", "method": "services.look.look", "session": "x"}
    inner = pack({**header, "user": FORGED, "ws": "ws-user-root"}, {"args": ["x" * 40], "promise": "*", "t": 15.0})
    await chunked(forger, target, inner, size)
    for _ in range(50):
        if witness.seen:
            break
        await asyncio.sleep(0.05)
    context = witness.seen[0]
    assert context["from"] == forger.address
    assert context["user"]["id"] == forger.info["user"]["id"]
    assert context["ws"] == forger.workspace


async def test_a_chunked_header_cannot_carry_private_keys(witness, forger):
    target = witness.address
    header = {"type": "method", "to": target, "method": "services.look.look", "session": "x", "ctx": {"user": FORGED}}
    try:
        await chunked(forger, target, pack(header, {"args": []}), 50)
    except RawError:
        pass
    await asyncio.sleep(0.3)
    for context in witness.seen:
        assert context["user"]["id"] == forger.info["user"]["id"]
        assert "ctx" not in context


async def test_chunk_calls_cannot_hide_their_data(witness, forger):
    """Keyword arguments and replaced indices must not smuggle a payload past the scan."""
    target = witness.address
    cache = "services.built-in.message_cache"
    good = pack(
        {"type": "method", "to": target, "method": "services.look.look", "session": "x"}, {"args": [1], "promise": "*", "t": 15.0}
    )
    evil = pack(
        {"type": "method", "to": target, "method": "services.look.look", "session": "x"},
        {"args": [1], "promise": "*", "t": 15.0, "ctx": {"user": FORGED}},
    )
    attempts = [
        [("create", ["a"], {}), ("set", [], {"key": "a", "index": 0, "data": evil}), ("process", ["a"], {})],
        [("create", ["b"], {}), ("append", [], {"key": "b", "data": evil}), ("process", ["b"], {})],
        [("create", ["c"], {}), ("set", ["c", 0, good], {}), ("set", ["c", 0, evil], {}), ("process", ["c"], {})],
        [("create", ["d"], {}), ("set", ["d", 1, evil[30:]], {}), ("set", ["d", 0, evil[:30]], {}), ("process", ["d"], {})],
        [("create", [], {"key": "e"}), ("append", ["e", evil], {}), ("process", [], {"key": "e"})],
    ]
    for steps in attempts:
        for name, args, kwargs in steps:
            try:
                await forger.call(target, f"{cache}.{name}", *args, **kwargs)
            except RawError:
                pass
    await asyncio.sleep(0.5)
    for context in witness.seen:
        assert context["user"]["id"] == forger.info["user"]["id"], "a forged caller was seen"
        assert "ctx" not in context
    assert await forger.ask("echo", "alive") == "alive"


async def test_the_manager_believes_the_connection_only(raw, make_user):
    victim_account = make_user()
    victim = await (await raw(token=victim_account.token)).join()
    await victim.ask("set_env", "SECRET", "s3cr3t")
    forger = await (await raw(token=make_user().token)).join()
    context = {"ws": victim_account.home, "from": victim.address, "user": victim.info["user"]}
    for main, extra in (
        ({}, {"ctx": context}),
        ({"ctx": context}, {}),
        (context, {}),
        ({}, context),
    ):
        answer = await forger.start_call(
            forger.manager, "services.default.get_env", "SECRET", main=main, extra=extra
        )
        with pytest.raises(RawError) as caught:
            await asyncio.wait_for(answer, 5)
        assert "s3cr3t" not in str(caught.value)
    with pytest.raises(RawError):
        await forger.ask("get_env", "SECRET", context=context)


async def test_system_events_cannot_be_forged(connect, user, raw):
    """A client must not be able to tell others that a client or a service is gone."""
    gone = []
    user.on("client_disconnected", gone.append)
    await user.subscribe("client_disconnected")
    forger = await (await raw(token=user_token(new_user_id()))).join()
    inside = await (await raw(token=user.account.token)).join()
    for sender in (forger, inside):
        for to in (f"{user.account.home}/{user.config['client_id']}", f"{user.account.home}/*", "*"):
            await sender.send({"type": "client_disconnected", "to": to, "data": {"id": "x", "workspace": user.account.home}})
            await sender.send({"type": "force-exit", "to": to, "reason": "because", "from": user.config["manager_id"]})
        assert await sender.ask("echo", 1) == 1
    await asyncio.sleep(0.3)
    assert [event for event in gone if event["data"].get("id") == "x"] == []
    assert await user.echo("alive") == "alive"


async def test_a_chunk_that_the_receiver_refuses_hides_nothing(witness, forger):
    """A heartbeat of no session makes the receiver refuse the chunk: hub and receiver must not disagree about what follows."""
    target, cache, key = witness.address, "services.built-in.message_cache", "k-split"
    header = {"type": "method", "to": target, "from": forger.address, "method": "services.look.look", "session": "x"}
    hidden = pack(header, {"args": [1], "promise": "*", "t": 15.0, "ctx": {"user": FORGED, "ws": "ws-user-root"}})
    cover = pack(header, {}) + bytes([0x81, 0xA4]) + b"args" + bytes([0x91, 0xC6]) + len(hidden).to_bytes(4, "big")
    await forger.call(target, f"{cache}.create", key)
    with pytest.raises(RawError):
        await forger.call(target, f"{cache}.append", key, cover, True)
    with pytest.raises(RawError):
        await forger.call(target, f"{cache}.append", key, hidden, False)
        await forger.call(target, f"{cache}.process", key)
    for context in witness.seen:
        assert context["user"]["id"] == forger.info["user"]["id"]

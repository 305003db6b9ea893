"""Clients on HTTP streams (rpc-protocol.md 11, http-api.md 3): opening, messages, and how streams end."""

import asyncio
import contextlib

import httpx
import msgpack
import pytest
import pytest_asyncio

from harness import ROOT_TOKEN
from helpers import eventually, fails_with
from raw import pack
from streams import Refused, Stream, control, post
from tokens import user_token

pytestmark = pytest.mark.ours
MB = 1024 * 1024


@pytest.fixture
def transport():
    return "http"


@pytest_asyncio.fixture
async def open_stream(request):
    streams = []

    async def make(on=None, **options):
        streams.append(await Stream.open(on or request.getfixturevalue("server"), **options))
        return streams[-1]

    yield make
    for stream in streams:
        await stream.close()


async def refusal(open_stream, **options) -> Refused:
    with pytest.raises(Refused) as refused:
        await open_stream(**options)
    return refused.value


# Opening.


async def test_the_head_and_the_first_frame(server, open_stream, make_user):
    account = make_user()
    stream = await open_stream(token=account.token, client_id="me")
    headers = stream.response.headers
    assert headers["content-type"] == "application/x-msgpack-stream"
    assert (headers["cache-control"], headers["x-accel-buffering"]) == ("no-cache", "no")
    assert "content-encoding" not in headers
    assert (stream.workspace, stream.client_id) == (account.home, "me")
    for key in ("manager_id", "reconnection_token", "public_base_url"):
        assert stream.info[key]
    assert stream.info["reconnection_token_life_time"] == 172800
    assert (await open_stream(token=account.token, workspace="public")).workspace == account.home


async def test_a_client_without_an_id_gets_one(server):
    async with httpx.AsyncClient() as http, http.stream("GET", f"{server.url}/rpc") as response:
        start = b""
        async for chunk in response.aiter_bytes():
            start += chunk
            if len(start) > 4 and len(start) >= 4 + int.from_bytes(start[:4], "big"):
                break
    info = msgpack.unpackb(start[4 : 4 + int.from_bytes(start[:4], "big")])
    assert len(info["client_id"]) >= 20 and info["workspace"].startswith("ws-user-anonymouz-")


async def test_who_is_not_let_in(open_stream, user, make_user):
    token, home = user.account.token, user.account.home
    for options, status, code, text in [
        ({"token": "garbage"}, 401, "invalid_credential", "Error decoding token headers."),
        ({"token": make_user().token, "workspace": home}, 403, "permission_denied", "Permission denied"),
        ({"workspace": home}, 403, "permission_denied", "Permission denied"),
        ({"token": token, "workspace": "ws-nobody-has"}, 404, "not_found", "does not exist or is not accessible"),
        ({"token": token, "client_id": "a b"}, 400, "invalid_argument", ""),
        ({"token": token, "workspace": "*"}, 400, "invalid_argument", ""),
        ({"reconnection_token": "garbage", "client_id": "x"}, 401, "invalid_credential", "Invalid reconnection token: "),
        ({"token": token, "reconnection_token": token}, 401, "invalid_credential", "Invalid reconnection token: "),
        ({"token": await user.generate_token({"extra_scopes": ["download:a"]})}, 403, "permission_denied", "Specialized"),
        ({"token": await user.generate_token({"client_id": "x"}), "client_id": "y"}, 403, "permission_denied", "restricted"),
    ]:
        refused = await refusal(open_stream, **options)
        assert (refused.status, refused.code) == (status, code), (options, refused)
        assert text in refused.detail and refused.answer["success"] is False


async def test_an_id_that_is_in_use(user, open_stream):
    """Without the reconnection token, a newcomer is refused and the client on the stream notices nothing."""
    await user.register_service({"id": "mine", "hello": lambda: "hello"})
    refused = await refusal(open_stream, token=user.account.token, client_id=user.config.client_id)
    assert (refused.status, refused.code) == (409, "already_exists")
    assert await (await user.get_service("mine")).hello() == "hello"


async def test_two_tokens_of_two_users(user, make_user, open_stream):
    stream = await open_stream(token=user.account.token)
    again = {"client_id": stream.client_id, "reconnection_token": stream.info["reconnection_token"]}
    assert (await refusal(open_stream, **again, token=make_user().token)).status == 403
    assert (await refusal(open_stream, **again, token="garbage")).status == 401
    assert await stream.ask("echo", 1) == 1


# Messages.


async def test_control_messages(user, open_stream):
    stream = await open_stream(token=user.account.token)
    assert (await stream.send_bytes(control("ping"))).content == b""
    assert await stream.next() == {"type": "pong"}
    await stream.send_bytes(control("refresh_token"))
    renewed = await stream.next()
    assert renewed["type"] == "reconnection_token"
    token = renewed["reconnection_token"]
    assert (await open_stream(client_id=stream.client_id, reconnection_token=token)).workspace == stream.workspace


async def test_what_is_no_message(server, user, open_stream):
    stream = await open_stream(token=user.account.token)
    token = user.account.token
    for body, status, code in [
        (b"", 400, "bad_request"),
        (b"\xc1", 422, "malformed_message"),
        (b"\x81", 422, "malformed_message"),
        (msgpack.packb([1]), 422, "malformed_message"),
        (msgpack.packb({"type": "method"}), 422, "malformed_message"),
        (msgpack.packb({"type": "bye"}), 422, "malformed_message"),
        (b"\x91" * 100_000, 422, "malformed_message"),
        (b"x" * (16 * MB + 1), 413, "payload_too_large"),
    ]:
        answer = await stream.send_bytes(body)
        assert (answer.status_code, answer.json()["code"]) == (status, code), (body[:20], answer.text)
    packed = await stream.send_bytes(control("ping"), headers={"Content-Encoding": "gzip"})
    assert packed.status_code == 415
    nameless = await post(server, None, stream.workspace, control("ping"), token=token)
    assert (nameless.status_code, nameless.json()["detail"]) == (400, "client_id is required")
    assert await stream.ask("echo", 1) == 1


async def test_several_messages_in_one_request(user, open_stream):
    stream = await open_stream(token=user.account.token)
    assert stream.response.headers["accept-post"] == "application/x-msgpack-stream"
    ping = control("ping")
    framed = len(ping).to_bytes(4, "big") + ping
    headers = {"Content-Type": "application/x-msgpack-stream"}
    assert (await stream.send_bytes(framed * 3, headers=headers)).status_code == 200
    assert [(await stream.next())["type"] for _ in range(3)] == ["pong"] * 3
    for broken in (framed[:-1], framed + b"\0", b"\xff\xff\xff\xff"):
        assert (await stream.send_bytes(broken, headers=headers)).status_code == 400


async def test_many_calls_at_once(connect, user):
    await user.register_service({"id": "mirror", "same": lambda x: x})
    caller = await connect(token=user.account.token)
    mirror = await caller.get_service("mirror")
    assert await asyncio.gather(*[mirror.same(i) for i in range(300)]) == list(range(300))


async def test_between_the_transports(connect, make_user):
    account = make_user()
    over_http = await connect(token=account.token)
    over_websocket = await connect(token=account.token, transport="websocket")
    for provider, caller in [(over_http, over_websocket), (over_websocket, over_http)]:
        seen = []

        async def count(to, tell):
            for number in range(to):
                await tell(number)
            return "done"

        await provider.register_service({"id": "counter", "count": count}, overwrite=True)
        counter = await caller.get_service(f"{provider.config.client_id}:counter")
        assert await counter.count(3, seen.append) == "done"
        await eventually(lambda: sorted(seen) == [0, 1, 2])


async def test_an_anonymous_client(connect):
    client = await connect()
    await client.register_service({"id": "s", "config": {"visibility": "public"}, "hi": lambda: "hi"})
    other = await connect()
    assert await (await other.get_service(f"{client.config.workspace}/s")).hi() == "hi"


# Calls without a stream.


def call(to, method, *args, **kwargs) -> bytes:
    return msgpack.packb({"type": "method", "to": to, "method": method, "args": list(args), "kwargs": kwargs})


async def test_a_call_without_a_stream(server, user, make_user):
    await user.register_service({"id": "calc", "add": lambda a, b=1: a + b, "fail": lambda: 1 / 0})
    client, home, token = user.config.client_id, user.account.home, user.account.token
    send = lambda body, **shown: post(server, "nobody", home, body, **{"token": token, **shown})  # noqa: E731
    answer = await send(call(f"{client}:calc", "add", 1, b=2))
    assert (answer.status_code, answer.json()) == (200, {"success": True, "result": 3})
    assert (await send(call(f"{home}/{client}:calc", "add", 1))).json()["result"] == 2
    reader = await user.generate_token({"permission": "read"})
    for body, shown, status in [
        (call(f"{client}:calc", "nope"), {}, 404),
        (call(f"{client}:nope", "add"), {}, 404),
        (call(f"{client}:calc", "fail"), {}, 500),
        (call(client, "add"), {}, 400),
        (msgpack.packb({"type": "event", "to": f"{client}:calc"}), {}, 400),
        (b"\xc1", {}, 400),
        (b"", {}, 400),
        (call(f"{client}:calc", "add", 1), {"token": None}, 403),
        (call(f"{client}:calc", "add", 1), {"token": "garbage"}, 401),
        (call(f"{client}:calc", "add", 1), {"token": make_user().token}, 403),
        (call(f"{client}:calc", "add", 1), {"token": reader}, 403),
    ]:
        answer = await send(body, **shown)
        assert (answer.status_code, answer.json()["success"]) == (status, False), (body, shown, answer.text)


# How streams end.


async def test_a_stream_that_is_closed(user, open_stream):
    stream = await open_stream(token=user.account.token)
    await stream.ask("register_service", builtin(stream))
    ids = lambda clients: {client["id"] for client in clients}  # noqa: E731
    address = f"{stream.workspace}/{stream.client_id}"
    assert address in ids(await user.list_clients())
    await stream.close()

    async def is_gone():
        return address not in ids(await user.list_clients())

    await eventually(is_gone)


def builtin(stream) -> dict:
    config = {"visibility": "public", "workspace": stream.workspace}
    address = f"{stream.workspace}/{stream.client_id}"
    return {"id": f"{address}:built-in", "name": "built-in", "type": "built-in", "config": config, "service_schema": {}}


async def test_a_stream_that_is_superseded(user, open_stream, raw):
    old = await open_stream(token=user.account.token, client_id="same")
    token = old.info["reconnection_token"]
    new = await open_stream(client_id="same", reconnection_token=token, token=user.account.token)
    assert "superseded" in await old.end()
    assert await new.ask("echo", 1) == 1
    newest = await open_stream(client_id="same", headers={"hypha-reconnection-token": token}, token=user.account.token)
    assert "superseded" in await new.end()
    assert await newest.ask("echo", 1) == 1
    socket = await raw(client_id="same", reconnection_token=token)
    assert "superseded" in await newest.end()
    assert (await newest.send_bytes(control("ping"))).status_code == 400
    assert await socket.ask("echo", 1) == 1


async def test_a_stream_outlives_its_token(server, open_stream, make_user):
    """As a WebSocket does; and so does the client that comes back with its reconnection token."""
    account = make_user()
    token = user_token(account.id, expires_in=2)
    stream = await open_stream(token=token, client_id="long")
    await asyncio.sleep(3.5)
    assert (await refusal(open_stream, token=token)).status == 401
    assert await stream.ask("echo", 1) == 1
    again = {"client_id": "long", "reconnection_token": stream.info["reconnection_token"]}
    stream = await open_stream(token=token, **again)
    assert await stream.ask("echo", 2) == 2


@pytest.mark.slow
async def test_a_reader_that_does_not_read(fresh_server, connect, raw):
    """Its outbox fills up to the bound; then it is cut off, and its callers hear of it. Nothing of it stays."""
    server = fresh_server(env={"HYPHA_WS_OUTBOX_BYTES": str(4 * MB)})
    sender = await (await raw(server, token=ROOT_TOKEN)).join()
    slow = await Stream.open(server, token=ROOT_TOKEN, client_id="slow", reading=False)
    before = server.rss()
    for _ in range(200):
        await sender.send({"type": "data", "to": "slow"}, {"data": b"x" * MB})
    await sender.ask("echo", 1)
    assert server.rss() - before < 40 * MB
    with fails_with("is not connected"):
        await sender.call("slow", "services.built-in.ping", "ping")
    # It may still read what is on its way for three seconds, then the connection is cut.
    await asyncio.sleep(6)
    received = 0
    # Whether it sees a cut or an end depends on what its kernel had room for.
    with contextlib.suppress(httpx.TransportError):
        async with asyncio.timeout(20):
            async for chunk in slow.response.aiter_bytes():
                received += len(chunk)
    assert received < 40 * MB
    await slow.close()


async def test_a_client_that_does_not_answer(fresh_server, connect, open_stream):
    server = fresh_server(
        env={
            "HYPHA_STREAM_IDLE_THRESHOLD": "0.5",
            "HYPHA_STREAM_SWEEP_INTERVAL": "0.3",
            "HYPHA_STREAM_PING_TIMEOUT": "0.3",
            "HYPHA_STREAM_MAX_PING_MISSES": "2",
        }
    )
    living = await connect(server, token=ROOT_TOKEN, client_id="living")
    disconnected = []
    living.rpc._connection.on_disconnected(disconnected.append)
    stream_task = living.rpc._connection._stream_task
    mute = await open_stream(server, token=ROOT_TOKEN, client_id="mute")
    assert await mute.end(20) == "No answer to several pings"
    assert await living.echo("here") == "here"
    assert not stream_task.done() and not disconnected
    clients = {c["id"] for c in await living.list_clients()}
    assert "ws-user-root/living" in clients and "ws-user-root/mute" not in clients


async def test_the_server_stops(fresh_server, connect, open_stream):
    """Calls in flight end first, then streams do, with a reason."""
    server = fresh_server()
    provider = await connect(server, token=ROOT_TOKEN, client_id="provider")
    caller = await connect(server, token=ROOT_TOKEN, client_id="caller")
    idle = await open_stream(server, token=ROOT_TOKEN)
    started = asyncio.Event()

    async def slow():
        started.set()
        await asyncio.sleep(1)
        return "done"

    await provider.register_service({"id": "slow", "slow": slow})
    call = asyncio.ensure_future((await caller.get_service("slow")).slow())
    await asyncio.wait_for(started.wait(), 10)
    stopped = asyncio.get_running_loop().run_in_executor(None, server.terminate)
    assert await asyncio.wait_for(call, 10) == "done"
    assert await idle.end() == "Server is shutting down"
    assert await stopped == 0


@pytest.mark.parametrize("anonymous", [False, True])
async def test_clients_come_back_after_a_crash(fresh_server, connect, make_user, anonymous):
    server = fresh_server()
    token = None if anonymous else make_user().token
    provider = await connect(server, token=token, client_id="provider")
    workspace = provider.config.workspace
    await provider.register_service({"id": "hello", "config": {"visibility": "public"}, "hi": lambda name: f"hi {name}"})
    server.kill()
    server.start()
    caller = await connect(server, transport="websocket")

    async def again():
        try:
            return await (await caller.get_service(f"{workspace}/provider:hello")).hi("after") == "hi after"
        except Exception:
            return False

    await eventually(again, 40, 0.3)

"""Messages in the name of somebody else's stream (security-cases.md, row 2; decisions.md 7)."""

import asyncio

import pytest
import pytest_asyncio

from harness import ROOT_TOKEN
from helpers import eventually
from raw import pack
from streams import Refused, Stream, control, post
from tokens import sign, user_claims, user_token

pytestmark = pytest.mark.ours


@pytest_asyncio.fixture
async def open_stream(server):
    streams = []

    async def make(on=None, **options):
        streams.append(await Stream.open(on or server, **options))
        return streams[-1]

    yield make
    for stream in streams:
        await stream.close()


class Victim:
    """Somebody on a stream, and a witness in the same workspace who would hear of a message in their name."""

    def __init__(self, client, witness):
        self.client, self.witness = client, witness
        self.workspace, self.client_id = client.config.workspace, client.config.client_id

    async def is_unharmed(self, server):
        """Nothing was heard in the victim's name; the victim works, and still has its services."""
        assert self.witness.messages.empty(), await self.witness.message()
        assert await self.client.echo("still here") == "still here"
        found = await self.client.get_service(f"{self.workspace}/{self.client_id}:mine")
        assert await found.hello() == "hello"

    async def refuses(self, server, status, **shown):
        """A message that shows this is not taken, whatever it is."""
        bodies = [
            pack({"type": "hacked", "to": f"{self.workspace}/{self.witness.client_id}"}),
            pack({"type": "hacked", "to": "*"}),
            control("refresh_token"),
            b"x" * 100_000,
        ]
        for body in bodies:
            answer = await post(server, self.client_id, self.workspace, body, **shown)
            assert (answer.status_code, answer.json()["success"]) == (status, False), answer.text
            assert answer.json()["code"], answer.text
        await self.is_unharmed(server)


async def victim_of(connect, raw, token):
    client = await connect(transport="http", token=token)
    await client.register_service({"id": "mine", "config": {"visibility": "public"}, "hello": lambda: "hello"})
    inside = token or await client.generate_token()
    witness = await (await raw(token=inside, workspace=client.config.workspace)).join()
    await witness.ask("subscribe", "hacked")
    return Victim(client, witness)


@pytest_asyncio.fixture(params=["user", "root"])
async def victim(request, connect, raw, make_user):
    account = make_user()
    made = await victim_of(connect, raw, account.token if request.param == "user" else ROOT_TOKEN)
    made.account = account if request.param == "user" else None
    return made


async def test_without_a_token(server, victim):
    await victim.refuses(server, 403)


async def test_with_a_bad_token(server, victim):
    await victim.refuses(server, 401, token="garbage")
    await victim.refuses(server, 401, token=sign(user_claims("root"), secret="another secret"))


async def test_with_the_token_of_somebody_else(server, victim, make_user):
    await victim.refuses(server, 403, token=make_user().token)


async def test_with_tokens_made_for_others(server, victim):
    """The victim gave these away, for other purposes."""
    for config in [{}, {"client_id": "other"}, {"permission": "read"}, {"extra_scopes": ["download:a"]}]:
        await victim.refuses(server, 403, token=await victim.client.generate_token(config))


async def test_with_narrower_tokens_of_the_same_user(server, victim):
    """The right user id is not enough: pinned elsewhere, for another client, for one purpose, or with less permission."""
    if victim.account is None:
        return await victim.refuses(server, 403, token=user_token("root"))
    user, home = victim.account.id, victim.account.home
    for scope in [f"ws:{home}#a cid:other", f"ws:{home}#a wid:public", f"ws:{home}#a get_file:x"]:
        await victim.refuses(server, 403, token=user_token(user, scope=scope))


async def test_with_the_reconnection_token_of_another_client(server, victim, open_stream):
    if victim.account is None:
        return await victim.refuses(server, 401, token=f"{ROOT_TOKEN[:-1]}x")
    other = await open_stream(token=victim.account.token)
    await victim.refuses(server, 403, token=other.info["reconnection_token"])


async def test_with_an_expired_token_of_the_same_user(server, victim):
    user = victim.account.id if victim.account else "root"
    await victim.refuses(server, 401, token=user_token(user, expires_in=-10))


async def test_from_a_page_of_another_site(server, victim):
    """The browser of the victim sends the cookie, whoever wrote the page."""
    token = victim.account.token if victim.account else ROOT_TOKEN
    for site in [{"Sec-Fetch-Site": "cross-site"}, {"Origin": "https://evil.example"}]:
        await victim.refuses(server, 403, headers={"Cookie": f"access_token={token}", **site})


async def test_an_anonymous_victim(server, connect, raw, make_user):
    """The official Python client keeps the cookie with the secret, so even its own address is not enough."""
    victim = await victim_of(connect, raw, None)
    await victim.refuses(server, 403)
    await victim.refuses(server, 403, source="127.0.0.2")
    await victim.refuses(server, 403, headers={"hypha-stream-secret": "a" * 44})
    await victim.refuses(server, 403, cookies={"hypha_stream": "a" * 44})
    await victim.refuses(server, 403, token=make_user().token)
    await victim.refuses(server, 403, token=await victim.client.generate_token())


async def test_an_anonymous_client_that_knows_no_secret(server, open_stream):
    """It may send from where it opened the stream; once it has shown the secret, everybody has to."""
    stream = await open_stream()
    ping = control("ping")
    nobody = {"headers": {}, "token": None}
    assert (await stream.send_bytes(ping, **nobody, source="127.0.0.2")).status_code == 403
    assert (await stream.send_bytes(ping, **nobody)).status_code == 200
    assert (await stream.next())["type"] == "pong"
    assert (await stream.send_bytes(ping, headers={"hypha-stream-secret": stream.secret}, source="127.0.0.2")).status_code == 200
    assert (await stream.next())["type"] == "pong"
    assert (await stream.send_bytes(ping, **nobody)).status_code == 403
    token = stream.info["reconnection_token"]
    assert (await stream.send_bytes(ping, headers={}, token=token)).status_code == 200


async def test_the_secret_is_for_anonymous_clients_only(make_user, open_stream):
    stream = await open_stream(token=make_user().token)
    assert stream.secret is None and "set-cookie" not in stream.response.headers
    cookie = (await open_stream()).response.headers["set-cookie"]
    assert "Path=/rpc" in cookie and "HttpOnly" in cookie and "SameSite=Strict" in cookie


async def test_a_socket_is_no_stream(server, raw, user):
    """Nobody can send in the name of a client that is on a WebSocket, itself neither."""
    witness = await (await raw(token=user.account.token)).join()
    message = pack({"type": "hacked", "to": witness.address})
    answer = await post(server, user.config.client_id, user.account.home, message, token=user.account.token)
    assert answer.status_code == 400
    assert witness.messages.empty()


async def test_identity_in_a_message_is_dropped(server, connect, make_user, open_stream):
    """Row 9, over this transport."""
    account = make_user()
    provider = await connect(token=account.token)
    seen = []

    def who(context=None):
        seen.append(context)

    await provider.register_service({"id": "who", "config": {"require_context": True}, "who": who})
    stream = await open_stream(token=account.token)
    root = {"id": "root", "roles": ["admin"]}
    forged = {"ctx": {"user": root}, "user": root, "from": "ws-user-root/x", "ws": "ws-user-root", "_private": 1}
    to = f"{account.home}/{provider.config.client_id}"
    header = {"type": "method", "to": to, "method": "services.who.who", **forged}
    assert (await stream.send(header, {"args": []})).status_code == 200
    await eventually(lambda: seen)
    assert seen[0]["user"]["id"] == account.id
    assert (seen[0]["from"], seen[0]["ws"]) == (f"{account.home}/{stream.client_id}", account.home)
    for key in ("ctx", "user", "from"):
        await stream.send({"type": "method", "to": to, "method": "services.who.who"}, {"args": [], key: root})
    assert await stream.ask("echo", "done") == "done"
    assert len(seen) == 1


async def test_readers_cannot_broadcast(server, user, open_stream, raw):
    witness = await (await raw(token=user.account.token)).join()
    await witness.ask("subscribe", "noise")
    reader = await open_stream(token=await user.generate_token({"permission": "read"}))
    await reader.send({"type": "noise", "to": "*"})
    assert await reader.ask("list_clients")
    assert witness.messages.empty()


async def test_a_token_that_is_revoked(user, open_stream):
    token = await user.generate_token({"permission": "read_write"})
    stream = await open_stream(token=token)
    assert await stream.ask("echo", 1) == 1
    await user.revoke_token(token)
    answer = await stream.send_bytes(control("ping"))
    assert (answer.status_code, answer.json()["detail"]) == (401, "Token has been revoked")
    assert await stream.end() == "Token has been revoked"
    with pytest.raises(Refused) as refused:
        await open_stream(token=token)
    assert refused.value.status == 401
    # What the stream was given meanwhile comes from the same token, and only its own client could use it.
    assert stream.client_id not in {c["id"].split("/")[-1] for c in await user.list_clients()}


async def test_a_user_who_is_blocked(root, make_user, open_stream):
    account = make_user()
    stream = await open_stream(token=account.token)
    admin = await root.get_service("ws-user-root/admin-utils")
    await admin.block_user(account.id, 600, "spamming")
    answer = await stream.send_bytes(control("ping"))
    assert (answer.status_code, answer.json()["detail"]) == (403, "User is blocked: spamming")
    for shown in ({"token": account.token}, {"reconnection_token": stream.info["reconnection_token"], "client_id": stream.client_id}):
        with pytest.raises(Refused) as refused:
            await open_stream(**shown)
        assert (refused.value.status, refused.value.detail) == (403, "User is blocked: spamming")


async def test_credentials_come_before_the_body(server, user, open_stream):
    """A body of somebody who may not send is not waited for."""
    stream = await open_stream(token=user.account.token)
    reader, writer = await asyncio.open_connection("127.0.0.1", server.port)
    query = f"client_id={stream.client_id}&workspace={stream.workspace}"
    writer.write(f"POST /rpc?{query} HTTP/1.1\r\nHost: h\r\nContent-Length: 10000000\r\n\r\n".encode())
    async with asyncio.timeout(10):
        assert (await reader.readline()).startswith(b"HTTP/1.1 403")
    writer.close()

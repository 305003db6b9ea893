"""The door: what the first frame may be and how refusals look on the wire (rpc-protocol.md §1.1 to §1.4)."""

import asyncio
import json
import time

import pytest
import websockets

from harness import JWT_SECRET, ORIGINAL
from raw import Raw, Refused, auth_frame, closing, open_socket
from tokens import claims_of, new_user_id, sign, user_claims, user_token

UNKNOWN = "'Workspace no-such-place does not exist or is not accessible'"


async def refusal(server, **handshake) -> Refused:
    with pytest.raises(Refused) as caught:
        await Raw.open(server, **handshake)
    return caught.value


def assert_closed(refused: Refused, code: int) -> None:
    """The close code; the original drops the socket when the reason is longer than a close frame can hold."""
    assert refused.code == code or (ORIGINAL and refused.code == 1006 and len(refused.message.encode()) > 123)


async def test_the_answer_has_the_documented_fields(raw, server):
    connection = await raw(client_id="plain")
    info = connection.info
    assert info["type"] == "connection_info"
    assert info["client_id"] == "plain"
    assert info["public_base_url"] == server.url
    assert info["local_base_url"] == server.url
    assert info["manager_id"].startswith("manager-")
    assert info["reconnection_token_life_time"] == 172800.0
    assert set(info["user"]) == {
        "id", "roles", "is_anonymous", "scope", "email", "parent", "expires_at", "current_workspace"
    }  # fmt: skip
    assert set(info["user"]["scope"]) == {"current_workspace", "workspaces", "client_id", "extra_scopes"}
    assert time.time() < info["user"]["expires_at"] <= time.time() + 601


async def test_missing_keys_count_as_null(server):
    socket = await open_socket(server)
    await socket.send(json.dumps({"client_id": "short"}))
    assert json.loads(await socket.recv())["client_id"] == "short"
    await socket.close()


@pytest.mark.parametrize("key", ["workspace", "client_id", "token", "reconnection_token"])
async def test_credentials_in_the_query_are_refused(server, key):
    socket = await websockets.connect(f"{server.ws_url}?{key}=x")
    frames = []
    try:
        while True:
            frames.append(await asyncio.wait_for(socket.recv(), 5))
    except websockets.ConnectionClosed:
        pass
    assert frames == []
    assert socket.protocol.close_rcvd.code == 1008
    assert "hypha-rpc" in socket.protocol.close_rcvd.reason


async def test_other_query_parameters_are_ignored(server):
    socket = await websockets.connect(f"{server.ws_url}?via=proxy")
    await socket.send(auth_frame("q1"))
    assert json.loads(await socket.recv())["type"] == "connection_info"
    await socket.close()


@pytest.mark.slow
async def test_saying_nothing_ends_after_five_seconds(server):
    socket = await open_socket(server)
    started = time.monotonic()
    code, reason = await closing(socket, 10)
    assert (code, reason) == (1008, "Authentication payload timeout")
    assert 4 < time.monotonic() - started < 8


async def test_a_first_frame_that_is_no_json(server):
    socket = await open_socket(server)
    await socket.send("{not json")
    assert await closing(socket) == (1003, "Failed to decode authentication information")


@pytest.mark.ours
@pytest.mark.parametrize("first", ["[1, 2]", '"text"', "7", "null", b"\x81\xa4type\xa6method", b""])
async def test_a_first_frame_that_is_no_json_object(server, first):
    socket = await open_socket(server)
    await socket.send(first)
    code, _ = await closing(socket)
    assert code == 1003


@pytest.mark.ours
@pytest.mark.parametrize("field", ["client_id", "workspace", "token", "reconnection_token"])
@pytest.mark.parametrize("value", [7, ["x"], {"a": 1}, True])
async def test_fields_of_the_wrong_type(server, field, value):
    socket = await open_socket(server)
    await socket.send(json.dumps({"client_id": "x", "workspace": None, "token": None, field: value}))
    code, reason = await closing(socket)
    assert code in (1001, 1003, 1008)
    assert reason


async def test_an_expired_token(server):
    refused = await refusal(server, token=user_token(new_user_id(), expires_in=-1))
    text = "Authentication error: The token has expired. Please fetch a new one"
    assert (refused.message, refused.code, refused.reason) == (text, 1008, text)


@pytest.mark.parametrize("token", ["garbage", "a.b.c", "Bearer x y z"])
async def test_a_malformed_token(server, token):
    refused = await refusal(server, token=token)
    assert refused.code == 1008
    assert refused.message.startswith("Authentication error: ")
    assert refused.reason.startswith("Authentication error: ")


@pytest.mark.parametrize(
    "change",
    [
        {"iss": "https://elsewhere.example/"},
        {"aud": "https://elsewhere.example/"},
    ],
    ids=["issuer", "audience"],
)
async def test_a_token_of_another_issuer_or_audience(server, change):
    refused = await refusal(server, token=sign({**user_claims(new_user_id()), **change}))
    assert refused.code == 1008
    assert refused.message.startswith("Authentication error: ")


async def test_a_token_signed_with_another_secret(server):
    refused = await refusal(server, token=sign(user_claims(new_user_id()), secret=JWT_SECRET + "x"))
    assert refused.code == 1008
    assert refused.message.startswith("Authentication error: ")


async def test_a_token_without_expiry(server):
    claims = user_claims(new_user_id())
    del claims["exp"]
    refused = await refusal(server, token=sign(claims))
    assert refused.message


@pytest.mark.parametrize("algorithm", ["none", "HS512", "RS512"])
async def test_an_unexpected_algorithm(server, algorithm):
    refused = await refusal(server, token=sign(user_claims(new_user_id()), algorithm=algorithm))
    assert refused.message.startswith("Authentication error: ")


async def test_an_unknown_workspace(server):
    refused = await refusal(server, token=user_token(new_user_id()), workspace="no-such-place")
    assert_closed(refused, 1001)
    assert refused.message == f"Failed to establish connection: {UNKNOWN}"
    assert refused.reason == refused.message[:123]


async def test_a_workspace_without_permission(server, raw):
    owner = new_user_id()
    await raw(token=user_token(owner))
    refused = await refusal(server, token=user_token(new_user_id()), workspace=f"ws-user-{owner}")
    assert_closed(refused, 1001)
    assert refused.message == f"Failed to establish connection: Permission denied for workspace: ws-user-{owner}"


async def test_the_workspace_star(server):
    refused = await refusal(server, token=user_token(new_user_id()), workspace="*")
    assert refused.message.startswith("Failed to establish connection: ")


async def test_a_token_pinned_to_another_workspace(server):
    name = new_user_id()
    token = user_token(name, scope=f"ws:ws-user-{name}#a ws:public#r wid:ws-user-{name}")
    refused = await refusal(server, token=token, workspace="some-other")
    assert_closed(refused, 1001)
    assert (
        f"Current workspace encoded in the token (ws-user-{name}) does not match the specified workspace (some-other)"
        in refused.message
    )
    assert refused.message.startswith("Failed to establish connection: Failed to authenticate user: ")


async def test_a_token_restricted_to_a_client(server, raw):
    name = new_user_id()
    token = user_token(name, scope=f"ws:ws-user-{name}#a cid:worker-7")
    refused = await refusal(server, client_id="worker-8", token=token)
    assert_closed(refused, 1001)
    assert refused.message == (
        "Failed to establish connection: Failed to authenticate user: Client id mismatch: "
        "this token is restricted to client with client_id='worker-7'"
    )
    assert (await raw(client_id="worker-7", token=token)).client_id == "worker-7"


async def test_a_specialised_token(server):
    name = new_user_id()
    token = user_token(name, scope=f"ws:ws-user-{name}#a file:download")
    refused = await refusal(server, token=token)
    assert_closed(refused, 1001)
    assert "Specialized token with scopes [file:download] cannot be used for general workspace access." in refused.message


async def test_plain_words_in_a_scope_are_no_speciality(raw):
    name = new_user_id()
    connection = await raw(token=user_token(name, scope=f"ws:ws-user-{name}#a openid profile"))
    assert connection.workspace == f"ws-user-{name}"


async def test_reconnection_needs_the_same_client_id(server, raw):
    first = await raw(client_id="one")
    refused = await refusal(server, client_id="two", reconnection_token=first.info["reconnection_token"])
    assert_closed(refused, 1001)
    assert "Client id mismatch, disconnecting" in refused.message


async def test_reconnection_needs_the_same_workspace(server, raw):
    first = await raw(client_id="one")
    refused = await refusal(
        server, client_id="one", workspace="other-ws", reconnection_token=first.info["reconnection_token"]
    )
    assert f"Invalid scope, workspace mismatch: other-ws != {first.workspace}" in refused.message


async def test_reconnection_needs_a_reconnection_token(server):
    name = new_user_id()
    refused = await refusal(server, reconnection_token=user_token(name))
    assert "Invalid scope, current_workspace is required" in refused.message
    refused = await refusal(server, reconnection_token=user_token(name, scope=f"ws:ws-user-{name}#a wid:ws-user-{name}"))
    assert "Invalid scope, client_id is required" in refused.message


async def test_the_reconnection_token_wins_over_the_token(raw):
    first = await raw(client_id="keep")
    again = await raw(
        client_id="keep", token=user_token(new_user_id()), reconnection_token=first.info["reconnection_token"]
    )
    assert again.info["user"]["id"] == first.info["user"]["id"]


async def test_an_empty_client_id(server):
    refused = await refusal(server, client_id="")
    assert_closed(refused, 1001)
    assert "Failed to authenticate user to workspace: " in refused.message


async def test_a_client_id_with_a_slash(server):
    refused = await refusal(server, client_id="a/b")
    assert_closed(refused, 1001)
    assert refused.message == "Failed to establish connection: Invalid client id: a/b"


@pytest.mark.ours
@pytest.mark.parametrize("client_id", ["*", "a b", "a:b", "a@b", "-x", ".x", "x" * 129, "ü", "a\nb", "a?", "[a]", "x\x00"])
async def test_client_ids_outside_the_alphabet(server, client_id):
    refused = await refusal(server, client_id=client_id)
    assert_closed(refused, 1001)
    assert "Invalid client id: " in refused.message
    assert len(refused.reason.encode()) <= 123


async def test_a_live_duplicate(server, raw):
    name = new_user_id()
    first = await raw(client_id="dup", token=user_token(name))
    await first.join()
    refused = await refusal(server, client_id="dup", token=user_token(name))
    assert_closed(refused, 1001)
    text = f"Failed to establish connection: Client already exists and is active: ws-user-{name}/dup"
    assert refused.message == text


async def test_a_long_reason_is_cut_and_the_frame_is_whole(server):
    refused = await refusal(server, token=user_token(new_user_id()), workspace="no-" + "a" * 120)
    assert "a" * 120 in refused.message
    assert len(refused.reason.encode()) <= 123


async def test_a_refused_handshake_leaves_no_trace(server, raw):
    name = new_user_id()
    await refusal(server, client_id="a/b", token=user_token(name))
    later = await (await raw(token=user_token(name))).join()
    assert len(await later.ask("list_clients")) == 1


async def test_a_text_ping_is_answered(raw):
    connection = await raw()
    await connection.send_text('{"type":"ping"}')
    assert await connection.text() == {"type": "pong"}


async def test_a_token_can_be_refreshed(raw):
    connection = await raw(client_id="fresh")
    await connection.send_text('{"type":"refresh_token"}')
    answer = await connection.text()
    assert set(answer) == {"type", "reconnection_token"}
    assert answer["type"] == "reconnection_token"
    assert claims_of(answer["reconnection_token"])["scope"] == claims_of(connection.info["reconnection_token"])["scope"]
    await connection.close()
    again = await raw(client_id="fresh", reconnection_token=answer["reconnection_token"])
    assert again.workspace == connection.workspace


@pytest.mark.parametrize(
    "text",
    ["nonsense", '{"type":"unheard-of"}', '{"no":"type"}', "x" * 1001, ""]
    + [pytest.param(text, marks=pytest.mark.ours) for text in ("[]", '"x"', "7")],
)
async def test_other_texts_are_ignored(raw, text):
    connection = await raw()
    await connection.send_text(text)
    await connection.send_text('{"type":"ping"}')
    assert await connection.text() == {"type": "pong"}


async def test_protocol_pings_are_answered_and_none_are_sent(raw):
    connection = await raw()
    await asyncio.wait_for(await connection.socket.ping(), 5)


async def test_the_idle_timeout(fresh_server, raw):
    server = fresh_server(env={"HYPHA_WS_IDLE_TIMEOUT": "2"})
    idle, busy = await raw(server), await raw(server)
    started = time.monotonic()
    chatter = asyncio.create_task(_chatter(busy))
    code, reason = await idle.closed(10)
    assert (code, reason) == (1001, "Idle timeout (2s)") or (code == 1001 and reason.startswith("Idle timeout (2"))
    assert 1.5 < time.monotonic() - started < 8
    assert busy.is_open
    chatter.cancel()


async def _chatter(connection):
    while True:
        await connection.send_text('{"type":"ping"}')
        await asyncio.sleep(0.5)


async def test_limits_at_the_door(fresh_server, raw):
    server = fresh_server(env={"HYPHA_MAX_CONNECTIONS_PER_USER": "2", "HYPHA_MAX_CLIENTS_PER_WORKSPACE": "3"})
    name = new_user_id()
    for _ in range(2):
        await raw(server, token=user_token(name))
    refused = await refusal(server, token=user_token(name))
    assert refused.code == 1008
    assert refused.reason == f"Connection limit exceeded: user {name} has 2/2 connections"

    shared = new_user_id()
    scope = f"ws:ws-user-{shared}#rw"
    await raw(server, token=user_token(shared))
    for _ in range(2):
        await raw(server, token=user_token(new_user_id(), scope=scope), workspace=f"ws-user-{shared}")
    refused = await refusal(server, token=user_token(new_user_id(), scope=scope), workspace=f"ws-user-{shared}")
    assert refused.code == 1008
    assert refused.reason == f"Connection limit exceeded: workspace ws-user-{shared} has 3/3 clients"


async def test_a_connection_that_ends_frees_its_place(fresh_server, raw):
    server = fresh_server(env={"HYPHA_MAX_CONNECTIONS_PER_USER": "1"})
    name = new_user_id()
    for _ in range(5):
        connection = await raw(server, token=user_token(name))
        await connection.close()
        await asyncio.sleep(0.1)
    assert (await raw(server, token=user_token(name))).is_open

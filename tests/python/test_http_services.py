"""Calling services over HTTP (http-api.md §1, §4, §5)."""

import asyncio
import json

import msgpack
import numpy as np
import pytest
from hypha_rpc.utils.schema import schema_function
from pydantic import Field

from harness import ROOT_TOKEN
from tokens import user_token

MSGPACK = {"Content-Type": "application/msgpack"}


@pytest.fixture
async def provider(connect, make_user):
    """A user with one service, whose functions are plain, documented, nested, streaming and failing."""
    account = make_user()
    client = await connect(token=account.token, client_id="provider")
    client.account = account

    def add(a: float, b: float = 1) -> float:
        return a + b

    def echo(value):
        return value

    @schema_function
    def typed(
        name: str = Field(..., description="a name"),
        count: int = Field(0, description="how many"),
        flag: bool = Field(False, description="a flag"),
        tags: list[str] | None = Field(None, description="some tags"),
    ):
        """Say what came."""
        return {"name": name, "count": count, "flag": flag, "tags": tags}

    def declared(workspace, service_id="none"):
        return [workspace, service_id]

    def fail(kind: str, text: str = "the reason"):
        raise {"key": KeyError, "permission": PermissionError, "value": ValueError, "runtime": RuntimeError}[kind](text)

    async def count(to: int):
        for i in range(to):
            yield {"i": i}

    def count_sync(to: int):
        yield from range(to)

    async def broken(to: int):
        for i in range(to):
            yield i
        raise ValueError("in the middle")

    closed = asyncio.Event()

    async def endless():
        try:
            while True:
                yield "tick"
                await asyncio.sleep(0.01)
        finally:
            closed.set()

    await client.register_service(
        {
            "id": "calc",
            "name": "calc",
            "type": "calculator",
            "config": {"visibility": "public"},
            "add": add,
            "echo": echo,
            "typed": typed,
            "declared": declared,
            "fail": fail,
            "count": count,
            "count_sync": count_sync,
            "broken": broken,
            "endless": endless,
            "version": "1.2",
            "api": {"v1": {"double": lambda x: 2 * x, "name": "nested"}},
            "nothing": lambda: None,
        }
    )
    await client.register_service(
        {
            "id": "who",
            "config": {"visibility": "public", "require_context": True},
            "am_i": lambda context=None: {"ws": context["ws"], "user": context["user"], "from": context["from"]},
        }
    )
    await client.register_service({"id": "secret", "config": {"visibility": "protected"}, "f": lambda: "inside"})
    client.closed = closed
    client.calc = f"/{account.home}/services/calc"
    return client


async def test_arguments_of_a_query(web, provider):
    http = web()
    answer = await http.get(f"{provider.calc}/add", params={"a": 2, "b": 3})
    assert (answer.status_code, answer.json()) == (200, 5)
    assert answer.headers["content-type"] == "application/json"
    assert (await http.get(f"{provider.calc}/add?a=2")).json() == 3


async def test_the_schema_says_what_a_text_means(web, provider):
    answer = await web().get(f"{provider.calc}/typed?name=007&count=3&flag=true&tags=a&tags=1")
    assert answer.json() == {"name": "007", "count": 3, "flag": True, "tags": ["a", "1"]}
    answer = await web().get(f"{provider.calc}/typed?name=nan&count=0&flag=0&tags=%5B%22a%22%5D")
    assert answer.json() == {"name": "nan", "count": 0, "flag": False, "tags": ["a"]}
    answer = await web().get(f"{provider.calc}/typed?name=nan&count=x")
    assert answer.status_code == 400
    assert answer.json()["detail"] == "Invalid value of parameter 'count': expected an integer"


async def test_without_a_type_texts_are_guessed(web, provider):
    for text, value in [("7", 7), ("1e3", 1000.0), ("abc", "abc"), ("[1]", "[1]"), ("true", "true")]:
        answer = await web().get(f"{provider.calc}/echo", params={"value": text})
        assert answer.json() == value


@pytest.mark.parametrize("media", ["application/json", "application/json; charset=utf-8", "application/vnd.api+json"])
async def test_json_body(web, provider, media):
    body = json.dumps({"value": {"a": [1, None, True, "é"]}})
    answer = await web().post(f"{provider.calc}/echo", content=body, headers={"Content-Type": media})
    assert answer.json() == {"a": [1, None, True, "é"]}


async def test_positional_arguments(web, provider):
    assert (await web().post(f"{provider.calc}/add", json=[2, 5])).json() == 7
    assert (await web().post(f"{provider.calc}/echo", json="alone")).json() == "alone"


async def test_an_empty_body_means_no_arguments(web, provider):
    for headers in ({}, {"Content-Type": "text/plain"}, {"Content-Type": "application/json"}):
        answer = await web().post(f"{provider.calc}/nothing", headers=headers)
        assert (answer.status_code, answer.json()) == (200, None)


async def test_messagepack_both_ways(web, provider):
    array = np.arange(6, dtype="float32").reshape(2, 3)
    value = {"_rtype": "ndarray", "_rvalue": array.tobytes(), "_rshape": [2, 3], "_rdtype": "float32"}
    answer = await web().post(f"{provider.calc}/echo", content=msgpack.packb({"value": value}), headers=MSGPACK)
    assert answer.headers["content-type"] == "application/msgpack"
    back = msgpack.unpackb(answer.content)
    assert back["_rvalue"] == array.tobytes() and back["_rshape"] == [2, 3]
    answer = await web().post(f"{provider.calc}/echo", content=msgpack.packb({"value": b"\x00\xff"}), headers=MSGPACK)
    assert msgpack.unpackb(answer.content) == b"\x00\xff"
    answer = await web().get(f"{provider.calc}/add?a=1", headers=MSGPACK)
    assert msgpack.unpackb(answer.content) == 2
    answer = await web().get(f"{provider.calc}/add?a=1", headers={"Accept": "application/msgpack"})
    assert msgpack.unpackb(answer.content) == 2


async def test_bytes_and_not_a_number_in_json(web, provider, connect):
    await provider.register_service(
        {"id": "odd", "config": {"visibility": "public"}, "data": lambda: b"ab", "nan": lambda: float("nan")}
    )
    base = f"/{provider.account.home}/services/odd"
    assert (await web().get(f"{base}/data")).json() == {"_rtype": "bytes", "_rvalue": "YWI="}
    assert (await web().get(f"{base}/nan")).json() is None


async def test_reserved_names(web, provider):
    answer = await web().get(f"{provider.calc}/declared?workspace=lab&service_id=x&function_key=y&_mode=first")
    assert answer.json() == ["lab", "x"]
    answer = await web().post(f"{provider.calc}/add?_mode=random", json={"a": 1, "workspace": "lab", "_mode": "x"})
    assert answer.json() == 2


async def test_nested_functions_values_and_what_is_not_there(web, provider):
    http = web()
    assert (await http.get(f"{provider.calc}/api.v1.double?x=4")).json() == 8
    assert (await http.get(f"{provider.calc}/version")).json() == "1.2"
    assert (await http.get(f"{provider.calc}/id")).json() == f"{provider.account.home}/provider:calc"
    nested = (await http.get(f"{provider.calc}/api.v1")).json()
    assert nested["name"] == "nested" and nested["double"]["type"] == "function"
    for key in ("nope", "api.nope", "version.x", "__class__", "api.v1.double.__globals__"):
        answer = await http.get(f"{provider.calc}/{key}")
        assert answer.status_code == 404
        assert answer.json() == {"success": False, "detail": f"{key} not found.", "code": "not_found"}


@pytest.mark.parametrize(
    "kind, status, line",
    [
        ("key", 404, "RemoteException: KeyError: 'the reason'"),
        ("permission", 403, "RemoteException: PermissionError: the reason"),
        ("value", 400, "RemoteException: ValueError: the reason"),
        ("runtime", 500, "RemoteException: RuntimeError: the reason"),
    ],
)
async def test_failures_of_a_function(web, provider, kind, status, line):
    answer = await web().get(f"{provider.calc}/fail?kind={kind}")
    assert (answer.status_code, answer.json()["detail"], answer.json()["success"]) == (status, line, False)
    assert "Traceback" not in answer.text and ".py" not in answer.text


async def test_arguments_that_do_not_fit(web, provider):
    answer = await web().get(f"{provider.calc}/add?c=1")
    assert answer.status_code == 400
    assert "TypeError" in answer.json()["detail"]


async def test_broken_bodies(web, provider):
    http = web()
    for body, headers, status in [
        ("{", {"Content-Type": "application/json"}, 400),
        ("[" * 100_000, {"Content-Type": "application/json"}, 400),
        (b"\xc1", MSGPACK, 400),
        (b"\x91" * 100_000, MSGPACK, 400),
        (b"\xdf\xff\xff\xff\xff", MSGPACK, 400),
        (b"\xdd\xff\xff\xff\xff", MSGPACK, 400),
        ("a=1", {"Content-Type": "application/x-www-form-urlencoded"}, 415),
        ("x", {"Content-Type": "text/plain"}, 415),
    ]:
        answer = await http.post(f"{provider.calc}/echo", content=body, headers=headers)
        assert answer.status_code == status, (body[:10], answer.text)
        assert answer.json()["success"] is False and answer.json()["detail"]
    assert (await http.get(f"{provider.calc}/add?a=1")).json() == 2


async def test_a_body_that_is_too_large(web, provider):
    async def pieces():
        for _ in range(36 * 16):
            yield b" " * 65536

    headers = {"Content-Type": "application/json"}
    for content in (pieces(), b" " * (33 << 20)):
        answer = await web().post(f"{provider.calc}/echo", content=content, headers=headers)
        assert (answer.status_code, answer.json()["code"]) == (413, "payload_too_large")


async def test_streams_as_events(web, provider):
    for name in ("count", "count_sync"):
        answer = await web().get(f"{provider.calc}/{name}?to=3")
        assert answer.headers["content-type"] == "text/event-stream"
        lines = [line for line in answer.text.split("\n\n") if line]
        assert lines[-1] == "data: [DONE]" and len(lines) == 4
    assert json.loads((await web().get(f"{provider.calc}/count?to=1")).text.split("\n")[0][6:]) == {"i": 0}


async def test_streams_as_lines_and_messagepack(web, provider):
    answer = await web().get(f"{provider.calc}/count?to=3", headers={"Accept": "application/x-ndjson"})
    assert [json.loads(line) for line in answer.text.splitlines()] == [{"i": 0}, {"i": 1}, {"i": 2}]
    answer = await web().post(f"{provider.calc}/count", content=msgpack.packb({"to": 3}), headers=MSGPACK)
    unpacker = msgpack.Unpacker()
    unpacker.feed(answer.content)
    assert list(unpacker) == [{"i": 0}, {"i": 1}, {"i": 2}]


async def test_a_stream_that_fails(web, provider):
    answer = await web().get(f"{provider.calc}/broken?to=2")
    events = [line[6:] for line in answer.text.split("\n\n") if line]
    assert events[:2] == ["0", "1"] and events[-1] == "[DONE]"
    assert json.loads(events[2])["error"] == "RemoteException: ValueError: in the middle"


async def test_a_client_that_leaves_closes_the_generator(web, provider):
    async with web().stream("GET", f"{provider.calc}/endless") as answer:
        async for _ in answer.aiter_bytes():
            break
    await asyncio.wait_for(provider.closed.wait(), 10)


async def test_a_call_may_take_as_long_as_it_lives(web, connect, make_user):
    account = make_user()
    client = await connect(token=account.token, client_id="slow")

    async def slow():
        await asyncio.sleep(2)
        return "done"

    await client.register_service({"id": "slow", "config": {"visibility": "public"}, "slow": slow})
    assert (await web().get(f"/{account.home}/services/slow/slow")).json() == "done"


async def test_the_owner_that_leaves_fails_the_call_at_once(web, connect, make_user):
    account = make_user()
    client = await connect(token=account.token, client_id="leaver")
    started = asyncio.Event()

    async def hang():
        started.set()
        await asyncio.sleep(600)

    await client.register_service({"id": "hang", "config": {"visibility": "public"}, "hang": hang})
    call = asyncio.ensure_future(web().get(f"/{account.home}/services/hang/hang"))
    await asyncio.wait_for(started.wait(), 10)
    await client.disconnect()
    answer = await asyncio.wait_for(call, 10)
    assert (answer.status_code, answer.json()["code"]) == (502, "peer_gone")


async def test_who_calls(web, provider, make_user):
    path = f"/{provider.account.home}/services/who/am_i"
    seen = (await web().get(path)).json()
    assert (seen["ws"], seen["user"]["id"], seen["user"]["is_anonymous"]) == ("ws-anonymous", "anonymouz-http", True)
    assert seen["user"]["scope"]["workspaces"] == {"ws-anonymous": "r"}
    # A generic token acts in the workspace of the URL where it may, else at home.
    own = (await web(token=provider.account.token).get(path)).json()
    assert (own["ws"], own["user"]["id"]) == (provider.account.home, provider.account.id)
    assert own["from"].startswith(f"{provider.account.home}/client-")
    other = make_user()
    seen = (await web(token=other.token).get(path)).json()
    assert (seen["ws"], seen["user"]["id"]) == (other.home, other.id)
    # A token of one workspace acts there, whatever the URL says.
    pinned = await provider.generate_token({"workspace": provider.account.home, "permission": "read"})
    seen = (await web(token=pinned).get(path)).json()
    assert seen["ws"] == provider.account.home
    root = (await web(token=ROOT_TOKEN).get(path)).json()
    assert (root["ws"], root["user"]["id"]) == (provider.account.home, "root")


async def test_a_cookie_and_basic_credentials(web, provider):
    path = f"/{provider.account.home}/services/who/am_i"
    seen = await web(headers={"Cookie": f"a=b; access_token={provider.account.token}"}).get(path)
    assert seen.json()["user"]["id"] == provider.account.id
    seen = await web(auth=("git", provider.account.token)).get(path)
    assert seen.json()["user"]["id"] == provider.account.id


async def test_a_cookie_does_not_count_for_pages_of_other_sites(web, provider):
    path = f"/{provider.account.home}/services/who/am_i"
    cookie = {"Cookie": f"access_token={provider.account.token}"}
    for foreign in ({"Origin": "https://evil.example"}, {"Sec-Fetch-Site": "cross-site"}, {"Origin": "null"}):
        answer = await web(headers={**cookie, **foreign}).post(path)
        assert (answer.status_code, answer.json()["code"]) == (403, "cross_site_cookie")
    same = str(web().base_url).rstrip("/")
    assert (await web(headers={**cookie, "Origin": same}).post(path)).status_code == 200
    # A header is sent on purpose: it counts from anywhere.
    answer = await web(token=provider.account.token, headers={"Origin": "https://evil.example"}).post(path)
    assert answer.status_code == 200


@pytest.mark.parametrize("token", ["garbage", "a.b.c", "Bearer"])
async def test_a_bad_credential_is_never_anonymous(web, provider, token):
    answer = await web(headers={"Authorization": f"Bearer {token}"}).get(f"{provider.calc}/add?a=1")
    assert answer.status_code == 401, answer.text
    assert answer.json()["code"] == "invalid_credential"


async def test_expired_revoked_and_specialised_tokens(web, provider):
    path = f"{provider.calc}/add?a=1"
    expired = user_token("somebody", expires_in=-5)
    answer = await web(token=expired).get(path)
    assert (answer.status_code, answer.json()["detail"]) == (401, "The token has expired. Please fetch a new one")
    token = await provider.generate_token({})
    assert (await web(token=token).get(path)).status_code == 200
    await provider.revoke_token(token)
    answer = await web(token=token).get(path)
    assert (answer.status_code, answer.json()["detail"]) == (401, "Token has been revoked")
    special = await provider.generate_token({"extra_scopes": ["file:read"]})
    answer = await web(token=special).get(path)
    assert answer.status_code == 403
    assert "cannot be used for general workspace access" in answer.json()["detail"]


async def test_visibility(web, provider, make_user):
    path = f"/{provider.account.home}/services/secret/f"
    assert (await web(token=provider.account.token).get(path)).json() == "inside"
    for http in (web(), web(token=make_user().token)):
        answer = await http.get(path)
        assert answer.status_code == 403
        assert "Permission denied for non-public service in workspace" in answer.json()["detail"]
    assert (await web(token=ROOT_TOKEN).get(path)).json() == "inside"


async def test_what_does_not_exist(web, provider, make_user):
    home = provider.account.home
    for http in (web(), web(token=provider.account.token)):
        answer = await http.get(f"/{home}/services/nope/f")
        assert answer.status_code == 404 and "Service not found" in answer.json()["detail"]
    answer = await web(token=provider.account.token).get("/no-such-workspace/services/x/f")
    assert (answer.status_code, answer.json()["detail"]) == (404, "KeyError: 'Workspace 'no-such-workspace' not found'")
    for bad in ("a%2Fb", "..", "%00", "*", "a b"):
        answer = await web(token=provider.account.token).get(f"/{bad}/services/x/f")
        assert answer.status_code in (400, 404), (bad, answer.text)


async def test_several_services_of_one_name(web, connect, make_user):
    account = make_user()
    for i in range(2):
        client = await connect(token=account.token, client_id=f"replica-{i}")
        await client.register_service({"id": "many", "config": {"visibility": "public"}, "who": lambda i=i: i})
    base = f"/{account.home}/services"
    answer = await web().get(f"{base}/many/who")
    assert answer.status_code == 400 and "Multiple services found" in answer.json()["detail"]
    assert (await web().get(f"{base}/many/who?_mode=first")).json() in (0, 1)
    assert (await web().get(f"{base}/replica-1:many/who")).json() == 1
    for query in ("?flag", "?a=b=c", "?_mode=first&x=%ZZ"):
        answer = await web().get(f"{base}/replica-1:many/nope{query}")
        assert answer.status_code == 404


async def test_the_workspace_manager(web, provider):
    http = web(token=provider.account.token)
    home = provider.account.home
    assert (await http.post(f"/{home}/services/ws/echo", json={"data": 1})).json() == 1
    services = (await http.get(f"/{home}/services/ws/list_services")).json()
    assert {one["id"].split(":")[-1] for one in services} >= {"calc", "who", "secret"}
    token = (await http.post(f"/{home}/services/ws/generate_token", json={"config": {"expires_in": 60}})).json()
    assert (await web(token=token).get(f"{provider.calc}/add?a=1")).json() == 2
    # What changes a connection needs one.
    answer = await http.get(f"/{home}/services/ws/subscribe?event_type=x")
    assert answer.status_code == 403
    anonymous = await web().post(f"/{home}/services/ws/generate_token", json={})
    assert anonymous.status_code == 403


async def test_the_list_of_services(web, provider, make_user):
    home = provider.account.home
    answer = await web().get(f"/{home}/services?x=1")
    assert answer.status_code == 307
    assert str(answer.next_request.url).endswith(f"/{home}/services/?x=1")
    ids = {one["id"] for one in (await web().get(f"/{home}/services/")).json()}
    assert ids == {"provider:calc", "provider:who"}
    ids = {one["id"] for one in (await web(token=provider.account.token).get(f"/{home}/services/")).json()}
    assert ids >= {"provider:calc", "provider:who", "provider:secret"}
    assert (await web(token=make_user().token).get("/no-such-workspace/services/")).status_code == 404


async def test_the_info_of_a_service(web, provider):
    home = provider.account.home
    info = (await web().get(f"/{home}/services/calc")).json()
    assert (info["id"], info["type"], info["name"]) == (f"{home}/provider:calc", "calculator", "calc")
    assert info["service_schema"]["add"]["function"]["parameters"]["required"] == ["a"]
    assert (await web().get(f"/{home}/services/secret")).status_code == 403
    assert (await web().get(f"/{home}/services/nope")).status_code == 404
    manager = (await web().get(f"/{home}/services/ws")).json()
    assert "list_services" in manager["service_schema"]


async def test_the_info_of_a_workspace(web, provider):
    home = provider.account.home
    info = (await web(token=provider.account.token).get(f"/{home}/info")).json()
    assert (info["id"], info["persistent"]) == (home, True)
    assert (await web().get(f"/{home}/info")).status_code == 403
    assert (await web(token=provider.account.token).get("/no-such-workspace/info")).status_code == 404


async def test_a_thousand_calls_leave_nothing_behind(web, provider):
    http = web()
    before = len(await provider.list_clients())
    for _ in range(10):
        answers = await asyncio.gather(*(http.get(f"{provider.calc}/add?a={i}") for i in range(100)))
        assert [answer.json() for answer in answers] == [i + 1 for i in range(100)]
    assert len(await provider.list_clients()) == before


async def test_large_results(web, provider):
    text = "x" * 3_000_000
    answer = await web().post(f"{provider.calc}/echo", json={"value": text})
    assert answer.json() == text


async def test_wrong_methods(web, provider):
    for method in ("PUT", "DELETE", "PATCH"):
        assert (await web().request(method, f"{provider.calc}/add")).status_code == 405


async def test_a_server_that_stops_answers_first(fresh_server, connect, web):
    server = fresh_server()
    client = await connect(server, client_id="slow")
    started = asyncio.Event()

    async def slow():
        started.set()
        await asyncio.sleep(1)
        return "done"

    await client.register_service({"id": "slow", "config": {"visibility": "public"}, "slow": slow})
    call = asyncio.ensure_future(web(server).get(f"/{client.config.workspace}/services/slow/slow"))
    await asyncio.wait_for(started.wait(), 10)
    stopped = asyncio.get_running_loop().run_in_executor(None, server.terminate)
    assert (await asyncio.wait_for(call, 10)).json() == "done"
    assert await stopped == 0

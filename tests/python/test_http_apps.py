"""Services that serve HTTP: ASGI applications and functions (http-api.md §6)."""

import asyncio
import hashlib
import json
import re

import pytest
import websockets

from app_fastapi import make_app, serve_on
from helpers import eventually


@pytest.fixture
async def app(connect, make_user):
    """A user whose client serves a FastAPI application as `web`; `app.url` is where."""
    account = make_user()
    client = await connect(token=account.token, client_id="host")
    client.account = account
    client.app = make_app()
    await serve_on(client, client.app, websocket=True)
    client.url = f"/{account.home}/apps/web"
    return client


async def test_pages_and_json(web, app):
    answer = await web().get(f"{app.url}/")
    assert (answer.status_code, answer.text) == (200, "<h1>hello</h1>")
    assert answer.headers["content-type"].startswith("text/html")
    assert (await web().get(f"{app.url}/items/a%2Fb?q=x")).status_code in (200, 404)
    assert (await web().get(f"{app.url}/items/7?q=x%20y&n=3")).json() == {"item": "7", "q": "x y", "n": 3}
    answer = await web().get(f"{app.url}/items/none")
    assert (answer.status_code, answer.json()) == (404, {"detail": "no such item"})
    assert (await web().get(f"{app.url}/items/7?n=x")).status_code == 422
    assert (await web().get(f"{app.url}/nowhere")).status_code == 404
    assert (await web().request("OPTIONS", f"{app.url}/")).status_code == 405
    assert (await web().head(f"{app.url}/items/7")).status_code == 405


async def test_the_folder_of_an_app(web, app):
    answer = await web().get(f"{app.url}?a=b")
    assert answer.status_code == 307 and answer.headers["location"] == f"{app.url}/?a=b"
    answer = await web().get(f"{app.url}/moved")
    assert answer.status_code == 307 and answer.headers["location"] == "items/1"


async def test_odd_queries_reach_the_app(web, app):
    for query in ("flag", "a=b=c", "x=YQ==&y", "%zz", "a=%F0", "&&", "_mode=first&x=1"):
        seen = (await web().get(f"{app.url}/echo?{query}")).json()
        assert seen["query"] == query


async def test_what_the_app_sees(web, app):
    seen = (await web().get(f"{app.url}/echo", headers={"X-Custom": "é".encode("latin-1")})).json()
    assert (seen["path"], seen["workspace"], seen["service_id"]) == ("/echo", app.account.home, "web")
    assert seen["client"] == "127.0.0.1"
    assert ["x-custom", "é"] in seen["headers"]


async def test_uploads(web, app):
    data = bytes(range(256)) * 40_000
    answer = await web().post(f"{app.url}/upload", files={"file": ("data.bin", data)})
    assert answer.json() == {"name": "data.bin", "size": len(data), "sha256": hashlib.sha256(data).hexdigest()}

    async def pieces():
        for _ in range(50):
            yield b"y" * 100_000

    assert (await web().put(f"{app.url}/raw", content=pieces())).json() == {"size": 5_000_000}


async def test_downloads(web, app):
    answer = await web().get(f"{app.url}/download?size=5000000")
    assert len(answer.content) == 5_000_000 and set(answer.content) == {ord("x")}


async def test_a_slow_reader_holds_the_app_back(web, app):
    """The server keeps a window of the response, not the response."""
    server_side = app.app.state
    server_side.sent = 0

    async def serve(args, context=None):
        await args["send"]({"type": "http.response.start", "status": 200, "headers": []})
        for _ in range(2000):
            await args["send"]({"type": "http.response.body", "body": b"z" * 100_000, "more_body": True})
            server_side.sent += 100_000
        await args["send"]({"type": "http.response.body", "body": b""})

    await app.register_service({"id": "fast", "type": "asgi", "config": {"visibility": "public"}, "serve": serve})
    async with web().stream("GET", f"/{app.account.home}/apps/fast/") as answer:
        await asyncio.sleep(2)
        waiting = server_side.sent
        assert waiting < 60_000_000
        total = 0
        async for chunk in answer.aiter_bytes():
            total += len(chunk)
    assert total == 200_000_000 == server_side.sent


async def test_events_come_one_by_one(web, app):
    async with web().stream("GET", f"{app.url}/events?to=5") as answer:
        assert answer.headers["content-type"].startswith("text/event-stream")
        assert answer.headers["transfer-encoding"] == "chunked"
        chunks = [chunk async for chunk in answer.aiter_bytes()]
    assert len(chunks) >= 2 and b"".join(chunks).count(b"data:") == 5


async def test_the_app_learns_that_its_client_has_left(web, app):
    async with web().stream("GET", f"{app.url}/events?to=0") as answer:
        async for _ in answer.aiter_bytes():
            break
    await asyncio.wait_for(app.app.state.left.wait(), 15)


async def test_headers_may_repeat(web, app):
    answer = await web().get(f"{app.url}/cookies", headers={"Cookie": "seen=yes"})
    assert answer.json() == {"seen": "yes"}
    assert len(answer.headers.get_list("set-cookie")) == 2


async def test_apps_own_their_cors_and_compression(web, app):
    answer = await web().get(f"{app.url}/", headers={"Origin": "https://x.example", "Accept-Encoding": "gzip"})
    assert "access-control-allow-origin" not in answer.headers and "content-encoding" not in answer.headers


async def test_failing_apps(web, app):
    answer = await web().get(f"{app.url}/fail")
    assert answer.status_code == 500
    assert "Traceback" not in answer.text
    with pytest.raises(Exception):
        async with web().stream("GET", f"{app.url}/fail-late") as answer:
            [chunk async for chunk in answer.aiter_bytes()]
    assert (await web().get(f"{app.url}/items/1")).status_code == 200


async def test_work_after_the_answer(web, app):
    assert (await web().post(f"{app.url}/later")).json() == {"accepted": True}
    await eventually(lambda: app.app.state.notes == ["done"])


async def test_odd_answers(web, app):
    async def no_start(args, context=None):
        await args["send"]({"type": "http.response.body", "body": b""})

    async def silent(args, context=None):
        return None

    async def bad_header(args, context=None):
        await args["send"]({"type": "http.response.start", "status": 200, "headers": [[b"x", b"a\r\nb: c"]]})

    async def bad_status(args, context=None):
        await args["send"]({"type": "http.response.start", "status": "many", "headers": []})

    async def texts(args, context=None):
        await args["send"]({"type": "http.response.start", "status": 201, "headers": [("X-A", "1"), ["x-b", b"2"]]})
        await args["send"]({"type": "http.response.body", "body": "text"})

    for name, serve in [("a", no_start), ("b", silent), ("c", bad_header), ("d", bad_status)]:
        await app.register_service({"id": name, "type": "asgi", "config": {"visibility": "public"}, "serve": serve})
        answer = await web().get(f"/{app.account.home}/apps/{name}/")
        assert answer.status_code == 500, name
        assert "b" not in answer.headers
    await app.register_service({"id": "t", "type": "asgi", "config": {"visibility": "public"}, "serve": texts})
    answer = await web().get(f"/{app.account.home}/apps/t/")
    assert (answer.status_code, answer.text, answer.headers["x-a"], answer.headers["x-b"]) == (201, "text", "1", "2")


async def test_who_asks(web, app, make_user):
    seen = []

    async def serve(args, context=None):
        seen.append((context["user"]["id"], context["ws"]))
        await args["send"]({"type": "http.response.start", "status": 204, "headers": []})
        await args["send"]({"type": "http.response.body", "body": b""})

    config = {"visibility": "public", "require_context": True}
    await app.register_service({"id": "ctx", "type": "asgi", "config": config, "serve": serve})
    other = make_user()
    url = f"/{app.account.home}/apps/ctx/"
    for http in (web(), web(token=other.token), web(headers={"Cookie": f"access_token={app.account.token}"})):
        assert (await http.get(url)).status_code == 204
    home = app.account.home
    assert seen == [("anonymouz-http", home), (other.id, home), (app.account.id, home)]


async def test_visibility_and_errors(web, app, make_user):
    await app.register_service({"id": "plain", "config": {"visibility": "public"}, "f": lambda: 1})
    await serve_on(app, app.app, "inside", visibility="protected")
    home = app.account.home
    answer = await web().get(f"/{home}/apps/inside/")
    assert answer.status_code == 403 and answer.headers["content-type"].startswith("text/plain")
    assert (await web(token=make_user().token).get(f"/{home}/apps/inside/")).status_code == 403
    assert (await web(token=app.account.token).get(f"/{home}/apps/inside/")).status_code == 200
    assert (await web().get(f"/{home}/apps/nope/")).status_code == 404
    assert (await web().get("/no-such-ws/apps/nope/")).status_code == 404
    answer = await web().get(f"/{home}/apps/plain/")
    assert answer.status_code == 500 and answer.text.startswith("Invalid service type: generic")
    answer = await web(headers={"Cookie": "access_token=old"}).get(f"{app.url}/")
    assert answer.status_code == 401 and "Max-Age=0" in answer.headers["set-cookie"]


async def test_paths_do_not_leave_the_app(web, app, server):
    """Whatever the path says, it is the app's to understand."""
    for path in ("/..%2f..%2fhealth", "/%2e%2e/%2e%2e/health", "//health", "/a/%00"):
        reader, writer = await asyncio.open_connection("127.0.0.1", server.port)
        writer.write(f"GET {app.url}{path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n".encode())
        head = await reader.read()
        writer.close()
        assert re.match(rb"HTTP/1.1 (404|400|200) ", head), head[:100]
        assert b"uptime" not in head


async def test_the_owner_that_leaves(web, app):
    async with web().stream("GET", f"{app.url}/events?to=0") as answer:
        with pytest.raises(Exception):
            async for _ in answer.aiter_bytes():
                await app.disconnect()
    assert (await web().get(f"{app.url}/")).status_code in (404, 502)


def ws_url(server, app, query=""):
    return f"{server.url.replace('http', 'ws')}{app.url}/ws{query}"


async def test_websockets(server, app):
    async with websockets.connect(ws_url(server, app), subprotocols=["chat"]) as socket:
        assert socket.subprotocol == "chat"
        await socket.send("hi")
        assert await socket.recv() == "echo hi"
        await socket.send(b"\x01\x02")
        assert await socket.recv() == b"\x02\x01"
        await socket.send("close")
        with pytest.raises(websockets.ConnectionClosed) as closed:
            await socket.recv()
        assert (closed.value.rcvd.code, closed.value.rcvd.reason) == (4000, "as you wish")
    async with websockets.connect(ws_url(server, app)):
        pass
    await eventually(lambda: any(note.startswith("left") for note in app.app.state.notes))


async def test_a_websocket_that_is_refused(server, app):
    with pytest.raises(websockets.InvalidStatus) as refused:
        await websockets.connect(ws_url(server, app, "?refuse=1"))
    assert refused.value.response.status_code == 403
    await serve_on(app, app.app, "web2")
    url = ws_url(server, app).replace("/apps/web/", "/apps/web2/")
    with pytest.raises(websockets.InvalidStatus) as refused:
        await websockets.connect(url)
    assert refused.value.response.status_code == 403


async def test_websocket_cookies_of_other_sites_do_not_count(server, app):
    headers = {"Cookie": f"access_token={app.account.token}", "Origin": "https://evil.example"}
    with pytest.raises(websockets.InvalidStatus) as refused:
        await websockets.connect(ws_url(server, app), additional_headers=headers)
    assert refused.value.response.status_code == 403


@pytest.fixture
async def functions(connect, make_user):
    """A user with a service of type `functions`."""
    account = make_user()
    client = await connect(token=account.token, client_id="fn")
    client.account = account

    async def index(event):
        return {"status": 200, "headers": {"Content-Type": "text/html"}, "body": "<p>home</p>"}

    def echo(event):
        shown = {key: event[key] for key in ("method", "path", "query_string", "headers", "workspace", "service_id")}
        shown["body"] = event["body"].decode() if event["body"] else None
        shown["user"] = event["user"]["id"]
        return {"status": 200, "body": json.dumps(shown), "headers": {"Content-Type": "application/json"}}

    def data(event):
        return {"status": 201.0, "headers": [["X-A", "1"], ["x-a", "2"]], "body": bytes(range(256))}

    def size(event):
        return {"body": str(len(event["body"] or b""))}

    def fail(event):
        raise ValueError("wrong")

    async def stream(event):
        async def items():
            for i in range(3):
                yield f"{i},"

        return {"status": 200, "body": items()}

    def default(event):
        return {"body": "default " + event["function_path"]}

    await client.register_service(
        {
            "id": "fn",
            "type": "functions",
            "config": {"visibility": "public"},
            "index": index,
            "echo": echo,
            "data": data,
            "size": size,
            "fail": fail,
            "odd": lambda event: "text",
            "nothing": lambda event: {},
            "stream": stream,
            "api": {"v1": {"users": echo, "index": index}},
            "default": default,
        }
    )
    await client.register_service(
        {"id": "bare", "type": "functions", "config": {"visibility": "public"}, "f": lambda event: {"body": "f"}}
    )
    client.url = f"/{account.home}/apps/fn"
    return client


async def test_functions_by_path(web, functions):
    http = web()
    assert (await http.get(f"{functions.url}/")).text == "<p>home</p>"
    assert (await http.get(f"{functions.url}/api/v1/users/")).json()["path"] == "/api/v1/users/"
    assert (await http.get(f"{functions.url}/api/v1")).text == "<p>home</p>"
    assert (await http.get(f"{functions.url}/some/where")).text == "default /some/where"
    bare = f"/{functions.account.home}/apps/bare"
    assert (await http.get(f"{bare}/f")).text == "f"
    answer = await http.get(f"{bare}/nope/x")
    assert (answer.status_code, answer.text) == (404, "Function not found: nope/x")
    assert (await http.get(f"{bare}/")).status_code == 404
    for path in ("__class__", "f/__globals__", "id"):
        assert (await http.get(f"{bare}/{path}")).status_code == 404


async def test_what_a_function_sees(web, functions):
    answer = await web(token=functions.account.token).post(
        f"{functions.url}/echo?a=b=c&d", content="data", headers={"X-Thing": "1"}
    )
    seen = answer.json()
    assert (seen["method"], seen["path"], seen["query_string"], seen["body"]) == ("POST", "/echo", "a=b=c&d", "data")
    assert (seen["headers"]["x-thing"], seen["user"]) == ("1", functions.account.id)
    assert (seen["workspace"], seen["service_id"]) == (functions.account.home, "fn")


async def test_what_a_function_returns(web, functions):
    answer = await web().get(f"{functions.url}/data")
    assert (answer.status_code, answer.content) == (201, bytes(range(256)))
    assert answer.headers.get_list("x-a") == ["1", "2"]
    assert (await web().get(f"{functions.url}/nothing")).status_code == 200
    assert (await web().get(f"{functions.url}/stream")).text == "0,1,2,"
    answer = await web().get(f"{functions.url}/odd")
    assert answer.status_code == 500 and "must be a map" in answer.text
    answer = await web().get(f"{functions.url}/fail")
    assert (answer.status_code, answer.text) == (500, "Internal Server Error: ValueError: wrong")


async def test_large_bodies_for_functions(web, functions):
    data = b"q" * 3_000_000
    assert (await web().post(f"{functions.url}/size", content=data)).text == "3000000"


async def test_functions_and_pages_of_other_origins(web, functions):
    answer = await web().get(f"{functions.url}/", headers={"Origin": "https://x.example"})
    assert answer.headers["access-control-allow-origin"] == "https://x.example"
    assert answer.headers["access-control-allow-credentials"] == "true"
    answer = await web().request("OPTIONS", f"{functions.url}/fail", headers={"Origin": "https://x.example"})
    assert answer.status_code == 200 and "POST" in answer.headers["access-control-allow-methods"]

"""The login service: sessions, tokens, and who may do what with them (auth.md §7)."""

import asyncio
import time
from urllib.parse import parse_qs, urlsplit

import httpx
import pytest
from hypha_rpc import login, logout

from harness import ROOT_TOKEN
from helpers import eventually, fails_with
from tokens import claims_of, user_token


@pytest.fixture
async def svc(connect):
    """The login service, as a client without a token sees it."""
    client = await connect()
    return await client.get_service("public/hypha-login")


@pytest.fixture
async def http(server):
    async with httpx.AsyncClient(base_url=server.url, timeout=15) as client:
        yield client


async def test_what_the_service_offers(connect, server, svc):
    assert svc["type"] == "functions"
    client = await connect()
    listed = [one for one in await client.list_services("public") if one["id"].endswith(":hypha-login")]
    assert [one["type"] for one in listed] == ["functions"]
    for name in ("start", "check", "report", "index", "profile", "logout"):
        assert callable(svc[name])
    assert "signup" not in svc, "there are no local accounts on this server"


async def test_start(svc, server):
    context = await svc.start()
    assert set(context) == {"login_url", "key", "report_url", "check_url", "generate_url"}
    assert context["login_url"] == f"{server.url}/public/apps/hypha-login/?key={context['key']}"
    assert context["check_url"] == f"{server.url}/public/services/hypha-login/check"
    assert context["report_url"] == f"{server.url}/public/services/hypha-login/report"
    both = await svc.start(workspace="ws-user-ada", expires_in=77)
    query = parse_qs(urlsplit(both["login_url"]).query)
    assert query == {"key": [both["key"]], "workspace": ["ws-user-ada"], "expires_in": ["77"]}
    assert both["key"] != context["key"] and len(both["key"]) == 22


async def test_login_of_the_python_client(server, svc, make_user):
    user = make_user()

    async def sign_in(context):
        await svc.report(key=context["key"], token=user.token)

    config = {"server_url": server.url, "login_callback": sign_in, "login_timeout": 10}
    assert await login(config) == user.token
    profile = await login({**config, "profile": True})
    assert profile["token"] == user.token and profile["user_id"] == user.id and profile["email"] == user.email
    for workspace, life in ((None, None), (user.home, 1234)):
        token = await login({**config, "workspace": workspace, "expires_in": life})
        assert token == user.token, "what was reported without a workspace is passed on as it is"


async def test_logout_of_the_python_client(server):
    seen = []

    async def callback(context):
        seen.append(context)

    await logout({"server_url": server.url, "logout_callback": callback})
    assert seen == [{"logout_url": f"{server.url}/public/apps/hypha-login/?logout=true&close=true"}]


async def test_a_report_for_a_workspace_makes_a_token_for_it(svc, make_user, connect):
    user = make_user()
    context = await svc.start()
    await svc.report(context["key"], user.token, workspace=user.home, expires_in=120)
    profile = await svc.check(context["key"], timeout=0, profile=True)
    claims = claims_of(profile["token"])
    assert claims["sub"] == user.id and f"wid:{user.home}" in claims["scope"]
    assert claims["exp"] - claims["iat"] == 120 and profile["workspace"] == user.home
    client = await connect(token=profile["token"])
    assert client.config["workspace"] == user.home
    with fails_with("workspace"):
        await connect(token=profile["token"], workspace="public")


async def test_a_report_for_somebody_elses_workspace_is_refused(svc, make_user, user):
    eve = make_user()
    context = await svc.start()
    for workspace in (user.account.home, "ws-user-root", "no-such-workspace"):
        with fails_with("PermissionError", f"Invalid permission for the workspace {workspace}"):
            await svc.report(context["key"], eve.token, workspace=workspace)
    assert await svc.check(context["key"], timeout=0) is None


async def test_a_key_works_once(svc, make_user):
    token = make_user().token
    context = await svc.start()
    key = context["key"]
    assert await svc.check(key, timeout=0) is None
    assert await svc.check(key, timeout=-1) is None
    await svc.report(key, token)
    with fails_with("Invalid key"):
        await svc.report(key, make_user().token)
    assert await svc.check(key) == token
    with fails_with("AssertionError", "Invalid key, key does not exist"):
        await svc.check(key)
    with fails_with("AssertionError", "Invalid key, key does not exist or expired"):
        await svc.report(key, token)


async def test_of_many_checks_one_gets_the_token(svc, make_user, connect):
    token = make_user().token
    key = (await svc.start())["key"]
    clients = [await connect() for _ in range(5)]
    services = [await client.get_service("public/hypha-login") for client in clients]
    waiting = [asyncio.ensure_future(one.check(key, timeout=10)) for one in services]
    await asyncio.sleep(0)
    await svc.report(key, token)
    results = await asyncio.gather(*waiting, return_exceptions=True)
    assert [one for one in results if one == token] == [token]
    assert all(token not in str(one) for one in results if one != token)


async def test_a_key_ends(fresh_server, connect):
    server = fresh_server(env={"MAXIMUM_LOGIN_TIME": "1"})
    svc = await (await connect(server)).get_service("public/hypha-login")
    key = (await svc.start())["key"]
    with fails_with("TimeoutError", "Login timeout, waited for 0.05 seconds"):
        await svc.check(key, timeout=0.05)
    with fails_with("Login session expired, the maximum login time is 1 seconds"):
        await svc.check(key, timeout=30)
    with fails_with("Invalid key, key does not exist"):
        await svc.check(key)


@pytest.mark.ours
@pytest.mark.parametrize(
    "token",
    ["garbage", user_token("eve", expires_in=-10), user_token("eve") + "x", "a.b.c", ""],
    ids=["garbage", "expired", "altered", "dots", "empty"],
)
async def test_only_valid_tokens_are_reported(svc, token):
    key = (await svc.start())["key"]
    with fails_with("Invalid token provided to report_login: "):
        await svc.report(key, token)
    assert await svc.check(key, timeout=0) is None


@pytest.mark.ours
async def test_a_token_for_one_purpose_is_not_reported(svc, user):
    token = await user.generate_token({"extra_scopes": ["file:download"]})
    key = (await svc.start())["key"]
    with fails_with("Specialized token"):
        await svc.report(key, token)


@pytest.mark.ours
async def test_a_revoked_token_is_not_reported(svc, user):
    token = await user.generate_token()
    await user.revoke_token(token)
    key = (await svc.start())["key"]
    with fails_with("Token has been revoked"):
        await svc.report(key, token)


@pytest.mark.ours
async def test_a_child_token_gains_nothing_by_a_login(svc, user):
    token = await user.generate_token({"permission": "read", "expires_in": 60})
    before = claims_of(token)
    key = (await svc.start())["key"]
    await svc.report(key, token, workspace=user.account.home, expires_in=86400)
    after = claims_of(await svc.check(key, timeout=0))
    assert f"ws:{user.account.home}#r " in after["scope"] + " ", after["scope"]
    assert after["exp"] <= before["exp"], "it does not live longer"
    key = (await svc.start())["key"]
    with fails_with("Invalid permission"):
        await svc.report(key, token, workspace="public")


@pytest.mark.ours
async def test_the_root_token_is_never_passed_on(svc):
    key = (await svc.start())["key"]
    await svc.report(key, ROOT_TOKEN)
    token = await svc.check(key, timeout=0)
    assert token != ROOT_TOKEN and claims_of(token)["sub"] == "root"
    assert claims_of(token)["exp"] < time.time() + 25 * 3600


@pytest.mark.ours
@pytest.mark.parametrize(
    ("arguments", "text"),
    [
        ({"workspace": "a b ws:*#a"}, "Invalid workspace id"),
        ({"workspace": "*"}, "Invalid workspace id"),
        ({"workspace": "<script>alert(1)</script>"}, "Invalid workspace id"),
        ({"expires_in": -5}, "Invalid expires_in"),
        ({"expires_in": "soon"}, "expires_in"),
        ({"workspace": ["x"]}, "workspace"),
    ],
)
async def test_what_start_refuses(svc, arguments, text):
    with fails_with(text):
        await svc.start(**arguments)


async def test_over_http(http, make_user):
    user = make_user()
    context = (await http.get("/public/services/hypha-login/start")).json()
    pending = await http.get(context["check_url"], params={"key": context["key"], "timeout": 0})
    assert pending.status_code == 200 and pending.json() is None
    reported = await http.get(context["report_url"], params={"key": context["key"], "token": user.token})
    assert reported.status_code == 200, reported.text
    checked = await http.get(context["check_url"], params={"key": context["key"], "timeout": 0})
    assert checked.json() == user.token
    again = await http.get(context["check_url"], params={"key": context["key"]})
    assert again.status_code == 400 and "Invalid key, key does not exist" in again.json()["detail"]


async def test_the_page_over_http(http, svc):
    page = await http.get("/public/apps/hypha-login/")
    assert page.status_code == 200 and page.headers["content-type"].startswith("text/html")
    assert "Hypha Account" in page.text
    event = await svc.index({"method": "GET", "query_string": "", "headers": {}, "path": "/", "body": None})
    assert event["status"] == 200 and "text/html" in event["headers"]["Content-Type"]
    profile = await http.get("/public/apps/hypha-login/profile")
    assert profile.status_code == 302 and profile.headers["location"].endswith("/public/apps/hypha-login/")


@pytest.mark.ours
async def test_logins_of_one_address_are_bounded(fresh_server, http):
    server = fresh_server(env={"HYPHA_HTTP_RATE_LIMIT": "100000", "HYPHA_HTTP_BURST_LIMIT": "100000"})
    url = f"{server.url}/public/services/hypha-login/start"
    statuses = []
    for _ in range(1001):
        statuses.append(await http.get(url))
    assert {one.status_code for one in statuses[:1000]} == {200}
    assert statuses[1000].status_code >= 400 and "Too many logins" in statuses[1000].text


@pytest.mark.ours
async def test_an_operators_login_service_takes_the_place(fresh_server, connect):
    server = fresh_server()
    url = f"{server.url}/public/services/hypha-login/start"
    admin = await connect(server, token=ROOT_TOKEN)
    token = await admin.generate_token({"workspace": "public", "permission": "read_write"})
    root = await connect(server, token=token)

    async def start():
        return {"key": "theirs"}

    service = {"id": "hypha-login", "type": "functions", "config": {"visibility": "public"}, "start": start}
    await root.register_service(service)
    visitor = await connect(server)

    async def ids():
        return [one["id"] for one in await visitor.list_services("public") if one["id"].endswith(":hypha-login")]

    await eventually(lambda: _has(ids, 1))
    async with httpx.AsyncClient() as http:
        answers = [(await http.get(url)).json() for _ in range(10)]
        assert answers == [{"key": "theirs"}] * 10
        server_id = root.config["server_id"]
        default = await root.get_service(f"public/{server_id}:hypha-login-default")
        assert len((await default.start())["key"]) == 22, "for the parts that theirs does not do"
        await root.disconnect()
        ours = await eventually(lambda: _ours(http, url))
        assert len(ours["key"]) == 22


async def _has(ids, count):
    return len(await ids()) == count


async def _ours(http, url):
    answer = await http.get(url)
    return answer.status_code == 200 and answer.json()["key"] != "theirs" and answer.json()

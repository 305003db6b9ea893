"""Authentication providers in start-up functions (auth.md §9)."""

import os
import signal

import httpx
import pytest
from hypha_rpc import login

from harness import ROOT_TOKEN
from helpers import eventually
from raw import Raw, Refused
from startup_server import entry, environment, options, touch

KEYS = entry("key_auth.py:hypha_startup")


@pytest.fixture
def server(fresh_server, tmp_path):
    made = fresh_server(options(KEYS), env=environment(TEST_GATE=tmp_path / "gate"))
    made.gate = tmp_path / "gate"
    return made


async def test_tokens_of_the_provider(server, connect):
    client = await connect(server, token="key-ada")
    assert client.config.workspace == "ws-user-ada-of-keys"
    user = client.config.user
    assert (user["id"], user["roles"], user["email"]) == ("ada-of-keys", ["keyholder"], "ada-of-keys@example.org")


async def test_a_token_that_the_provider_refuses(server):
    with pytest.raises(Refused) as refused:
        await Raw.open(server, token="key-nobody")
    assert "Invalid API key" in refused.value.message


async def test_tokens_of_the_server_are_the_fallback(server, connect, make_user):
    account = make_user()
    client = await connect(server, token=account.token)
    assert client.config.user["id"] == account.id
    with pytest.raises(Refused):
        await Raw.open(server, token=account.token[:-3] + "xyz")


async def test_root_and_anonymous(server, connect):
    root = await connect(server, token=ROOT_TOKEN)
    assert root.config.user["id"] == "root"
    nobody = await connect(server)
    assert nobody.config.user["is_anonymous"] is True


async def test_all_tokens_are_made_by_the_provider(server, connect, raw):
    client = await connect(server, token="key-ada")
    made = await client.generate_token({"expires_in": 60})
    assert made.startswith("own-")
    child = await connect(server, token=made, workspace=client.config.workspace)
    assert child.config.user["parent"] == "ada-of-keys"

    first = await raw(server, token="key-ada", client_id="back")
    token = first.info["reconnection_token"]
    assert token.startswith("own-")
    again = await raw(server, reconnection_token=token, client_id="back", workspace=first.workspace)
    assert again.info["user"]["id"] == "ada-of-keys"


@pytest.mark.ours
async def test_while_the_provider_is_gone_nobody_is_somebody(server, connect, make_user):
    """Its tokens, and all others that it would decide about, are refused without a final word until it is back."""
    client = await connect(server, token=ROOT_TOKEN)
    touch(server.gate)
    os.kill(await (await client.get_service("public/auth-probe")).pid(), signal.SIGKILL)
    for token in ("key-ada", make_user().token):
        with pytest.raises(Refused) as refused:
            await Raw.open(server, token=token)
        assert (refused.value.message, refused.value.code) == (None, 1013)
    root = await connect(server, token=ROOT_TOKEN)
    assert await root.echo("the administrator gets in") == "the administrator gets in"

    os.unlink(server.gate)

    async def back():
        try:
            return await connect(server, token="key-ada")
        except Exception:
            return None

    user = (await eventually(back, 20, 0.2)).config.user
    assert user["id"] == "ada-of-keys"


@pytest.mark.ours
async def test_http_requests(server):
    url = f"{server.url}/public/services/auth-probe/caller"
    async with httpx.AsyncClient() as http:
        for headers in ({"x-api-key": "key-ada"}, {"Authorization": "Bearer key-ada"}):
            assert (await http.get(url, headers=headers)).json() == "ada-of-keys"
        assert (await http.get(url)).json() == "anonymouz-http", "the provider has found no token"


@pytest.mark.ours
async def test_http_requests_that_are_refused(server, connect):
    url = f"{server.url}/public/services/auth-probe/caller"
    async with httpx.AsyncClient() as http:
        for headers in ({"x-api-key": "key-nobody"}, {"Authorization": "Bearer key-nobody"}):
            answer = await http.get(url, headers=headers)
            assert (answer.status_code, answer.json()["code"]) == (401, "invalid_credential")
            assert answer.json()["detail"] == "Invalid API key"

        client = await connect(server, token=ROOT_TOKEN)
        touch(server.gate)
        os.kill(await (await client.get_service("public/auth-probe")).pid(), signal.SIGKILL)

        async def unavailable():
            answer = await http.get(f"{server.url}/public/services/queue", headers={"x-api-key": "key-ada"})
            return (answer.status_code, answer.json().get("code")) == (503, "unavailable")

        await eventually(unavailable)
        # Nor is a request without a token anonymous: only the provider could tell that it has none.
        assert (await http.get(f"{server.url}/public/services/queue")).status_code == 503


async def test_the_older_way(fresh_server, connect):
    server = fresh_server(options(entry("key_auth.py:through_item")), env=environment())
    client = await connect(server, token="key-ada")
    assert client.config.user["id"] == "ada-of-keys"


@pytest.fixture
def login_server(fresh_server):
    return fresh_server(options(entry("login_auth.py:hypha_startup")), env=environment())


async def test_a_login_service_of_its_own(login_server, connect):
    client = await connect(login_server)
    service = await client.get_service("public/hypha-login")
    assert service["type"] == "functions"
    started = await service.start("w", expires_in=5)
    assert started["login_url"] == f"/public/apps/hypha-login/?key={started['key']}"
    assert await service.report(started["key"], "a-token", email="x@example.org") == {"success": True}
    assert await service.check(started["key"]) == "a-token"
    assert "Who are you" in (await service.index({}))["body"]
    assert (await service.logout_handler())["logout_url"] == "/bye"


async def test_its_page_is_told_who_asks(login_server, make_user):
    account = make_user()
    url = f"{login_server.url}/public/apps/hypha-login/"
    async with httpx.AsyncClient() as http:
        assert (await http.get(url)).text == "<h1>Who are you, anonymouz-http?</h1>"
        known = await http.get(url, headers={"Authorization": f"Bearer {account.token}"})
        assert known.text == f"<h1>Who are you, {account.id}?</h1>"


async def test_signing_up_and_in_as_its_page_does(login_server, connect):
    """The whole way over HTTP, while a program waits in `login()`."""
    base = f"{login_server.url}/public/services/hypha-login"
    account = {"email": "grace@example.org", "password": "nanoseconds"}
    async with httpx.AsyncClient() as http:

        async def page(context):
            assert (await http.post(f"{base}/signup", json=account)).json()["success"] is True
            wrong = await http.post(f"{base}/login", json={**account, "password": "no"})
            assert wrong.json() == {"success": False, "error": "Invalid credentials"}
            done = (await http.post(f"{base}/login", json={**account, "key": context["key"]})).json()
            report = {"key": context["key"], "token": done["token"], "email": done["email"]}
            assert (await http.post(f"{base}/report", json=report)).json() == {"success": True}

        token = await login({"server_url": login_server.url, "login_callback": page, "login_timeout": 20})
    client = await connect(login_server, token=token)
    assert client.config.user["id"] == "grace"
    assert client.config.workspace == "ws-user-grace"


@pytest.mark.ours
async def test_a_handler_is_also_found_without_its_suffix(login_server, connect):
    service = await (await connect(login_server)).get_service("public/hypha-login")
    assert (await service.logout())["logout_url"] == "/bye"

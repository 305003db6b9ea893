"""The hub's own pages, the JavaScript client, and what tells them where they are (http-api.md 7, 8)."""

import asyncio
import re

import pytest
from playwright.async_api import async_playwright

from front import http
from harness import ORIGINAL
from tokens import new_user_id, user_token

pytestmark = pytest.mark.ours

CLIENTS = ["hypha-rpc-websocket.js", "hypha-rpc-websocket.min.js", "hypha-rpc-websocket.mjs", "hypha-rpc-websocket.min.mjs"]


@pytest.mark.parametrize("name", CLIENTS)
async def test_the_javascript_client(server, name):
    async with http(server) as client:
        answer = await client.get(f"/assets/{name}")
        assert (answer.status_code, len(answer.text) > 100_000) == (200, True)
        assert answer.headers["content-type"].startswith("application/javascript")
        assert answer.headers["content-encoding"] == "gzip"
        assert "no-cache" in answer.headers["cache-control"]
        same = await client.get(f"/assets/{name}", headers={"If-None-Match": f'"x", {answer.headers["etag"]}'})
        assert (same.status_code, same.content) == (304, b"")
        assert (await client.head(f"/assets/{name}")).status_code == 200


async def test_pages(server):
    async with http(server) as client:
        landing = await client.get("/")
        assert landing.status_code == 200 and "Hypha" in landing.text
        assert (await client.get("/index.html")).text == landing.text
        page = await client.get("/my-lab/")
        assert page.status_code == 200
        assert (await client.get("/my-lab/index.html")).text == page.text
        assert (await client.get("/public/")).text == page.text
        for answer in (landing, page):
            assert answer.headers["content-type"] == "text/html; charset=utf-8"
            assert "default-src 'self'" in answer.headers["content-security-policy"]
            # Nothing from elsewhere, and nothing that breaks below a base path.
            for link in re.findall(r'(?:src|href)="([^"]*)"', answer.text):
                assert not link.startswith(("/", "http:", "https:")), link


async def test_redirects_keep_the_query(server):
    async with http(server) as client:
        for path, location in [
            ("/login", "/public/apps/hypha-login/"),
            ("/login?key=a%26b&x=1", "/public/apps/hypha-login/?key=a%26b&x=1"),
            ("/my-lab", "/my-lab/"),
            ("/my-lab?a=b", "/my-lab/?a=b"),
            ("/github%7Cada-1", "/github%7Cada-1/"),
        ]:
            answer = await client.get(path, headers={"Host": "evil.example.org"})
            assert (answer.status_code, answer.headers["location"]) == (307, location)


@pytest.mark.parametrize("path", ["/nothing", "/favicon.ico", "/my-lab/nothing.html", "/assets/nothing.js", "/a/b/c/d", "/assets/", "/ws/", "/static/x"])
async def test_what_is_not_there(server, path):
    async with http(server) as client:
        answer = await client.get(path)
    assert answer.status_code == 404
    assert answer.json() == {"success": False, "detail": f"File not found: {path[1:]}", "code": "not_found"}


@pytest.mark.parametrize("method, path", [("POST", "/login"), ("DELETE", "/"), ("PUT", "/health"), ("POST", "/my-lab/"), ("PATCH", "/assets/config.json")])
async def test_wrong_methods(server, method, path):
    async with http(server) as client:
        answer = await client.request(method, path)
    assert (answer.status_code, answer.json()["detail"]) == (405, "Method Not Allowed")


async def test_config(server):
    async with http(server) as client:
        anonymous = (await client.get("/assets/config.json")).json()
        user_id = new_user_id()
        answer = await client.get("/assets/config.json", headers={"Authorization": f"Bearer {user_token(user_id)}"})
        refused = await client.get("/assets/config.json", headers={"Authorization": "Bearer wrong"})
    assert anonymous["user"]["id"] == "anonymouz-http" and anonymous["user"]["is_anonymous"] is True
    assert anonymous["public_base_url"] == server.url
    assert anonymous["login_service_url"] == f"{server.url}/public/services/hypha-login"
    assert anonymous["hypha_version"].startswith("0.21.") and anonymous["server_id"]
    assert answer.json()["user"]["id"] == user_id
    assert answer.headers["cache-control"] == "no-store"
    assert refused.status_code == 401


@pytest.mark.parametrize("name", ["assets", "ws", "api-docs"])
async def test_names_of_routes_are_no_workspaces(root, name):
    with pytest.raises(Exception, match="Workspace name"):
        await root.create_workspace({"name": name})


@pytest.mark.slow
@pytest.mark.skipif(ORIGINAL, reason="our page")
@pytest.mark.parametrize("base_path", [None, "/my/engine"])
async def test_the_workspace_page_in_a_browser(fresh_server, connect, make_user, base_path):
    """The page loads the client from the hub, connects with a token, and lists services; markup in them is text."""
    server = fresh_server({"base-path": base_path} if base_path else None)
    account = make_user()
    worker = await connect(server, token=account.token)
    await worker.register_service({"id": "greeter", "name": "Greeter <b>bold</b>", "description": "says hello", "hi": lambda: 1})
    async with async_playwright() as playwright:
        browser = await playwright.chromium.launch(executable_path="/usr/bin/chromium", args=["--no-sandbox"])
        page = await browser.new_page()
        problems, foreign = [], []
        page.on("pageerror", lambda error: problems.append(str(error)))
        page.on("request", lambda request: foreign.append(request.url) if not request.url.startswith((server.url, "data:")) else None)
        await page.goto(f"{server.url}/{account.home}/")
        assert await page.title() == account.home
        await page.get_by_text("Use a token").click()
        await page.get_by_label("Token").fill(account.token)
        await page.get_by_role("button", name="Connect").click()
        cell = page.get_by_role("cell", name="Greeter <b>bold</b>")
        await cell.wait_for()
        assert await page.get_by_role("cell", name="says hello").count() == 1
        assert account.email in await page.get_by_role("status").inner_text()
        # What comes later is found too.
        await worker.register_service({"id": "second", "name": "Second one", "hi": lambda: 1})
        await page.get_by_role("button", name="Refresh").click()
        await page.get_by_role("cell", name="Second one").wait_for()
        # A token that is not valid: the user reads why.
        await page.reload()
        await page.get_by_text("Use a token").click()
        await page.get_by_label("Token").fill("nonsense")
        await page.get_by_role("button", name="Connect").click()
        await page.locator("#status.error").wait_for()
        # Whoever is signed in with this browser need not do it again.
        await page.context.add_cookies([{"name": "access_token", "value": account.token, "url": server.url}])
        await page.reload()
        await page.get_by_role("cell", name="says hello").wait_for()
        await page.goto(f"{server.url}/")
        assert f"{server.url}/assets/hypha-rpc-websocket.mjs" in await page.inner_text("main")
        await browser.close()
    assert (problems, foreign) == ([], [])

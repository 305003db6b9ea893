"""A web page of an app, in a real browser: it loads the client from the hub, logs its user in, and offers a service."""

import httpx
import pytest
from playwright.async_api import async_playwright, expect

PAGE = """<!doctype html><meta charset=utf-8><title>app</title><p role=status>loading</p>
<script type=module>
import * as hypha from "%BASE%/assets/hypha-rpc-websocket.mjs";
const { login, connectToServer } = hypha.login ? hypha : hypha.hyphaWebsocketClient ?? hypha.default;
const say = (text) => { document.querySelector("p").textContent = text; };
const server_url = location.origin + "%BASE%";
const token = await login({
  server_url,
  login_timeout: 30,
  login_callback: (context) => { window.loginUrl = context.login_url; say("waiting"); },
});
const server = await connectToServer({ server_url, token });
await server.registerService({
  id: "page",
  config: { visibility: "protected" },
  greet: (name) => `Hello ${name}, I am ${document.title}`,
});
window.workspace = server.config.workspace;
say("ready");
</script>"""


@pytest.mark.ours
@pytest.mark.parametrize("base", ["", "/my/engine"])
async def test_a_page_logs_in_and_is_called_from_python(fresh_server, connect, base):
    hub = fresh_server({"enable-local-auth": True, **({"base-path": base} if base else {})})
    accounts = f"{hub.url}/public/services/hypha-login"
    password = "correct horse battery"
    async with httpx.AsyncClient() as http:
        new = {"name": "Ada", "email": "ada@example.org", "password": password}
        code = (await http.post(f"{accounts}/signup", json=new)).json()["dev_code"]
        await http.post(f"{accounts}/verify_email", json={"email": "ada@example.org", "code": code})
    host = await connect(hub, client_id="host")
    body = PAGE.replace("%BASE%", base)
    await host.register_service(
        {
            "id": "site",
            "type": "functions",
            "config": {"visibility": "public"},
            "index": lambda event: {"headers": {"Content-Type": "text/html"}, "body": body},
        }
    )
    async with async_playwright() as playwright:
        browser = await playwright.chromium.launch(executable_path="/usr/bin/chromium", args=["--no-sandbox"])
        context = await browser.new_context()
        app = await context.new_page()
        await app.goto(f"{hub.url}/{host.config.workspace}/apps/site/")
        await expect(app.get_by_role("status")).to_have_text("waiting", timeout=20_000)
        page = await context.new_page()
        await page.goto(await app.evaluate("window.loginUrl"))
        await page.get_by_label("E-mail address", exact=True).fill("ada@example.org")
        await page.get_by_label("Password", exact=True).fill(password)
        await page.get_by_role("button", name="Sign in and let it in", exact=True).click()
        await expect(app.get_by_role("status")).to_have_text("ready", timeout=20_000)
        workspace = await app.evaluate("window.workspace")
        answer = await httpx.AsyncClient().post(
            f"{accounts}/login", json={"email": "ada@example.org", "password": password}
        )
        ada = await connect(hub, token=answer.json()["token"])
        assert ada.config.workspace == workspace
        assert await (await ada.get_service("page")).greet("Python") == "Hello Python, I am app"
        await browser.close()

"""The login page in a browser, and the JavaScript client's `login()` with it: page, popup and inline."""

import asyncio
import http.server
import secrets
import threading

import httpx
import pytest
from playwright.async_api import async_playwright, expect

from harness import ROOT_TOKEN, Server
from tokens import claims_of, user_token

pytestmark = pytest.mark.ours

PASSWORD = "correct horse battery"
PAGE = "/public/apps/hypha-login/"
LET_IN = "Sign in and let it in"

HOST_PAGE = b"""<!doctype html><meta charset=utf-8><title>host</title><div id=modal></div>
<script type=module>
import * as hypha from "%HUB%/assets/hypha-rpc-websocket.mjs";
const login = hypha.login ?? hypha.hyphaWebsocketClient?.login ?? hypha.default.login;
window.messages = [];
window.addEventListener("message", (event) => window.messages.push({ origin: event.origin, data: event.data }));
const show = {
  page(context) { window.loginUrl = context.login_url; },
  popup(context) { window.open(context.login_url, "login"); },
  inline(context) {
    const frame = document.createElement("iframe");
    frame.src = context.login_url;
    document.getElementById("modal").append(frame);
  },
};
window.start = (mode, options) => {
  const login_callback = (context) => { window.key = context.key; show[mode](context); };
  window.result = login({ server_url: "%HUB%", login_callback, login_timeout: 30, ...options });
};
window.ready = true;
</script>"""


@pytest.fixture(scope="module")
def hub():
    """A server with local accounts and one account."""
    server = Server({"enable-local-auth": True}, env={"HYPHA_HTTP_BURST_LIMIT": "100000", "HYPHA_HTTP_RATE_LIMIT": "100000"})
    server.start()
    service = f"{server.url}/public/services/hypha-login"
    signed = httpx.post(f"{service}/signup", json={"name": "Ada", "email": "ada@example.org", "password": PASSWORD}).json()
    done = httpx.post(f"{service}/verify_email", json={"email": "ada@example.org", "code": signed["dev_code"]}).json()
    server.user_id = done["user_id"]
    yield server
    server.close()


@pytest.fixture(scope="module")
def host(hub):
    """A page of another site that uses the JavaScript client."""

    class Handler(http.server.BaseHTTPRequestHandler):
        def log_message(self, *_):
            pass

        def do_GET(self):
            body = HOST_PAGE.replace(b"%HUB%", hub.url.encode())
            self.send_response(200)
            self.send_header("Content-Type", "text/html")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

    one = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=one.serve_forever, daemon=True).start()
    # Another name than the hub's, so that it is another site.
    yield f"http://localhost:{one.server_port}/"
    one.shutdown()
    one.server_close()


@pytest.fixture
async def browser():
    async with async_playwright() as playwright:
        one = await playwright.chromium.launch(executable_path="/usr/bin/chromium", args=["--no-sandbox"])
        yield one
        await one.close()


@pytest.fixture
async def page(browser):
    context = await browser.new_context()
    page = await context.new_page()
    page.set_default_timeout(15_000)
    page.errors = []
    page.on("console", lambda message: page.errors.append(message.text) if message.type == "error" else None)
    page.on("pageerror", lambda error: page.errors.append(str(error)))
    return page


async def start(hub, **arguments):
    async with httpx.AsyncClient() as client:
        return (await client.get(f"{hub.url}/public/services/hypha-login/start", params=arguments)).json()


async def check(hub, key):
    async with httpx.AsyncClient() as client:
        answer = await client.get(f"{hub.url}/public/services/hypha-login/check", params={"key": key, "timeout": 0})
    return answer.json()


async def sign_in(page, button=LET_IN, password=PASSWORD):
    await page.get_by_label("E-mail address", exact=True).fill("ada@example.org")
    await page.get_by_label("Password", exact=True).fill(password)
    await page.get_by_role("button", name=button, exact=True).click()


async def test_signing_in_for_a_program(hub, page):
    workspace = f"ws-user-{hub.user_id}"
    context = await start(hub, workspace=workspace, expires_in=7200)
    await page.goto(context["login_url"])
    text = await page.inner_text("main")
    for part in ("Hypha Account", "A program asks to be let in as you", "127.0.0.1", workspace, "2 hours", "seconds ago",
                 "Only go on if you have started this login yourself"):
        assert part in text, part
    await sign_in(page)
    await expect(page.get_by_role("status")).to_contain_text("The program is let in as ada@example.org")
    claims = claims_of(await check(hub, context["key"]))
    assert claims["sub"] == hub.user_id and f"wid:{workspace}" in claims["scope"]
    assert claims["exp"] - claims["iat"] == 7200
    assert page.errors == [], "the content security policy is kept"


async def test_by_keyboard_alone(hub, page):
    context = await start(hub)
    await page.goto(context["login_url"])
    for text in ("ada@example.org", PASSWORD):
        await page.keyboard.press("Tab")
        await page.keyboard.type(text)
    await page.keyboard.press("Enter")
    await expect(page.get_by_role("status")).to_contain_text("The program is let in")
    assert await check(hub, context["key"])


async def test_without_scripts(hub, browser):
    context = await browser.new_context(java_script_enabled=False)
    page = await context.new_page()
    login = await start(hub)
    await page.goto(login["login_url"])
    await sign_in(page)
    await expect(page.get_by_text("You can close this page.")).to_be_visible()
    assert await check(hub, login["key"])


async def test_every_field_has_a_label(hub, page):
    context = await start(hub)
    for url in (context["login_url"], f"{context['login_url']}&show=signup", f"{hub.url}{PAGE}"):
        await page.goto(url)
        unnamed = await page.eval_on_selector_all(
            "input:not([type=hidden])", "all => all.filter(one => !one.labels || !one.labels.length).map(one => one.name)"
        )
        assert unnamed == [], url
        assert await page.get_attribute("html", "lang") == "en"
        assert await page.title()
        assert len(await page.query_selector_all("h1")) == 1


async def test_who_is_signed_in_confirms_with_one_click(hub, page):
    await page.goto(f"{hub.url}{PAGE}")
    await sign_in(page, button="Sign in")
    await expect(page.get_by_role("heading", name="You are signed in as ada@example.org")).to_be_visible()
    cookies = {one["name"]: one for one in await page.context.cookies()}
    assert cookies["access_token"]["sameSite"] == "Lax" and claims_of(cookies["access_token"]["value"])["sub"] == hub.user_id
    context = await start(hub)
    await page.goto(context["login_url"])
    assert await check(hub, context["key"]) is None, "opening the page lets nobody in"
    await page.get_by_role("button", name="Continue as ada@example.org, and let it in").click()
    await expect(page.get_by_role("status")).to_contain_text("The program is let in")
    assert claims_of(await check(hub, context["key"]))["sub"] == hub.user_id


async def test_signing_out(hub, page):
    await page.goto(f"{hub.url}{PAGE}")
    await sign_in(page, button="Sign in")
    await page.get_by_role("button", name="Sign out").click()
    await expect(page.get_by_text("You are not signed in with this browser any more.")).to_be_visible()
    assert await page.context.cookies() == []
    await page.goto(f"{hub.url}{PAGE}?logout=true&close=true")
    assert await page.context.cookies() == []


async def test_a_new_account(hub, page):
    email = f"new-{secrets.token_hex(4)}@example.org"
    evil = "<img src=x onerror=alert(1)>"
    context = await start(hub)
    await page.goto(context["login_url"])
    await page.get_by_role("link", name="Make a new account").click()
    await page.get_by_label("Name", exact=True).fill(evil)
    await page.get_by_label("E-mail address", exact=True).fill(email)
    await page.get_by_label("Password", exact=True).fill(PASSWORD)
    await page.get_by_role("button", name="Make the account").click()
    code = await page.inner_text("code")
    await page.get_by_label("Code of six digits").fill("000000" if code != "000000" else "111111")
    await page.get_by_role("button", name="Confirm").click()
    await expect(page.get_by_role("alert")).to_contain_text("Incorrect code. 4 attempt(s) remaining.")
    await page.get_by_label("Code of six digits").fill(code)
    await page.get_by_role("button", name="Confirm").click()
    await expect(page.get_by_role("status")).to_contain_text("Your account is ready")
    await page.get_by_label("E-mail address", exact=True).fill(email)
    await page.get_by_label("Password", exact=True).fill(PASSWORD)
    await page.get_by_role("button", name=LET_IN, exact=True).click()
    await expect(page.get_by_role("status")).to_contain_text(f"The program is let in as {email}")
    assert await check(hub, context["key"]), "the login has come all the way"
    await page.goto(f"{hub.url}{PAGE}")
    await page.get_by_text("Change your name or password").click()
    await page.get_by_label("New name (may stay empty)").fill("Countess")
    await page.get_by_role("button", name="Store").click()
    await expect(page.get_by_role("status")).to_contain_text("The change is stored.")
    assert not await page.query_selector("img")


async def test_wrong_passwords(hub, page):
    context = await start(hub)
    await page.goto(context["login_url"])
    await sign_in(page, password="not the password")
    await expect(page.get_by_role("alert")).to_have_text("Invalid email or password")
    assert await page.get_by_label("E-mail address", exact=True).input_value() == "ada@example.org"
    assert await check(hub, context["key"]) is None


async def test_the_root_token_once(hub, page):
    context = await start(hub)
    await page.goto(context["login_url"])
    await page.get_by_text("Administrator").click()
    await page.get_by_label("Root token").fill("not the root token at all, really not")
    await page.get_by_role("button", name=LET_IN).last.click()
    await expect(page.get_by_role("alert")).to_have_text("This is not the root token.")
    await page.get_by_text("Administrator").click()
    await page.get_by_label("Root token").fill(ROOT_TOKEN)
    await page.get_by_role("button", name=LET_IN).last.click()
    await expect(page.get_by_role("status")).to_contain_text("The program is let in as root")
    token = await check(hub, context["key"])
    assert token != ROOT_TOKEN and claims_of(token)["sub"] == "root"
    assert await page.context.cookies() == [], "the browser is not signed in as root"
    assert ROOT_TOKEN not in hub.log()


async def test_the_javascript_client_with_a_page(hub, host, page):
    await page.goto(host)
    await page.wait_for_function("window.ready")
    await page.evaluate("window.start('page', { profile: true })")
    await page.wait_for_function("window.loginUrl")
    other = await page.context.new_page()
    await other.goto(await page.evaluate("window.loginUrl"))
    await sign_in(other)
    profile = await page.evaluate("window.result")
    assert profile["user_id"] == hub.user_id and profile["name"] == "Ada" and claims_of(profile["token"])["sub"] == hub.user_id


async def test_the_javascript_client_with_a_popup(hub, host, page):
    await page.goto(host)
    await page.wait_for_function("window.ready")
    async with page.expect_popup() as opened:
        await page.evaluate("window.start('popup', { workspace: '%s', expires_in: 99 })" % f"ws-user-{hub.user_id}")
    popup = await opened.value
    async with asyncio.timeout(20):
        closed = asyncio.Event()
        popup.on("close", lambda *_: closed.set())
        await sign_in(popup)
        claims = claims_of(await page.evaluate("window.result"))
        await closed.wait()
    assert claims["sub"] == hub.user_id and claims["exp"] - claims["iat"] == 99
    assert f"wid:ws-user-{hub.user_id}" in claims["scope"]


async def test_the_javascript_client_inline(hub, host, page):
    # Signed in already: inside another site's page that must not be one click away.
    await page.goto(f"{hub.url}{PAGE}")
    await sign_in(page, button="Sign in")
    await page.goto(host)
    await page.wait_for_function("window.ready")
    await page.evaluate("window.start('inline', {})")
    frame = page.frame_locator("iframe")
    await expect(frame.get_by_role("heading", name="A program asks to be let in as you")).to_be_visible()
    assert await frame.get_by_role("button", name="Continue as").count() == 0
    assert await frame.get_by_text("Administrator").count() == 0
    await sign_in(frame)
    token = await page.evaluate("window.result")
    assert claims_of(token)["sub"] == hub.user_id
    await expect(frame.get_by_role("status")).to_contain_text("The program is let in")
    messages = await page.evaluate("window.messages")
    key = await page.evaluate("window.key")
    assert {"origin": hub.url, "data": {"type": "hypha-login-complete", "key": key}} in messages
    assert token not in str(messages)


async def test_a_page_in_the_browser_signs_in_and_serves(hub, host, page, connect):
    await page.goto(host)
    await page.wait_for_function("window.ready")
    await page.evaluate("window.start('page', {})")
    await page.wait_for_function("window.loginUrl")
    other = await page.context.new_page()
    await other.goto(await page.evaluate("window.loginUrl"))
    await sign_in(other)
    await page.evaluate("""async (hub) => {
        const hypha = await import(`${hub}/assets/hypha-rpc-websocket.mjs`);
        const connect = hypha.connectToServer ?? hypha.hyphaWebsocketClient?.connectToServer ?? hypha.default.connectToServer;
        window.server = await connect({ server_url: hub, token: await window.result });
        await window.server.registerService({ id: "page", config: { visibility: "public" }, add: (a, b) => a + b });
    }""", hub.url)
    client = await connect(hub)
    service = await client.get_service(f"ws-user-{hub.user_id}/page")
    assert await service.add(2, 3) == 5


async def test_below_a_base_path_and_behind_https(fresh_server):
    server = fresh_server({"enable-local-auth": True, "base-path": "/my/engine", "public-base-url": "https://hypha.example.org/my/engine"})
    async with httpx.AsyncClient(base_url=server.url) as client:
        context = (await client.get("/public/services/hypha-login/start")).json()
        assert context["login_url"].startswith("https://hypha.example.org/my/engine/public/apps/hypha-login/?key=")
        page = await client.get(PAGE, params={"key": context["key"]})
        assert field(page.text, "form_token") and 'action="/my/engine/public/apps/hypha-login/"' in page.text
        form = {"action": "root", "token": ROOT_TOKEN, "form_token": field(page.text, "form_token")}
        own = {"Origin": "https://hypha.example.org"}
        done = await client.post(PAGE, data=form, headers=own)
    assert done.status_code == 303 and done.headers["location"] == "/my/engine/public/apps/hypha-login/"
    cookie = done.headers["set-cookie"]
    assert "; Secure" in cookie and "SameSite=Lax" in cookie and "Path=/" in cookie
    life = claims_of(cookie.split("access_token=")[1].split(";")[0])
    assert life["exp"] - life["iat"] == 3600


# Attacks.


def field(text, name):
    return text.split(f'name="{name}" value="')[1].split('"')[0]


@pytest.fixture
async def victim(hub):
    """A browser of somebody who is signed in, without a browser."""
    async with httpx.AsyncClient(base_url=hub.url, timeout=15) as client:
        text = (await client.get(PAGE)).text
        form = {"action": "password", "email": "ada@example.org", "password": PASSWORD, "form_token": field(text, "form_token")}
        done = await client.post(PAGE, data=form)
        assert done.status_code == 303 and client.cookies["access_token"], done.text
        yield client


async def test_forms_of_other_sites_do_nothing(hub, victim):
    key = (await start(hub))["key"]
    page = await victim.get(PAGE, params={"key": key})
    good = {"action": "continue", "key": key, "form_token": field(page.text, "form_token")}
    async with httpx.AsyncClient(base_url=hub.url) as attacker:
        theirs = field((await attacker.get(PAGE, params={"key": key})).text, "form_token")
    attacks = [
        ({**good, "form_token": theirs}, {}),
        ({**good, "form_token": ""}, {}),
        ({**good, "form_token": "1.00"}, {}),
        (good, {"Origin": "https://evil.example"}),
        (good, {"Origin": "null"}),
        (good, {"Sec-Fetch-Site": "cross-site"}),
        (good, {"Sec-Fetch-Site": "same-site", "Origin": "http://127.0.0.1:1"}),
    ]
    for form, headers in attacks:
        refused = await victim.post(PAGE, data=form, headers=headers)
        assert refused.status_code == 403, (headers, refused.status_code)
        assert await check(hub, key) is None
    done = await victim.post(PAGE, data=good, headers={"Origin": hub.url, "Sec-Fetch-Site": "same-origin"})
    assert done.status_code == 200 and await check(hub, key)


async def test_a_link_alone_lets_nobody_in(hub, victim):
    key = (await start(hub))["key"]
    for query in ({"key": key}, {"key": key, "action": "continue"}, {"key": key, "workspace": "x", "expires_in": 9}):
        assert (await victim.get(PAGE, params=query)).status_code == 200
        assert (await victim.get(PAGE, params=query, headers={"Sec-Fetch-Site": "cross-site", "Sec-Fetch-Mode": "navigate"})).status_code == 200
    assert await check(hub, key) is None


async def test_who_may_show_the_page_inside_theirs(hub, victim):
    async def ancestors(client, dest=None):
        answer = await client.get(PAGE, headers={"Sec-Fetch-Dest": dest} if dest else {})
        policy = answer.headers["content-security-policy"]
        assert "default-src 'none'" in policy and "unsafe" not in policy
        return policy.split("frame-ancestors ")[1], "signed in as" in answer.text

    async with httpx.AsyncClient(base_url=hub.url) as stranger:
        assert await ancestors(stranger, "document") == ("'none'", False)
        assert await ancestors(stranger, "iframe") == ("*", False)
    assert await ancestors(victim, "document") == ("'none'", True)
    assert await ancestors(victim) == ("'self'", True)
    assert await ancestors(victim, "iframe") == ("*", False)


async def test_nothing_of_a_request_becomes_markup_or_an_address(hub):
    evil = '"><script>alert(1)</script>'
    async with httpx.AsyncClient(base_url=hub.url) as client:
        text = (await client.get(PAGE)).text
        token = field(text, "form_token")
        key = (await start(hub))["key"]
        pages = [
            await client.get(PAGE, params={"key": evil}),
            await client.get(PAGE, params={"key": key, "workspace": evil, "expires_in": evil, "note": evil, "show": evil}),
            await client.get(PAGE, params={"redirect": "https://evil.example", "next": "//evil.example", "url": "javascript:alert(1)"}),
            await client.post(PAGE, data={"action": "password", "email": evil, "password": "xxxxxxxx", "form_token": token}),
            await client.post(PAGE, data={"action": "signup", "name": evil, "email": evil, "password": "x", "form_token": token}),
            await client.post(PAGE, data={"action": "verify", "email": evil, "code": evil, "form_token": token}),
            await client.post(PAGE, data={"action": "resend", "email": evil, "form_token": token}),
            await client.post(PAGE, data={"action": evil, "key": evil, "form_token": token}),
        ]
    for page in pages:
        assert "<script>alert" not in page.text and "evil.example" not in page.text, page.url
        assert "evil.example" not in page.headers.get("location", "") and page.headers["cache-control"] == "no-store"


async def test_forms_that_are_too_long(hub):
    async with httpx.AsyncClient(base_url=hub.url) as client:
        answer = await client.post(PAGE, data={"action": "password", "email": "x" * 100_000})
        assert answer.status_code == 303
        odd = await client.post(PAGE, content=b"\xff\xfe\x00" * 1000, headers={"Content-Type": "application/json"})
        assert odd.status_code == 403


async def test_a_forged_event_is_nobody(hub, connect, make_user):
    """Whoever calls `index` writes the event: what it says of the user counts for nothing."""
    client = await connect(hub)
    svc = await client.get_service("public/hypha-login")
    context = await svc.start()
    event = {"method": "GET", "query_string": f"key={context['key']}", "headers": {}, "user": {"id": "root", "roles": ["admin"]}}
    page = await svc.index(event)
    assert "signed in as" not in page["body"]
    form = f"action=continue&key={context['key']}&form_token={field(page['body'], 'form_token')}"
    done = await svc.index({**event, "method": "POST", "body": form.encode()})
    assert done["status"] == 401 and await svc.check(context["key"], timeout=0) is None
    for odd in (None, 7, "x", [], {"headers": 7, "body": 7, "query_string": []}, {"headers": {"cookie": 5}}):
        assert (await svc.index(odd))["status"] == 200
    forged = user_token("eve") + "x"
    page = await svc.index({**event, "headers": {"cookie": f"access_token={forged}"}})
    assert "signed in as" not in page["body"]


async def test_no_permission_for_the_workspace_that_was_asked_for(hub, victim, connect, make_user):
    other = make_user()
    await connect(hub, token=other.token)
    for workspace in (other.home, "ws-user-root"):
        key = (await start(hub, workspace=workspace))["key"]
        page = await victim.get(PAGE, params={"key": key})
        form = {"action": "continue", "key": key, "form_token": field(page.text, "form_token")}
        refused = await victim.post(PAGE, data=form)
        assert refused.status_code == 403 and f"Invalid permission for the workspace {workspace}" in refused.text
        assert await check(hub, key) is None

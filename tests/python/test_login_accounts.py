"""Local accounts (auth.md §8; security-cases.md 15)."""

import asyncio
import hashlib
import sqlite3

import httpx
import pytest

from harness import Server
from helpers import fails_with
from tokens import claims_of

pytestmark = pytest.mark.ours

PASSWORD = "correct horse battery"
OPTIONS = {"enable-local-auth": True}


@pytest.fixture(scope="module")
def accounts():
    """A server with local accounts and without mail."""
    server = Server(OPTIONS, env={"HYPHA_HTTP_RATE_LIMIT": "100000", "HYPHA_HTTP_BURST_LIMIT": "100000"})
    yield server.start()
    server.close()


@pytest.fixture
async def svc(accounts, connect):
    client = await connect(accounts)
    return await client.get_service("public/hypha-login")


async def make(svc, email, password=PASSWORD, name="Ada"):
    signed = await svc.signup(name=name, email=email, password=password)
    assert signed["success"] and signed["verification_required"], signed
    done = await svc.verify_email(email=email, code=signed["dev_code"])
    assert done["success"] and done["email_verified"] is True, done
    return done["user_id"]


async def test_an_account(svc, connect, accounts):
    user_id = await make(svc, "Ada@Example.org")
    result = await svc.login(email="ADA@example.org", password=PASSWORD)
    assert result["success"] and result["user_id"] == user_id and result["email"] == "ada@example.org"
    claims = claims_of(result["token"])
    assert claims["sub"] == user_id and "wid:" not in claims["scope"]
    assert claims["exp"] - claims["iat"] == 24 * 3600
    client = await connect(accounts, token=result["token"])
    assert client.config["workspace"] == f"ws-user-{user_id}"
    again = await svc.signup(name="Eve", email="ada@example.org", password=PASSWORD)
    assert again == {"success": False, "error": "Email already registered"}


async def test_an_address_that_nobody_has_proven_owns_nothing(svc):
    await make(svc, "owner@example.org")
    result = await svc.login(email="owner@example.org", password=PASSWORD)
    assert claims_of(result["token"])["https://amun.ai/email"] is None


async def test_a_login_with_a_key(svc, accounts):
    await make(svc, "key@example.org", name="Kay")
    context = await svc.start()
    result = await svc.login(email="key@example.org", password=PASSWORD, key=context["key"])
    assert result["success"]
    profile = await svc.check(context["key"], timeout=0, profile=True)
    assert profile["name"] == "Kay" and profile["email"] == "key@example.org" and profile["email_verified"] is False
    assert claims_of(profile["token"])["sub"] == result["user_id"]


async def test_no_rights_on_a_workspace_by_naming_it(svc, connect, accounts, make_user):
    user_id = await make(svc, "mallory@example.org")
    victim = make_user()
    await connect(accounts, token=victim.token)
    for workspace in (victim.home, "ws-user-root", "public-lab", "*", "x ws:*#a"):
        result = await svc.login(email="mallory@example.org", password=PASSWORD, workspace=workspace)
        assert result["success"] is False and "token" not in result, workspace
    own = await svc.login(email="mallory@example.org", password=PASSWORD, workspace=f"ws-user-{user_id}")
    assert own["success"] and f"wid:ws-user-{user_id}" in claims_of(own["token"])["scope"]


@pytest.mark.parametrize(
    ("arguments", "text"),
    [
        ({"email": "a@example.org", "password": PASSWORD}, "Name, email and password are required"),
        ({"name": "A", "email": "a@example.org", "password": "short"}, "at least 8 characters"),
        ({"name": "A", "email": "a@example.org", "password": "x" * 2000}, "at most 1024 bytes"),
        ({"name": "A", "email": "nobody", "password": PASSWORD}, "not an e-mail address"),
        ({"name": "A", "email": "a@x\nbcc: b@y", "password": PASSWORD}, "not an e-mail address"),
        ({"name": "A\nB", "email": "a@example.org", "password": PASSWORD}, "Name must be"),
    ],
)
async def test_what_sign_up_refuses(svc, arguments, text):
    result = await svc.signup(**arguments)
    assert result["success"] is False and text in result["error"]


async def test_wrong_codes(svc):
    signed = await svc.signup(name="A", email="codes@example.org", password=PASSWORD)
    wrong = "000000" if signed["dev_code"] != "000000" else "111111"
    texts = [(await svc.verify_email(email="codes@example.org", code=wrong))["error"] for _ in range(6)]
    assert texts[:4] == [f"Incorrect code. {left} attempt(s) remaining." for left in (4, 3, 2, 1)]
    assert texts[4] == "Too many incorrect attempts. Please sign up again."
    right = await svc.verify_email(email="codes@example.org", code=signed["dev_code"])
    assert right["success"] is False
    assert (await svc.login(email="codes@example.org", password=PASSWORD))["error"] == "Invalid email or password"


async def test_another_code_only_after_a_while(svc):
    await svc.signup(name="A", email="again@example.org", password=PASSWORD)
    for call in (svc.resend_code(email="again@example.org"),
                 svc.signup(name="B", email="again@example.org", password=PASSWORD)):
        result = await call
        assert result["success"] is False and result["error"].startswith("Please wait ")


async def test_changes_are_for_the_owner(svc, connect, accounts, make_user):
    await make(svc, "change@example.org", name="Before")
    eve = await connect(accounts, token=make_user().token)
    theirs = await eve.get_service("public/hypha-login")
    refused = await theirs.update_profile(name="Eve", user_email="change@example.org")
    assert refused["success"] is False, refused
    refused = await theirs.update_profile(
        new_password="eve's password", current_password="a wrong one", user_email="change@example.org"
    )
    assert refused == {"success": False, "error": "Current password is incorrect"}
    token = (await svc.login(email="change@example.org", password=PASSWORD))["token"]
    own = await (await connect(accounts, token=token)).get_service("public/hypha-login")
    assert (await own.update_profile(name="After"))["success"]
    refused = await own.update_profile(new_password="a stolen token's password")
    assert refused["success"] is False, "a token alone does not change the password"
    done = await own.update_profile(current_password=PASSWORD, new_password="another password")
    assert done["success"]
    assert (await svc.login(email="change@example.org", password=PASSWORD))["success"] is False
    assert (await svc.login(email="change@example.org", password="another password"))["name"] == "After"


async def test_a_thousand_wrong_passwords(fresh_server, connect):
    server = fresh_server(OPTIONS, env={"HYPHA_HTTP_RATE_LIMIT": "100000", "HYPHA_HTTP_BURST_LIMIT": "100000"})
    svc = await (await connect(server)).get_service("public/hypha-login")
    await make(svc, "victim@example.org")
    first = await svc.login(email="victim@example.org", password=PASSWORD)
    assert first["success"]
    tries = [svc.login(email="victim@example.org", password=f"guess number {i}") for i in range(1000)]
    errors = [result["error"] for result in await asyncio.gather(*tries)]
    checked = [one for one in errors if one == "Invalid email or password"]
    assert 1 <= len(checked) <= 20, "guesses that were compared"
    others = {one.split(".")[0] for one in errors if one not in checked}
    assert others <= {"Too many attempts", "The server is busy; try again in a moment"}
    waits = [int(one.split(" in ")[1].split()[0]) for one in errors if "Try again in" in one]
    assert max(waits) <= 15, "nobody is locked out for long"
    # Others are not affected at all.
    await make(svc, "other@example.org")
    async with httpx.AsyncClient() as http:
        answer = await http.get(f"{server.url}/health/readiness")
        assert answer.status_code == 200


async def test_nobody_learns_who_has_an_account(svc):
    await make(svc, "known@example.org")
    answers = [await svc.login(email=email, password="a wrong one") for email in ("known@example.org", "nobody@example.org")]
    assert answers[0] == answers[1] == {"success": False, "error": "Invalid email or password"}


async def test_accounts_outlive_the_server_and_passwords_are_not_kept(fresh_server, connect):
    server = fresh_server(OPTIONS)
    svc = await (await connect(server)).get_service("public/hypha-login")
    await make(svc, "kept@example.org")
    server.kill()
    with sqlite3.connect(f"{server.data_dir}/hypha.db") as database:
        (kept,) = database.execute("SELECT password_hash FROM accounts").fetchone()
        assert kept.startswith("$argon2id$") and PASSWORD not in kept
        # A record as the original server keeps them: SHA-256 of password and salt.
        database.execute(
            "INSERT INTO accounts VALUES ('user-old', 'old@example.org', 'Old', ?, 'pepper', 0, 1, '[\"user\"]')",
            (hashlib.sha256(f"{PASSWORD}pepper".encode()).hexdigest(),),
        )
    database.close()
    server.start()
    svc = await (await connect(server)).get_service("public/hypha-login")
    assert (await svc.login(email="kept@example.org", password=PASSWORD))["success"]
    old = await svc.login(email="old@example.org", password=PASSWORD)
    assert old["user_id"] == "user-old"
    assert claims_of(old["token"])["https://amun.ai/email"] == "old@example.org", "that address was proven"
    server.kill()
    with sqlite3.connect(f"{server.data_dir}/hypha.db") as database:
        rows = database.execute("SELECT password_hash, salt FROM accounts WHERE id = 'user-old'").fetchall()
    database.close()
    assert rows[0][0].startswith("$argon2id$") and rows[0][1] is None, "it was upgraded"


async def test_more_places_for_a_token(accounts, svc):
    user_id = await make(svc, "places@example.org")
    token = (await svc.login(email="places@example.org", password=PASSWORD))["token"]
    url = f"{accounts.url}/ws-user-{user_id}/info"
    async with httpx.AsyncClient() as http:
        assert (await http.get(url)).status_code == 403
        assert (await http.get(url, headers={"X-Local-Auth": token})).status_code == 200
        assert (await http.get(url, headers={"Authorization": f"Bearer {token}"})).status_code == 200
        cookie = {"Cookie": f"hypha_local_token={token}"}
        assert (await http.get(url, headers=cookie)).status_code == 200
        foreign = await http.get(url, headers={**cookie, "Origin": "https://evil.example"})
        assert foreign.status_code == 403, "a cookie on a request of another site's page"
        bad = await http.get(url, headers={"X-Local-Auth": "garbage"})
        assert bad.status_code == 401


async def test_without_local_accounts(server, connect):
    svc = await (await connect()).get_service("public/hypha-login")
    assert "signup" not in svc and "login" not in svc
    async with httpx.AsyncClient() as http:
        answer = await http.post(f"{server.url}/public/services/hypha-login/login", json={"email": "a@b", "password": "x"})
    assert answer.status_code == 404 or answer.json()["success"] is False

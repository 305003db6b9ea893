"""An external OpenID issuer: its tokens (auth.md §2.1), and signing in through it on the login page."""

import base64
import hashlib
import hmac
import json
import secrets
from urllib.parse import parse_qs, urlsplit

import httpx
import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa

from harness import Server
from helpers import fails_with
from oidc import CLIENT_ID, NAMESPACE, Issuer
from tokens import claims_of

pytestmark = pytest.mark.ours


@pytest.fixture(scope="module")
def issuer():
    one = Issuer()
    yield one
    one.close()


@pytest.fixture(autouse=True)
def as_usual(request):
    """Every test begins with the same person at the issuer."""
    if "issuer" in request.fixturenames:
        issuer = request.getfixturevalue("issuer")
        issuer.user = {"sub": "oidc|ada", "email": "ada@example.org", "email_verified": True}
        issuer.changes = {}


@pytest.fixture(scope="module")
def hub(issuer):
    """A server that trusts the issuer."""
    server = Server(env={"AUTH0_DOMAIN": issuer.url, "AUTH0_CLIENT_ID": CLIENT_ID})
    yield server.start()
    server.close()


@pytest.mark.parametrize("algorithm", ["RS256", "ES256"])
async def test_tokens_of_the_issuer(issuer, hub, connect, algorithm):
    kid = "rsa-1" if algorithm == "RS256" else "ec-1"
    claims = {f"{NAMESPACE}roles": ["lab"], f"{NAMESPACE}email": "ada@example.org"}
    client = await connect(hub, token=issuer.token(kid=kid, algorithm=algorithm, **claims))
    user = client.config["user"]
    assert user["id"] == "oidc|ada" and user["roles"] == ["lab"] and user["email"] == "ada@example.org"
    assert client.config["workspace"] == "ws-user-oidc|ada"
    async with httpx.AsyncClient() as http:
        token = issuer.token(kid=kid, algorithm=algorithm)
        info = await http.get(f"{hub.url}/ws-user-oidc|ada/info", headers={"Authorization": f"Bearer {token}"})
        assert info.status_code == 200, info.text


def _unsigned(claims):
    part = lambda value: base64.urlsafe_b64encode(json.dumps(value).encode()).rstrip(b"=").decode()
    return f"{part({'alg': 'none', 'typ': 'JWT', 'kid': 'rsa-1'})}.{part(claims)}."


def _confused(issuer, encoding, fmt):
    """Signed with HMAC, the issuer's public key as the secret."""
    public = issuer.key.public_key().public_bytes(encoding, fmt)
    part = lambda raw: base64.urlsafe_b64encode(raw).rstrip(b"=").decode()
    header = part(json.dumps({"alg": "HS256", "typ": "JWT", "kid": "rsa-1"}).encode())
    signed = f"{header}.{part(json.dumps(issuer.claims()).encode())}"
    return f"{signed}.{part(hmac.new(public, signed.encode(), hashlib.sha256).digest())}"


async def test_forged_tokens(issuer, hub, connect):
    other = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    pem = serialization.Encoding.PEM
    good = issuer.token()
    attacks = {
        "another key": issuer.token(key=other),
        "an unknown kid": issuer.token(kid="made-up"),
        "a key of another kind": issuer.token(kid="ec-1"),
        "not signed": _unsigned(issuer.claims()),
        "HS256 with the public key": _confused(issuer, pem, serialization.PublicFormat.SubjectPublicKeyInfo),
        "HS256 with the public key, PKCS1": _confused(issuer, pem, serialization.PublicFormat.PKCS1),
        "altered": good[:-6] + ("AAAAAA" if not good.endswith("AAAAAA") else "BBBBBB"),
        "expired": issuer.token(exp=1_600_000_000),
        "without an end": issuer.token(exp=None),
        "not yet": issuer.token(nbf=4_000_000_000),
        "for others": issuer.token(aud="https://other.example/"),
        "for this server's page, an id token": issuer.token(aud=CLIENT_ID),
        "without audience": issuer.token(aud=None),
        "of another issuer": issuer.token(iss="https://evil.example/"),
        "of nobody": issuer.token(sub=None),
        "of root": issuer.token(sub="root"),
        "of an anonymous": issuer.token(sub="anonymouz-x"),
        "of a local account": issuer.token(sub="local-1"),
        "of an odd user": issuer.token(sub="x ws:*#a"),
    }
    async with httpx.AsyncClient() as http:
        for name, token in attacks.items():
            answer = await http.get(f"{hub.url}/public/services/", headers={"Authorization": f"Bearer {token}"})
            assert answer.status_code == 401, f"{name}: {answer.status_code} {answer.text}"
    with pytest.raises(Exception):
        await connect(hub, token=attacks["another key"])


async def test_scopes_of_the_issuer_mean_nothing(issuer, hub, connect):
    client = await connect(hub, token=issuer.token(sub="oidc|eve", scope="openid ws:*#a ws:ws-user-root#a wid:ws-user-root"))
    assert client.config["workspace"] == "ws-user-oidc|eve"
    with fails_with("ermission"):
        await client.get_workspace_info("ws-user-root")


async def test_addresses_that_the_issuer_has_not_verified(issuer, hub, connect):
    for claims, email in [
        ({"email": "ada@example.org"}, None),
        ({"email": "ada@example.org", "email_verified": False}, None),
        ({f"{NAMESPACE}email": "ada@example.org", "email_verified": False}, None),
        ({"email": "ada@example.org", "email_verified": True}, "ada@example.org"),
    ]:
        client = await connect(hub, token=issuer.token(sub=f"oidc|{secrets.token_hex(3)}", **claims))
        assert client.config["user"]["email"] == email, claims


async def test_a_flood_of_unknown_keys_asks_the_issuer_once(issuer, hub):
    before = issuer.asked_for("/keys")
    async with httpx.AsyncClient() as http:
        for number in range(200):
            token = issuer.token(kid=f"made-up-{number}")
            answer = await http.get(f"{hub.url}/public/services/", headers={"Authorization": f"Bearer {token}"})
            assert answer.status_code in (401, 429)
    assert issuer.asked_for("/keys") - before <= 1


@pytest.fixture
async def browser(hub):
    """A browser without scripts: it keeps cookies, and follows no redirect by itself."""
    async with httpx.AsyncClient(base_url=hub.url, timeout=15) as client:
        yield client


PAGE = "/public/apps/hypha-login/"


async def to_issuer(browser, key=None):
    query = {"with": "issuer", **({"key": key} if key else {})}
    leave = await browser.get(PAGE, params=query)
    assert leave.status_code == 303, leave.text
    return leave.headers["location"]


async def back_from(issuer_url):
    async with httpx.AsyncClient() as client:
        answer = await client.get(issuer_url)
    return answer.headers["location"]


def field(page, name):
    return page.split(f'name="{name}" value="')[1].split('"')[0]


async def test_signing_in(issuer, hub, browser):
    context = (await browser.get("/public/services/hypha-login/start", params={"workspace": "ws-user-oidc|ada"})).json()
    page = await browser.get(context["login_url"])
    assert "with=issuer" in page.text and "Sign in at 127.0.0.1" in page.text
    url = await to_issuer(browser, context["key"])
    asked = {name: values[0] for name, values in parse_qs(urlsplit(url).query).items()}
    assert asked["code_challenge_method"] == "S256" and asked["response_type"] == "code"
    assert asked["redirect_uri"] == f"{hub.url}{PAGE}" and len(asked["state"]) >= 40
    returned = await browser.get(await back_from(url))
    assert returned.status_code == 303 and returned.headers["location"] == f"{PAGE}?key={context['key']}"
    pending = await browser.get(context["check_url"], params={"key": context["key"], "timeout": 0})
    assert pending.json() is None, "coming back is no confirmation"
    page = await browser.get(returned.headers["location"])
    assert "Continue as ada@example.org" in page.text
    form = {"action": "continue", "key": context["key"], "form_token": field(page.text, "form_token")}
    done = await browser.post(PAGE, data=form, headers={"Origin": hub.url})
    assert done.status_code == 200 and "The program is let in as ada@example.org" in done.text
    token = (await browser.get(context["check_url"], params={"key": context["key"], "timeout": 0})).json()
    claims = claims_of(token)
    assert claims["sub"] == "oidc|ada" and "wid:ws-user-oidc|ada" in claims["scope"]


async def test_a_state_is_for_one_browser_and_one_use(issuer, hub, browser):
    # An attacker signs in and sends the address to return to to a victim.
    async with httpx.AsyncClient(base_url=hub.url) as attacker:
        address = await back_from(await to_issuer(attacker))
        for where in (address, f"{PAGE}?state=made-up&code=x", f"{PAGE}?state="):
            victim = await browser.get(where)
            assert victim.status_code in (200, 400) and "access_token" not in victim.headers.get("set-cookie", "")
        own = await attacker.get(address)
        assert own.status_code == 303 and "access_token=" in str(own.headers.get_list("set-cookie"))
        assert (await attacker.get(address)).status_code == 400, "it works once"


@pytest.mark.parametrize(
    "changes",
    [
        {"nonce": "another"}, {"aud": "another-client"}, {"iss": "https://evil.example/"}, {"exp": 1_600_000_000},
        {"sub": "root"}, {"sub": "local-1"},
    ],
    ids=str,
)
async def test_id_tokens_that_do_not_fit(issuer, browser, changes):
    url = await to_issuer(browser)
    address = await back_from(url)
    issuer.changes = changes
    returned = await browser.get(address)
    assert returned.status_code == 502, returned.text
    assert "access_token" not in str(returned.headers.get_list("set-cookie"))


async def test_a_refusal_of_the_issuer(issuer, browser):
    url = await to_issuer(browser)
    state = parse_qs(urlsplit(url).query)["state"][0]
    evil = "<script>alert(1)</script>"
    returned = await browser.get(PAGE, params={"state": state, "error": "access_denied", "error_description": evil})
    assert returned.status_code == 403 and evil not in returned.text


async def test_an_issuer_that_is_down(fresh_server):
    gone = Issuer()
    gone.close()
    server = fresh_server(env={"AUTH0_DOMAIN": gone.url, "AUTH0_CLIENT_ID": CLIENT_ID})
    async with httpx.AsyncClient(base_url=server.url, timeout=15) as http:
        answer = await http.get("/public/services/", headers={"Authorization": f"Bearer {gone.token()}"})
        assert answer.status_code == 503, "nobody can say whether the token is good"
        page = await http.get(PAGE, params={"with": "issuer"})
        assert page.status_code == 502 and "does not answer" in page.text
        assert (await http.get("/public/services/")).status_code == 200

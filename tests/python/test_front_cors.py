"""Access for web pages of other origins (http-api.md 1.6)."""

import pytest

from front import http

pytestmark = pytest.mark.ours

PAGE = "https://page.example.org"
ALLOWED = (
    "Accept, Accept-Encoding, Accept-Language, Access-Control-Allow-Headers, Access-Control-Request-Headers, "
    "Access-Control-Request-Method, Authorization, Content-Encoding, Content-Language, Content-Type, "
    "Inference-Header-Content-Length, Origin, Range, X-Requested-With"
)


def preflight(method="POST", headers="content-type,Authorization", origin=PAGE) -> dict:
    asked = {"Origin": origin, "Access-Control-Request-Method": method}
    return {**asked, **({"Access-Control-Request-Headers": headers} if headers else {})}


@pytest.mark.parametrize("path", ["/assets/config.json", "/some-ws/services/x/y", "/health", "/no/such/path"])
async def test_a_preflight(server, path):
    async with http(server) as client:
        answer = await client.options(path, headers=preflight())
    assert (answer.status_code, answer.text) == (200, "OK")
    assert answer.headers["access-control-allow-origin"] == PAGE
    assert answer.headers["access-control-allow-credentials"] == "true"
    assert answer.headers["access-control-allow-methods"] == "DELETE, GET, HEAD, OPTIONS, PATCH, POST, PUT"
    assert answer.headers["access-control-allow-headers"] == ALLOWED
    assert answer.headers["access-control-max-age"] == "600"
    assert "Origin" in answer.headers["vary"]


@pytest.mark.parametrize(
    "asked, text",
    [
        (preflight(headers="content-type, x-secret"), "Disallowed CORS headers"),
        (preflight(method="TRACE"), "Disallowed CORS method"),
    ],
)
async def test_what_is_not_allowed(server, asked, text):
    async with http(server) as client:
        answer = await client.options("/health", headers=asked)
    assert (answer.status_code, answer.text) == (400, text)


@pytest.mark.parametrize("path, status", [("/assets/config.json", 200), ("/nothing", 404), ("/health", 200)])
async def test_a_page_can_read_the_response(server, path, status):
    async with http(server) as client:
        answer = await client.get(path, headers={"Origin": PAGE})
        plain = await client.get(path)
    assert answer.status_code == status
    # The origin, not *: credentials are allowed.
    assert answer.headers["access-control-allow-origin"] == PAGE
    assert answer.headers["access-control-allow-credentials"] == "true"
    exposed = answer.headers["access-control-expose-headers"].split(", ")
    assert exposed[:5] == ["Inference-Header-Content-Length", "Accept-Encoding", "Range", "Origin", "Content-Type"]
    assert {"ETag", "Content-Range", "Content-Length", "Content-Disposition", "Mcp-Session-Id"} <= set(exposed)
    assert "Origin" in answer.headers["vary"]
    assert "access-control-allow-origin" not in plain.headers


async def test_refusals_can_be_read_too(server):
    async with http(server) as client:
        wrong_method = await client.post("/login", headers={"Origin": PAGE})
        bad_token = await client.get("/assets/config.json", headers={"Origin": PAGE, "Authorization": "Bearer x"})
    assert (wrong_method.status_code, bad_token.status_code) == (405, 401)
    for answer in (wrong_method, bad_token):
        assert answer.headers["access-control-allow-origin"] == PAGE


@pytest.mark.parametrize("how", ["flag", "variable"])
async def test_only_some_origins(fresh_server, how):
    listed = f"{PAGE}, http://localhost:8000"
    server = fresh_server({"allow-origins": listed}) if how == "flag" else fresh_server(env={"ALLOW_ORIGINS": listed})
    async with http(server) as client:
        for origin, allowed in [(PAGE, True), ("http://localhost:8000", True), ("https://evil.example.org", False), ("null", False)]:
            answer = await client.get("/health", headers={"Origin": origin})
            asked = await client.options("/health", headers=preflight(origin=origin))
            assert answer.status_code == 200
            assert asked.status_code == (200 if allowed else 400)
            for response in (answer, asked):
                assert response.headers.get("access-control-allow-origin") == (origin if allowed else None), origin
                assert "Origin" in response.headers["vary"]


async def test_options_without_a_preflight_is_a_wrong_method(server):
    async with http(server) as client:
        answer = await client.options("/health")
    assert answer.status_code == 405
    assert answer.json()["detail"] == "Method Not Allowed"
    assert "GET" in answer.headers["allow"]

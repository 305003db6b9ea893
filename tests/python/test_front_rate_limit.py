"""How many requests one client may make (http-api.md 1.8)."""

import pytest

from front import http
from harness import ROOT_TOKEN
from tokens import new_user_id, sign, user_claims, user_token

pytestmark = pytest.mark.ours

# Budgets that do not come back during a test.
SMALL = {
    "HYPHA_HTTP_RATE_LIMIT": "0.001",
    "HYPHA_HTTP_BURST_LIMIT": "3",
    "HYPHA_HTTP_AUTHENTICATED_RATE_LIMIT": "0.001",
    "HYPHA_HTTP_AUTHENTICATED_BURST_LIMIT": "5",
}
PATH = "/assets/hypha.css"


@pytest.fixture
def small(fresh_server):
    return fresh_server(env=SMALL)


async def statuses(client, count, path=PATH, **headers) -> list[int]:
    return [(await client.get(path, headers=headers)).status_code for _ in range(count)]


async def test_past_the_budget(small):
    async with http(small) as client:
        first = await client.get(PATH)
        assert (first.headers["ratelimit-limit"], first.headers["ratelimit-remaining"]) == ("3", "2")
        assert int(first.headers["ratelimit-reset"]) > 0
        await statuses(client, 2)
        refused = await client.get(PATH, headers={"Origin": "https://page.example.org"})
    assert refused.status_code == 429
    assert refused.json() == {
        "success": False,
        "detail": "Rate limit exceeded. Please slow down.",
        "code": "rate_limited",
    }
    assert int(refused.headers["retry-after"]) > 0
    assert (refused.headers["ratelimit-limit"], refused.headers["ratelimit-remaining"]) == ("3", "0")
    # Also for a page of another origin.
    assert refused.headers["access-control-allow-origin"] == "https://page.example.org"


async def test_the_budget_comes_back(fresh_server):
    server = fresh_server(env={**SMALL, "HYPHA_HTTP_RATE_LIMIT": "50"})
    async with http(server) as client:
        seen = set()
        for _ in range(500):
            answer = await client.get(PATH)
            seen.add(answer.status_code)
            if seen == {200, 429} and answer.status_code == 200:
                return
    assert False, seen


async def test_probes_and_websockets_are_exempt(small, connect):
    async with http(small) as client:
        assert await statuses(client, 3 + 1) == [200, 200, 200, 429]
        assert await statuses(client, 5, "/health/readiness") == [200] * 5
        assert await statuses(client, 5, "/health") == [200] * 5
        assert await statuses(client, 1, "/healthy") == [429]
        # An upgrade header alone exempts nothing.
        upgrade = {"Upgrade": "websocket", "Connection": "Upgrade"}
        assert await statuses(client, 1, **upgrade) == [429]
    for _ in range(2):
        await connect(small)


async def test_a_token_has_a_larger_budget_of_its_own(small):
    one, two = user_token(new_user_id()), user_token(new_user_id())
    async with http(small) as client:
        assert await statuses(client, 4) == [200] * 3 + [429]
        for token in (one, two, ROOT_TOKEN):
            assert await statuses(client, 6, Authorization=f"Bearer {token}") == [200] * 5 + [429]
        # The query is the sender's to choose: it does not make another budget.
        again = await client.get(f"{PATH}?client_id=another&workspace=w-1", headers={"Authorization": f"Bearer {one}"})
        assert again.status_code == 429


async def test_what_is_no_valid_token_does_not_elevate(small):
    forged = sign(user_claims(new_user_id()), secret="guessed")
    expired = sign(user_claims(new_user_id(), expires_in=-10))
    cookie = user_token(new_user_id())
    async with http(small) as client:
        found = await statuses(client, 1, Authorization=f"Bearer {forged}")
        found += await statuses(client, 1, Authorization=f"Bearer {expired}")
        found += await statuses(client, 2, Cookie=f"access_token={cookie}")
    assert found == [200, 200, 200, 429]


async def test_nonsense_in_the_variables(fresh_server):
    server = fresh_server(env={"HYPHA_HTTP_RATE_LIMIT": "fast", "HYPHA_HTTP_BURST_LIMIT": "0"})
    assert "HYPHA_HTTP_RATE_LIMIT=fast is ignored: expected a number above 0; it stays 100" in server.log()
    assert "HYPHA_HTTP_BURST_LIMIT=0 is ignored: expected a whole number above 0; it stays 500" in server.log()
    async with http(server) as client:
        assert (await client.get(PATH)).headers["ratelimit-limit"] == "500"

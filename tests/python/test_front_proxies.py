"""Who a request comes from, behind proxies and without (security case 17), and the base path behind one."""

import pytest
from hypha_rpc import connect_to_server

from front import Proxy, http
from harness import ROOT_TOKEN
from raw import Raw, Refused

pytestmark = pytest.mark.ours

# A budget that does not come back during a test.
SMALL = {"HYPHA_HTTP_RATE_LIMIT": "0.001", "HYPHA_HTTP_BURST_LIMIT": "4"}


async def spent(server, forwarded) -> list[int]:
    """The statuses of six requests, each with the next of `forwarded` as `X-Forwarded-For`."""
    async with http(server) as client:
        return [
            (await client.get("/assets/config.json", headers={"X-Forwarded-For": entry})).status_code for entry in forwarded
        ]


async def test_nobody_is_believed_by_default(fresh_server):
    """Rate limits: another address in each request does not give another budget, from loopback neither."""
    server = fresh_server(env=SMALL)
    assert await spent(server, [f"203.0.113.{n}" for n in range(6)]) == [200] * 4 + [429] * 2


async def test_the_entry_of_the_trusted_proxy_counts(fresh_server):
    server = fresh_server({"trusted-proxies": "127.0.0.1"}, env=SMALL)
    # The proxy says that all come from one client, who forges the entries before it.
    assert await spent(server, [f"198.51.100.{n}, 192.0.2.1" for n in range(6)]) == [200] * 4 + [429] * 2
    # Others have budgets of their own.
    assert await spent(server, [f"203.0.113.{n}" for n in range(6)]) == [200] * 6


async def test_a_chain_of_trusted_proxies(fresh_server):
    server = fresh_server({"trusted-proxies": "10.0.0.0/8,127.0.0.0/8"}, env=SMALL)
    assert await spent(server, [f"198.51.100.{n}, 192.0.2.1, 10.0.0.{n}" for n in range(6)]) == [200] * 4 + [429] * 2


async def test_a_blocked_address_cannot_claim_to_be_another(fresh_server, connect):
    server = fresh_server()
    admin = await (await connect(server, token=ROOT_TOKEN)).get_service("admin-utils")
    await admin.block_ip("127.0.0.1", 60, "here")
    async with http(server) as client:
        answer = await client.get("/assets/config.json", headers={"X-Forwarded-For": "203.0.113.7"})
    assert (answer.status_code, answer.json()["detail"]) == (403, "IP is blocked: here")
    with pytest.raises(Refused) as caught:
        await Raw.open(server, additional_headers={"X-Forwarded-For": "203.0.113.7"})
    assert caught.value.reason == "IP is blocked: here"


async def test_block_lists_see_the_client_behind_a_trusted_proxy(fresh_server, connect):
    server = fresh_server({"trusted-proxies": "127.0.0.1"})
    admin = await (await connect(server, token=ROOT_TOKEN)).get_service("admin-utils")
    await admin.block_ip("192.0.2.1", 60, "there")
    async with http(server) as client:
        blocked = await client.get("/assets/config.json", headers={"X-Forwarded-For": "203.0.113.7, 192.0.2.1"})
        other = await client.get("/assets/config.json", headers={"X-Forwarded-For": "192.0.2.1, 203.0.113.7"})
    assert (blocked.status_code, other.status_code) == (403, 200)
    with pytest.raises(Refused) as caught:
        await Raw.open(server, additional_headers={"X-Forwarded-For": "192.0.2.1"})
    assert caught.value.reason == "IP is blocked: there"


async def test_a_wrong_proxy_stops_the_start(fresh_server):
    server = fresh_server({"trusted-proxies": "everybody"}, start=False)
    with pytest.raises(Exception, match="--trusted-proxies everybody: expected an address or a network"):
        server.start()


@pytest.mark.parametrize("base_path", ["", "/my/engine"])
async def test_behind_a_reverse_proxy_with_a_prefix(fresh_server, make_user, base_path):
    """Redirects, WebSockets and pages work below the proxy's prefix and the server's own base path."""
    options = {"trusted-proxies": "127.0.0.1", **({"base-path": base_path} if base_path else {})}
    server = fresh_server(options)
    async with Proxy(server, "/outer") as proxy, http(server) as client:
        outside = proxy.url + base_path
        for path, location in [
            ("/login?key=a%20b", "/public/apps/hypha-login/?key=a%20b"),
            ("/my-lab?x=1&y=2", "/my-lab/?x=1&y=2"),
        ]:
            answer = await client.get(outside + path)
            assert answer.status_code == 307
            assert answer.headers["location"] == f"/outer{base_path}{location}"
        assert (await client.get(f"{outside}/my-lab/")).status_code == 200
        assert (await client.get(f"{outside}/assets/hypha-rpc-websocket.mjs")).status_code == 200
        account = make_user()
        connected = await connect_to_server({"server_url": outside, "token": account.token})
        assert connected.config.workspace == account.home
        await connected.disconnect()


async def test_only_trusted_proxies_have_a_prefix(server):
    async with http(server) as client:
        answer = await client.get("/my-lab", headers={"X-Forwarded-Prefix": "/evil", "Host": "evil.example.org"})
        assert answer.headers["location"] == "/my-lab/"


async def test_the_base_path_is_a_prefix_of_everything(fresh_server):
    server = fresh_server({"base-path": "/my/engine/"})
    outer = f"http://127.0.0.1:{server.port}"
    async with http(server) as client:
        for path in ["/health/readiness", "/metrics", "/", "/my-lab/", "/assets/config.json"]:
            assert (await client.get(f"{outer}/my/engine{path}")).status_code == 200, path
            assert (await client.get(outer + path)).status_code == 404, path
        assert (await client.get(f"{outer}/my/engine-2/health")).status_code == 404
        # Links of pages are relative to the folder, which has a slash at its end.
        bare = await client.get(f"{outer}/my/engine?a=b")
        assert (bare.status_code, bare.headers["location"]) == (307, "/my/engine/?a=b")
        config = (await client.get(f"{outer}/my/engine/assets/config.json")).json()
        assert config["public_base_url"] == server.url
        assert config["login_service_url"] == f"{server.url}/public/services/hypha-login"

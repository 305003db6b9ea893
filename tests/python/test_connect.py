"""What `connect_to_server` takes and what it gives back (rpc-protocol.md §1.1, §12)."""

import asyncio
import logging
import os
import subprocess
import sys

import pytest
from hypha_rpc import connect_to_server

from harness import ORIGINAL, ROOT_TOKEN
from helpers import eventually, fails_with
from raw import Silence
from tokens import claims_of, new_user_id, user_token


async def test_connection_info_is_in_the_config(connect, server):
    client = await connect(client_id="who-am-i")
    config = client.config
    assert config["client_id"] == "who-am-i"
    assert config["public_base_url"] == server.url
    assert config["local_base_url"] == server.url
    assert config["workspace"].startswith("ws-user-anonymouz-")
    assert config["manager_id"] == f"manager-{config['server_id']}"
    assert config["hypha_version"].startswith("0.21.")
    assert config["reconnection_token_life_time"] == 172800.0
    assert config["login_service_url"] == f"{server.url}/public/services/hypha-login"
    assert config["visibility"] == "public"
    assert config["require_context"] is True


async def test_an_anonymous_user_is_admin_of_its_own_workspace_only(connect):
    client = await connect(client_id="nobody")
    user, workspace = client.config["user"], client.config["workspace"]
    assert workspace == f"ws-user-{user['id']}"
    assert user["is_anonymous"] is True
    assert user["roles"] == ["anonymous"]
    assert user["email"] is None and user["parent"] is None
    assert user["scope"]["workspaces"] == {workspace: "a"}
    assert user["scope"]["client_id"] == "nobody"
    assert user["scope"]["current_workspace"] == workspace


async def test_a_user_lands_at_home(connect, make_user):
    account = make_user(roles=["researcher"])
    client = await connect(token=account.token)
    assert client.config["workspace"] == account.home
    user = client.config["user"]
    assert user["id"] == account.id
    assert user["roles"] == ["researcher"]
    assert user["email"] == account.email
    assert user["is_anonymous"] is False
    assert user["scope"]["workspaces"] == {account.home: "a"}


async def test_a_bearer_prefix_is_accepted(connect, make_user):
    account = make_user()
    client = await connect(token=f"Bearer {account.token}")
    assert client.config["workspace"] == account.home


async def test_the_root_token_gives_root(root):
    user = root.config["user"]
    assert root.config["workspace"] == "ws-user-root"
    assert user["id"] == "root"
    assert user["roles"] == ["admin"]
    assert user["scope"]["workspaces"]["*"] == "a"


async def test_a_named_workspace_is_joined(connect, make_user):
    account = make_user()
    client = await connect(token=account.token, workspace=account.home)
    assert client.config["workspace"] == account.home


async def test_the_token_names_the_workspace(user, connect):
    await user.create_workspace({"name": f"lab-{user.account.id}"})
    token = await user.generate_token({"workspace": f"lab-{user.account.id}"})
    client = await connect(token=token)
    assert client.config["workspace"] == f"lab-{user.account.id}"


async def test_asking_for_public_leads_home(connect, make_user):
    account = make_user()
    with fails_with("Connected to the wrong workspace", account.home, "public"):
        await connect(token=account.token, workspace="public")


async def test_the_client_id_is_made_up_when_not_given(connect):
    client = await connect(client_id=None)
    assert client.config["client_id"]
    assert client.config["client_id"] in (await client.list_clients())[0]["id"]


@pytest.mark.parametrize("client_id", ["A", "under_score", "with-dash", "_rapp_x__rlb", "dots.and#hash", "x" * 128])
async def test_client_ids_in_use(connect, client_id):
    client = await connect(client_id=client_id)
    assert client.config["client_id"] == client_id
    assert await client.ping(client_id) == "pong"


async def test_name_and_app_id_stamp_every_service(connect):
    client = await connect(name="My client", app_id="my-app")
    await client.register_service({"id": "hello", "hi": lambda: "hi"})
    info = await client.get_service_info("hello@my-app")
    assert info["app_id"] == "my-app"
    built_in = [s for s in await client.list_services() if s["type"] == "built-in"]
    assert [s["app_id"] for s in built_in] == ["my-app"]


async def test_method_timeout_bounds_a_silent_call(raw, connect):
    def stay_silent(main):
        raise Silence

    account = new_user_id()
    client = await connect(token=user_token(account), method_timeout=2)
    silent = await raw(client_id="mute", token=user_token(account))
    await silent.join("mute", {"hello": stay_silent})
    service = await client.get_service("mute")
    started = asyncio.get_running_loop().time()
    with fails_with(f"Method call timed out: ws-user-{account}/mute:services.mute.hello"):
        await service.hello()
    assert 1.5 < asyncio.get_running_loop().time() - started < 6


async def test_a_client_that_registers_nothing_is_not_listed(raw, user):
    quiet = await raw(client_id="quiet", token=user.account.token)
    assert [entry["id"] for entry in await user.list_clients()] == [f"{user.account.home}/{user.config['client_id']}"]
    assert await quiet.ask("echo", "still served") == "still served"


async def test_additional_headers_are_sent_and_harmless(connect):
    client = await connect(additional_headers={"X-Something": "else", "Authorization": "Bearer garbage"})
    assert client.config["user"]["is_anonymous"] is True


async def test_the_server_url_may_be_a_websocket_url(connect, server):
    client = await connect(server_url=server.ws_url)
    assert await client.echo("hi") == "hi"


async def test_a_trailing_slash_is_fine(connect, server):
    client = await connect(server_url=server.url + "/")
    assert await client.echo(1) == 1


async def test_context_manager_disconnects(server, user):
    async with connect_to_server(
        {"server_url": server.url, "token": user.account.token, "client_id": "inside"}
    ) as client:
        assert await client.echo("x") == "x"
        assert len(await user.list_clients()) == 2
    await eventually(lambda: _only_one(user))


async def _only_one(client):
    return len(await client.list_clients()) == 1


async def test_a_logger_can_be_given(connect):
    records = []
    logger = logging.Logger("mine")
    logger.addHandler(logging.NullHandler())
    logger.handle = records.append
    client = await connect(logger=logger)
    assert await client.echo(1) == 1


async def test_the_environment_configures_a_client(server, make_user):
    account = make_user()
    program = (
        "import asyncio, json\n"
        "from hypha_rpc import connect_to_server\n"
        "async def main():\n"
        "    client = await connect_to_server()\n"
        "    print(json.dumps([client.config.workspace, client.config.client_id, client.config.user['id']]))\n"
        "    await client.disconnect()\n"
        "asyncio.run(main())\n"
    )
    env = {
        **os.environ,
        "HYPHA_SERVER_URL": server.url,
        "HYPHA_TOKEN": account.token,
        "HYPHA_WORKSPACE": account.home,
        "HYPHA_CLIENT_ID": "from-env",
    }
    done = await asyncio.to_thread(
        subprocess.run, [sys.executable, "-c", program], env=env, capture_output=True, text=True, timeout=30
    )
    assert done.returncode == 0, done.stderr
    assert f'["{account.home}", "from-env", "{account.id}"]' in done.stdout.splitlines()


async def test_a_reconnection_token_brings_back_the_identity(connect, server):
    first = await connect(client_id="again")
    token, workspace = first.config["reconnection_token"], first.config["workspace"]
    claims = claims_of(token)
    assert claims["scope"].split() == [f"ws:{workspace}#a", "cid:again", f"wid:{workspace}"]
    assert 172790 <= claims["exp"] - claims["iat"] <= 172800
    keeper = await connect(token=await first.generate_token(), workspace=workspace)
    await first.disconnect()
    second = await connect(client_id="again", workspace=workspace, reconnection_token=token)
    assert second.config["user"]["id"] == first.config["user"]["id"]
    assert second.config["workspace"] == workspace
    assert await keeper.ping("again") == "pong"


async def test_a_duplicate_client_id_is_refused(connect, user):
    twin = await connect(token=user.account.token, client_id="twin")
    await twin.register_service({"id": "hello", "hi": lambda: "hi"})
    with fails_with(f"Client already exists and is active: {user.account.home}/twin"):
        await connect(token=user.account.token, client_id="twin")


async def test_an_expired_token_is_refused(connect):
    token = user_token(new_user_id(), expires_in=-5)
    with fails_with("Authentication error: The token has expired. Please fetch a new one"):
        await connect(token=token)


async def test_a_garbage_token_is_refused(connect):
    with fails_with("Authentication error: ", "Error decoding token headers."):
        await connect(token="this-is-no-token")


async def test_an_unknown_workspace_is_refused(connect, make_user):
    with fails_with("'Workspace no-such-thing does not exist or is not accessible'"):
        await connect(token=make_user().token, workspace="no-such-thing")


async def test_a_foreign_workspace_is_refused(connect, user, make_user):
    with fails_with(f"Permission denied for workspace: {user.account.home}"):
        await connect(token=make_user().token, workspace=user.account.home)


async def test_the_manager_publishes_the_schema_of_every_method(connect):
    client = await connect()
    for name, member in client.items():
        if callable(member) and not name.startswith("_"):
            assert member.__schema__["name"] == name, name
            assert "context" not in member.__schema__.get("parameters", {}).get("properties", {}), name


async def test_the_manager_has_the_documented_methods(connect):
    client = await connect()
    expected = (
        "echo log log_event get_event_stats get_events register_service unregister_service list_workspaces list_services "
        "search_services list_clients register_service_type get_service_type list_service_types get_service_info "
        "get_service generate_token revoke_token parse_token create_workspace delete_workspace bookmark unbookmark "
        "get_workspace_info get_summary ping cleanup check_status set_env get_env subscribe unsubscribe"
    ).split()
    assert [name for name in expected if not callable(client.get(name))] == []


async def test_keywords_and_positions_both_work(connect):
    client = await connect()
    assert await client.echo(data={"a": [1, None]}) == {"a": [1, None]}
    assert await client.list_services(query=None, include_unlisted=True) is not None
    with fails_with("Missing required argument: 'data'" if not ORIGINAL else "data"):
        await client.echo()


async def test_many_clients_at_once(connect):
    clients = await asyncio.gather(*(connect() for _ in range(20)))
    assert len({client.config["workspace"] for client in clients}) == 20
    assert await asyncio.gather(*(c.echo(i) for i, c in enumerate(clients))) == list(range(20))


async def test_first_connections_of_a_new_user_race(connect, make_user):
    account = make_user()
    clients = await asyncio.gather(*(connect(token=account.token, workspace=account.home) for _ in range(8)))
    assert {client.config["workspace"] for client in clients} == {account.home}
    assert len(await clients[0].list_clients()) == 8


async def test_the_base_path_prefixes_everything(fresh_server, connect):
    server = fresh_server({"base-path": "/my/engine"})
    client = await connect(server)
    assert client.config["local_base_url"] == f"http://127.0.0.1:{server.port}/my/engine"
    assert client.config["public_base_url"] == f"http://127.0.0.1:{server.port}/my/engine"
    await client.register_service({"id": "hello", "hi": lambda: "hi"})
    service = await client.get_service("hello")
    assert service.config["url"].startswith(f"http://127.0.0.1:{server.port}/my/engine/{client.config['workspace']}/services/")


async def test_the_public_base_url_is_what_clients_see(fresh_server, connect):
    server = fresh_server({"public-base-url": "https://hypha.example.org/"})
    client = await connect(server)
    assert client.config["public_base_url"] == "https://hypha.example.org"
    assert client.config["local_base_url"] == server.url
    assert client.config["login_service_url"] == "https://hypha.example.org/public/services/hypha-login"


async def test_the_server_id_can_be_chosen(fresh_server, connect):
    server = fresh_server({"server-id": "my-server"})
    client = await connect(server, token=ROOT_TOKEN)
    assert client.config["server_id"] == "my-server"
    assert client.config["manager_id"] == "manager-my-server"

"""What is on disk survives, however the server ended (design.md 5, decisions.md 16)."""

import asyncio

import pytest

from harness import ROOT_TOKEN
from raw import Raw, Refused
from tokens import new_user_id

pytestmark = pytest.mark.ours


@pytest.fixture(params=["kill", "terminate"])
def restart(request):
    """Ends a server in one way or the other and starts it again on the same port and data folder."""

    def again(server):
        if request.param == "kill":
            server.kill()
        else:
            assert server.terminate() == 0
        server.start()

    return again


async def test_a_persistent_workspace_survives(fresh_server, connect, make_user, restart):
    server, account, name = fresh_server(), make_user(), new_user_id("lab")
    client = await connect(server, token=account.token)
    await client.create_workspace({"name": name, "persistent": True, "description": "kept", "owners": ["x@example.org"]})
    inside = await connect(server, token=account.token, workspace=name)
    await inside.set_env("KEY", "value")
    await inside.register_service_type({"id": "t", "name": "T", "definition": {"f": {}}})
    await inside.disconnect()
    await client.disconnect()
    restart(server)
    client = await connect(server, token=account.token)
    info = await client.get_workspace_info(name)
    assert info["description"] == "kept"
    assert info["owners"] == ["x@example.org", account.id]
    inside = await connect(server, token=account.token, workspace=name)
    assert await inside.get_env("KEY") == "value"
    assert (await inside.get_service_type("t"))["name"] == "T"
    assert name in [w["id"] for w in await client.list_workspaces()]


async def test_the_home_workspace_survives(fresh_server, connect, make_user, restart):
    server, account = fresh_server(), make_user()
    client = await connect(server, token=account.token)
    await client.set_env("KEY", "value")
    await client.disconnect()
    restart(server)
    client = await connect(server, token=account.token)
    assert await client.get_env() == {"KEY": "value"}


async def test_a_deleted_workspace_stays_deleted(fresh_server, connect, make_user, restart):
    server, account, name = fresh_server(), make_user(), new_user_id("lab")
    client = await connect(server, token=account.token)
    await client.create_workspace({"name": name, "persistent": True})
    await client.delete_workspace(name)
    await client.disconnect()
    restart(server)
    with pytest.raises(Refused):
        await Raw.open(server, token=account.token, workspace=name)


async def test_a_revoked_token_stays_revoked(fresh_server, connect, make_user, restart):
    server, account = fresh_server(), make_user()
    client = await connect(server, token=account.token)
    token = await client.generate_token()
    await client.revoke_token(token)
    await client.disconnect()
    restart(server)
    with pytest.raises(Refused) as caught:
        await Raw.open(server, token=token)
    assert "Token has been revoked" in caught.value.message


async def test_the_event_log_survives(fresh_server, connect, make_user, restart):
    server, account = fresh_server(), make_user()
    client = await connect(server, token=account.token)
    for n in range(20):
        await client.log_event("kept", n)
    await client.disconnect()
    restart(server)
    client = await connect(server, token=account.token)
    assert [e["data"] for e in await client.get_events("kept")] == list(range(20))


async def test_registrations_do_not_survive(fresh_server, connect, make_user, restart):
    """A service lives with its client: after a crash nothing of a client that is gone is listed."""
    server, account = fresh_server(), make_user()
    ghost = await Raw.open(server, client_id="ghost", token=account.token)
    await ghost.join("haunt", {"boo": lambda main: "boo"})
    restart(server)
    client = await connect(server, token=account.token)
    assert [s for s in await client.list_services() if "ghost" in s["id"]] == []


async def test_a_secret_of_its_own_survives(fresh_server, connect, make_user):
    """Without HYPHA_JWT_SECRET the server makes a secret; reconnection tokens must outlive a restart all the same."""
    server = fresh_server(env={"HYPHA_JWT_SECRET": ""})
    first = await Raw.open(server, client_id="x")
    server.kill()
    server.start()
    again = await Raw.open(server, client_id="x", reconnection_token=first.info["reconnection_token"])
    assert again.workspace == first.workspace


async def test_acknowledged_means_on_disk(fresh_server, connect, make_user):
    """A value that was acknowledged just before a crash is there afterwards."""
    server, account = fresh_server(), make_user()
    for round_ in range(5):
        client = await connect(server, token=account.token)
        await client.set_env("ROUND", str(round_))
        server.kill()
        server.start()
        client = await connect(server, token=account.token)
        assert await client.get_env("ROUND") == str(round_)
        await client.disconnect()
        await asyncio.sleep(0.1)


async def test_ephemeral_forgets(fresh_server, connect, make_user):
    server, account = fresh_server({"ephemeral": True}), make_user()
    client = await connect(server, token=account.token)
    await client.set_env("KEY", "value")
    await client.disconnect()
    server.kill()
    server.start()
    client = await connect(server, token=account.token)
    assert await client.get_env() == {}


async def test_two_servers_do_not_share_a_data_folder(fresh_server):
    from harness import ServerFailed

    first = fresh_server()
    second = fresh_server(data_dir=first.data_dir, start=False)
    with pytest.raises(ServerFailed):
        second.start()
    assert first.is_ready()


def test_root_token_is_not_in_the_data_folder_or_log(fresh_server):
    import pathlib

    server = fresh_server()
    assert ROOT_TOKEN not in server.log()
    for path in pathlib.Path(server.data_dir).rglob("*"):
        if path.is_file():
            assert ROOT_TOKEN.encode() not in path.read_bytes(), path

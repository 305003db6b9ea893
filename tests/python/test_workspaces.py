"""Workspaces: making, reading, changing and ending them (workspace-api.md §4)."""

import asyncio

import pytest

from harness import ORIGINAL
from helpers import eventually, fails, fails_with
from tokens import new_user_id


def fresh_name(kind="lab"):
    return new_user_id(kind)


async def test_create_and_describe(user):
    name = fresh_name()
    made = await user.create_workspace(
        {"name": name, "description": "A laboratory", "icon": "🧪", "owners": ["ada@example.org", " "], "config": {"a": 1}}
    )
    expected = {
        "type": "workspace",
        "id": name,
        "name": name,
        "description": "A laboratory",
        "persistent": False,
        "read_only": False,
        "icon": "🧪",
        "docs": None,
        "service_types": {},
        "owners": ["ada@example.org", user.account.id],
    }
    for info in (made, await user.get_workspace_info(name)):
        assert {key: info[key] for key in expected} == expected
        assert info["config"]["a"] == 1


async def test_id_and_name_stand_for_each_other(user):
    by_id, by_name = fresh_name(), fresh_name()
    assert (await user.create_workspace({"id": by_id}))["name"] == by_id
    assert (await user.create_workspace({"name": by_name}))["id"] == by_name


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("nohyphen", "Workspace name must contain at least one hyphen (e.g. my-workspace)."),
        ("Upper-case", "Invalid workspace name: Upper-case, only lowercase letters, numbers and hyphens are allowed."),
        ("with space-x", "Invalid workspace name: with space-x"),
        ("a_b-c", "Invalid workspace name: a_b-c"),
        ("slash/a-b", "Invalid workspace name: slash/a-b"),
        ("star-*", "Invalid workspace name: star-*"),
        ("dot.dot-x", "Invalid workspace name: dot.dot-x"),
    ],
)
async def test_names_that_are_refused(user, name, text):
    with fails_with(text):
        await user.create_workspace({"name": name})


async def test_a_name_is_needed(user):
    with pytest.raises(Exception):
        await user.create_workspace({})
    with pytest.raises(Exception):
        await user.create_workspace({"name": ""})


async def test_root_needs_no_hyphen(root):
    name = fresh_name().replace("-", "")
    assert (await root.create_workspace({"name": name}))["id"] == name
    await root.delete_workspace(name)


async def test_pipes_are_allowed(user):
    name = f"my-{fresh_name()}|x"
    assert (await user.create_workspace({"name": name}))["id"] == name


async def test_an_anonymous_user_may_not(connect):
    client = await connect()
    with fails_with("Only registered user can create workspace."):
        await client.create_workspace({"name": fresh_name()})


async def test_a_name_that_is_taken(user, connect, make_user):
    name = fresh_name()
    await user.create_workspace({"name": name, "description": "first"})
    with fails(f"RuntimeError: Workspace already exists: {name}"):
        await user.create_workspace({"name": name})
    stranger = await connect(token=make_user().token)
    with fails_with("already exists"):
        await stranger.create_workspace({"name": name})
    with fails_with(f"cannot overwrite workspace {name}"):
        await stranger.create_workspace({"name": name}, overwrite=True)
    await user.create_workspace({"name": name, "description": "second"}, overwrite=True)
    assert (await user.get_workspace_info(name))["description"] == "second"


@pytest.mark.ours
@pytest.mark.parametrize("name", ["ws-user-somebody-else", "ws-anonymous", "ws-user-anonymouz-x"])
async def test_reserved_names(user, name):
    with pytest.raises(Exception):
        await user.create_workspace({"name": name})
    with pytest.raises(Exception):
        await user.create_workspace({"name": name}, overwrite=True)


async def test_joining_what_one_made(user, connect):
    name = fresh_name()
    await user.create_workspace({"name": name})
    inside = await connect(token=user.account.token, workspace=name)
    assert inside.config["workspace"] == name
    await inside.register_service({"id": "tool", "f": lambda: "in the lab", "config": {"visibility": "public"}})
    assert await (await user.get_service(f"{name}/tool")).f() == "in the lab"


async def test_an_owner_by_email(user, connect, make_user):
    name, friend = fresh_name(), make_user()
    await user.create_workspace({"name": name, "owners": [friend.email]})
    inside = await connect(token=friend.token, workspace=name)
    assert (await inside.check_status())["user_permission"] == "a"


async def test_delete(user, connect):
    name = fresh_name()
    await user.create_workspace({"name": name})
    assert await user.delete_workspace(name) is None
    with pytest.raises(Exception):
        await user.get_workspace_info(name)
    with fails_with("does not exist or is not accessible"):
        await connect(token=user.account.token, workspace=name)


@pytest.mark.ours
async def test_delete_sends_everybody_home(user, connect):
    name = fresh_name()
    await user.create_workspace({"name": name, "persistent": True})
    inside = await connect(token=user.account.token, workspace=name)
    await inside.register_service({"id": "tool", "f": lambda: 1, "config": {"visibility": "public"}})
    await user.delete_workspace(name)

    async def no_service():
        return not [s for s in await user.list_services("*") if s["id"].startswith(f"{name}/")]

    await eventually(no_service)


async def test_delete_needs_permission(user, connect, make_user):
    name = fresh_name()
    await user.create_workspace({"name": name})
    stranger = await connect(token=make_user().token)
    with fails_with("Permission denied", name):
        await stranger.delete_workspace(name)
    assert (await user.get_workspace_info(name))["id"] == name


async def test_delete_what_is_not_there(user):
    with fails_with("not-there-at-all"):
        await user.delete_workspace("not-there-at-all")


async def test_list(user, connect, make_user):
    names = sorted(fresh_name() for _ in range(3))
    for name in names:
        await user.create_workspace({"name": name, "persistent": name == names[0]})
    listed = await user.list_workspaces()
    assert sorted(w["id"] for w in listed) == sorted([*names, user.account.home])
    entry = next(w for w in listed if w["id"] == names[0])
    assert {k: entry[k] for k in ("id", "name", "description", "read_only", "persistent", "owners")} == {
        "id": names[0],
        "name": names[0],
        "description": None,
        "read_only": False,
        "persistent": True,
        "owners": [user.account.id],
    }
    assert [w["id"] for w in await user.list_workspaces({"id": names[1]})] == [names[1]]
    assert [w["id"] for w in await user.list_workspaces({"persistent": True, "id": names[0]})] == [names[0]]
    assert len(await user.list_workspaces(None, 0, 2)) == 2
    pages = [w["id"] for offset in range(4) for w in await user.list_workspaces(None, offset, 1)]
    assert sorted(pages) == sorted([*names, user.account.home])
    stranger = await connect(token=make_user().token)
    assert not {w["id"] for w in await stranger.list_workspaces()} & set(names)


async def test_list_limits(user):
    with fails("ValueError: Offset number must be greater than or equal to 0"):
        await user.list_workspaces(None, -1)
    for limit in (0, 257):
        with fails("ValueError: Limit must be greater than 0 and less than 256"):
            await user.list_workspaces(None, 0, limit)


async def test_environment(user, connect):
    await user.set_env("KEY", "value")
    await user.set_env(key="OTHER", value="2")
    sibling = await connect(token=user.account.token)
    assert await sibling.get_env("KEY") == "value"
    assert await sibling.get_env() == {"KEY": "value", "OTHER": "2"}
    await user.set_env("KEY", None)
    assert await sibling.get_env() == {"OTHER": "2"}
    with fails_with("Environment variable 'KEY' not found in workspace", user.account.home):
        await sibling.get_env("KEY")


async def test_environment_needs_write_permission(user, raw):
    await user.set_env("SECRET", "s3cr3t")
    reader = await raw(token=await user.generate_token({"permission": "read"}))
    for method, arguments in (("get_env", []), ("get_env", ["SECRET"]), ("set_env", ["SECRET", "x"])):
        with fails_with("Permission denied", user.account.home):
            await reader.ask(method, *arguments)
    assert await user.get_env("SECRET") == "s3cr3t"


async def test_bookmarks(user):
    name = fresh_name()
    await user.create_workspace({"name": name})

    async def bookmarks():
        info = await user.get_workspace_info(user.account.home)
        return [b["id"] for b in info["config"].get("bookmarks", [])]

    assert name in await bookmarks()
    await user.unbookmark({"bookmark_type": "workspace", "id": name})
    assert name not in await bookmarks()
    await user.bookmark({"bookmark_type": "workspace", "id": name})
    assert name in await bookmarks()
    info = await user.register_service({"id": "tool", "f": lambda: 1})
    await user.bookmark({"bookmark_type": "service", "id": info["id"]})
    assert info["id"] in await bookmarks()
    await user.unbookmark({"bookmark_type": "service", "id": info["id"]})
    assert info["id"] not in await bookmarks()
    with fails_with("Invalid bookmark type: planet"):
        await user.bookmark({"bookmark_type": "planet", "id": name})


async def test_summary(user):
    await user.register_service({"id": "tool", "name": "Tool", "type": "t", "description": "d", "f": lambda: 1})
    summary = await user.get_summary()
    address = f"{user.account.home}/{user.config['client_id']}"
    assert summary["name"] == user.account.home
    assert summary["client_count"] == 1
    assert summary["clients"] == [address] or [c["id"] for c in summary["clients"]] == [address]
    assert summary["service_count"] == len(summary["services"]) == 2
    tool = next(s for s in summary["services"] if s["name"] == "Tool")
    assert {k: tool[k] for k in ("id", "name", "type", "description")} == {
        "id": f"{address}:tool",
        "name": "Tool",
        "type": "t",
        "description": "d",
    }


async def test_status(user, raw):
    assert await user.check_status() == {"status": "ready", "errors": None, "user_permission": "a"}
    reader = await raw(token=await user.generate_token({"permission": "read"}))
    assert (await reader.ask("check_status"))["user_permission"] == "r"
    writer = await raw(token=await user.generate_token({"permission": "read_write"}))
    assert (await writer.ask("check_status"))["user_permission"] == "rw"


async def test_cleanup_removes_what_does_not_answer(user, raw):
    live = await (await raw(client_id="live", token=user.account.token)).join()
    dead = await (await raw(client_id="dead", token=user.account.token)).join()

    async def silent():
        dead._reader.cancel()

    await silent()
    result = await user.cleanup(None, 1)
    assert [c.split("/")[-1] for c in result["removed_clients"]] == ["dead"]
    ids = {c["id"].split("/")[-1] for c in await user.list_clients()}
    assert ids == {user.config["client_id"], "live"}
    assert live.is_open


async def test_cleanup_with_nothing_to_do(user):
    result = await user.cleanup()
    assert result in ({}, {"removed_clients": []})


async def test_cleanup_needs_admin(user, raw):
    writer = await raw(token=await user.generate_token({"permission": "read_write"}))
    with fails_with("Permission denied", user.account.home):
        await writer.ask("cleanup")


async def test_a_workspace_that_is_not_persistent_goes_with_its_last_client(user, connect):
    name = fresh_name()
    await user.create_workspace({"name": name, "persistent": False})
    inside = await connect(token=user.account.token, workspace=name)
    await inside.disconnect()

    async def gone():
        return name not in [w["id"] for w in await user.list_workspaces()]

    await eventually(gone)


@pytest.mark.ours
async def test_a_persistent_workspace_stays(user, connect):
    name = fresh_name()
    await user.create_workspace({"name": name, "persistent": True})
    inside = await connect(token=user.account.token, workspace=name)
    await inside.set_env("K", "v")
    await inside.disconnect()
    await asyncio.sleep(0.5)
    again = await connect(token=user.account.token, workspace=name)
    assert await again.get_env("K") == "v"


async def test_the_workspace_quota(fresh_server, connect, make_user):
    server = fresh_server(env={"HYPHA_MAX_WORKSPACES_PER_USER": "3"})
    account = make_user()
    client = await connect(server, token=account.token)
    made = []
    text = f"Workspace quota exceeded: user {account.id} already owns 3 workspaces (max 3). "
    with fails_with(text + "Delete unused workspaces before creating new ones."):
        for _ in range(4):
            name = fresh_name()
            await client.create_workspace({"name": name})
            made.append(name)
    assert len(made) == 2, "the home workspace counts too"
    await client.delete_workspace(made[0])
    await client.create_workspace({"name": fresh_name()})


async def test_info_of_the_own_workspace(user, connect):
    info = await user.get_workspace_info()
    assert info["id"] == user.account.home
    assert info["persistent"] is True
    assert set(info["owners"]) == {user.account.id, "root"}
    anonymous = await connect()
    info = await anonymous.get_workspace_info()
    assert info["persistent"] is False
    assert info["read_only"] is True


async def test_echo_and_log(user):
    for value in (None, 1, "x", [1, {"a": None}], b"bytes"):
        assert await user.echo(value) == value
    assert await user.log("a message") is None


async def test_many_workspaces_at_once(user):
    names = [fresh_name() for _ in range(10)]
    await asyncio.gather(*(user.create_workspace({"name": name}) for name in names))
    assert set(names) <= {w["id"] for w in await user.list_workspaces()}


async def test_one_name_wanted_by_many(user):
    if ORIGINAL:
        pytest.skip("checking and writing are two steps there")
    name = fresh_name()
    results = await asyncio.gather(
        *(user.create_workspace({"name": name}) for _ in range(8)), return_exceptions=True
    )
    assert len([r for r in results if not isinstance(r, Exception)]) == 1


@pytest.mark.ours
async def test_one_name_wanted_by_many_users(connect, make_user):
    name = fresh_name()
    clients = [await connect(token=make_user().token) for _ in range(6)]
    results = await asyncio.gather(*(c.create_workspace({"name": name}) for c in clients), return_exceptions=True)
    winners = [c for c, r in zip(clients, results, strict=True) if not isinstance(r, Exception)]
    assert len(winners) == 1
    owners = (await winners[0].get_workspace_info(name))["owners"]
    assert owners == [winners[0].config["user"]["id"]]

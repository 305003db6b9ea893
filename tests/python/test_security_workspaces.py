"""Security cases 6, 7 and 8: workspaces are closed to those who have no business in them."""

import asyncio

import pytest

from helpers import fails_with
from raw import Raw, Refused
from tokens import new_user_id

pytestmark = pytest.mark.ours


@pytest.fixture
async def stranger(raw, make_user):
    return await (await raw(token=make_user().token)).join()


@pytest.fixture
async def nobody(raw):
    return await (await raw()).join()


async def test_the_secrets_of_a_workspace_stay_inside(user, stranger, nobody):
    """Case 6."""
    name = new_user_id("lab")
    await user.create_workspace({"name": name, "persistent": True, "config": {"private": "inner"}})
    await user.set_env("SECRET", "s3cr3t")
    for outsider in (stranger, nobody):
        for workspace in (user.account.home, name, "ws-user-root"):
            with fails_with("ermission"):
                await outsider.ask("get_workspace_info", workspace)
        listed = await outsider.ask("list_workspaces")
        assert user.account.home not in str(listed) and name not in str(listed)
        for query in (user.account.home, {"workspace": "*"}):
            assert "s3cr3t" not in str(await outsider.ask("list_services", query))


async def test_readers_see_no_environment(user, raw):
    await user.set_env("SECRET", "s3cr3t")
    reader = await raw(token=await user.generate_token({"permission": "read"}))
    assert "s3cr3t" not in str(await reader.ask("get_workspace_info"))
    assert "s3cr3t" not in str(await reader.ask("get_workspace_info", user.account.home))
    assert "s3cr3t" not in str(await reader.ask("get_summary"))


async def test_the_environment_is_not_broadcast(user):
    events = []
    for name in ("workspace_changed", "workspace_status_changed", "workspace_ready"):
        user.on(name, events.append)
        await user.subscribe(name)
    await user.set_env("SECRET", "s3cr3t")
    await asyncio.sleep(0.3)
    assert "s3cr3t" not in str(events)


async def test_an_owner_reads_from_elsewhere(user):
    name = new_user_id("lab")
    await user.create_workspace({"name": name})
    assert (await user.get_workspace_info(name))["id"] == name


async def test_nobody_broadcasts_into_another_workspace(user, stranger, nobody, raw):
    """Case 7: `to: "other-ws/*"`, also from a reader, also in other spellings."""
    heard = []
    user.on("alarm", heard.append)
    await user.subscribe("alarm")
    reader = await raw(token=await user.generate_token({"permission": "read"}))
    for sender in (stranger, nobody, reader):
        for to in (f"{user.account.home}/*", "*", "*/*", f"{user.account.home}/ *", f"/{user.account.home}/*", "**", "*/"):
            await sender.send({"type": "alarm", "to": to, "data": "fire"})
        assert await sender.ask("subscribe", "x") is True
    await asyncio.sleep(0.3)
    assert heard == []
    await user.emit({"type": "alarm", "to": "*", "data": "real"})
    for _ in range(40):
        if heard:
            break
        await asyncio.sleep(0.05)
    assert [event["data"] for event in heard] == ["real"]


async def test_a_call_to_everybody_is_no_broadcast(user, stranger):
    """A method call addressed to `*` must not run in every client of a workspace."""
    ran = []
    await user.register_service({"id": "danger", "config": {"visibility": "public"}, "run": lambda: ran.append(1)})
    for to in ("*", f"{user.account.home}/*"):
        await stranger.send({"type": "method", "to": to, "method": "services.danger.run"}, {"args": []})
    assert await stranger.ask("echo", 1) == 1
    await asyncio.sleep(0.3)
    assert ran == []


async def test_built_in_services_show_no_person(user, stranger, nobody):
    """Case 8: who is connected, and with which address, is nobody else's business."""
    for outsider in (stranger, nobody):
        for query in ({"workspace": "*"}, "*", user.account.home, {"workspace": "*", "type": "built-in"}):
            found = await outsider.ask("list_services", query)
            text = str(found)
            assert user.account.email not in text
            for entry in found:
                if not entry["id"].startswith(outsider.workspace + "/"):
                    created_by = entry["config"].get("created_by") or {}
                    assert set(created_by) <= {"id"}, entry["id"]
        built_in = f"{user.account.home}/{user.config['client_id']}:built-in"
        try:
            info = await outsider.ask("get_service_info", built_in)
        except Exception:
            continue
        assert user.account.email not in str(info)


async def test_the_clients_of_others_are_not_listed(user, stranger, nobody):
    for outsider in (stranger, nobody):
        with fails_with("ermission"):
            await outsider.ask("list_clients", user.account.home)
        with fails_with("ermission"):
            await outsider.ask("list_service_types", user.account.home)


async def test_strangers_do_not_change_a_workspace(user, stranger, nobody):
    name = new_user_id("lab")
    await user.create_workspace({"name": name, "persistent": True})
    info = await user.register_service({"id": "mine", "f": lambda: "still mine", "config": {"visibility": "public"}})
    for outsider in (stranger, nobody):
        for method, arguments in [
            ("delete_workspace", [name]),
            ("delete_workspace", [user.account.home]),
            ("create_workspace", [{"name": name}, True]),
            ("create_workspace", [{"name": user.account.home}, True]),
            ("cleanup", [user.account.home]),
            ("cleanup", [name]),
            ("unregister_service", [info["id"]]),
            ("generate_token", [{"workspace": user.account.home}]),
            ("generate_token", [{"workspace": "ws-user-root", "permission": "admin"}]),
            ("register_service_type", [{"id": f"{user.account.home}/t", "name": "t", "definition": {}}]),
        ]:
            with pytest.raises(Exception) as caught:
                await outsider.ask(method, *arguments)
            assert not isinstance(caught.value, TimeoutError), method
    assert (await user.get_workspace_info(name))["owners"] == [user.account.id]
    assert await (await user.get_service("mine")).f() == "still mine"


async def test_anonymous_workspaces_belong_to_their_maker(server, nobody):
    with pytest.raises(Refused):
        await Raw.open(server, workspace=nobody.workspace)
    with pytest.raises(Refused):
        await Raw.open(server, workspace="ws-user-anonymouz-made-up-12345678")


async def test_system_workspaces_are_closed(server, make_user):
    for workspace in ("ws-user-root", "public", "ws-anonymous", "*"):
        with pytest.raises(Refused):
            connection = await Raw.open(server, workspace=workspace)
            assert connection.workspace != workspace
            raise Refused(None, None, None)


async def test_the_manager_is_not_reachable_as_a_peer_object(stranger):
    """Internal objects of the manager's peer cannot be addressed."""
    for method in (
        "services.default.__class__",
        "services.built-in.message_cache",
        "services.built-in.message_cache._cache",
        "services",
        "services.default",
        "services.default.echo.__globals__",
        "services..echo",
        "services.default.echo.",
        ".",
        "",
    ):
        with pytest.raises(Exception) as caught:
            await stranger.call(stranger.manager, method, timeout=5)
        assert not isinstance(caught.value, TimeoutError), method


async def test_one_cannot_leave_through_unsubscribed_names(stranger, user):
    for name in (f"{user.account.home}/x", user.account.home, f"{user.account.home}:x", f"unload:{user.account.home}", "*"):
        try:
            await stranger.ask("subscribe", name)
        except Exception as error:
            assert "forbidden" in str(error)
    heard = []
    await user.set_env("A", "1")
    await user.emit({"type": f"{user.account.home}/x", "to": "*", "data": 1})
    with pytest.raises(TimeoutError):
        heard.append(await stranger.message(0.5))
    assert heard == []


async def test_a_child_token_lists_what_it_may_read(user, connect):
    """What its parent owns is not in its scope."""
    name = f"ada-{user.account.id}"
    await user.create_workspace({"name": name, "description": "mine alone", "persistent": True})
    child = await connect(token=await user.generate_token({"permission": "read"}))
    assert [entry["id"] for entry in await child.list_workspaces()] == [user.account.home]
    with fails_with("Permission denied"):
        await child.get_workspace_info(name)

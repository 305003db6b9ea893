"""Events: between clients, and those the server sends itself (workspace-api.md §8, rpc-protocol.md §9)."""

import asyncio

import pytest

from helpers import eventually, fails_with


class Box:
    """Collects the events of one type on one client."""

    def __init__(self, client, event):
        self.events = []
        client.on(event, self.events.append)

    async def next(self, count=1, timeout=5):
        await eventually(lambda: len(self.events) >= count, timeout)
        return self.events[count - 1]


async def test_point_to_point(connect, user):
    other = await connect(token=user.account.token, client_id="other")
    box = Box(other, "greeting")
    await user.emit({"type": "greeting", "to": "other", "text": "hi"})
    event = await box.next()
    assert event["text"] == "hi"
    assert event["from"] == f"{user.account.home}/{user.config['client_id']}"
    assert event["to"] == f"{user.account.home}/other"
    assert event["ws"] == user.account.home
    assert event["user"]["id"] == user.account.id


async def test_a_broadcast_reaches_the_subscribed(connect, user):
    one, two, three = [await connect(token=user.account.token) for _ in range(3)]
    boxes = [Box(client, "news") for client in (user, one, two, three)]
    for client in (user, one, two):
        await client.subscribe("news")
    await user.emit({"type": "news", "to": "*", "data": {"n": 1}})
    for box in boxes[:3]:
        assert (await box.next())["data"] == {"n": 1}
    await asyncio.sleep(0.2)
    assert boxes[3].events == []


async def test_unsubscribe(connect, user):
    other = await connect(token=user.account.token)
    box = Box(other, "news")
    assert await other.subscribe(["news", "more"]) is True
    await user.emit({"type": "news", "to": "*", "data": 1})
    await box.next()
    assert await other.unsubscribe("news") is True
    await user.emit({"type": "news", "to": "*", "data": 2})
    await asyncio.sleep(0.3)
    assert len(box.events) == 1


async def test_events_stay_in_the_workspace(connect, user, make_user):
    stranger = await connect(token=make_user().token)
    box = Box(stranger, "news")
    await stranger.subscribe("news")
    await user.subscribe("news")
    mine = Box(user, "news")
    await user.emit({"type": "news", "to": "*", "data": 1})
    await mine.next()
    await asyncio.sleep(0.2)
    assert box.events == []


async def test_without_an_address_it_is_local(connect, user):
    other = await connect(token=user.account.token)
    here, there = Box(user, "local"), Box(other, "local")
    await other.subscribe("local")
    user.emit({"type": "local", "data": 1})
    await here.next()
    await asyncio.sleep(0.2)
    assert there.events == []


async def test_off(connect, user):
    other = await connect(token=user.account.token, client_id="other")
    box = Box(other, "e")
    for n in range(3):
        await user.emit({"type": "e", "to": "other", "n": n})
    await box.next(3)
    other.off("e")
    await user.emit({"type": "e", "to": "other", "n": 3})
    await asyncio.sleep(0.2)
    assert len(box.events) == 3


async def test_a_reader_cannot_broadcast(raw, user):
    await user.subscribe("news")
    box = Box(user, "news")
    reader = await raw(token=await user.generate_token({"permission": "read"}))
    await reader.send({"type": "news", "to": "*", "data": 1})
    assert await reader.ask("check_status")
    await asyncio.sleep(0.3)
    assert box.events == []
    await reader.send({"type": "news", "to": user.config["client_id"], "data": 2})
    assert (await box.next())["data"] == 2


@pytest.mark.parametrize("name", ["other-ws/thing", "ws-user-somebody", "ws-user-somebody/x", "ws-user-somebody:x"])
async def test_foreign_names_cannot_be_subscribed_to(user, name):
    with fails_with(f"Subscription to event '{name}' is forbidden"):
        await user.subscribe(name)
    with fails_with(f"Subscription to event '{name}' is forbidden"):
        await user.subscribe(["fine", name])


async def test_own_names_can(user):
    for name in ("plain", "with:colon", f"{user.account.home}/x", f"{user.account.home}", "client_connected"):
        assert await user.subscribe(name) is True


async def test_client_connected_and_disconnected(connect, user):
    joined, left = Box(user, "client_connected"), Box(user, "client_disconnected")
    await user.subscribe(["client_connected", "client_disconnected"])
    guest = await connect(token=user.account.token, client_id="guest")
    event = await joined.next()
    assert event["data"]["id"] == f"{user.account.home}/guest"
    assert event["data"]["workspace"] == user.account.home
    await guest.disconnect()
    event = await left.next()
    assert event["data"]["id"] == "guest"
    assert event["data"]["workspace"] == user.account.home


async def test_service_added_and_removed(connect, user):
    added, removed = Box(user, "service_added"), Box(user, "service_removed")
    await user.subscribe(["service_added", "service_removed"])
    guest = await connect(token=user.account.token, client_id="guest")
    await guest.register_service({"id": "tool", "f": lambda: 1, "config": {"visibility": "public"}})
    event = await eventually(lambda: [e for e in added.events if e["data"]["id"].endswith(":tool")])
    assert event[0]["data"]["id"] == f"{user.account.home}/guest:tool"
    assert event[0]["data"]["config"]["visibility"] == "public"
    assert event[0]["data"]["config"].get("service_embedding") is None
    assert "from" not in event[0] or event[0]["from"] is None
    await guest.unregister_service("tool")
    event = await eventually(lambda: [e for e in removed.events if e["data"]["id"].endswith(":tool")])
    assert event[0]["data"]["id"] == f"{user.account.home}/guest:tool"


async def test_replacing_a_service_is_removed_and_added(connect, user):
    events = []
    for name in ("service_added", "service_removed"):
        user.on(name, events.append)
    await user.subscribe(["service_added", "service_removed"])
    guest = await connect(token=user.account.token)
    await guest.register_service({"id": "tool", "f": lambda: 1})
    await guest.register_service({"id": "tool", "f": lambda: 2}, overwrite=True)

    def about_tool():
        return [e["type"] for e in events if e["data"]["id"].endswith(":tool")]

    await eventually(lambda: len(about_tool()) >= 3)
    assert about_tool() == ["service_added", "service_removed", "service_added"]


async def test_the_events_of_other_workspaces_stay_there(connect, user, make_user):
    box = Box(user, "client_connected")
    await user.subscribe("client_connected")
    await connect(token=make_user().token)
    await asyncio.sleep(0.3)
    assert box.events == []


async def test_a_new_workspace_is_announced_to_its_maker(user):
    loaded, deleted = Box(user, "workspace_loaded"), Box(user, "workspace_deleted")
    await user.subscribe(["workspace_loaded", "workspace_deleted"])
    name = f"announced-{user.account.id}"
    await user.create_workspace({"name": name})
    assert (await loaded.next())["data"]["id"] == name
    await user.delete_workspace(name)
    assert (await deleted.next())["data"]["id"] == name


async def test_subscriptions_end_with_the_connection(raw, make_user):
    account = make_user()
    first = await (await raw(client_id="listener", token=account.token)).join()
    speaker = await (await raw(token=account.token)).join()
    await first.ask("subscribe", "news")
    await speaker.send({"type": "news", "to": "*", "data": 1})
    assert (await first.message())[0]["data"] == 1
    token = first.info["reconnection_token"]
    await first.close()
    again = await (await raw(client_id="listener", reconnection_token=token)).join()
    await speaker.send({"type": "news", "to": "*", "data": 2})
    assert await speaker.ask("echo", 1) == 1
    with pytest.raises(TimeoutError):
        await again.message(0.5)


async def test_events_arrive_in_order(connect, user):
    other = await connect(token=user.account.token, client_id="other")
    box = Box(other, "tick")
    for n in range(200):
        await user.emit({"type": "tick", "to": "other", "n": n})
    await eventually(lambda: len(box.events) == 200)
    assert [e["n"] for e in box.events] == list(range(200))

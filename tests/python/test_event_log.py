"""The event log (workspace-api.md §8, last part)."""

import datetime

import pytest

from helpers import fails, fails_with


async def test_log_and_read(user):
    await user.log_event("measured", {"value": 1.5, "unit": "nm"})
    await user.log_event("measured", [1, 2, None])
    await user.log_event("started")
    events = await user.get_events("measured")
    assert [e["data"] for e in events] == [{"value": 1.5, "unit": "nm"}, [1, 2, None]]
    for event in events:
        assert set(event) >= {"id", "event_type", "workspace", "user_id", "timestamp", "data"}
        assert event["event_type"] == "measured"
        assert event["workspace"] == user.account.home
        assert event["user_id"] == user.account.id
        datetime.datetime.fromisoformat(event["timestamp"])
    assert len(await user.get_events()) == 3


async def test_counts(user):
    for _ in range(3):
        await user.log_event("tick")
    await user.log_event("tock")
    stats = {s["event_type"]: s["count"] for s in await user.get_event_stats()}
    assert stats == {"tick": 3, "tock": 1}
    assert await user.get_event_stats("tick") == [{"event_type": "tick", "count": 3}]
    assert await user.get_event_stats("never") == []


@pytest.mark.ours
async def test_time_bounds(user):
    await user.log_event("dated")
    stamp = (await user.get_events("dated"))[0]["timestamp"]
    moment = datetime.datetime.fromisoformat(stamp)
    before, after = (moment + datetime.timedelta(seconds=s) for s in (-10, 10))
    inside = await user.get_events("dated", start_time=before.isoformat(), end_time=after.isoformat())
    assert len(inside) == 1
    assert await user.get_events("dated", start_time=after.isoformat()) == []
    assert await user.get_events("dated", end_time=before.isoformat()) == []
    assert await user.get_event_stats("dated", start_time=after.isoformat()) == []


async def test_a_type_without_blanks(user):
    with fails("AssertionError: Event type must not contain spaces"):
        await user.log_event("two words")


async def test_a_log_message_is_an_event(user):
    await user.log("hello")
    assert [e["data"] for e in await user.get_events("log")] in (["hello"], [{"msg": "hello"}], [{"message": "hello"}])


async def test_others_see_nothing(user, connect, make_user):
    await user.log_event("mine")
    stranger = await connect(token=make_user().token)
    assert await stranger.get_events("mine") == []
    boss = await connect(token=make_user(roles=["admin"]).token, workspace=user.account.home)
    assert await boss.get_events("mine") == []


async def test_a_reader_may_read_but_not_log(user, raw):
    reader = await raw(token=await user.generate_token({"permission": "read"}))
    with fails_with("Permission denied"):
        await reader.ask("log_event", "x")
    assert await reader.ask("get_events", "x") == []


@pytest.mark.ours
async def test_pages(user):
    for n in range(5):
        await user.log_event("page", n)
    assert [e["data"] for e in await user.get_events("page", limit=2, offset=1)] == [1, 2]

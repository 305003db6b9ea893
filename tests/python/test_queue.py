"""The queue service (workspace-api.md §11)."""

import asyncio
import time

import pytest

from helpers import fails_with


@pytest.fixture
async def queue(user):
    service = await user.get_service("public/queue")
    service.user = user
    return service


async def test_first_in_first_out(queue):
    for n in range(3):
        assert await queue.push("jobs", {"n": n}) is None
    assert await queue.get_length("jobs") == 3
    assert [await queue.pop("jobs") for _ in range(3)] == [{"n": 0}, {"n": 1}, {"n": 2}]
    assert await queue.get_length("jobs") == 0


async def test_popping_waits(queue):
    waiting = asyncio.ensure_future(queue.pop("later", 10))
    await asyncio.sleep(0.3)
    await queue.push("later", {"here": True})
    assert await asyncio.wait_for(waiting, 5) == {"here": True}


async def test_popping_gives_up(queue):
    started = time.monotonic()
    assert await queue.pop("empty", 1) is None
    assert 0.8 < time.monotonic() - started < 4


@pytest.mark.ours
async def test_popping_at_once(queue):
    started = time.monotonic()
    assert await queue.pop("empty", 0) is None
    assert await queue.pop("empty", 0.2) is None
    assert time.monotonic() - started < 2
    await queue.push("one", {"n": 1})
    assert await queue.pop("one", 0) == {"n": 1}


@pytest.mark.ours
async def test_peeking_shows_what_comes_next(queue):
    for n in range(4):
        await queue.push("view", {"n": n})
    assert await queue.peek("view") == [{"n": 0}]
    assert await queue.peek("view", 2) == [{"n": 0}, {"n": 1}]
    assert await queue.peek("view", 100) == [{"n": n} for n in range(4)]
    assert await queue.get_length("view") == 4


async def test_each_task_goes_to_one(queue, connect):
    other = await (await connect(token=queue.user.account.token)).get_service("public/queue")
    popped = [asyncio.ensure_future(q.pop("shared", 10)) for q in (queue, other) for _ in range(5)]
    await asyncio.sleep(0.2)
    for n in range(10):
        await queue.push("shared", {"n": n})
    assert sorted(task["n"] for task in await asyncio.gather(*popped)) == list(range(10))


async def test_queues_belong_to_a_workspace(queue, connect, make_user):
    await queue.push("mine", {"secret": 1})
    stranger = await (await connect(token=make_user().token)).get_service("public/queue")
    assert await stranger.get_length("mine") == 0
    assert await stranger.pop("mine", 1) is None
    assert await queue.get_length("mine") == 1


@pytest.mark.parametrize("name", ["", "with space", "-dash", ".dot", "a/b", "a:b", "*", "x" * 129])
async def test_names(queue, name):
    with fails_with("Invalid queue name: "):
        await queue.push(name, {})
    assert await queue.get_length("a.b_c-D9") == 0


async def test_large_tasks(queue):
    await queue.push("big", {"data": "x" * 600_000})
    assert len((await queue.pop("big"))["data"]) == 600_000


@pytest.mark.ours
async def test_permissions(queue, raw):
    reader = await raw(token=await queue.user.generate_token({"permission": "read"}))
    await queue.push("jobs", {"n": 1})
    owner = queue["id"].split(":")[0]
    assert await reader.call(owner, "services.queue.get_length", "jobs") == 1
    with fails_with("Permission denied"):
        await reader.call(owner, "services.queue.push", "jobs", {"n": 2})
    with fails_with("Permission denied"):
        await reader.call(owner, "services.queue.pop", "jobs", 1)
    assert await queue.get_length("jobs") == 1


@pytest.mark.ours
@pytest.mark.parametrize("arguments", [("q", 5), ("q", "text"), ("q", None)])
async def test_a_task_is_a_map(queue, arguments):
    with pytest.raises(Exception):
        await queue.push(*arguments)


@pytest.mark.ours
async def test_bounds(queue):
    with pytest.raises(Exception):
        await queue.pop("q", 301)
    with pytest.raises(Exception):
        await queue.peek("q", 101)
    with pytest.raises(Exception):
        await queue.peek("q", 0)


async def test_a_waiting_consumer_that_left_takes_nothing(queue, connect):
    guest = await connect(token=queue.user.account.token)
    waiting = asyncio.ensure_future((await guest.get_service("public/queue")).pop("handed", 20))
    await asyncio.sleep(0.3)
    await guest.disconnect()
    waiting.cancel()
    await asyncio.sleep(0.3)
    await queue.push("handed", {"n": 1})
    await asyncio.sleep(0.3)
    assert await queue.get_length("handed") in (0, 1)


@pytest.mark.ours
async def test_queues_are_bounded_by_bytes(queue):
    """64 MiB for all queues of a workspace; what was popped makes room again."""
    task = {"data": b"x" * (8 * 1024 * 1024)}
    with fails_with("The queues of this workspace are full"):
        for number in range(9):
            await queue.push(f"big-{number}", task)
    assert len((await queue.pop("big-0", timeout=0))["data"]) == len(task["data"])
    await queue.push("big-8", task)

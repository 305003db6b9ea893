"""Which of several services of one name is handed out (workspace-api.md §3.4), and load balancing."""

import asyncio

import pytest

from helpers import fails_with


@pytest.fixture
async def trio(connect, user):
    """Three clients `w1`, `w2`, `w3` with the same service; the caller is `user`."""
    for number in (1, 2, 3):
        worker = await connect(token=user.account.token, client_id=f"w{number}")
        await worker.register_service(
            {
                "id": "job",
                "who": lambda n=number: f"w{n}",
                "load": lambda n=number: {1: 0.5, 2: 0.1, 3: 0.9}[n],
                "text": lambda: "no number",
            }
        )
    return user


async def test_exact_wants_exactly_one(trio):
    with fails_with(
        f"Multiple services found for {trio.account.home}/*:job", ", e.g. [",
        "You can either specify the mode as 'random', 'first', 'last', 'native:random', "
        "or use 'select:criteria:function' format.",
    ):
        await trio.get_service("job")
    with fails_with("Multiple services found for"):
        await trio.get_service("job", mode="exact")
    assert await (await trio.get_service("w2:job")).who() == "w2"


async def test_random_reaches_everyone(trio):
    seen = set()
    for _ in range(60):
        seen.add((await trio.get_service_info("job", {"mode": "random"}))["id"].split("/")[1])
    assert seen == {"w1:job", "w2:job", "w3:job"}


@pytest.mark.parametrize("mode", ["random", "native:random"])
async def test_random_modes_serve(trio, mode):
    assert await (await trio.get_service("job", mode=mode)).who() in {"w1", "w2", "w3"}


@pytest.mark.ours
async def test_first_and_last_follow_registration(trio):
    for _ in range(3):
        assert await (await trio.get_service("job", mode="first")).who() == "w1"
        assert await (await trio.get_service("job", mode="last")).who() == "w3"


async def test_first_and_last_are_stable(trio):
    first = {(await trio.get_service_info("job", {"mode": "first"}))["id"] for _ in range(5)}
    last = {(await trio.get_service_info("job", {"mode": "last"}))["id"] for _ in range(5)}
    assert len(first) == len(last) == 1 and first != last


async def test_select_by_a_function(trio):
    assert await (await trio.get_service("job", mode="select:min:load")).who() == "w2"
    assert await (await trio.get_service("job", mode="select:max:load")).who() == "w3"
    assert await (await trio.get_service("job", mode="select:first_success:load")).who() in {"w1", "w2", "w3"}


async def test_select_falls_back_to_random(trio):
    assert await (await trio.get_service("job", mode="select:min:missing")).who() in {"w1", "w2", "w3"}


@pytest.mark.ours
async def test_answers_that_are_no_numbers_do_not_count(trio):
    assert await (await trio.get_service("job", mode="select:min:text")).who() in {"w1", "w2", "w3"}


async def test_bad_modes(trio):
    with fails_with("Invalid select mode format: select:min. Expected 'select:criteria:function'"):
        await trio.get_service("job", mode="select:min")
    with fails_with("Unknown selection criteria: median"):
        await trio.get_service("job", mode="select:median:load")
    with fails_with("Invalid mode: "):
        await trio.get_service("job", mode="somehow")


async def test_a_single_candidate_is_not_asked(user):
    called = []
    await user.register_service({"id": "one", "load": lambda: called.append(1) or 1, "f": lambda: "f"})
    assert await (await user.get_service("one", mode="select:min:load")).f() == "f"
    assert called == []


@pytest.mark.ours
async def test_a_candidate_that_hangs_is_left_out(connect, trio):
    async def hang():
        await asyncio.sleep(30)

    stuck = await connect(token=trio.account.token, client_id="w0")
    await stuck.register_service({"id": "job", "load": hang, "who": lambda: "w0"})
    async with asyncio.timeout(8):
        service = await trio.get_service("job", {"mode": "select:min:load", "select_timeout": 1})
    assert await service.who() == "w2"


async def test_min_load_prefers_the_idle_one(connect, user):
    for number in (1, 2):
        worker = await connect(token=user.account.token, client_id=f"b{number}__rlb")
        await worker.register_service({"id": "job", "who": lambda n=number: f"b{n}"})
    first = await user.get_service("job", mode="min_load")
    busy = await first.who()
    await asyncio.gather(*(first.who() for _ in range(100)))
    await asyncio.sleep(0.2)
    for _ in range(3):
        assert await (await user.get_service("job", mode="min_load")).who() != busy


async def test_the_public_workspace_picks_at_random(connect):
    client = await connect()
    assert (await client.get_service_info("public/queue"))["id"].startswith("public/")


@pytest.mark.ours
async def test_what_one_may_not_see_is_no_candidate(connect, user, make_user):
    """A protected namesake of another client must not make an allowed request fail."""
    await user.register_service({"id": "mixed", "config": {"visibility": "public"}, "f": lambda: "public"})
    sibling = await connect(token=user.account.token)
    await sibling.register_service({"id": "mixed", "f": lambda: "protected"})
    stranger = await connect(token=make_user().token)
    for _ in range(10):
        service = await stranger.get_service(f"{user.account.home}/mixed", mode="random")
        assert await service.f() == "public"

"""How failures look to a caller (rpc-protocol.md §4.4, §5.2; decisions.md 1, 6)."""

import asyncio

import pytest

from harness import ORIGINAL
from helpers import error_line, eventually, fails_with


@pytest.fixture
async def peers(connect, user):
    return user, await connect(token=user.account.token)


KINDS = [KeyError, ValueError, TypeError, PermissionError, AssertionError, RuntimeError, TimeoutError, FileNotFoundError]


@pytest.mark.parametrize("kind", KINDS, ids=lambda k: k.__name__)
@pytest.mark.parametrize("style", ["sync", "async"])
async def test_the_kind_and_the_text_of_an_error(peers, kind, style):
    def plain():
        raise kind("what went wrong")

    async def later():
        raise kind("what went wrong")

    provider, caller = peers
    await provider.register_service({"id": "s", "fail": plain if style == "sync" else later})
    with fails_with(kind.__name__, "what went wrong", "RemoteError"):
        await (await caller.get_service("s")).fail()


async def test_an_error_of_an_own_class(peers):
    class OutOfCoffee(Exception):
        pass

    async def brew():
        raise OutOfCoffee("refill needed")

    provider, caller = peers
    await provider.register_service({"id": "s", "brew": brew})
    with fails_with("OutOfCoffee", "refill needed"):
        await (await caller.get_service("s")).brew()


async def test_an_error_with_a_long_text(peers):
    async def fail():
        raise ValueError("long " * 100_000)

    provider, caller = peers
    await provider.register_service({"id": "s", "fail": fail})
    with fails_with("long long long"):
        await (await caller.get_service("s")).fail()


async def test_wrong_arguments(peers):
    provider, caller = peers
    await provider.register_service({"id": "s", "add": lambda a, b: a + b})
    service = await caller.get_service("s")
    with fails_with("TypeError"):
        await service.add(1)
    with fails_with("TypeError"):
        await service.add(1, 2, 3)
    with fails_with("TypeError"):
        await service.add(1, 2, c=3)
    assert await service.add(1, 2) == 3


async def test_a_failed_call_harms_no_other(peers):
    async def maybe(n):
        await asyncio.sleep(0.01)
        if n % 3 == 0:
            raise ValueError(f"no {n}")
        return n

    provider, caller = peers
    await provider.register_service({"id": "s", "maybe": maybe})
    service = await caller.get_service("s")
    results = await asyncio.gather(*(service.maybe(n) for n in range(30)), return_exceptions=True)
    for n, result in enumerate(results):
        if n % 3 == 0:
            assert f"no {n}" in str(result)
        else:
            assert result == n


async def test_errors_of_the_manager_are_one_line(peers):
    _, caller = peers
    if ORIGINAL:
        pytest.skip("the original sends its traceback")
    with pytest.raises(Exception) as caught:
        await caller.get_service("nope")
    text = str(caught.value)
    assert "Traceback" not in text and "File " not in text and ".rs" not in text
    assert error_line(caught.value) == text.removeprefix("RemoteError:").strip()


async def test_an_unknown_method_of_the_manager(raw):
    connection = await raw()
    with fails_with("Method expired or not found", "services.default.dance"):
        await connection.ask("dance")
    with fails_with("Session not found"):
        await connection.call(connection.manager, "no-such-session.resolve")


@pytest.mark.ours
@pytest.mark.parametrize("target", ["nobody", "{ws}/nobody", "other-workspace/nobody"])
async def test_a_peer_that_never_was(raw, target):
    connection = await raw()
    started = asyncio.get_running_loop().time()
    with fails_with("is not connected"):
        await connection.call(target.format(ws=connection.workspace), "services.x.y")
    assert asyncio.get_running_loop().time() - started < 2


@pytest.mark.ours
async def test_a_manager_that_is_not_there(raw):
    connection = await raw()
    started = asyncio.get_running_loop().time()
    with pytest.raises(Exception) as caught:
        await connection.call("*/manager-of-another-time", "services.default.echo", 1, timeout=5)
    assert not isinstance(caught.value, TimeoutError)
    assert asyncio.get_running_loop().time() - started < 2


async def test_a_peer_that_left(raw, make_user):
    account = make_user()
    connection = await (await raw(token=account.token)).join()
    other = await (await raw(token=account.token, client_id="other")).join()
    assert await connection.call("other", "services.built-in.ping", "ping") == "pong"
    await other.close()

    async def gone():
        return len(await connection.ask("list_clients")) == 1

    await eventually(gone)
    started = asyncio.get_running_loop().time()
    with fails_with(f"Target peer {account.home}/other is not connected"):
        await connection.call("other", "services.built-in.ping", "ping")
    assert asyncio.get_running_loop().time() - started < 2


async def test_a_message_nobody_waits_for_is_dropped_silently(raw, make_user):
    account = make_user()
    connection = await (await raw(token=account.token)).join()
    for target in ("nobody", f"{account.home}/nobody"):
        await connection.send({"type": "method", "to": target, "method": "services.x.y"}, {"args": []})
    with pytest.raises(TimeoutError):
        await connection.message(0.5)
    assert await connection.ask("echo", 1) == 1


async def test_the_client_gone_during_a_call(peers, connect, user):
    _, caller = peers
    started = asyncio.Event()

    async def hang():
        started.set()
        await asyncio.sleep(60)

    worker = await connect(token=user.account.token)
    await worker.register_service({"id": "hang", "hang": hang})
    call = asyncio.ensure_future((await caller.get_service("hang")).hang())
    await started.wait()
    await worker.disconnect()
    with pytest.raises(Exception) as caught:
        await asyncio.wait_for(call, 5)
    assert not isinstance(caught.value, TimeoutError)
    assert "isconnected" in str(caught.value) or "is not connected" in str(caught.value)


async def test_a_rejected_call_leaves_the_connection_usable(raw):
    connection = await raw()
    for n in range(20):
        with pytest.raises(Exception):
            await connection.ask("get_service_info", f"none-{n}")
    assert await connection.ask("echo", "fine") == "fine"


async def test_manager_arguments_of_the_wrong_type(raw):
    connection = await (await raw()).join()
    for method, arguments in [
        ("get_service_info", [5]),
        ("register_service", ["text"]),
        ("register_service", [{"no": "id"}]),
        ("list_services", [[1, 2]]),
        ("list_workspaces", [None, "x"]),
        ("generate_token", ["text"]),
        ("subscribe", [5]),
        ("list_clients", [{"a": 1}]),
        ("create_workspace", [7]),
    ]:
        with pytest.raises(Exception) as caught:
            await connection.ask(method, *arguments)
        assert not isinstance(caught.value, TimeoutError), method
    assert await connection.ask("echo", 1) == 1


async def test_too_many_and_unknown_arguments(raw):
    connection = await raw()
    with fails_with("TypeError"):
        await connection.ask("echo", 1, 2, 3, 4, 5)
    with fails_with("TypeError"):
        await connection.ask("echo", data=1, colour="red")

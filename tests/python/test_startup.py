"""Start-up functions in Python (configuration.md §5, decisions.md 10 and 19)."""

import asyncio
import json
import os
import signal
import urllib.error
import urllib.request

import httpx
import pytest

from harness import JWT_SECRET, ROOT_TOKEN, ServerFailed
from helpers import eventually, fails_with
from raw import Raw, Refused
from startup_server import command_line, entry, environment, is_alive, options, touch
from tokens import user_token

SERVICE = entry("echo_service.py:hypha_startup")


async def test_a_file_registers_a_public_service(fresh_server, connect):
    server = fresh_server(options(SERVICE), env=environment())
    client = await connect(server)
    echo = await client.get_service("public/startup-echo")
    assert await echo.echo({"a": [1, 2]}) == {"a": [1, 2]}
    assert await echo.who() == client.config.user["id"], "the context is that of the caller"
    await eventually(lambda: "echo registered at http" in server.log())


async def test_functions_run_in_order_in_one_process(fresh_server, connect):
    """The second is a module that is found on the path."""
    server = fresh_server(options(SERVICE, "echo_service:uses_the_first"), env=environment())
    client = await connect(server)
    echo = await client.get_service("public/startup-echo")
    second = await client.get_service("public/startup-second")
    assert await second.heard() == "heard"
    assert await second.pid() == await echo.pid()


@pytest.mark.ours
async def test_the_list_in_the_environment(fresh_server, connect):
    env = environment(HYPHA_STARTUP_FUNCTIONS=f"{SERVICE} echo_service:uses_the_first")
    client = await connect(fresh_server(env=env))
    assert await (await client.get_service("public/startup-second")).heard() == "heard"


@pytest.mark.ours
async def test_the_flag_several_times_and_a_log_filter(fresh_server, connect):
    """The Python client reads the variable of the server's log, too, and does not know filters."""
    entries = options(SERVICE, "--startup-functions", "echo_service:uses_the_first")
    client = await connect(fresh_server(entries, env=environment(HYPHA_LOGLEVEL="info,hypha_hub=debug")))
    assert await (await client.get_service("public/startup-second")).heard() == "heard"


@pytest.mark.ours
@pytest.mark.parametrize(
    ("what", "text"),
    [
        (entry("echo_service.py:fails"), "ValueError: the model file is missing"),
        (entry("echo_service.py:not_async"), "Entrypoint not_async is not a coroutine"),
        (entry("no_such_file.py:f"), "no_such_file.py does not exist"),
        ("no_such_module:f", "No module named 'no_such_module'"),
        (entry("echo_service.py:no_such_function"), "no_such_function"),
        ("a.py", "Entrypoint is required for a.py, please use a.py:entrypoint_function"),
        ("exec:no-such-program", "no such program"),
        ("exec:", "expected a program"),
    ],
)
def test_a_start_that_fails_stops_the_server(fresh_server, what, text):
    server = fresh_server(options(SERVICE, what), env=environment(), start=False)
    with pytest.raises(ServerFailed) as caught:
        server.start()
    assert "exit code 1" in str(caught.value)
    assert text in str(caught.value)


@pytest.mark.ours
def test_the_stack_trace_is_shown(fresh_server):
    server = fresh_server(options(entry("echo_service.py:fails")), env=environment(), start=False)
    with pytest.raises(ServerFailed, match=r'raise ValueError\("the model file is missing"\)'):
        server.start()
    assert "_hypha_startup" not in server.log(), "the server's own frames are not"


@pytest.mark.ours
def test_a_missing_interpreter_is_named(fresh_server):
    env = environment() | {"HYPHA_PYTHON": "/no/such/python"}
    server = fresh_server(options(SERVICE), env=env, start=False)
    with pytest.raises(ServerFailed, match="no /no/such/python; install Python .* HYPHA_PYTHON"):
        server.start()


@pytest.mark.ours
async def test_others_wait_until_all_have_run(fresh_server, connect, make_user, tmp_path):
    gate = tmp_path / "gate"
    server = fresh_server(options(entry("gate.py:hypha_startup")), env=environment(TEST_GATE=gate), start=False)
    starting = asyncio.create_task(asyncio.to_thread(server.start))
    await eventually(lambda: "waiting at the gate" in server.log(), 20)

    with pytest.raises(urllib.error.HTTPError) as answer:
        urllib.request.urlopen(f"{server.url}/health/readiness")
    assert answer.value.code == 503
    assert "start-up functions" in json.load(answer.value)["detail"]
    for token in (make_user().token, None, "not-a-token-yet"):
        with pytest.raises(Refused) as refused:
            await Raw.open(server, token=token)
        assert (refused.value.message, refused.value.code) == (None, 1013), "clients try again"

    async with httpx.AsyncClient() as http:
        url = f"{server.url}/public/services/queue"
        for headers in ({}, {"Authorization": f"Bearer {make_user().token}"}, {"Authorization": "Bearer x"}):
            assert (await http.get(url, headers=headers)).status_code == 503
        assert (await http.get(url, headers={"Authorization": f"Bearer {ROOT_TOKEN}"})).status_code == 200

    touch(gate)
    await starting
    client = await connect(server)
    assert await (await client.get_service("public/gate")).open()


@pytest.mark.ours
async def test_the_server_can_be_stopped_meanwhile(fresh_server, tmp_path):
    env = environment(TEST_GATE=tmp_path / "gate")
    server = fresh_server(options(entry("gate.py:hypha_startup")), env=env, start=False)
    starting = asyncio.create_task(asyncio.to_thread(server.start))
    await eventually(lambda: "waiting at the gate" in server.log(), 20)
    assert await asyncio.to_thread(server.terminate) == 130
    with pytest.raises(ServerFailed):
        await starting


async def pid_of(client) -> int:
    return await (await client.get_service("public/startup-echo")).pid()


@pytest.mark.ours
async def test_a_killed_process_comes_back(fresh_server, connect):
    server = fresh_server(options(SERVICE), env=environment())
    client = await connect(server)
    first = await pid_of(client)
    os.kill(first, signal.SIGKILL)

    async def another():
        try:
            return (await pid_of(client)) != first
        except Exception:
            return False

    await eventually(another, 20, 0.1)
    assert "it is started again" in server.log()


@pytest.mark.ours
@pytest.mark.parametrize("end", ["kill", "terminate"])
async def test_nothing_outlives_the_server(fresh_server, connect, end):
    """Neither the process nor what a function has started in it, even if the server has no time to say anything."""
    server = fresh_server(options(entry("interfaces.py:hypha_startup")), env=environment())
    client = await connect(server)
    pids = (await (await client.get_service("public/facts")).facts())["pids"]
    assert all(is_alive(pid) for pid in pids)
    await client.disconnect()
    await asyncio.to_thread(getattr(server, end))
    await eventually(lambda: not any(is_alive(pid) for pid in pids), 10)


@pytest.mark.ours
async def test_members_that_only_start_up_functions_have(fresh_server, connect):
    server = fresh_server(options(entry("interfaces.py:hypha_startup")), env=environment())
    client = await connect(server)
    facts = await (await client.get_service("public/facts")).facts()
    assert (facts["own"], facts["inner"]) == ("public", "ws-user-root")
    assert facts["servers"] == [facts["own_id"]]
    assert facts["parent"] == "root"
    assert facts["launched"] == "launched", "a program that the function started could connect"
    assert "store.get_redis does not exist here" in facts["missing"]
    assert facts["public"] is True


@pytest.mark.ours
async def test_secrets_of_the_server_stay_there(fresh_server, connect):
    env = environment(HYPHA_ROOT_TOKEN=ROOT_TOKEN, MY_SETTING="mine")
    server = fresh_server(options(SERVICE), env=env)
    client = await connect(server)
    echo = await client.get_service("public/startup-echo")
    seen = await echo.variables(["HYPHA_ROOT_TOKEN", "HYPHA_JWT_SECRET", "JWT_SECRET", "MY_SETTING"])
    assert seen == {"HYPHA_ROOT_TOKEN": None, "HYPHA_JWT_SECRET": None, "JWT_SECRET": None, "MY_SETTING": "mine"}
    shown = command_line(await echo.pid())
    for text in (shown, server.log()):
        assert "eyJ" not in text and ROOT_TOKEN not in text and JWT_SECRET not in text


@pytest.mark.ours
async def test_nobody_else_takes_the_place_of_the_process(fresh_server, connect, raw, make_user):
    """Its address is the server's own: a credential of somebody else does not open it, whoever vouches for it."""
    server = fresh_server(options(entry("key_auth.py:hypha_startup")), env=environment())
    client = await connect(server)
    owner = (await client.get_service("public/auth-probe"))["id"].split(":")[0].split("/")[1]
    pinned = user_token("root", scope="ws:public#a wid:public", roles=["admin"])
    for token in ("key-ada", None, pinned):
        with pytest.raises(Refused):
            await Raw.open(server, workspace="public", client_id=owner, token=token)
    account = make_user()
    at_home = await raw(server, workspace="public", client_id=owner, token=account.token)
    assert at_home.workspace == account.home
    assert await (await client.get_service("public/auth-probe")).pid()


async def test_a_worker_is_listed(fresh_server, connect):
    server = fresh_server(options(entry("worker.py:hypha_startup")), env=environment())
    client = await connect(server)
    found = await client.list_services({"workspace": "public", "type": "server-app-worker"})
    ours = [worker for worker in found if worker["id"].endswith(":custom-worker")]
    assert len(ours) == 1
    worker = await client.get_service(ours[0]["id"])
    assert worker["supported_types"] == ["my-type"]
    assert await worker.start({"id": "s1"}) == "s1"
    with fails_with("start"):
        await worker.start()

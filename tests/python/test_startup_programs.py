"""Start-up functions in other languages: `exec:` (decisions.md 10)."""

import asyncio
import os
import pathlib
import signal

import pytest

from harness import REPOSITORY, ServerFailed
from helpers import eventually
from startup_server import FOLDER, command_line, entry, environment, is_alive, options

pytestmark = pytest.mark.ours
SHELL = f"exec:sh {FOLDER / 'program.sh'} 'two words'"


def said(path: pathlib.Path) -> list[str]:
    return path.read_text().splitlines() if path.exists() else []


async def test_a_shell_script(fresh_server, connect, tmp_path):
    output = tmp_path / "said"
    server = fresh_server(options(SHELL), env=environment(TEST_OUTPUT=output))
    await eventually(lambda: said(output))
    url, workspace, token, argument, root_token, pid = said(output)
    assert (url, workspace, argument, root_token) == (server.url, "public", "two words", "none")
    client = await connect(server, token=token, workspace="public")
    assert client.config.user["parent"] == "root"
    assert await client.list_services("ws-user-root")

    assert token not in command_line(int(pid))
    await eventually(lambda: "my token is ***" in server.log())
    assert token not in server.log()


async def test_a_program_that_fails_is_started_again_with_another_token(fresh_server, connect, tmp_path):
    output = tmp_path / "said"
    server = fresh_server(options(SHELL), env=environment(TEST_OUTPUT=output))
    await eventually(lambda: said(output))
    first = said(output)
    os.kill(int(first[-1]), signal.SIGKILL)
    await eventually(lambda: said(output) != first, 20)
    with pytest.raises(Exception, match="revoked"):
        await connect(server, token=first[2], workspace="public")
    await connect(server, token=said(output)[2], workspace="public")


@pytest.mark.parametrize("end", ["kill", "terminate"])
async def test_programs_end_with_the_server(fresh_server, tmp_path, end):
    output = tmp_path / "said"
    server = fresh_server(options(SHELL), env=environment(TEST_OUTPUT=output))
    await eventually(lambda: said(output))
    pid = int(said(output)[-1])
    assert is_alive(pid)
    await asyncio.to_thread(getattr(server, end))
    await eventually(lambda: not is_alive(pid), 10)
    assert os.path.exists(f"{output}.bye") is (end == "terminate"), "it could say good-bye if the server could"


def test_a_program_that_fails_at_once_stops_the_start(fresh_server):
    slower = entry("echo_service.py:hypha_startup")
    server = fresh_server(options("exec:sh -c 'exit 3'", slower), env=environment(), start=False)
    with pytest.raises(ServerFailed, match=r"exec:sh has ended \(exit status: 3\)"):
        server.start()


async def test_a_service_in_javascript(fresh_server, connect):
    env = environment(TEST_MODULES=REPOSITORY / "tests" / "js" / "package.json")
    command = f"exec:node {FOLDER / 'program.mjs'}"
    server = fresh_server(options(command, entry("echo_service.py:hypha_startup")), env=env)
    client = await connect(server)

    async def found():
        try:
            return await client.get_service("public/node-service")
        except Exception:
            return None

    service = await eventually(found, 20, 0.1)
    assert await service.add(2, 3) == 5


async def test_several_in_the_environment(fresh_server, tmp_path):
    env = environment(
        TEST_OUTPUT=tmp_path / "said",
        HYPHA_STARTUP_FUNCTIONS=f'"{SHELL}" echo_service:hypha_startup',
    )
    fresh_server(env=env)
    await eventually(lambda: said(tmp_path / "said"))
    assert said(tmp_path / "said")[3] == "two words"

"""The commands `hypha` and `hypha-server`, as a user at a shell meets them."""

from __future__ import annotations

import asyncio
import json
import os
import pathlib
import re
import signal
import subprocess
import tempfile

import pytest

from harness import JWT_SECRET, ROOT_TOKEN, binary, free_port
from helpers import eventually
from tokens import claims_of, new_user_id

pytestmark = pytest.mark.ours


class Done:
    """What a command left: exit code and both outputs."""

    def __init__(self, process: subprocess.CompletedProcess):
        self.code, self.out, self.err = process.returncode, process.stdout, process.stderr

    @property
    def json(self):
        return json.loads(self.out)


async def run(program: str, *args: str, env: dict | None = None, timeout: float = 20) -> Done:
    """Run a command in an empty folder with a clean environment."""
    path = binary() if program == "hypha" else str(pathlib.Path(binary()).with_name(program))
    clean = {k: v for k, v in os.environ.items() if not k.startswith("HYPHA_")}
    with tempfile.TemporaryDirectory() as folder:
        done = await asyncio.to_thread(
            subprocess.run,
            [path, *args],
            env={**clean, "HOME": folder, **(env or {})},
            cwd=folder,
            capture_output=True,
            text=True,
            timeout=timeout,
        )
    return Done(done)


@pytest.fixture
async def shell(server, user):
    """`shell(*args)`: a command of `hypha` that finds the shared server and acts as `user`."""

    async def command(*args, **options) -> Done:
        env = {"HYPHA_SERVER_URL": server.url, "HYPHA_TOKEN": user.account.token}
        return await run("hypha", *args, env=env, **options)

    return command


async def test_help_and_version():
    bare = await run("hypha")
    assert bare.code != 0
    assert "serve" in bare.err + bare.out
    shown = await run("hypha", "--help")
    assert shown.code == 0
    for word in ("serve", "token", "services", "call", "workspaces", "ping", "Examples"):
        assert word in shown.out
    version = await run("hypha", "--version")
    assert version.code == 0
    assert re.match(r"hypha \d+\.\d+\.\d+", version.out)


async def test_token(shell, user, connect):
    done = await shell("token", "--permission", "read", "--expires-in", "100")
    assert done.code == 0, done.err
    claims = claims_of(done.out.strip())
    assert claims["scope"].split() == [f"ws:{user.account.home}#r", f"wid:{user.account.home}"]
    assert claims["exp"] - claims["iat"] == 100
    assert done.out.count("\n") == 1, "a script takes standard output as the token"
    done = await shell("token", "--json", "--client-id", "w7")
    answer = done.json
    assert answer["workspace"] == user.account.home
    assert "cid:w7" in claims_of(answer["token"])["scope"].split()
    guest = await connect(token=answer["token"], client_id="w7")
    assert guest.config["workspace"] == user.account.home


async def test_services(shell, user):
    await user.register_service({"id": "tool", "name": "A tool", "type": "kind", "description": "Does.", "f": lambda: 1})
    table = await shell("services")
    assert table.code == 0, table.err
    assert f"{user.account.home}/{user.config['client_id']}:tool" in table.out
    assert "A tool" in table.out and "kind" in table.out
    listed = (await shell("services", "--json", '{"type": "kind"}')).json
    assert [entry["id"].split(":")[-1] for entry in listed] == ["tool"]
    public = (await shell("services", "public", "--json")).json
    assert "queue" in {entry["id"].split(":")[-1] for entry in public}


async def test_call(shell, user):
    def count(n):
        yield from range(n)

    await user.register_service(
        {
            "id": "calc",
            "add": lambda a, b=10: a + b,
            "greet": lambda name: f"hello {name}",
            "same": lambda x: x,
            "count": count,
        }
    )
    assert (await shell("call", "calc.add", "1", "2")).out == "3\n"
    assert (await shell("call", "calc.add", "1", "--kw", "b=-5", "--json")).json == -4
    assert (await shell("call", "calc.greet", "you")).out == "hello you\n"
    value = {"a": [1, None, True, "x"]}
    assert (await shell("call", "calc.same", json.dumps(value), "--json")).json == value
    assert (await shell("call", "calc.count", "3", "--json")).out == "0\n1\n2\n"
    full = f"{user.account.home}/{user.config['client_id']}:calc.add"
    assert (await shell("call", full, "1", "2")).out == "3\n"


async def test_call_that_fails(shell, user):
    def fail():
        raise ValueError("not today")

    await user.register_service({"id": "bad", "fail": fail})
    done = await shell("call", "bad.fail")
    assert done.code == 1
    assert "not today" in done.err and done.out == ""
    missing = await shell("call", "nope.f")
    assert missing.code == 1
    assert "Service not found" in missing.err
    assert "Traceback" not in missing.err and "panicked" not in missing.err
    unknown = await shell("call", "bad.nothing")
    assert unknown.code == 1
    assert "fail" in unknown.err, "the functions that exist are named"
    malformed = await shell("call", "nodot")
    assert malformed.code != 0
    assert "SERVICE.FUNCTION" in malformed.err


async def test_workspaces(shell, user):
    name = new_user_id("lab")
    await user.create_workspace({"name": name, "description": "A lab", "persistent": True})
    table = await shell("workspaces")
    assert table.code == 0, table.err
    assert name in table.out and "A lab" in table.out and user.account.home in table.out
    listed = (await shell("workspaces", "--json")).json
    assert {entry["id"] for entry in listed} == {name, user.account.home}


async def test_ping(shell, user):
    to_server = await shell("ping", "--json")
    assert to_server.code == 0, to_server.err
    assert len(to_server.json["round_trips_ms"]) == 5
    to_client = await shell("ping", user.config["client_id"])
    assert to_client.code == 0, to_client.err
    assert "pong" in to_client.out
    nobody = await shell("ping", "nobody", timeout=60)
    assert nobody.code == 1
    assert "Failed to ping client" in nobody.err


async def test_the_demonstration():
    done = await run("hypha", "demo", "--once")
    assert done.code == 0, done.err
    assert "mean 3.0000" in done.out
    assert "100 % done" in done.out


async def test_no_server():
    done = await run("hypha", "services", "--server-url", f"http://127.0.0.1:{free_port()}", timeout=40)
    assert done.code == 1
    assert "127.0.0.1" in done.err
    assert "panicked" not in done.err


async def test_a_bad_token(server):
    done = await run("hypha", "services", "--server-url", server.url, "--token", "garbage")
    assert done.code == 1
    assert "Authentication error" in done.err
    assert "garbage" not in done.err


@pytest.mark.parametrize(
    ("flag", "meant"), [("--prot", "--port"), ("--root-tokn", "--root-token"), ("--public-base-ulr", "--public-base-url")]
)
async def test_a_misspelled_flag(flag, meant):
    done = await run("hypha", "serve", flag, "x")
    assert done.code == 2
    assert meant in done.err


async def test_a_misspelled_command():
    done = await run("hypha", "srve")
    assert done.code == 2
    assert "serve" in done.err


async def test_bad_values():
    for arguments in (["--port", "x"], ["--port", "70000"], ["--host", "not an address"], ["--public-base-url", "nonsense"]):
        done = await run("hypha", "serve", *arguments)
        assert done.code != 0, arguments
        assert done.err.strip() and "panicked" not in done.err, arguments


async def test_a_port_that_is_taken(server):
    done = await run("hypha", "serve", "--ephemeral", "--port", str(server.port))
    assert done.code == 1
    assert str(server.port) in done.err


class Serving:
    """A server started by any command line, ended by its process id."""

    def __init__(self, program: str, *args: str, env: dict | None = None):
        self.folder = tempfile.TemporaryDirectory()
        path = binary() if program == "hypha" else str(pathlib.Path(binary()).with_name(program))
        clean = {k: v for k, v in os.environ.items() if not k.startswith("HYPHA_")}
        self.process = subprocess.Popen(
            [path, *args],
            env={**clean, "HOME": self.folder.name, **(env or {})},
            cwd=self.folder.name,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        self.lines: list[str] = []

    async def ready_line(self) -> str:
        """The line that says where the server is."""

        def find():
            for line in self.process.stdout:
                self.lines.append(line)
                if "ready at" in line:
                    return line.strip()
            raise AssertionError(f"ended with {self.process.wait()}:\n{''.join(self.lines)}")

        return await asyncio.wait_for(asyncio.to_thread(find), 20)

    def close(self) -> None:
        self.process.send_signal(signal.SIGTERM)
        try:
            self.process.wait(15)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
        self.process.stdout.close()
        self.folder.cleanup()


@pytest.fixture
def serving():
    """`serving(program, *args, env=…)`: a server of the test's own, ended afterwards."""
    started = []

    def start(*args, **options) -> Serving:
        started.append(Serving(*args, **options))
        return started[-1]

    yield start
    for one in started:
        one.close()


async def test_serve_says_where_it_is(serving):
    port = free_port()
    process = serving("hypha", "serve", "--ephemeral", "--port", str(port))
    assert (await process.ready_line()).endswith(f"http://127.0.0.1:{port}")


async def test_serve_takes_its_options_from_the_environment(serving):
    port = free_port()
    process = serving("hypha", "serve", env={"HYPHA_PORT": str(port), "HYPHA_EPHEMERAL": "true"})
    assert str(port) in await process.ready_line()


async def test_the_command_line_wins_over_the_environment(serving):
    port = free_port()
    process = serving("hypha", "serve", "--ephemeral", "--port", str(port), env={"HYPHA_PORT": "1"})
    assert str(port) in await process.ready_line()


async def test_a_misspelled_variable_is_named(serving):
    process = serving("hypha", "serve", "--ephemeral", "--port", str(free_port()), env={"HYPHA_ROOT_TOKNE": "x"})
    await process.ready_line()
    assert any("HYPHA_ROOT_TOKEN" in line for line in process.lines)


async def test_secrets_stay_out_of_the_log(serving):
    port = free_port()
    process = serving(
        "hypha",
        "serve",
        *("--ephemeral", "--port", str(port), "--root-token", ROOT_TOKEN),
        env={"HYPHA_JWT_SECRET": JWT_SECRET, "HYPHA_LOGLEVEL": "DEBUG"},
    )
    await process.ready_line()
    done = await run("hypha", "token", "--server-url", f"http://127.0.0.1:{port}", "--token", ROOT_TOKEN)
    assert done.code == 0, done.err
    process.process.send_signal(signal.SIGTERM)
    printed = "".join(process.lines) + process.process.stdout.read()
    for secret in (ROOT_TOKEN, JWT_SECRET, done.out.strip(), ROOT_TOKEN[:12]):
        assert secret not in printed


ORIGINAL_FLAGS = [
    ["--base-path", "/x"],
    ["--allow-origins", "http://a,http://b"],
    ["--public-base-url", "https://h.example.org"],
    ["--server-id", "my-server"],
    ["--root-token", ROOT_TOKEN],
    ["--reset-redis"],
    ["--executable-path", "bin"],
    ["--cache-dir", "cache"],
    ["--in-docker"],
    ["--disable-ssl"],
    ["--enable-s3"],
    ["--enable-mcp", "--enable-a2a"],
    ["--workspace-bucket", "b", "--s3-cleanup-period", "10"],
]


@pytest.mark.parametrize("flags", ORIGINAL_FLAGS, ids=" ".join)
async def test_hypha_server_takes_the_flags_of_the_original(serving, flags):
    port = free_port()
    data = ["--database-uri", "sqlite+aiosqlite:///./hypha.db"]
    process = serving("hypha-server", "--host", "127.0.0.1", "--port", str(port), *data, *flags)
    assert str(port) in await process.ready_line()


async def test_hypha_server_without_arguments_reads_the_environment(serving):
    port = free_port()
    process = serving("hypha-server", env={"HYPHA_PORT": str(port), "HYPHA_SERVER_ID": "from-env"})
    assert str(port) in await process.ready_line()


async def test_hypha_server_with_the_word_server(serving):
    port = free_port()
    process = serving("hypha-server", "server", "--port", str(port))
    assert str(port) in await process.ready_line()


async def test_generate_token_without_a_server(connect):
    env = {"HYPHA_JWT_SECRET": JWT_SECRET}
    done = await run(
        "hypha-server", "generate-token", "--user-id", "ada", "--permission", "admin", "--expires-in", "60", env=env
    )
    assert done.code == 0, done.err
    token = done.out.splitlines()[-1]
    claims = claims_of(token)
    assert claims["sub"] == "ada"
    assert claims["exp"] - claims["iat"] == 60
    assert "Token:" in done.out
    client = await connect(token=token)
    assert client.config["workspace"] == "ws-user-ada"


@pytest.mark.parametrize("text", ["a b", "a ws:*#a", "*"])
async def test_generate_token_refuses_injections(text):
    env = {"HYPHA_JWT_SECRET": JWT_SECRET}
    for flag in ("--workspace", "--client-id", "--user-id"):
        done = await run("hypha-server", "generate-token", flag, text, env=env)
        if done.code == 0:
            scope = claims_of(done.out.splitlines()[-1])["scope"].split()
            assert "ws:*#a" not in scope, (flag, scope)
            assert flag != "--client-id"


async def test_ctrl_c_stops_politely(serving):
    process = serving("hypha", "serve", "--ephemeral", "--port", str(free_port()))
    await process.ready_line()
    process.process.send_signal(signal.SIGINT)
    await eventually(lambda: process.process.poll() is not None, 10)
    assert process.process.returncode == 0

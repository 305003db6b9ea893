"""`hypha doctor`: what works, what is missing, what to do."""

from __future__ import annotations

import contextlib
import email.utils
import http.server
import os
import pty
import subprocess
import threading
import time

import pytest

from harness import binary, free_port
from shell import Done, Shell

pytestmark = pytest.mark.ours


@pytest.fixture
def shell(tmp_path):
    """A user without any profile."""
    return Shell(tmp_path)


def findings(done: Done) -> dict:
    """The findings by name; names do not repeat."""
    found = {finding["name"]: finding for finding in done.json["findings"]}
    assert len(found) == len(done.json["findings"])
    assert all(finding["advice"] for finding in found.values() if finding["state"] != "ok"), "it says what to do"
    return found


def states(done: Done) -> dict:
    return {name: finding["state"] for name, finding in findings(done).items()}


async def test_a_server_and_a_user(server, shell, make_user):
    user = make_user()
    await shell("login", server.url, "--token-stdin", "--profile", "lab", stdin=user.token)
    done = await shell("doctor", "--json", timeout=90)
    assert done.code == 0, done.err
    assert done.json["ok"] and done.json["server_url"] == server.url
    state, found = states(done), findings(done)
    for name in ("reachable", "clock", "version", "websocket", "token", "data folder", "space", "profiles", "open files"):
        assert state[name] == "ok", found[name]
    assert "lab" in found["token"]["text"] and user.id in found["token"]["text"]
    assert state["http transport"] == "ok", found["http transport"]
    assert set(state) >= {"user namespaces", "landlock", "cgroups", "python", "node", "chromium", "git", "kubectl", "conda"}
    assert user.token not in done.out + done.err


async def test_the_report_for_people(server, shell):
    done = await shell("doctor", server.url, timeout=90)
    assert done.code == 0, done.err
    lines = done.out.splitlines()
    assert lines[0] == f"Server {server.url}"
    assert any(line.startswith("  ok       websocket ") for line in lines), done.out
    advice = lines[next(n for n, line in enumerate(lines) if line.startswith("  missing  token ")) + 1]
    assert "hypha login" in advice and advice.startswith("     ")
    assert "\x1b" not in done.out, "no colours without a terminal"


async def test_colours_on_a_terminal(server, shell):
    leader, follower = pty.openpty()
    env = shell.environment({"TERM": "xterm-256color"})
    env.pop("NO_COLOR", None)
    process = subprocess.Popen([binary(), "doctor", server.url], env=env, stdin=follower, stdout=follower, stderr=follower)
    os.close(follower)
    screen = b""
    with contextlib.suppress(OSError):
        while part := os.read(leader, 4096):
            screen += part
    assert process.wait(20) == 0
    os.close(leader)
    assert b"\x1b[32m" in screen


async def test_no_server_where_one_is_named(shell):
    url = f"http://127.0.0.1:{free_port()}"
    for words, env in (([url], {}), ([], {"HYPHA_SERVER_URL": url})):
        done = await shell("doctor", "--json", *words, env=env, timeout=90)
        assert done.code == 1
        assert "connecting to the server" in done.err and "reachable" in done.err
        found = findings(done)
        assert (found["reachable"]["state"], found["reachable"]["stops_main_job"]) == ("problem", True)
        assert "websocket" not in found, "what cannot be looked at is left out"
        assert "git" in found, "the rest is still looked at"


async def test_a_token_that_does_not_work(server, shell):
    done = await shell("doctor", server.url, "--json", env={"HYPHA_TOKEN": "not-a-token"}, timeout=90)
    assert done.code == 1
    found = findings(done)
    assert (found["websocket"]["state"], found["token"]["state"]) == ("ok", "problem")
    assert "hypha login" in found["token"]["advice"]
    assert "not-a-token" not in done.out + done.err


@contextlib.contextmanager
def something(body: bytes, ahead: float = 0):
    """A web server that answers everything with `body`; its clock is `ahead` by so many seconds."""

    class Handler(http.server.BaseHTTPRequestHandler):
        def date_time_string(self, timestamp=None):
            return email.utils.formatdate(time.time() + ahead, usegmt=True)

        def do_GET(self):
            self.send_response(200)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *args):
            pass

    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler) as web:
        threading.Thread(target=web.serve_forever, daemon=True).start()
        try:
            yield f"http://127.0.0.1:{web.server_port}"
        finally:
            web.shutdown()


async def test_something_that_is_no_server(shell):
    with something(b"<html>Hello</html>") as url:
        done = await shell("doctor", url, "--json", timeout=90)
    assert done.code == 1
    assert "no Hypha server" in findings(done)["reachable"]["text"]


async def test_a_clock_that_is_wrong_and_a_proxy_without_websockets(shell):
    with something(b'{"status": "OK"}', ahead=-3600) as url:
        done = await shell("doctor", url, "--json", timeout=90)
    assert done.code == 1
    found = findings(done)
    assert found["clock"]["state"] == "problem" and "-3" in found["clock"]["text"] and "NTP" in found["clock"]["advice"]
    assert not found["clock"]["stops_main_job"]
    assert (found["websocket"]["state"], found["websocket"]["stops_main_job"]) == ("problem", True)
    assert found["http transport"]["state"] == "problem"


async def test_data_that_cannot_be_kept(server, shell, tmp_path):
    in_the_way = tmp_path / "file"
    in_the_way.write_text("")
    env = {"HYPHA_DATA_DIR": str(in_the_way / "data")}
    done = await shell("doctor", "--json", env=env, timeout=90)
    assert done.code == 1
    assert "hypha serve cannot work: data folder" in done.err
    other = await shell("doctor", server.url, "--json", env=env, timeout=90)
    assert other.code == 0, "a user of another server keeps no data here"
    assert findings(other)["data folder"]["state"] == "problem"


async def test_databases_that_are_not_there(shell):
    port = free_port()
    env = {
        "HYPHA_REDIS_URI": f"redis://:hunter2@127.0.0.1:{port}/0",
        "HYPHA_DATABASE_URI": f"postgresql+asyncpg://ada:hunter2@127.0.0.1:{port}/hypha",
    }
    done = await shell("doctor", "--json", env=env, timeout=90)
    assert done.code == 1
    found = findings(done)
    for name in ("redis", "postgres"):
        assert found[name]["state"] == "problem" and f"127.0.0.1:{port}" in found[name]["text"]
    assert "hunter2" not in done.out + done.err


async def test_profiles_that_others_can_read(server, shell, make_user):
    await shell("login", server.url, "--token-stdin", stdin=make_user().token)
    shell.profiles.chmod(0o644)
    done = await shell("doctor", "--json", timeout=90)
    assert done.code == 0
    found = findings(done)["profiles"]
    assert found["state"] == "problem" and "chmod 600" in found["advice"]


async def test_programs(shell, tmp_path):
    """None of them; then some that do not work, and a Python without the client."""
    folder = tmp_path / "bin"
    folder.mkdir()
    env = {"PATH": str(folder)}
    none = await shell("doctor", "--json", env=env, timeout=90)
    programs = ("python", "node", "chromium", "git", "kubectl", "conda")
    assert {name: states(none)[name] for name in programs} == dict.fromkeys(programs, "missing")
    for name, script in (
        ("git", "exit 3"),
        ("node", "echo v22.1.0"),
        ("python3", "echo 3.12.1; exit 1"),
        ("micromamba", "echo 2.0.5"),
        ("google-chrome", "printf 'Chrome \\033[31m1'"),
    ):
        (folder / name).write_text(f"#!/bin/sh\n{script}\n")
        (folder / name).chmod(0o755)
    found = findings(await shell("doctor", "--json", env=env, timeout=90))
    assert found["git"]["state"] == "problem"
    assert (found["node"]["state"], found["node"]["text"]) == ("ok", "v22.1.0")
    assert found["python"]["state"] == "ok" and "3.12.1" in found["python"]["text"]
    assert found["python client"]["state"] == "missing" and "pip install hypha-rpc" in found["python client"]["advice"]
    assert "micromamba 2.0.5" in found["conda"]["text"]
    assert found["chromium"]["state"] == "ok"
    shown = await shell("doctor", env=env, timeout=90)
    assert "\x1b" not in shown.out


async def test_nothing_of_the_current_folder_runs(shell, tmp_path):
    (tmp_path / "hypha_rpc.py").write_text("open('ran', 'w')\n")
    await shell("doctor", "--json", timeout=90)
    assert not (tmp_path / "ran").exists()

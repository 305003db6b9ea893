"""`hypha login`, `logout` and `profile`: who the user is, and on which server."""

from __future__ import annotations

import asyncio
import os
import pathlib
import pty
import signal
import subprocess
import termios
from urllib.parse import parse_qs, urlsplit

import pytest

from harness import binary
from helpers import eventually
from shell import Shell
from tokens import claims_of

@pytest.fixture
def shell(tmp_path):
    """A user without any profile."""
    return Shell(tmp_path)


@pytest.fixture
async def person(server, connect):
    """`person(token)`: somebody who opens the page and logs in; `pages` collects what the page was told."""
    guest = await connect()
    service = await guest.get_service("public/hypha-login")

    def somebody(token: str, pages: list | None = None):
        async def report(key: str, url: str) -> None:
            asked = {name: values[0] for name, values in parse_qs(urlsplit(url).query).items()}
            if pages is not None:
                pages.append(asked)
            wanted = {"expires_in": int(asked["expires_in"])} if "expires_in" in asked else {}
            if "workspace" in asked:
                wanted["workspace"] = asked["workspace"]
            await service.report(key=key, token=token, **wanted)

        return report

    return somebody


async def test_login_is_remembered(server, person, shell, make_user):
    user = make_user()
    done = await shell.login(server.url, report=person(user.token))
    assert done.code == 0, done.err
    assert f"{user.id} <{user.email}>" in done.out and user.home in done.out and "valid until" in done.out
    assert user.token not in done.out + done.err
    listed = await shell("workspaces", "--json")
    assert listed.code == 0, listed.err
    assert [entry["id"] for entry in listed.json] == [user.home]
    assert os.stat(shell.profiles).st_mode & 0o777 == 0o600
    assert not list(shell.profiles.parent.glob(".tmp*")), "nothing is left of writing the file"


async def test_login_for_a_workspace(server, person, shell, make_user):
    user = make_user()
    pages: list = []
    arguments = ("--workspace", user.home, "--expires-in", "600", "--profile", "lab")
    done = await shell.login(server.url, *arguments, report=person(user.token, pages))
    assert done.code == 0, done.err
    token = (await shell("profile", "show", "--token")).out.strip()
    claims = claims_of(token)
    assert f"wid:{user.home}" in claims["scope"].split(), "it is for that workspace"
    again = await shell.login(report=person(user.token, pages))
    assert again.code == 0, again.err
    assert [page.get("workspace") for page in pages] == [user.home, user.home], "a second login is like the first"
    (profile,) = (await shell("profile", "list", "--json")).json
    assert (profile["name"], profile["workspace"], profile["user"]) == ("lab", user.home, user.id)


async def test_a_login_that_is_given_up_changes_nothing(server, person, shell):
    async def interrupt(process) -> None:
        process.send_signal(signal.SIGINT)

    done = await shell.login(server.url, process=interrupt)
    assert done.code != 0
    assert "Logged in" not in done.out
    assert not shell.profiles.exists()


async def test_a_login_in_a_workspace_of_others(server, connect, person, shell, make_user):
    """The login service refuses; the command waits on, as the person may still log in as somebody else."""
    user, other = make_user(), make_user()
    await connect(token=user.token)
    refused = []

    async def report(key: str, url: str) -> None:
        try:
            await person(other.token)(key, url)
        except Exception as error:
            refused.append(str(error))
            await person(user.token)(key, url)

    done = await shell.login(server.url, "--workspace", user.home, report=report)
    assert done.code == 0, done.err
    assert "Invalid permission for the workspace" in refused[0]
    assert user.id in done.out and other.id not in done.out


async def test_a_token_that_does_not_work_is_not_stored(server, shell):
    done = await shell("login", server.url, "--token-stdin", stdin="garbage")
    assert done.code == 1
    assert "does not take the token" in done.err and "garbage" not in done.err
    assert not shell.profiles.exists()


async def test_a_token_from_standard_input(server, shell, make_user):
    user = make_user()
    done = await shell("login", server.url, "--token-stdin", stdin=f"{user.token}\n")
    assert done.code == 0, done.err
    assert user.id in done.out and user.token not in done.out + done.err
    (profile,) = (await shell("profile", "list", "--json")).json
    assert profile["expires_at"] == claims_of(user.token)["exp"]
    for bad in ("", "two words"):
        refused = await shell("login", server.url, "--token-stdin", stdin=bad)
        assert refused.code == 1
        assert "expected one token" in refused.err
    assert (await shell("profile", "show", "--token")).out.strip() == user.token, "it is still there"


async def test_a_typed_token_is_not_shown(server, shell, make_user):
    user = make_user()
    leader, follower = pty.openpty()
    process = await asyncio.create_subprocess_exec(
        binary(), "login", server.url, "--token-stdin", env=shell.environment(), stdin=follower, stdout=follower, stderr=follower
    )
    os.close(follower)
    screen = b""

    def read() -> bytes:
        try:
            return os.read(leader, 4096)
        except OSError:
            return b""

    try:
        async with asyncio.timeout(20):
            while b"Token: " not in screen:
                screen += await asyncio.to_thread(read)
            # What is typed before the terminal has stopped to echo is thrown away.
            await eventually(lambda: not termios.tcgetattr(leader)[3] & termios.ECHO)
            os.write(leader, f"{user.token}\n".encode())
            while part := await asyncio.to_thread(read):
                screen += part
            assert await process.wait() == 0, screen
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()
        os.close(leader)
    assert user.id.encode() in screen and user.token.encode() not in screen


@pytest.mark.parametrize(("flags", "desktop", "opens"), [([], ":0", True), (["--no-browser"], ":0", False), ([], "", False)])
async def test_the_page_is_opened_at_a_desktop(server, person, shell, make_user, tmp_path, flags, desktop, opens):
    user, opened = make_user(), tmp_path / "opened"
    opener = tmp_path / "bin" / "xdg-open"
    opener.parent.mkdir()
    opener.write_text(f'#!/bin/sh\nprintf %s "$1" > {opened}.new && mv {opened}.new {opened}\n')
    opener.chmod(0o755)
    env = {"DISPLAY": desktop, "PATH": f"{opener.parent}:{os.environ['PATH']}"}

    async def report(key: str, url: str) -> None:
        if opens:
            await eventually(opened.exists, timeout=20)
            assert opened.read_text() == url
        await person(user.token)(key, url)

    leader, follower = pty.openpty()
    done = await shell.login(server.url, *flags, report=report, env=env, stderr=follower)
    os.close(follower)
    os.close(leader)
    assert done.code == 0
    assert opened.exists() is opens


async def test_logout(server, shell, make_user):
    url, user = server.url, make_user()
    await shell("login", url, "--token-stdin", "--profile", "lab", stdin=user.token)
    done = await shell("logout", env={"HYPHA_TOKEN": "of-something-else"})
    assert done.code == 0, done.err
    assert f"{url}/public/apps/hypha-login/?logout=true" in done.out, done.err
    assert "HYPHA_TOKEN is set" in done.err
    assert user.token not in done.out + done.err + shell.profiles.read_text()
    listed = await shell("workspaces", "--json")
    assert listed.code == 0, "the server is still known"
    assert [entry["id"] for entry in listed.json] != [user.home]
    assert (await shell("profile", "show", "--token")).code == 1
    nobody = await shell("logout", "--profile", "other")
    assert nobody.code == 1
    assert "lab" in nobody.err, "the profiles that exist are named"


async def test_logout_needs_no_server(fresh_server, shell, make_user):
    server, user = fresh_server(), make_user()
    await shell("login", server.url, "--token-stdin", stdin=user.token)
    server.terminate()
    done = await shell("logout")
    assert done.code == 0
    assert "Logged out" in done.out and "note:" in done.err
    assert user.token not in shell.profiles.read_text()


async def test_several_servers(server, fresh_server, shell, make_user):
    """Flags before variables before the profile; a token never leaves its server."""
    other, here, there = fresh_server(), make_user(), make_user()
    await shell("login", server.url, "--token-stdin", "--profile", "here", stdin=here.token)
    await shell("login", other.url, "--token-stdin", "--profile", "there", stdin=there.token)

    async def homes(*args, env=None) -> list:
        done = await shell("workspaces", "--json", *args, env=env)
        assert done.code == 0, done.err
        return [entry["id"] for entry in done.json]

    assert await homes() == [there.home], "the last login is in use"
    assert await homes("--profile", "here") == [here.home]
    assert await homes(env={"HYPHA_PROFILE": "here"}) == [here.home]
    assert await homes("--profile", "there", env={"HYPHA_PROFILE": "here"}) == [there.home]
    assert await homes("--profile", "here", env={"HYPHA_SERVER_URL": other.url}) == [here.home]
    # Both servers would take both tokens; who is anonymous has sent none.
    for anonymous in (await homes("--server-url", server.url), await homes(env={"HYPHA_SERVER_URL": server.url})):
        assert anonymous[0].startswith("ws-user-anonymouz-")
    third = make_user()
    assert await homes(env={"HYPHA_TOKEN": third.token}) == [third.home]
    assert await homes("--token", third.token, env={"HYPHA_TOKEN": here.token}) == [third.home]
    both = await shell("workspaces", "--profile", "here", "--server-url", other.url)
    assert both.code == 2
    unknown = await shell("workspaces", env={"HYPHA_PROFILE": "nowhere"})
    assert unknown.code == 1
    assert "here, there" in unknown.err


async def test_every_client_command_takes_a_profile(server, shell, make_user):
    user = make_user()
    await shell("login", server.url, "--token-stdin", "--profile", "lab", stdin=user.token)
    assert (await shell("profile", "use", "lab")).code == 0
    for command in (["services"], ["workspaces"], ["ping"], ["token"], ["call", "~.check_status"]):
        done = await shell(*command, "--profile", "lab")
        assert done.code == 0, (command, done.err)
        missing = await shell(*command, "--profile", "lob")
        assert missing.code == 1
        assert "lab" in missing.err
    made = await shell("token", "--profile", "lab")
    assert f"wid:{user.home}" in claims_of(made.out.strip())["scope"]


async def test_profiles(server, shell, make_user):
    user = make_user()
    empty = await shell("profile", "list")
    assert (empty.code, "hypha login" in empty.out) == (0, True)
    for name in ("one", "two"):
        assert (await shell("login", server.url, "--token-stdin", "--profile", name, stdin=user.token)).code == 0
    shown = [await shell("profile", *words) for words in (["list"], ["list", "--json"], ["show"], ["show", "one", "--json"])]
    assert all(done.code == 0 for done in shown)
    assert not any(user.token in done.out + done.err for done in shown)
    assert [entry["current"] for entry in shown[1].json] == [False, True]
    assert shown[3].json["has_token"] is True
    assert (await shell("profile", "show", "one", "--token")).out == f"{user.token}\n"
    assert (await shell("profile", "use", "one")).code == 0
    assert (await shell("profile", "remove", "one")).code == 0
    assert [(entry["name"], entry["current"]) for entry in (await shell("profile", "list", "--json")).json] == [("two", False)]
    for words in (["use", "one"], ["remove", "one"], ["show", "one"]):
        done = await shell("profile", *words)
        assert done.code == 1
        assert "two" in done.err
    bad = await shell("login", server.url, "--token-stdin", "--profile", "a/b", stdin=user.token)
    assert bad.code == 1
    assert "letters" in bad.err


async def test_logins_at_the_same_time(server, shell, make_user):
    names = [f"p{number}" for number in range(6)]
    users = [make_user() for _ in names]
    done = await asyncio.gather(
        *(shell("login", server.url, "--token-stdin", "--profile", name, stdin=user.token) for name, user in zip(names, users))
    )
    assert [one.code for one in done] == [0] * len(names), [one.err for one in done]
    listed = (await shell("profile", "list", "--json")).json
    assert [(entry["name"], entry["user"]) for entry in listed] == [(n, u.id) for n, u in zip(names, users)]


async def test_a_broken_file_is_not_quoted_nor_lost(server, shell, make_user):
    shell.profiles.parent.mkdir()
    text = '[profiles.lab]\nserver_url = "http://127.0.0.1:1"\ntoken = sesame\n'
    shell.profiles.write_text(text)
    for words in (["services"], ["profile", "list"], ["login", server.url, "--token-stdin"]):
        done = await shell(*words, stdin=make_user().token)
        assert done.code == 1
        assert str(shell.profiles) in done.err and "line 3" in done.err and "sesame" not in done.err
    assert shell.profiles.read_text() == text


async def test_a_server_that_is_none(shell):
    for url in ("ftp://127.0.0.1", "127.0.0.1:9527"):
        done = await shell("login", url)
        assert done.code == 1
        assert "expected a URL" in done.err
    done = await shell("login", "http://127.0.0.1:1", "--token-stdin", stdin="x")
    assert done.code == 1
    assert "127.0.0.1:1" in done.err and "take the token" not in done.err and "panicked" not in done.err


@pytest.mark.parametrize("name", ["bash", "zsh", "fish", "elvish", "powershell"])
async def test_completions(shell, name, tmp_path):
    done = await shell("completions", name)
    assert done.code == 0, done.err
    for word in ("services", "completions", "profile", "server-url"):
        assert word in done.out
    if name == "bash":
        script = pathlib.Path(tmp_path, "completions.bash")
        script.write_text(done.out)
        words = 'COMP_WORDS=(hypha prof); COMP_CWORD=1; _hypha hypha prof hypha; echo "${COMPREPLY[@]}"'
        asked = subprocess.run(["bash", "-c", f"source {script}; {words}"], capture_output=True, text=True, check=True)
        assert asked.stdout.strip() == "profile"


async def test_completions_say_how_to_install_them(shell):
    shown = await shell("completions", "--help")
    for word in ("bash-completion/completions", ".zshrc", "fish/completions", "rc.elv", "$PROFILE"):
        assert word in shown.out
    unknown = await shell("completions", "tcsh")
    assert unknown.code == 2
    assert "bash" in unknown.err

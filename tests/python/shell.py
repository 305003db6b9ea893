"""Runs commands of `hypha` as a user at a shell does, with a configuration folder of their own."""

from __future__ import annotations

import asyncio
import json
import os
import pathlib
import re
import signal
import subprocess

from harness import binary

# The address of a login page.
PAGE = re.compile(r"(?P<url>http\S+[?&]key=(?P<key>[^&\s]+)\S*)\n")


class Done:
    """What a command left: exit code and both outputs."""

    def __init__(self, code: int, out: str, err: str):
        self.code, self.out, self.err = code, out, err

    @property
    def json(self):
        return json.loads(self.out)


class Shell:
    """A user with a home folder; `env` is what the user has set."""

    def __init__(self, home: pathlib.Path, env: dict | None = None):
        self.home = home
        self.env = env or {}

    @property
    def profiles(self) -> pathlib.Path:
        return self.home / "config" / "profiles.toml"

    def environment(self, env: dict | None = None) -> dict:
        clean = {k: v for k, v in os.environ.items() if not k.startswith(("HYPHA_", "XDG_")) and k != "DISPLAY"}
        own = {"HOME": str(self.home), "HYPHA_CONFIG_DIR": str(self.home / "config")}
        return {**clean, **own, **self.env, **(env or {})}

    async def __call__(self, *args: str, env: dict | None = None, stdin: str = "", timeout: float = 30) -> Done:
        done = await asyncio.to_thread(
            subprocess.run,
            [binary(), *args],
            env=self.environment(env),
            cwd=self.home,
            input=stdin,
            capture_output=True,
            text=True,
            timeout=timeout,
        )
        return Done(done.returncode, done.stdout, done.stderr)

    async def login(self, *args: str, report=None, process=None, env: dict | None = None, stderr=asyncio.subprocess.PIPE) -> Done:
        """`hypha login`; when the page has been named, `report(key, url)` is somebody who opens it, or `process(process)`
        does something to the command."""
        started = await asyncio.create_subprocess_exec(
            binary(),
            "login",
            *args,
            env=self.environment(env),
            cwd=self.home,
            stdin=asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.PIPE,
            stderr=stderr,
            # Tests that run in the background have it ignored, and so would their children.
            preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
        )
        out = b""
        try:
            async with asyncio.timeout(30):
                while not (page := PAGE.search(out.decode())) and (line := await started.stdout.readline()):
                    out += line
                if page and report:
                    await report(page["key"], page["url"])
                if page and process:
                    await process(started)
                rest, err = await started.communicate()
        finally:
            if started.returncode is None:
                started.kill()
                await started.wait()
        return Done(started.returncode, (out + rest).decode(), (err or b"").decode())

"""Starts and ends real server processes for the tests.

A `Server` is one process with its own port, data folder and log file. It is ended by its process id, never by name.
`HYPHA_TEST_SERVER=original` runs the Python server as the oracle of behaviour (`HYPHA_TEST_ORIGINAL` names its interpreter).
"""

from __future__ import annotations

import os
import pathlib
import signal
import socket
import subprocess
import tempfile
import time
import urllib.error
import urllib.request

ORIGINAL = os.environ.get("HYPHA_TEST_SERVER", "ours") == "original"
REPOSITORY = pathlib.Path(__file__).resolve().parents[2]

# One secret for every server of a run: tokens minted by the tests, by one server or by another all verify.
JWT_SECRET = "a-secret-that-only-the-tests-know"
# 64 characters, so that the strength rule does not look at its words.
ROOT_TOKEN = "9f3c5e7a1b2d4f6089e7c6b5a4d3f2e1" * 2

# All tests come from one address, and some make thousands of requests.
UNLIMITED = {"HYPHA_HTTP_RATE_LIMIT": "1000000", "HYPHA_HTTP_BURST_LIMIT": "1000000"}

START_LIMIT = 60.0 if ORIGINAL else 20.0
STOP_LIMIT = 15.0


class ServerFailed(Exception):
    """The server process did not come up; the message ends with its log."""


def free_port() -> int:
    """A loopback port that nobody listens on at the moment."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def binary() -> str:
    """Path of the `hypha` binary under test."""
    path = os.environ.get("HYPHA_BIN", str(REPOSITORY / "target" / "debug" / "hypha"))
    if not os.access(path, os.X_OK):
        raise ServerFailed(f"no server binary at {path}; build it or set HYPHA_BIN")
    return path


class Server:
    """One server process. `options` are command line flags without the leading dashes (`True` for a switch,
    a list for several values)."""

    def __init__(self, options: dict | None = None, env: dict | None = None, data_dir: str | None = None):
        self.options = {"root-token": ROOT_TOKEN, **(options or {})}
        self.env = {"HYPHA_JWT_SECRET": JWT_SECRET, **UNLIMITED, **(env or {})}
        self.port = free_port()
        self._folder = tempfile.TemporaryDirectory(prefix="hypha-test-")
        self.data_dir = data_dir or os.path.join(self._folder.name, "data")
        self.log_path = os.path.join(self._folder.name, "server.log")
        self.process: subprocess.Popen | None = None

    @property
    def base_path(self) -> str:
        return self.options.get("base-path", "").rstrip("/")

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}{self.base_path}"

    @property
    def ws_url(self) -> str:
        return f"ws://127.0.0.1:{self.port}{self.base_path}/ws"

    @property
    def pid(self) -> int:
        assert self.process is not None, "the server was not started"
        return self.process.pid

    def command(self) -> list[str]:
        """The command line this server is started with."""
        flags = ["--host", "127.0.0.1", "--port", str(self.port)]
        for name, value in self.options.items():
            if value is True:
                flags.append(f"--{name}")
            elif isinstance(value, list):
                flags += [f"--{name}", *value]
            elif value is not None:
                flags += [f"--{name}", str(value)]
        if ORIGINAL:
            python = os.environ.get("HYPHA_TEST_ORIGINAL", "python3")
            database = f"sqlite+aiosqlite:///{self.data_dir}/hypha.db"
            return [python, "-m", "hypha.server", "--database-uri", database, *flags]
        return [binary(), "serve", "--data-dir", self.data_dir, *flags]

    def start(self) -> "Server":
        """Start the process and wait until it says that it is ready."""
        assert self.process is None or self.process.poll() is not None, "already running"
        os.makedirs(self.data_dir, exist_ok=True)
        environment = {k: v for k, v in os.environ.items() if not k.startswith(("HYPHA_", "AUTH0_"))}
        with open(self.log_path, "ab") as log:
            self.process = subprocess.Popen(
                self.command(), stdin=subprocess.DEVNULL, stdout=log, stderr=log, env={**environment, **self.env}
            )
        deadline = time.monotonic() + START_LIMIT
        while time.monotonic() < deadline:
            if self.process.poll() is not None:
                raise ServerFailed(f"exit code {self.process.returncode} at start:\n{self.log()}")
            if self.is_ready():
                return self
            time.sleep(0.02)
        self.kill()
        raise ServerFailed(f"not ready after {START_LIMIT} s:\n{self.log()}")

    def is_ready(self) -> bool:
        try:
            with urllib.request.urlopen(f"{self.url}/health/readiness", timeout=2) as answer:
                return answer.status == 200
        except (OSError, urllib.error.URLError, ValueError):
            return False

    def alive(self) -> bool:
        return self.process is not None and self.process.poll() is None

    def kill(self) -> None:
        """End it at once, as a power cut would."""
        if self.alive():
            self.process.send_signal(signal.SIGKILL)
            self.process.wait(STOP_LIMIT)

    def terminate(self, wait: float = STOP_LIMIT) -> int:
        """Ask it to stop; the exit code."""
        if self.alive():
            self.process.send_signal(signal.SIGTERM)
        return self.process.wait(wait)

    def close(self) -> None:
        """End it for good and remove its folder."""
        if self.alive():
            try:
                self.terminate()
            except subprocess.TimeoutExpired:
                self.kill()
        self._folder.cleanup()

    def rss(self) -> int:
        """Resident memory of the process in bytes."""
        with open(f"/proc/{self.pid}/status") as status:
            for line in status:
                if line.startswith("VmRSS:"):
                    return int(line.split()[1]) * 1024
        raise AssertionError("no VmRSS in /proc")

    def log_size(self) -> int:
        return os.path.getsize(self.log_path) if os.path.exists(self.log_path) else 0

    def log(self, start: int = 0, limit: int = 12_000) -> str:
        """What the process printed since byte `start`, at most the last `limit` bytes."""
        if not os.path.exists(self.log_path):
            return ""
        with open(self.log_path, "rb") as log:
            log.seek(max(start, self.log_size() - limit))
            return log.read().decode(errors="replace")

"""Servers with start-up functions, and the processes that these run in."""

from __future__ import annotations

import os
import pathlib
import sys

import psutil

FOLDER = pathlib.Path(__file__).parent / "startup"


def entry(name: str) -> str:
    """`file.py:function` of a file in the folder `startup`."""
    return str(FOLDER / name)


def options(*entries: str) -> dict:
    """Flags of a server that runs these."""
    return {"startup-functions": list(entries)}


def environment(**variables) -> dict:
    """Variables of a server whose start-up functions run in the interpreter of the tests."""
    variables = {name: str(value) for name, value in variables.items()}
    return {"HYPHA_PYTHON": sys.executable, "PYTHONPATH": str(FOLDER), **variables}


def is_alive(pid: int) -> bool:
    """Whether a process still runs."""
    return psutil.pid_exists(pid) and psutil.Process(pid).status() != psutil.STATUS_ZOMBIE


def command_line(pid: int) -> str:
    """What `ps` shows of a process."""
    return " ".join(psutil.Process(pid).cmdline())


def touch(path) -> None:
    """Make an empty file."""
    os.close(os.open(path, os.O_CREAT))

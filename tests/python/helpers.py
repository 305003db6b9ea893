"""Small things that many tests need."""

from __future__ import annotations

import asyncio
import contextlib
import time

import pytest


def error_line(error: BaseException) -> str:
    """The `Kind: message` line of an error that crossed the wire.

    The original sends a whole traceback, whose last line it is; this server sends the line alone.
    """
    lines = [line for line in str(error).splitlines() if line.strip()]
    last = lines[-1].strip() if lines else ""
    return last.removeprefix("RemoteError:").strip()


@contextlib.contextmanager
def fails(line: str):
    """The block raises an error whose line is exactly this."""
    with pytest.raises(Exception) as caught:
        yield caught
    assert error_line(caught.value) == line


@contextlib.contextmanager
def fails_with(*parts: str):
    """The block raises an error whose text has all these parts."""
    with pytest.raises(Exception) as caught:
        yield caught
    for part in parts:
        assert part in str(caught.value), f"{part!r} is not in {str(caught.value)!r}"


async def eventually(check, timeout: float = 5.0, every: float = 0.05):
    """Wait until `check()` (plain or async) is true; its value."""
    deadline = time.monotonic() + timeout
    while True:
        value = check()
        if asyncio.iscoroutine(value) or asyncio.isfuture(value):
            value = await value
        if value:
            return value
        assert time.monotonic() < deadline, f"still not so after {timeout} s: {check}"
        await asyncio.sleep(every)


def service_ids(entries) -> set[str]:
    """The service part of the ids of listed services, without `built-in`."""
    return {entry["id"].split(":")[-1] for entry in entries} - {"built-in"}


def strip_rpc(info: dict, *keys: str) -> dict:
    """A listing entry reduced to `keys`."""
    return {key: info[key] for key in keys}

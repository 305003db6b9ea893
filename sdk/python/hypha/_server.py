"""The way from a start-up function to the server that runs it. Set up by the server; not for others."""

from __future__ import annotations

import enum
import inspect

# What the functions of an authentication provider are, by name.
functions: dict = {}

# Asks the server something and waits for the answer: `(what, arguments) -> answer`.
_ask = None


class Refused(Exception):
    """The server says no."""


class Done:
    """Something that has happened and may be awaited, as its asynchronous counterpart in the original is."""

    def __await__(self):
        return iter(())


def connect(ask):
    """Tell this module how to ask the server."""
    global _ask
    _ask = ask


def ask(what, **arguments):
    """Ask the server something and wait for the answer. Raises `Refused`."""
    if _ask is None:
        raise RuntimeError("there is no server to ask: this works in start-up functions of a Hypha server only")
    return _ask(what, arguments)


def provide(name, function):
    """Let a function of this process answer the server's question `name`; with None, the server answers itself again."""
    if function is not None and not callable(function):
        raise TypeError(f"{name}: expected a function, got {type(function).__name__}")
    functions[name] = function
    ask("provide", functions=[key for key, value in functions.items() if value is not None])
    return Done()


async def finished(value):
    """The result of a function that may be asynchronous."""
    return await value if inspect.isawaitable(value) else value


def plain(value):
    """A record as a map of what JSON can say, without what is not set."""
    if hasattr(value, "model_dump"):
        value = value.model_dump(mode="json")
    if isinstance(value, enum.Enum):
        return value.value
    if isinstance(value, dict):
        return {key: plain(item) for key, item in value.items() if item is not None}
    if isinstance(value, (list, tuple, set)):
        return [plain(item) for item in value]
    return value

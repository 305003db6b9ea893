"""Runs start-up functions: one after the other, in one process and one event loop, with one connection."""

import asyncio
import importlib
import importlib.util
import inspect
import os
import sys
import traceback

from hypha import _server

from .link import Link, words
from .provider import ANSWERS

# Lines of a stack trace that are passed on.
TRACE_LINES = 40


def run(lines_in, lines_out, start):
    """Do what the server says until it is gone."""
    asyncio.run(serve(lines_in, lines_out, start))


async def serve(lines_in, lines_out, start):
    link = Link(lines_in, lines_out, asyncio.get_running_loop(), ANSWERS)
    _server.connect(link.ask)
    api = None
    while True:
        command = await link.commands.get()
        try:
            if api is None:
                api = await connected(start)
            function = load(command["module"], command["function"])
        except Exception as error:
            link.send({"type": "failed", "error": described(error), "trace": trace_of(error)})
            continue
        try:
            await function(api)
            link.send({"type": "done"})
        except Exception as error:
            link.send({"type": "failed", "error": described(error), "trace": trace_of(error)})


async def connected(start):
    """The object that start-up functions get."""
    try:
        from hypha_rpc import connect_to_server
    except ImportError as error:
        text = f"{sys.executable} has no package hypha_rpc ({words(error)})"
        raise RuntimeError(f"{text}; run `{sys.executable} -m pip install hypha-rpc`, or set HYPHA_PYTHON") from None
    from .api import extended

    server = await connect_to_server(start["connection"])
    return extended(server, start["connection"]["server_url"], start["server_id"])


def load(module, name):
    """The function `name` of a module or of a file."""
    if module.endswith(".py"):
        if not os.path.isfile(module):
            raise FileNotFoundError(f"Module {module} does not exist")
        # A name of its own: two files may have the same.
        known = "hypha_startup_" + "".join(c if c.isalnum() else "_" for c in os.path.abspath(module)[:-3])
        spec = importlib.util.spec_from_file_location(known, module)
        loaded = sys.modules[known] = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(loaded)
    else:
        loaded = importlib.import_module(module)
    function = getattr(loaded, name)
    if not inspect.iscoroutinefunction(function):
        raise TypeError(f"Entrypoint {name} is not a coroutine")
    return function


def described(error):
    return f"{type(error).__name__}: {words(error)}"


def trace_of(error):
    """The end of the stack trace, without the frames of this module."""
    lines = traceback.format_exception(type(error), error, error.__traceback__)
    own = [line for line in lines if "<hypha: _hypha_startup" not in line and "<frozen importlib" not in line]
    # The head and the error alone say nothing new.
    return "".join(own).rstrip().splitlines()[-TRACE_LINES:] if len(own) > 2 else []

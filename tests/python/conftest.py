"""Fixtures: one shared server per test worker, servers of a test's own, and clients that are closed afterwards."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import secrets

import httpx
import pytest
import pytest_asyncio
from hypha_rpc import connect_to_server

from harness import ORIGINAL, ROOT_TOKEN, Server
from raw import Raw
from tokens import new_user_id, user_token

logging.getLogger("websockets-client").setLevel(logging.CRITICAL)
logging.getLogger("hypha-rpc").setLevel(logging.CRITICAL)

# Modules whose tests run over WebSockets and over HTTP streams.
BOTH_TRANSPORTS = {"test_callbacks", "test_errors", "test_generators", "test_large", "test_numpy", "test_services"}

_running: list[Server] = []


def pytest_collection_modifyitems(config, items):
    """Against the original, leave out what it is known to get wrong."""
    if ORIGINAL:
        skip = pytest.mark.skip(reason="the original server gets this wrong")
        for item in items:
            if item.get_closest_marker("ours"):
                item.add_marker(skip)


@pytest.hookimpl(hookwrapper=True)
def pytest_runtest_protocol(item):
    """Remember how long the logs were, so that a failure shows only what the servers said during the test."""
    item.log_marks = {server: server.log_size() for server in _running}
    yield


@pytest.hookimpl(hookwrapper=True)
def pytest_runtest_makereport(item, call):
    """A failed test carries the logs of the servers that ran meanwhile."""
    outcome = yield
    report = outcome.get_result()
    if report.failed:
        for server in _running:
            text = server.log(item.log_marks.get(server, 0))
            if text.strip():
                report.sections.append((f"log of the server on port {server.port}", text))


@contextlib.contextmanager
def _run(server: Server):
    _running.append(server)
    try:
        yield server
    finally:
        server.close()
        _running.remove(server)


@pytest.fixture(scope="session")
def server():
    """The server that tests share; nothing a test does may disturb the others."""
    with _run(Server()) as shared:
        yield shared.start()


@pytest.fixture
def fresh_server():
    """`fresh_server(options, env=…, start=True)`: a server of the test's own, to kill and restart at will."""
    with contextlib.ExitStack() as stack:

        def make(options=None, *, env=None, data_dir=None, start=True) -> Server:
            made = stack.enter_context(_run(Server(options, env=env, data_dir=data_dir)))
            return made.start() if start else made

        yield make


def pytest_generate_tests(metafunc):
    """Tests of what a client can do run over both transports, unless the client cannot do it over HTTP."""
    if "transport" in metafunc.fixturenames and metafunc.module.__name__ in BOTH_TRANSPORTS:
        only_websocket = metafunc.definition.get_closest_marker("only_websocket")
        metafunc.parametrize("transport", ["websocket"] if only_websocket else ["websocket", "http"])


@pytest.fixture
def transport() -> str:
    """What the clients of `connect` use unless told otherwise."""
    return "websocket"


@pytest_asyncio.fixture
async def connect(request, transport):
    """`connect(server=…, **config)`: an official client, closed after the test. Default is the shared server."""
    clients = []

    async def make(on: Server | None = None, **config):
        target = on or request.getfixturevalue("server")
        config.setdefault("client_id", f"c-{secrets.token_hex(6)}")
        config.setdefault("transport", transport)
        client = await connect_to_server({"server_url": target.url, "method_timeout": 15, **config})
        clients.append(client)
        return client

    yield make
    for client in reversed(clients):
        with contextlib.suppress(Exception):
            async with asyncio.timeout(5):
                await client.disconnect()


@pytest_asyncio.fixture
async def raw(request):
    """`raw(server=…, **handshake)`: a hand-driven connection, closed after the test."""
    connections = []

    async def make(on: Server | None = None, **handshake) -> Raw:
        connection = await Raw.open(on or request.getfixturevalue("server"), **handshake)
        connections.append(connection)
        return connection

    yield make
    for connection in reversed(connections):
        with contextlib.suppress(Exception):
            async with asyncio.timeout(5):
                await connection.close()


class User:
    """A signed-in user: an id, its home workspace and a token for it."""

    def __init__(self, user_id: str | None = None, **claims):
        self.id = user_id or new_user_id()
        self.home = f"ws-user-{self.id}"
        self.email = claims.setdefault("email", f"{self.id}@example.org")
        self.token = user_token(self.id, **claims)


@pytest.fixture
def make_user():
    """`make_user(**claims)`: a user nobody has seen before."""
    return User


@pytest_asyncio.fixture
async def user(connect, make_user):
    """A signed-in client in its home workspace; `user.token` etc. are on `client.account`."""
    account = make_user()
    client = await connect(token=account.token)
    client.account = account
    return client


@pytest_asyncio.fixture
async def root(connect):
    """A client that came with the root token."""
    return await connect(token=ROOT_TOKEN)


@pytest_asyncio.fixture
async def web(request):
    """`web(server=…, token=…)`: an HTTP client of a server; redirects are not followed."""
    clients = []

    def make(on: Server | None = None, token: str | None = None, **options) -> httpx.AsyncClient:
        target = on or request.getfixturevalue("server")
        headers = {"Authorization": f"Bearer {token}"} if token else {}
        client = httpx.AsyncClient(
            base_url=target.url, headers={**headers, **options.pop("headers", {})}, timeout=30, **options
        )
        clients.append(client)
        return client

    yield make
    for client in clients:
        await client.aclose()

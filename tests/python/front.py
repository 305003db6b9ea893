"""What the tests of the HTTP front share: requests by hand, and a small reverse proxy."""

from __future__ import annotations

import asyncio
import contextlib

import httpx


def http(server, **options) -> httpx.AsyncClient:
    """A client of `server` that follows no redirects; paths are below the base path."""
    return httpx.AsyncClient(base_url=server.url, timeout=20, **options)


async def exchange(server, data: bytes, *, pause: float = 0.0, parts: int = 1) -> bytes:
    """Send raw bytes, in `parts` with a pause after each, and read until the server closes."""
    reader, writer = await asyncio.open_connection("127.0.0.1", server.port)
    try:
        step = -(-len(data) // parts)
        # A server that has answered already may not read the rest.
        with contextlib.suppress(ConnectionError):
            for start in range(0, len(data), step):
                writer.write(data[start : start + step])
                await writer.drain()
                await asyncio.sleep(pause)
        received = b""
        with contextlib.suppress(ConnectionError):
            async with asyncio.timeout(20):
                while chunk := await reader.read(65536):
                    received += chunk
        return received
    finally:
        writer.close()


def statuses(received: bytes) -> list[int]:
    """The status codes of the responses in what was received."""
    return [int(part[:3]) for part in received.split(b"HTTP/1.1 ")[1:]]


class Proxy:
    """A reverse proxy that shows `server` below `prefix`, which it cuts off, and says who the client is.

    It appends to `X-Forwarded-For`, as proxies do, what `client` says. One request per connection; after the head it
    only passes bytes on, so WebSockets work too.
    """

    def __init__(self, server, prefix: str = "", client: str = "192.0.2.1"):
        self.server, self.prefix, self.client = server, prefix, client
        self.port = 0

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}{self.prefix}"

    async def __aenter__(self) -> "Proxy":
        self._listener = await asyncio.start_server(self._serve, "127.0.0.1", 0)
        self.port = self._listener.sockets[0].getsockname()[1]
        return self

    async def __aexit__(self, *_) -> None:
        self._listener.close()

    async def _serve(self, reader, writer) -> None:
        with contextlib.suppress(ConnectionError, asyncio.IncompleteReadError):
            head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1")
            request, *lines = head.rstrip().split("\r\n")
            method, path, version = request.split(" ")
            assert path.startswith(self.prefix), path
            earlier = [line.split(":", 1)[1].strip() for line in lines if line.lower().startswith("x-forwarded-for:")]
            upgrade = any(line.lower().startswith("upgrade:") for line in lines)
            dropped = ("x-forwarded-", "host:", *(() if upgrade else ("connection:",)))
            kept = [line for line in lines if not line.lower().startswith(dropped)]
            added = [
                "Host: inner.example.org",
                f"X-Forwarded-For: {', '.join([*earlier, self.client])}",
                f"X-Forwarded-Prefix: {self.prefix}",
                "X-Forwarded-Proto: https",
                *(() if upgrade else ("Connection: close",)),
            ]
            inner = "\r\n".join([f"{method} {path[len(self.prefix):] or '/'} {version}", *kept, *added, "", ""])
            upstream = await asyncio.open_connection("127.0.0.1", self.server.port)
            upstream[1].write(inner.encode("latin-1"))
            await asyncio.gather(_pass_on(reader, upstream[1]), _pass_on(upstream[0], writer))
        writer.close()


async def _pass_on(reader, writer) -> None:
    with contextlib.suppress(ConnectionError):
        while chunk := await reader.read(65536):
            writer.write(chunk)
            await writer.drain()
        writer.write_eof()

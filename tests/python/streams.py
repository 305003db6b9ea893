"""The HTTP transport by hand: a stream that is read frame by frame, and messages that show what a test wants them to."""

from __future__ import annotations

import asyncio
import contextlib
import secrets

import httpx
import msgpack

from raw import pack, unpack


def bearer(token: str | None) -> dict:
    """The header of a request with this token."""
    return {"Authorization": f"Bearer {token}"} if token else {}


async def post(server, client_id, workspace, body: bytes, *, token=None, headers=None, source=None, cookies=None):
    """One message, from nobody in particular: the answer."""
    transport = httpx.AsyncHTTPTransport(local_address=source)
    async with httpx.AsyncClient(transport=transport, cookies=cookies, timeout=20) as client:
        params = {key: value for key, value in (("client_id", client_id), ("workspace", workspace)) if value is not None}
        send = {"Content-Type": "application/msgpack", **bearer(token), **(headers or {})}
        return await client.post(f"{server.url}/rpc", params=params, content=body, headers=send)


class Refused(Exception):
    """The stream was not opened."""

    def __init__(self, status: int, answer: dict):
        super().__init__(f"{status} {answer}")
        self.status, self.answer = status, answer
        self.detail, self.code = answer["detail"], answer["code"]


class Stream:
    """One open stream. `reading=False` leaves what comes in the socket."""

    def __init__(self, server, http: httpx.AsyncClient, response: httpx.Response, token: str | None):
        self.server, self.http, self.response, self.token = server, http, response, token
        self.info: dict = {}
        self.frames: asyncio.Queue = asyncio.Queue()
        self.ended = asyncio.Event()
        self.last_control: dict = {}
        self._reader: asyncio.Task | None = None

    @classmethod
    async def open(cls, server, client_id=None, workspace=None, token=None, reconnection_token=None, headers=None, reading=True):
        asked = {"client_id": client_id or f"s-{secrets.token_hex(6)}", "workspace": workspace}
        params = {key: value for key, value in {**asked, "reconnection_token": reconnection_token}.items() if value}
        http = httpx.AsyncClient(timeout=20)
        head = {"Accept": "application/x-msgpack-stream", **bearer(token), **(headers or {})}
        request = http.build_request("GET", f"{server.url}/rpc", params=params, headers=head)
        response = await http.send(request, stream=True)
        if response.status_code != 200:
            await response.aread()
            await http.aclose()
            raise Refused(response.status_code, response.json())
        stream = cls(server, http, response, token)
        if reading:
            stream._reader = asyncio.create_task(stream._read())
            first = await stream.next()
            assert first["type"] == "connection_info", first
            stream.info = first
        return stream

    @property
    def workspace(self) -> str:
        return self.info["workspace"]

    @property
    def client_id(self) -> str:
        return self.info["client_id"]

    @property
    def secret(self) -> str | None:
        return self.response.headers.get("hypha-stream-secret")

    async def _read(self) -> None:
        buffer = b""
        with contextlib.suppress(httpx.HTTPError):
            async for chunk in self.response.aiter_bytes():
                buffer += chunk
                while len(buffer) >= 4 and len(buffer) >= 4 + int.from_bytes(buffer[:4], "big"):
                    end = 4 + int.from_bytes(buffer[:4], "big")
                    main, extra = unpack(buffer[4:end])
                    buffer = buffer[end:]
                    if "to" not in main:
                        self.last_control = main
                    self.frames.put_nowait({**main, "extra": extra} if "to" in main else main)
        assert buffer == b"", "the stream ended inside a frame"
        self.ended.set()

    async def next(self, timeout: float = 5.0) -> dict:
        """The next frame that is no sign of life."""
        async with asyncio.timeout(timeout):
            while (frame := await self.frames.get()).get("type") == "ping":
                pass
            return frame

    async def end(self, timeout: float = 10.0) -> str | None:
        """Wait for the end of the stream; the reason that came before it."""
        async with asyncio.timeout(timeout):
            await self.ended.wait()
        return self.last_control.get("message") if self.last_control.get("type") == "error" else None

    async def send(self, main: dict, extra: dict | None = None, **options) -> httpx.Response:
        """Send a message as the client itself would."""
        return await self.send_bytes(pack(main, extra), **options)

    async def send_bytes(self, body: bytes, **options) -> httpx.Response:
        if self.secret:
            options.setdefault("headers", {"hypha-stream-secret": self.secret})
        return await post(self.server, self.client_id, self.workspace, body, **{"token": self.token, **options})

    async def call(self, to: str, method: str, *args):
        """Call a method and wait for the answer: its `resolve` or `reject` message."""
        session = secrets.token_hex(8)
        header = {"type": "method", "to": to, "method": method, "session": session}
        answer = await self.send(header, {"args": list(args), "promise": "*", "t": 15.0})
        assert answer.status_code == 200, answer.text
        while not (frame := await self.next()).get("method", "").startswith(session) or frame["method"].endswith("heartbeat"):
            pass
        value = frame["extra"]["args"][0]
        assert frame["method"].endswith(".resolve"), value
        return value

    async def ask(self, method: str, *args):
        """Call the workspace manager."""
        return await self.call(f"*/{self.info['manager_id']}", f"services.default.{method}", *args)

    async def close(self) -> None:
        if self._reader:
            self._reader.cancel()
        await self.response.aclose()
        await self.http.aclose()


def control(kind: str) -> bytes:
    """A control message."""
    return msgpack.packb({"type": kind})

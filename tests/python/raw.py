"""The wire protocol by hand: what the official client would never send, this can.

A `Raw` connection performs the handshake, sends any frame, and keeps what comes back. It can also act as a well-behaved
peer: register services and answer calls with the handlers given to `serve`.
"""

from __future__ import annotations

import asyncio
import contextlib
import io
import json
import secrets
from typing import Any, Callable

import msgpack
import websockets
from websockets.asyncio.client import connect

FRAME_LIMIT = 64 * 1024 * 1024
CALL_LIMIT = 10.0


class RawError(Exception):
    """A call was answered with `reject`; the text is the error's `_rvalue`."""


class Silence(Exception):
    """Raised by a handler that wants its caller to hear nothing at all."""


class Refused(Exception):
    """The handshake failed: what the server said and how it closed."""

    def __init__(self, message: str | None, code: int | None, reason: str | None):
        super().__init__(f"message={message!r} code={code} reason={reason!r}")
        self.message, self.code, self.reason = message, code, reason


def pack(main: dict, extra: dict | None = None) -> bytes:
    """One RPC frame: one or two MessagePack maps."""
    return msgpack.packb(main) + (msgpack.packb(extra) if extra is not None else b"")


def unpack(frame: bytes) -> tuple[dict, dict]:
    """Header and payload of a frame; the payload is empty when absent."""
    unpacker = msgpack.Unpacker(io.BytesIO(frame), max_buffer_size=FRAME_LIMIT, strict_map_key=False)
    main = unpacker.unpack()
    try:
        extra = unpacker.unpack()
    except msgpack.OutOfData:
        extra = {}
    return main, extra


def auth_frame(client_id: str, workspace=None, token=None, reconnection_token=None) -> str:
    """The first text frame of a client."""
    return json.dumps(
        {"client_id": client_id, "workspace": workspace, "token": token, "reconnection_token": reconnection_token}
    )


async def open_socket(server, **options):
    """A bare WebSocket to the server, before any handshake."""
    options = {"max_size": FRAME_LIMIT, "ping_interval": None, "compression": None, "close_timeout": 2, **options}
    return await connect(server.ws_url, **options)


async def closing(socket, timeout: float = 10.0) -> tuple[int, str]:
    """Wait for the server to close; code and reason of the close frame (1006 when there was none)."""
    with contextlib.suppress(websockets.ConnectionClosed):
        async with asyncio.timeout(timeout):
            while True:
                await socket.recv()
    received = socket.protocol.close_rcvd
    return (received.code, received.reason) if received is not None else (1006, "")


class Raw:
    """One connection that speaks the protocol as plainly as possible."""

    def __init__(self, socket, info: dict):
        self.socket, self.info = socket, info
        self.messages: asyncio.Queue = asyncio.Queue()
        self.texts: asyncio.Queue = asyncio.Queue()
        self.handlers: dict[str, Callable[..., Any]] = {
            "services.built-in.ping": lambda main, *a, **k: "pong",
            "services.built-in.get_service": self._local_service,
        }
        self._calls: dict[str, asyncio.Future] = {}
        self._reader = asyncio.create_task(self._read())

    @classmethod
    async def open(cls, server, client_id=None, workspace=None, token=None, reconnection_token=None, **options) -> "Raw":
        """Connect and shake hands; `Refused` when the server declines."""
        client_id = client_id if client_id is not None else f"raw-{secrets.token_hex(6)}"
        socket = await open_socket(server, **options)
        message = None
        try:
            await socket.send(auth_frame(client_id, workspace, token, reconnection_token))
            async with asyncio.timeout(15):
                while True:
                    answer = await socket.recv()
                    if isinstance(answer, bytes):
                        continue
                    answer = json.loads(answer)
                    if answer.get("type") == "connection_info":
                        return cls(socket, answer)
                    message = answer.get("message")
        except websockets.ConnectionClosed:
            received = socket.protocol.close_rcvd
            code, reason = (received.code, received.reason) if received else (1006, "")
            raise Refused(message, code, reason) from None
        except BaseException:
            await socket.close()
            raise

    @property
    def workspace(self) -> str:
        return self.info["workspace"]

    @property
    def client_id(self) -> str:
        return self.info["client_id"]

    @property
    def address(self) -> str:
        return f"{self.workspace}/{self.client_id}"

    @property
    def manager(self) -> str:
        return f"*/{self.info['manager_id']}"

    @property
    def is_open(self) -> bool:
        return self.socket.state is websockets.State.OPEN

    async def send(self, main: dict, extra: dict | None = None) -> None:
        await self.socket.send(pack(main, extra))

    async def send_bytes(self, frame: bytes) -> None:
        await self.socket.send(frame)

    async def send_text(self, text: str) -> None:
        await self.socket.send(text)

    async def start_call(self, to: str, method: str, *args, main=None, extra=None, **kwargs) -> asyncio.Future:
        """Send a call; the future of its answer. `main` and `extra` add to or replace keys of the two maps."""
        session = secrets.token_hex(8)
        answer = self._calls[session] = asyncio.get_running_loop().create_future()
        arguments = [*args, kwargs] if kwargs else list(args)
        payload = {"args": arguments, "promise": "*", "t": 15.0}
        if kwargs:
            payload["with_kwargs"] = True
        header = {"type": "method", "to": to, "method": method, "session": session}
        await self.send({**header, **(main or {})}, {**payload, **(extra or {})})
        return answer

    async def call(self, to: str, method: str, *args, timeout: float = CALL_LIMIT, **kwargs):
        """Call a method of a peer and wait; `RawError` when it is rejected, TimeoutError when nothing comes."""
        answer = await self.start_call(to, method, *args, **kwargs)
        async with asyncio.timeout(timeout):
            return await answer

    async def ask(self, method: str, *args, **kwargs):
        """Call a method of the workspace manager."""
        return await self.call(self.manager, f"services.default.{method}", *args, **kwargs)

    async def register(self, service_id: str = "built-in", handlers: dict | None = None, **config):
        """Register a service with the manager; `handlers` maps function names to `fn(main, *args, **kwargs)`."""
        for name, handler in (handlers or {}).items():
            self.handlers[f"services.{service_id}.{name}"] = handler
        built_in = service_id == "built-in"
        info = {
            "id": f"{self.address}:{service_id}",
            "name": service_id,
            "type": "built-in" if built_in else "generic",
            "description": "",
            "app_id": "*",
            "config": {"visibility": "public" if built_in else "protected", "workspace": self.workspace, **config},
            "service_schema": {},
        }
        return await self.ask("register_service", info)

    async def join(self, service_id: str | None = None, handlers: dict | None = None, **config) -> "Raw":
        """Become a visible client (register `built-in`), optionally with one more service."""
        await self.register("built-in")
        if service_id is not None:
            await self.register(service_id, handlers, **config)
        return self

    async def message(self, timeout: float = 5.0) -> tuple[dict, dict]:
        """The next frame that is neither an answer to a call of ours nor a call we answer."""
        async with asyncio.timeout(timeout):
            return await self.messages.get()

    async def text(self, timeout: float = 5.0) -> dict:
        """The next text frame."""
        async with asyncio.timeout(timeout):
            return json.loads(await self.texts.get())

    async def closed(self, timeout: float = 10.0) -> tuple[int, str]:
        """Wait until the server closes; code and reason."""
        async with asyncio.timeout(timeout):
            await self.socket.wait_closed()
        received = self.socket.protocol.close_rcvd
        return (received.code, received.reason) if received is not None else (1006, "")

    async def close(self) -> None:
        await self.socket.close()
        self._reader.cancel()

    def abort(self) -> None:
        """Cut the TCP connection without a close frame, as a crashed process would."""
        self._reader.cancel()
        self.socket.transport.abort()

    async def __aenter__(self) -> "Raw":
        return self

    async def __aexit__(self, *_) -> None:
        await self.close()

    async def _read(self) -> None:
        try:
            async for frame in self.socket:
                if isinstance(frame, str):
                    self.texts.put_nowait(frame)
                else:
                    await self._dispatch(*unpack(frame))
        except websockets.ConnectionClosed:
            pass
        finally:
            for answer in self._calls.values():
                if not answer.done():
                    answer.set_exception(ConnectionError("the server closed the connection"))
                    answer.exception()

    async def _dispatch(self, main: dict, extra: dict) -> None:
        method = main.get("method") or ""
        session, _, verb = method.partition(".")
        if session in self._calls:
            answer = self._calls[session]
            if verb != "heartbeat" and not answer.done():
                value = (extra.get("args") or [None])[0]
                if verb == "resolve":
                    answer.set_result(value)
                else:
                    answer.set_exception(RawError(value["_rvalue"] if isinstance(value, dict) else str(value)))
        elif method in self.handlers:
            await self._answer(main, extra)
        else:
            self.messages.put_nowait((main, extra))

    def _local_service(self, main: dict, service_id: str) -> dict:
        """What a peer answers to `get_service`: the functions of a service as references to this connection."""
        prefix = f"services.{service_id}."
        names = [name.removeprefix(prefix) for name in self.handlers if name.startswith(prefix)]
        if not names:
            raise KeyError(f"Service not found: {service_id}")
        reference = {"_rtype": "method", "_rserver": self.info["public_base_url"], "_rtarget": self.address, "_rpromise": "*"}
        members = {name: {**reference, "_rmethod": prefix + name, "_rname": name} for name in names}
        return {"id": f"{self.address}:{service_id}", "name": service_id, "type": "generic", "config": {}, **members}

    async def _answer(self, main: dict, extra: dict) -> None:
        arguments = list(extra.get("args") or [])
        keywords = arguments.pop() if extra.get("with_kwargs") else {}
        try:
            result, verb = self.handlers[main["method"]](main, *arguments, **keywords), "resolve"
        except Silence:
            return
        except Exception as error:  # noqa: BLE001 - whatever a handler raises is the answer
            result, verb = {"_rtype": "error", "_rvalue": f"{type(error).__name__}: {error}", "_rtrace": ""}, "reject"
        if main.get("session"):
            reply = {"type": "method", "to": main["from"], "method": f"{main['session']}.{verb}"}
            await self.send({**reply, "parent": main["session"]}, {"args": [result]})

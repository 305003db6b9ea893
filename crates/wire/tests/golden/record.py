"""Record frames of the official clients for the golden test of hypha-wire.

Usage: python record.py http://127.0.0.1:9527

The argument is the URL of a running Hypha server that admits anonymous users. A proxy in this process passes everything
through and writes the binary frames to `python.jsonl` and `javascript.jsonl` beside this script, one JSON object per line:
`{"way": "sent" | "received", "frame": "<base64>"}`. Needs `hypha-rpc[encryption]`, `numpy` and `pydantic`; and `node`, with
`hypha-rpc` where it finds packages, for the second file.
"""

import asyncio
import base64
import io
import json
import pathlib
import re
import sys
from collections import OrderedDict

import msgpack
import numpy as np
import websockets
from hypha_rpc import connect_to_server
from pydantic import BaseModel

HERE = pathlib.Path(__file__).resolve().parent
FOLDERS = re.compile(rb"/(?:[\w.@+-]+/)+(?=[\w.-]+\.(?:py|m?js)\b)")


def shape(value):
    """The structure of a value: types and keys, without texts and numbers. Lists count by their first items."""
    if isinstance(value, dict):
        kind = value.get("_rtype")
        return tuple(sorted(value)) + ((kind,) if isinstance(kind, str) else ()) + tuple(map(shape, value.values()))
    if isinstance(value, list):
        return tuple(map(shape, value[:4]))
    return type(value).__name__


class Recording:
    """The frames of one run; of several with the same structure, the first."""

    def __init__(self):
        self.seen = set()
        self.lines = []

    def add(self, way, frame):
        parts = []
        unpacker = msgpack.Unpacker(io.BytesIO(frame), max_buffer_size=len(frame), strict_map_key=False)
        for part in unpacker:
            parts.append(part)
        main, method = parts[0], parts[0].get("method") or ""
        key = (way, main["type"], method.rsplit(".", 1)[-1].rsplit("#", 1)[-1][:24], shape(parts))
        if way == "received" and not main.get("from", "*").startswith("*"):
            # What a peer sent is recorded where it was sent; here it is about the header.
            key = (way, main["type"], tuple(main))
        if way == "sent" and "message_cache" in method:
            # A chunked message is recorded whole.
            key = len(self.lines)
        if key in self.seen or b"eyJ" in frame:
            # Known, or a token.
            return
        self.seen.add(key)
        # The folders of the machine that records are nobody's business; their length is kept.
        frame = FOLDERS.sub(lambda found: b"/" + b"x" * (len(found[0]) - 2) + b"/", frame)
        self.lines.append(json.dumps({"way": way, "frame": base64.b64encode(frame).decode()}))

    def save(self, name):
        (HERE / name).write_text("\n".join(self.lines) + "\n")
        print(f"{name}: {len(self.lines)} frames")


async def proxy(server_url, recording):
    """Serve a recording proxy on a free port; its URL."""
    target = server_url.replace("http", "ws", 1).rstrip("/") + "/ws"

    async def pump(source, sink, way):
        async for message in source:
            if isinstance(message, bytes):
                recording.add(way, message)
            await sink.send(message)

    async def handle(client):
        async with websockets.connect(target, max_size=None) as server:
            pumps = [
                asyncio.create_task(pump(client, server, "sent")),
                asyncio.create_task(pump(server, client, "received")),
            ]
            await asyncio.wait(pumps, return_when=asyncio.FIRST_COMPLETED)
            for task in pumps:
                task.cancel()
            await client.close()

    listener = await websockets.serve(handle, "127.0.0.1", 0, max_size=None)
    port = listener.sockets[0].getsockname()[1]
    return f"http://127.0.0.1:{port}", listener


class Model(BaseModel):
    """A model to be sent."""

    name: str = "m"
    sizes: list[int] = [1, 2]


async def scenario(url):
    """Two Python clients that send each other everything there is."""
    worker = await connect_to_server({"server_url": url, "client_id": "worker", "method_timeout": 4})
    token = await worker.generate_token()
    caller = await connect_to_server(
        {
            "server_url": url,
            "client_id": "caller",
            "workspace": worker.config.workspace,
            "token": token,
            "method_timeout": 4,
            "long_message_chunk_size": 1024,
        }
    )

    async def echo(*values, **named):
        """Give back what came."""
        return [*values, named]

    async def count(n: int = 3):
        """Count, one item at a time."""
        for i in range(n):
            yield i

    async def fail(kind: str):
        """Raise."""
        raise {"key": KeyError, "value": ValueError}[kind]("on purpose")

    def fail_sync():
        """Raise without a loop."""
        raise RuntimeError("on purpose")

    async def progress(callback, context=None):
        """Call back, and return a function."""
        for i in range(2):
            await callback({"type": "info", "message": f"step {i}"})
        await asyncio.sleep(2.5)
        return lambda: "later"

    async def ingest(data):
        """Take something large."""
        return len(data)

    async def produce(n: int):
        """Give something large."""
        return b"x" * n

    await worker.register_service(
        {
            "id": "golden",
            "name": "Golden",
            "config": {"visibility": "public", "require_context": ["progress"]},
            "echo": echo,
            "count": count,
            "fail": fail,
            "fail_sync": fail_sync,
            "progress": progress,
            "ingest": ingest,
            "produce": produce,
            "nested": {"list": [fail_sync, 1, "two"], "flag": True},
        }
    )
    service = await caller.get_service("golden")
    values = [
        None,
        True,
        [0, 127, 128, -32, -33, 255, 256, 65535, 65536, -128, -129, -32768, -32769, 2**31, -(2**31) - 1],
        {"wide": [2**32, 2**63 - 1, -(2**63), 2**64 - 1]},
        [0.0, 1.5, float("inf"), 1e300],
        ["", "a", "x" * 31, "x" * 32, "x" * 256, "äöü€😀"],
        [b"", b"abc", b"x" * 256],
        {f"k{i}": i for i in range(20)},
        list(range(20)),
        np.arange(6, dtype="float32").reshape(2, 3),
        np.int64(5),
        np.array(["ab", "c"]),
        {1, 2},
        memoryview(b"view"),
        ValueError("as a value"),
        OrderedDict(a=1, b=2),
        Model(),
        io.BytesIO(b"a file"),
        {"_rtype": "custom", "x": [1]},
        {"_rintf": True, "read": echo},
    ]
    for value in values:
        try:
            await service.echo(value)
        except Exception as error:  # what cannot be sent is not recorded
            print("not recorded:", type(value).__name__, str(error).splitlines()[-1])
    await service.echo(1, 2, name="x", other=[1])
    async for _ in await service.count():
        pass
    for kind in ("key", "value"):
        try:
            await service.fail(kind)
        except Exception:
            pass
    try:
        await service.fail_sync()
    except Exception:
        pass
    later = await service.progress(lambda info: None)
    await later()
    await service.ingest(b"z" * 5000)
    await service.ingest(np.arange(400))
    await worker.subscribe("golden-event")
    await caller.emit({"type": "golden-event", "to": "*", "data": {"n": 1}})
    try:
        await caller.rpc.get_remote_service("nobody:default")
    except Exception:
        pass
    await asyncio.sleep(0.5)
    await caller.disconnect()
    await worker.disconnect()

    keys = {}
    for name in ("a", "b"):
        keys[name] = await connect_to_server({"server_url": url, "client_id": name, "encryption": True})
    await keys["a"].register_service(
        {"id": "sealed", "config": {"visibility": "public"}, "echo": echo, "progress": progress}
    )
    sealed = await keys["b"].get_service(
        f"{keys['a'].config.workspace}/a:sealed",
        {"encryption_public_key": keys["a"].rpc.get_public_key()},
    )
    await sealed.echo("secret")
    await asyncio.sleep(0.2)
    for client in keys.values():
        await client.disconnect()


async def main():
    server = sys.argv[1]
    recording = Recording()
    url, listener = await proxy(server, recording)
    await scenario(url)
    listener.close()
    recording.save("python.jsonl")

    recording = Recording()
    url, listener = await proxy(server, recording)
    node = await asyncio.create_subprocess_exec("node", "--experimental-websocket", str(HERE / "record.mjs"), url)
    if await node.wait():
        raise SystemExit("record.mjs failed")
    listener.close()
    recording.save("javascript.jsonl")


if __name__ == "__main__":
    asyncio.run(main())

"""A Python peer for the JavaScript tests: `peer.py SERVER_URL TOKEN`; prints `ready` when its services are registered."""

import asyncio
import sys

import numpy as np
from hypha_rpc import connect_to_server


async def count(n):
    for i in range(n):
        yield i


async def each(items, callback):
    return [await callback(item) for item in items]


async def total(numbers):
    return sum([n async for n in numbers])


def fail():
    raise ValueError("python says no")


async def main(server_url: str, token: str) -> None:
    client = await connect_to_server({"server_url": server_url, "token": token, "client_id": "python-peer"})

    async def call_js(service_id, *args):
        return await (await client.get_service(service_id)).run(*args)

    await client.register_service(
        {
            "id": "python",
            "config": {"require_context": ["who"]},
            "same": lambda x: x,
            "kind": lambda x: type(x).__name__,
            "describe": lambda x: [str(x.dtype), list(x.shape), float(np.asarray(x, dtype="float64").sum())],
            "array": lambda: np.arange(6, dtype="float32").reshape(2, 3),
            "add": lambda a, b=10, *, c=0: a + b + c,
            "who": lambda context=None: context["user"]["id"],
            "make": lambda size: b"p" * size,
            "length": lambda data: len(data),
            "adder": lambda n: lambda x: x + n,
            "count": count,
            "each": each,
            "total": total,
            "fail": fail,
            "call_js": call_js,
        }
    )
    print("ready", flush=True)
    await asyncio.Event().wait()


asyncio.run(main(*sys.argv[1:]))

"""The application of the measurements: a page, downloads and an upload, with Starlette.

usage: app.py serve PORT FILE              with uvicorn, on the loopback address
       app.py mount URL WORKSPACE FILE     as service `web` of client `app` of a server; the token is in BENCH_TOKEN

FILE is what `/file` sends.
"""

import asyncio
import os
import sys

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import FileResponse, PlainTextResponse, Response, StreamingResponse
from starlette.routing import Route


def make_app(path: str) -> Starlette:
    async def page(request: Request) -> Response:
        return Response(b"x" * 1024, media_type="text/html")

    async def file(request: Request) -> Response:
        """In parts of 64 KiB, as Starlette does it."""
        return FileResponse(path)

    async def stream(request: Request) -> Response:
        size, part = int(request.query_params["size"]), int(request.query_params["part"])

        async def parts():
            block = b"x" * part
            for start in range(0, size, part):
                yield block[: size - start]

        return StreamingResponse(parts(), media_type="application/octet-stream")

    async def upload(request: Request) -> Response:
        size = 0
        async for part in request.stream():
            size += len(part)
        return PlainTextResponse(str(size))

    return Starlette(
        routes=[
            Route("/page", page),
            Route("/file", file),
            Route("/stream", stream),
            Route("/upload", upload, methods=["PUT"]),
        ]
    )


async def mount(app: Starlette, url: str, workspace: str) -> None:
    from hypha_rpc import connect_to_server

    config = {"server_url": url, "workspace": workspace, "client_id": "app", "token": os.environ["BENCH_TOKEN"]}
    client = await connect_to_server(config)

    async def serve(args, context=None):
        await app(args["scope"], args["receive"], args["send"])

    service = {"id": "web", "type": "asgi", "config": {"visibility": "public"}, "serve": serve}
    await client.register_service(service)
    await asyncio.Event().wait()


def main() -> None:
    match sys.argv[1:]:
        case ["serve", port, path]:
            import uvicorn

            uvicorn.run(make_app(path), host="127.0.0.1", port=int(port), log_level="warning")
        case ["mount", url, workspace, path]:
            asyncio.run(mount(make_app(path), url, workspace))
        case _:
            sys.exit(__doc__)


if __name__ == "__main__":
    main()

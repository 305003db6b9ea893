"""A FastAPI application as people write them: uploads, server-sent events, a WebSocket route, background tasks."""

import asyncio
import hashlib

from fastapi import BackgroundTasks, Cookie, FastAPI, File, HTTPException, Request, Response, UploadFile, WebSocket
from fastapi.responses import HTMLResponse, RedirectResponse, StreamingResponse
from starlette.websockets import WebSocketDisconnect


def make_app() -> FastAPI:
    app = FastAPI()
    app.state.notes = []
    app.state.left = asyncio.Event()

    @app.get("/", response_class=HTMLResponse)
    async def index():
        return "<h1>hello</h1>"

    @app.get("/items/{item}")
    async def item(item: str, q: str | None = None, n: int = 0):
        if item == "none":
            raise HTTPException(404, "no such item")
        return {"item": item, "q": q, "n": n}

    @app.post("/upload")
    async def upload(file: UploadFile = File(...)):
        digest, size = hashlib.sha256(), 0
        while chunk := await file.read(1 << 20):
            digest.update(chunk)
            size += len(chunk)
        return {"name": file.filename, "size": size, "sha256": digest.hexdigest()}

    @app.put("/raw")
    async def raw(request: Request):
        size = 0
        async for chunk in request.stream():
            size += len(chunk)
        return {"size": size}

    @app.get("/download")
    async def download(size: int):
        async def chunks():
            left = size
            while left:
                take = min(left, 65536)
                yield b"x" * take
                left -= take

        return StreamingResponse(chunks(), media_type="application/octet-stream")

    @app.get("/events")
    async def events(request: Request, to: int = 3):
        async def stream():
            i = 0
            while to == 0 or i < to:
                yield f"data: {i}\n\n"
                i += 1
                await asyncio.sleep(0.01)

        return StreamingResponse(stream(), media_type="text/event-stream")

    @app.get("/echo")
    async def echo(request: Request):
        return {
            "path": request.url.path,
            "query": request.url.query,
            "headers": request.headers.items(),
            "client": request.client.host if request.client else None,
            "workspace": request.scope.get("workspace"),
            "service_id": request.scope.get("service_id"),
        }

    @app.get("/cookies")
    async def cookies(response: Response, seen: str | None = Cookie(None)):
        response.set_cookie("a", "1")
        response.set_cookie("b", "2")
        return {"seen": seen}

    @app.get("/moved")
    async def moved():
        return RedirectResponse("items/1")

    @app.get("/fail")
    async def fail():
        raise RuntimeError("broken inside")

    @app.get("/fail-late")
    async def fail_late():
        async def stream():
            yield b"some"
            raise RuntimeError("broken late")

        return StreamingResponse(stream())

    @app.post("/later")
    async def later(tasks: BackgroundTasks):
        async def work():
            await asyncio.sleep(0.2)
            app.state.notes.append("done")

        tasks.add_task(work)
        return {"accepted": True}

    @app.get("/notes")
    async def notes():
        return app.state.notes

    @app.websocket("/ws")
    async def websocket(socket: WebSocket):
        if socket.query_params.get("refuse"):
            await socket.close(code=4403)
            return
        await socket.accept(subprotocol="chat" if "chat" in socket.scope["subprotocols"] else None)
        try:
            while True:
                message = await socket.receive()
                if message["type"] == "websocket.disconnect":
                    app.state.notes.append(f"left {message.get('code')}")
                    return
                if message.get("text") == "close":
                    await socket.close(code=4000, reason="as you wish")
                    return
                if message.get("text") is not None:
                    await socket.send_text("echo " + message["text"])
                else:
                    await socket.send_bytes(message["bytes"][::-1])
        except WebSocketDisconnect:
            pass

    return app


async def serve_on(client, app: FastAPI, service_id: str = "web", **config):
    """Mount the application as the service documentation says."""

    async def serve(args, context=None):
        try:
            await app(args["scope"], args["receive"], args["send"])
        finally:
            if args["scope"]["path"] == "/events":
                app.state.left.set()

    return await client.register_service(
        {"id": service_id, "type": "asgi", "config": {"visibility": "public", **config}, "serve": serve}
    )

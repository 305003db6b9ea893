"""What only start-up functions have: other workspaces, the root user, programs that they start themselves."""

import asyncio
import os
import sys

CHILD = """
import asyncio, sys
from hypha_rpc import connect_to_server
async def main():
    server = await connect_to_server({"server_url": sys.argv[1], "token": sys.argv[2], "workspace": "public"})
    await server.register_service({"id": "launched", "config": {"visibility": "public"}, "hi": lambda: "launched"})
    await server.serve()
asyncio.run(main())
"""


async def hypha_startup(server):
    root = server.get_root_user()
    async with server.get_workspace_interface(root, "ws-user-root") as api:
        inner = api.config.workspace
        admin = await api.get_service("admin-utils")
        servers = await admin.list_servers()
    store = server["store"]
    token = await server.generate_token()
    same = await store.parse_user_token(token)
    child = await asyncio.create_subprocess_exec(sys.executable, "-c", CHILD, server.config.local_base_url, token)
    while True:
        try:
            launched = await server.get_service("public/launched")
            break
        except Exception:
            await asyncio.sleep(0.1)
    try:
        store.get_redis()
    except AttributeError as error:
        missing = str(error)
    facts = {
        "own": server.config.workspace,
        "inner": inner,
        "servers": servers,
        "own_id": server.config.server_id,
        "parent": same.parent,
        "launched": await launched.hi(),
        "missing": missing,
        "public": (await store.get_public_api()) is server,
        "pids": [os.getpid(), child.pid],
    }
    await server.register_service({"id": "facts", "config": {"visibility": "public"}, "facts": lambda: facts})

"""A start-up function that takes its time."""

import asyncio
import os


async def hypha_startup(server):
    print("waiting at the gate")
    while not os.path.exists(os.environ["TEST_GATE"]):
        await asyncio.sleep(0.02)
    await server.register_service({"id": "gate", "config": {"visibility": "public"}, "open": lambda: True})

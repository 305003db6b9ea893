"""A worker for apps, registered by the server itself."""


async def start(config, context=None):
    return config["id"]


async def stop(session_id, context=None):
    return None


async def get_logs(session_id, type=None, offset=0, limit=None, context=None):
    return {"items": [{"type": "log", "content": session_id}], "total": 1, "offset": offset, "limit": limit}


async def hypha_startup(server):
    service = await server.register_service(
        {
            "name": "Custom Worker",
            "id": "custom-worker",
            "type": "server-app-worker",
            "config": {"visibility": "public", "run_in_executor": True, "require_context": True},
            "supported_types": ["my-type"],
            "use_local_url": True,
            "start": start,
            "stop": stop,
            "get_logs": get_logs,
        }
    )
    print(f"worker registered: {service.id}")

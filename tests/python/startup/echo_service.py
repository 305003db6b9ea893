"""The plainest start-up file: one public service."""

import os


async def hypha_startup(server):
    """Register the services."""

    def who(context=None):
        return context["user"]["id"]

    await server.register_service(
        {
            "id": "startup-echo",
            "name": "Echo",
            "config": {"visibility": "public", "require_context": ["who"]},
            "echo": lambda x: x,
            "who": who,
            "pid": os.getpid,
            "variables": lambda names: {name: os.environ.get(name) for name in names},
        }
    )
    print(f"echo registered at {server.config.public_base_url}")


async def uses_the_first(server):
    """Runs after the other, and finds its service."""
    echo = await server.get_service("public/startup-echo")
    answer = await echo.echo("heard")
    await server.register_service(
        {"id": "startup-second", "config": {"visibility": "public"}, "heard": lambda: answer, "pid": os.getpid}
    )


async def fails(server):
    """Never comes to an end."""
    raise ValueError("the model file is missing")


def not_async(server):
    """Not what the server expects."""

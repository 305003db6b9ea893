"""A custom login service, some of its functions left to the server."""

SESSIONS = {}


async def login_page(event):
    return {"status": 200, "headers": {"Content-Type": "text/html"}, "body": "<h1>Who are you?</h1>"}


async def start_login(workspace=None, expires_in=None):
    SESSIONS["k"] = {"workspace": workspace, "expires_in": expires_in}
    return {"login_url": "/public/apps/hypha-login/?key=k", "key": "k"}


async def check_login(key, timeout=180, profile=False):
    return f"token-of-{key}"


async def hypha_startup(server):
    await server.register_auth_service(
        index_handler=login_page,
        start_handler=start_login,
        check_handler=check_login,
        logout_handler=lambda config=None: {"logout_url": "/bye"},
    )

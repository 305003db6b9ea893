"""The login service of a custom authentication provider; what the provider leaves out, the server's own service does."""

# What the server's own login service is called when there is another one.
DEFAULT = "hypha-login-default"


def login_service_of(server, whole, handlers, extra):
    """The service to register as `hypha-login`, or None if there is nothing of it."""
    if whole:
        return {"name": "Hypha Login", "type": "functions", **whole, "id": "hypha-login"}
    given = {name: handler for name, handler in handlers.items() if handler is not None}
    if not given and not extra:
        return None
    service = {
        "id": "hypha-login",
        "name": "Hypha Login",
        "type": "functions",
        "description": "Log in with the authentication provider of this server",
        "config": {"visibility": "public"},
        **default_handlers(server),
        **given,
    }
    for name, handler in extra.items():
        service[name] = handler
        if name.endswith("_handler"):
            service.setdefault(name[: -len("_handler")], handler)
    return service


def default_handlers(server):
    """Functions that pass calls on to the server's own login service."""

    async def own():
        return await server.get_service(f"public/{server.config['server_id']}:{DEFAULT}")

    async def index(event):
        """The login page."""
        return await (await own()).index(event)

    async def start(workspace=None, expires_in=None):
        """Begin a login."""
        return await (await own()).start(workspace, expires_in)

    async def check(key, timeout=180, profile=False):
        """Wait for the end of a login; the token, or with `profile` more about the user."""
        return await (await own()).check(key, timeout, profile)

    async def report(
        key,
        token,
        workspace=None,
        expires_in=None,
        email=None,
        email_verified=None,
        name=None,
        nickname=None,
        user_id=None,
        picture=None,
    ):
        """End a login."""
        return await (await own()).report(
            key, token, workspace, expires_in, email, email_verified, name, nickname, user_id, picture
        )

    return {"index": index, "start": start, "check": check, "report": report}

"""What the object of a start-up function has beyond that of any other client."""

from functools import partial

from hypha_rpc import connect_to_server

from hypha import _server
from hypha.core import ScopeInfo, UserInfo, UserPermission, auth

from .login import login_service_of


def extended(server, local_base_url, server_id):
    """Adds the members to the object of a connected client."""
    server.config["server_id"] = server_id
    server.config["local_base_url"] = local_base_url
    open_interface = partial(WorkspaceInterface, local_base_url)
    members = {
        "register_auth_service": partial(register_auth_service, server),
        "set_parse_token_function": auth.set_parse_token_function,
        "set_generate_token_function": auth.set_generate_token_function,
        "set_get_token_function": auth.set_get_token_function,
        "get_workspace_interface": open_interface,
        "get_root_user": get_root_user,
        "store": Store(server, open_interface),
    }
    for name, member in members.items():
        server[name] = member
    return server


async def register_auth_service(
    server,
    parse_token=None,
    generate_token=None,
    get_token=None,
    login_service=None,
    index_handler=None,
    start_handler=None,
    check_handler=None,
    report_handler=None,
    **extra_handlers,
):
    """Let functions of this process decide about tokens, and about how users log in. All of them are optional."""
    functions = {"parse_token": parse_token, "generate_token": generate_token, "get_token": get_token}
    for name, function in functions.items():
        if function is not None:
            await _server.provide(name, function)
    handlers = {"index": index_handler, "start": start_handler, "check": check_handler, "report": report_handler}
    service = login_service_of(server, login_service, handlers, extra_handlers)
    if service:
        await server.register_service(service, overwrite=True)


def get_root_user():
    """The user that may do everything."""
    return UserInfo(id="root", roles=["admin"], scope=ScopeInfo(workspaces={"*": UserPermission.admin}))


class WorkspaceInterface:
    """A client in some workspace, as some user: `async with` it, or `await` it and disconnect later."""

    def __init__(self, server_url, user_info, workspace, client_id=None, timeout=10, silent=True):
        self.wanted = {"user": _server.plain(user_info), "workspace": workspace, "client_id": client_id}
        self.server_url, self.timeout = server_url, timeout
        self.client = self.opened = None

    async def open(self):
        self.opened = _server.ask("open", **self.wanted)
        self.client = await connect_to_server(
            {
                "server_url": self.server_url,
                "workspace": self.wanted["workspace"],
                "client_id": self.opened["client_id"],
                "token": self.opened["token"],
                "method_timeout": self.timeout,
            }
        )
        return self.client

    def __await__(self):
        return self.open().__await__()

    async def __aenter__(self):
        return await self.open()

    async def __aexit__(self, *_):
        await self.client.disconnect()
        _server.ask("close", workspace=self.wanted["workspace"], client_id=self.opened["client_id"])


class Store:
    """The part of the original's store that start-up functions use."""

    def __init__(self, server, open_interface):
        self._server = server
        self.public_base_url = server.config["public_base_url"]
        self.local_base_url = server.config["local_base_url"]
        self.get_workspace_interface = open_interface
        self.get_root_user = get_root_user
        self.set_parse_token_function = auth.set_parse_token_function
        self.set_generate_token_function = auth.set_generate_token_function
        self.set_get_token_function = auth.set_get_token_function
        self.parse_user_token = auth.parse_auth_token

    async def get_public_api(self):
        """The object that start-up functions get."""
        return self._server

    def register_public_service(self, service):
        """Register a service in the workspace `public`. The result may be awaited."""
        import asyncio

        return asyncio.ensure_future(self._server.register_service(service, overwrite=True))

    def get_server_info(self):
        """What clients are told about the server."""
        return dict(self._server.config)

    def __getattr__(self, name):
        raise AttributeError(
            f"store.{name} does not exist here: the server is not a Python program. There are: "
            + ", ".join(sorted(key for key in {**vars(self), **vars(Store)} if not key.startswith("_")))
        )

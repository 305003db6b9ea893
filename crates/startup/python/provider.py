"""Answers the server's questions about tokens with the functions that a start-up function has set."""

from urllib.parse import unquote

from hypha import _server
from hypha.core import UserInfo


async def parse_token(message):
    user = await _server.finished(_server.functions["parse_token"](message["token"]))
    user = _server.plain(user)
    if not isinstance(user, dict) or not user.get("id"):
        raise ValueError("the authentication provider does not know this token")
    return user


async def generate_token(message):
    user = UserInfo(**message["user"])
    token = await _server.finished(_server.functions["generate_token"](user, message["expires_in"]))
    if isinstance(token, bytes):
        token = token.decode()
    if not isinstance(token, str) or not token:
        raise ValueError("the function that generates tokens has returned no text")
    return token


async def get_token(message):
    token = await _server.finished(_server.functions["get_token"](scope_of(message)))
    return token.decode() if isinstance(token, bytes) else token or None


def scope_of(message):
    """The request, as an ASGI application sees it."""
    return {
        "type": "http",
        "asgi": {"version": "3.0", "spec_version": "2.3"},
        "http_version": "1.1",
        "method": message["method"],
        "scheme": "http",
        "root_path": "",
        "path": unquote(message["raw_path"]),
        "raw_path": message["raw_path"].encode("latin-1"),
        "query_string": message["query"].encode("latin-1"),
        "headers": [(name.encode("latin-1"), value.encode("latin-1")) for name, value in message["headers"]],
        "state": {},
    }


ANSWERS = {"parse_token": parse_token, "generate_token": generate_token, "get_token": get_token}

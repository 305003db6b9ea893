"""Registering, getting and removing services (workspace-api.md §3.1 to §3.6, rpc-protocol.md §4, §5.3)."""

import asyncio

import pytest

from harness import ORIGINAL
from helpers import error_line, eventually, fails, fails_with, service_ids, strip_rpc


async def pair(connect, user):
    """Two clients of one user in one workspace: the provider (the `user`) and a caller."""
    return user, await connect(token=user.account.token)


async def test_register_returns_the_description(user):
    info = await user.register_service(
        {
            "id": "calc",
            "name": "Calculator",
            "description": "Adds numbers.",
            "docs": "Long text.",
            "type": "math",
            "config": {"visibility": "public", "flags": ["experimental"], "my_key": {"a": 1}},
            "add": lambda a, b: a + b,
        }
    )
    address = f"{user.account.home}/{user.config['client_id']}"
    assert info["id"] == f"{address}:calc"
    stored = await user.get_service_info("calc")
    assert strip_rpc(stored, "id", "name", "type", "description", "docs", "app_id") == {
        "id": f"{address}:calc",
        "name": "Calculator",
        "type": "math",
        "description": "Adds numbers.",
        "docs": "Long text.",
        "app_id": "*",
    }
    config = stored["config"]
    assert config["visibility"] == "public"
    assert config["flags"] == ["experimental"]
    assert config["my_key"] == {"a": 1}
    assert config["workspace"] == user.account.home
    assert config["created_by"] == {"id": user.account.id}
    assert config["singleton"] is False
    assert stored["service_schema"]["add"]["function"]["name"] == "add"


async def test_defaults(user):
    await user.register_service({"id": "bare", "f": lambda: 1})
    stored = await user.get_service_info("bare")
    assert stored["name"] == "bare"
    assert stored["type"] == "generic"
    assert stored["app_id"] == "*"
    assert stored["config"]["visibility"] == "protected"
    assert stored["config"]["require_context"] is False


async def test_call_with_positions_keywords_and_defaults(connect, user):
    async def join(a, b="b", *more, sep="-", **rest):
        return sep.join([a, b, *more]) + (str(sorted(rest)) if rest else "")

    provider, caller = await pair(connect, user)
    await provider.register_service({"id": "text", "join": join})
    text = await caller.get_service("text")
    assert await text.join("a") == "a-b"
    assert await text.join("a", "c", "d") == "a-c-d"
    assert await text.join("a", sep="+") == "a+b"
    assert await text.join(a="x", b="y") == "x-y"
    assert await text.join("a", other=1) == "a-b['other']"


async def test_nested_objects_and_lists(connect, user):
    provider, caller = await pair(connect, user)
    await provider.register_service(
        {
            "id": "tree",
            "math": {"add": lambda a, b: a + b, "deep": {"er": {"still": lambda: "here"}}},
            "tools": [lambda: "zero", lambda: "one"],
            "answer": 42,
            "ratio": 0.5,
            "label": "text",
            "nothing": None,
            "flag": True,
            "items": [1, "two", {"three": 3}],
        }
    )
    tree = await caller.get_service("tree")
    assert await tree.math.add(1, 2) == 3
    assert await tree.math.deep.er.still() == "here"
    assert [await tool() for tool in tree.tools] == ["zero", "one"]
    assert (tree.answer, tree.ratio, tree.label, tree.nothing, tree.flag) == (42, 0.5, "text", None, True)
    assert tree["items"] == [1, "two", {"three": 3}]


async def test_a_class_instance_becomes_the_default_service(connect, user):
    class Api:
        """An API."""

        kind = "constant"

        def hello(self, name):
            return f"Hello {name}"

    provider, caller = await pair(connect, user)
    info = await provider.register_service(Api())
    assert info["id"].endswith(":default")
    api = await caller.get_service(info["id"])
    assert await api.hello("you") == "Hello you"


@pytest.mark.only_websocket
async def test_export_and_get_app(connect, user):
    provider, caller = await pair(connect, user)
    await provider.export({"greet": lambda: "hi", "_private": lambda: "no"})
    app = await caller.get_app(provider.config["client_id"])
    assert await app.greet() == "hi"
    assert "_private" not in app


async def test_the_setup_of_a_default_service_is_called(user):
    called = asyncio.Event()

    async def setup():
        called.set()

    await user.register_service({"id": "default", "setup": setup}, overwrite=True)
    await asyncio.wait_for(called.wait(), 5)


async def test_members_that_start_with_an_underscore_stay_private(connect, user):
    provider, caller = await pair(connect, user)
    await provider.register_service({"id": "shy", "show": lambda: 1, "_hide": lambda: 2})
    assert "_hide" not in await caller.get_service("shy")


async def test_overwrite(connect, user):
    provider, caller = await pair(connect, user)
    await provider.register_service({"id": "v", "version": lambda: 1})
    with fails_with("Service already exists: v, please specify a different id (not v) or overwrite=True"):
        await provider.register_service({"id": "v", "version": lambda: 2})
    await provider.register_service({"id": "v", "version": lambda: 2}, {"overwrite": True})
    assert await (await caller.get_service("v")).version() == 2
    listed = [s for s in await caller.list_services() if s["id"].endswith(":v")]
    assert len(listed) == 1


@pytest.mark.only_websocket
async def test_unregister(connect, user):
    provider, caller = await pair(connect, user)
    await provider.register_service({"id": "gone", "f": lambda: 1})
    service = await caller.get_service("gone")
    await provider.unregister_service("gone")
    with fails(f"KeyError: 'Service not found: {user.account.home}/*:gone@*'"):
        await caller.get_service("gone")
    with pytest.raises(Exception):
        await service.f()
    assert service_ids(await caller.list_services()) == set()


async def test_unregister_by_full_id(user):
    info = await user.register_service({"id": "full", "f": lambda: 1})
    await user.unregister_service(info["id"])
    assert service_ids(await user.list_services()) == set()


async def test_unregister_what_is_not_there(user):
    with fails_with("Service not found", "nothing"):
        await user.unregister_service("nothing")


@pytest.mark.parametrize("query", ["{sid}", "{cid}:{sid}", "{ws}/{sid}", "{ws}/{cid}:{sid}", "{cid}:{sid}@*", "{sid}@*"])
async def test_forms_of_a_service_id(connect, user, query):
    provider, caller = await pair(connect, user)
    await provider.register_service({"id": "svc", "f": lambda: "x"})
    names = {"ws": user.account.home, "cid": provider.config["client_id"], "sid": "svc"}
    service = await caller.get_service(query.format(**names))
    assert service["id"] == f"{names['ws']}/{names['cid']}:svc"
    assert await service.f() == "x"


@pytest.mark.parametrize("bad", ["a/b/c:d", "a:b:c", "a@b@c", "*", "*/svc"])
async def test_malformed_service_ids(user, bad):
    with pytest.raises(Exception) as caught:
        await user.get_service(bad)
    assert error_line(caught.value)


async def test_the_url_of_a_service(connect, user, server):
    provider, caller = await pair(connect, user)
    await provider.register_service({"id": "svc", "f": lambda: "x"})
    service = await caller.get_service("svc")
    cid = provider.config["client_id"]
    assert service.config["url"] == f"{server.url}/{user.account.home}/services/{cid}:svc"
    assert service.config["workspace"] == user.account.home


async def test_the_manager_has_a_short_name(user):
    assert (await user.get_service_info("~"))["id"] == "~"
    manager = await user.get_service("~")
    assert await manager.echo("x") == "x"


async def test_a_missing_service(user):
    with fails(f"KeyError: 'Service not found: {user.account.home}/*:nope@*'"):
        await user.get_service("nope")
    with fails(f"KeyError: 'Service not found: {user.account.home}/c1:nope@*'"):
        await user.get_service_info("c1:nope")
    with fails("KeyError: 'Service not found: public/*:nope@*'"):
        await user.get_service("public/nope")


async def test_a_missing_function(connect, raw, user):
    provider, _ = await pair(connect, user)
    await provider.register_service({"id": "svc", "f": lambda: "x"})
    caller = await raw(token=user.account.token)
    address = f"{user.account.home}/{provider.config['client_id']}"
    with fails_with("Method expired or not found", "services.svc.gone"):
        await caller.call(address, "services.svc.gone")
    with fails_with("Method expired or not found", "services.none.f"):
        await caller.call(address, "services.none.f")
    with fails_with("Session not found", "no-session.f"):
        await caller.call(address, "no-session.f")


async def test_context_is_injected(connect, user):
    def who(x, context=None):
        return [x, context]

    provider, caller = await pair(connect, user)
    await provider.register_service({"id": "ctx", "config": {"require_context": True}, "who": who})
    service = await caller.get_service("ctx")
    x, context = await service.who(1)
    assert x == 1
    assert context["ws"] == user.account.home
    assert context["from"] == f"{user.account.home}/{caller.config['client_id']}"
    assert context["to"] == f"{user.account.home}/{provider.config['client_id']}"
    assert context["user"]["id"] == user.account.id
    assert context["user"]["email"] == user.account.email
    assert context["user"]["scope"]["workspaces"] == {user.account.home: "a"}
    assert context["method"] == "services.ctx.who"
    stored = await caller.get_service_info("ctx")
    assert "context" not in stored["service_schema"]["who"]["function"]["parameters"]["properties"]


async def test_a_context_from_the_caller_is_overwritten(connect, user):
    provider, caller = await pair(connect, user)
    await provider.register_service(
        {"id": "ctx", "config": {"require_context": True}, "who": lambda context=None: context["user"]["id"]}
    )
    service = await caller.get_service("ctx")
    assert await service.who(context={"user": {"id": "root"}}) == user.account.id


async def test_context_for_listed_methods_only(connect, user):
    provider, caller = await pair(connect, user)
    await provider.register_service(
        {
            "id": "ctx",
            "config": {"require_context": ["with_it", "deep.inside"]},
            "with_it": lambda context=None: context is not None,
            "without": lambda context=None: context is not None,
            "deep": {"inside": lambda context=None: context is not None},
        }
    )
    service = await caller.get_service("ctx")
    assert await service.with_it() is True
    assert await service.without() is False
    assert await service.deep.inside() is True


async def test_a_blocking_function_in_a_thread_keeps_others_alive(connect, user):
    import time

    provider, caller = await pair(connect, user)
    await provider.register_service(
        {"id": "slow", "config": {"run_in_executor": True}, "nap": lambda: time.sleep(1) or "slept", "quick": lambda: "q"}
    )
    service = await caller.get_service("slow")
    nap = asyncio.ensure_future(service.nap())
    await asyncio.sleep(0.1)
    assert await asyncio.wait_for(service.quick(), 0.8) == "q"
    assert await nap == "slept"


async def test_app_ids(connect, raw, user):
    provider = await connect(token=user.account.token, app_id="app-1")
    await provider.register_service({"id": "svc", "f": lambda: 1})
    assert (await user.get_service_info("svc@app-1"))["app_id"] == "app-1"
    service = await user.get_service("svc@app-1")
    assert service["id"] == f"{user.account.home}/{provider.config['client_id']}:svc"
    assert (await user.get_service_info("svc"))["app_id"] == "app-1"
    with fails(f"KeyError: 'Service not found: {user.account.home}/*:svc@app-2'"):
        await user.get_service_info("svc@app-2")


async def test_an_app_id_has_no_slash(raw):
    connection = await (await raw()).join()
    with fails_with("App id info must not contain '/'"):
        await connection.ask("register_service", {"id": f"{connection.address}:x", "config": {}, "app_id": "a/b"})


async def test_singleton(connect, user):
    provider, other = await pair(connect, user)
    await provider.register_service({"id": "only", "config": {"singleton": True}, "f": lambda: 1})
    with fails_with(f"A singleton service with the same name (only) already exists in the workspace ({user.account.home})"):
        await other.register_service({"id": "only", "config": {"singleton": True}, "f": lambda: 2})
    with fails_with("A singleton service with the same name (only) has already exists in the workspace"):
        await other.register_service({"id": "only", "f": lambda: 2}, overwrite=True)
    await provider.register_service({"id": "only", "config": {"singleton": True}, "f": lambda: 3}, overwrite=True)
    assert await (await other.get_service("only")).f() == 3
    await provider.unregister_service("only")
    await other.register_service({"id": "only", "config": {"singleton": True}, "f": lambda: 4}, overwrite=True)
    assert await (await provider.get_service("only")).f() == 4


async def test_a_service_of_another_workspace_cannot_be_registered(raw, make_user):
    mine, theirs = make_user(), make_user()
    connection = await (await raw(token=mine.token)).join()
    with fails_with("Service ID workspace prefix", theirs.home, "does not match the current workspace", mine.home):
        await connection.ask("register_service", {"id": f"{theirs.home}/{connection.client_id}:x", "config": {}})
    with fails_with("Service id info must contain ':'"):
        await connection.ask("register_service", {"id": "plain", "config": {}})


@pytest.mark.ours
async def test_a_service_of_a_sibling_client_cannot_be_registered(raw, make_user):
    account = make_user()
    victim = await (await raw(token=account.token)).join()
    attacker = await (await raw(token=account.token)).join()
    with pytest.raises(Exception):
        await attacker.ask("register_service", {"id": f"{victim.address}:trap", "config": {"visibility": "public"}})
    assert service_ids(await victim.ask("list_services")) == set()


async def test_interface_services_stay_local(raw):
    connection = await (await raw()).join()
    assert await connection.ask("register_service", {"id": f"{connection.address}:_rintf_x", "name": "_rintf_x", "config": {}}) is None
    info = {"id": f"{connection.address}:own", "name": "own", "config": {"_local_only": True}}
    assert await connection.ask("register_service", info) is None
    assert service_ids(await connection.ask("list_services")) == set()


async def test_without_the_built_in_service_registrations_are_ignored(raw):
    connection = await raw()
    assert await connection.register("early") is None
    assert await connection.ask("list_services") == []


async def test_descriptions_are_bounded(raw):
    connection = await (await raw()).join()
    info = {"id": f"{connection.address}:x", "name": "x", "config": {}, "description": "d" * 1025}
    with pytest.raises(Exception):
        await connection.ask("register_service", info)
    info["description"] = "d" * 1024
    await connection.ask("register_service", info)


async def test_the_service_quota(fresh_server, connect):
    server = fresh_server(env={"HYPHA_MAX_SERVICES_PER_CLIENT": "10"})
    client = await connect(server, client_id="hoarder")
    for number in range(10):
        await client.register_service({"id": f"s{number}", "f": lambda: 1})
    with fails_with(
        f"Service quota exceeded: client {client.config['workspace']}/hoarder already has 10 services (max 10). "
        "Remove unused services before registering new ones."
    ):
        await client.register_service({"id": "s10", "f": lambda: 1})
    await client.unregister_service("s0")
    await client.register_service({"id": "s11", "f": lambda: 1})


async def test_everything_goes_with_its_client(connect, user):
    provider = await connect(token=user.account.token)
    await provider.register_service({"id": "brief", "f": lambda: 1})
    assert await (await user.get_service("brief")).f() == 1
    await provider.disconnect()

    async def gone():
        return service_ids(await user.list_services()) == set()

    await eventually(gone)
    with fails_with("Service not found"):
        await user.get_service("brief")


async def test_key_case_can_be_converted(connect, user):
    provider, caller = await pair(connect, user)
    await provider.register_service({"id": "case", "do_it_now": lambda: "done", "a_value": 3})
    service = await caller.get_service("case", case_conversion="camel")
    assert await service.doItNow() == "done"
    assert service.aValue == 3


async def test_remote_services_directly_from_the_peer(connect, user):
    provider, caller = await pair(connect, user)
    await provider.register_service({"id": "direct", "f": lambda: "x"})
    service = await caller.rpc.get_remote_service(f"{provider.config['client_id']}:direct")
    assert await service.f() == "x"


async def test_schemas_travel(connect, user):
    async def add(a: int, b: int = 2) -> int:
        """Add two numbers."""
        return a + b

    add.__schema__ = {
        "name": "add",
        "description": "Add two numbers.",
        "parameters": {
            "type": "object",
            "properties": {"a": {"type": "integer"}, "b": {"type": "integer"}},
            "required": ["a"],
        },
    }
    provider, caller = await pair(connect, user)
    await provider.register_service({"id": "s", "add": add})
    service = await caller.get_service("s")
    assert service.add.__schema__ == add.__schema__
    stored = await caller.get_service_info("s")
    assert stored["service_schema"]["add"] == {"type": "function", "function": add.__schema__}


async def test_two_hundred_services(connect, user):
    provider, caller = await pair(connect, user)
    for number in range(200):
        await provider.register_service({"id": f"s{number:03}", "f": lambda: 1})
    assert len(service_ids(await caller.list_services())) == 200
    assert await (await caller.get_service("s137")).f() == 1

"""Service types: registering, finding, checking against them (workspace-api.md §3.9)."""

from helpers import fails_with

TYPE = {"id": "calculator", "name": "Calculator", "definition": {"add": {"type": "function"}}, "description": "Adds."}


async def test_register_and_get(user):
    registered = await user.register_service_type(TYPE)
    assert registered["id"].split("/")[-1] == "calculator"
    assert registered["definition"] == TYPE["definition"]
    found = await user.get_service_type("calculator")
    assert found["id"] == f"{user.account.home}/calculator"
    assert found["name"] == "Calculator"
    assert (await user.get_service_type(f"{user.account.home}/calculator"))["id"] == found["id"]


async def test_list(user):
    assert await user.list_service_types() == []
    await user.register_service_type(TYPE)
    assert [t["id"] for t in await user.list_service_types()] == ["calculator"]
    assert [t["id"] for t in await user.list_service_types(user.account.home)] == ["calculator"]


async def test_a_duplicate(user):
    await user.register_service_type(TYPE)
    with fails_with("Service type already exists", "calculator"):
        await user.register_service_type(TYPE)


async def test_a_missing_one(user):
    with fails_with("Service type not found", "nothing"):
        await user.get_service_type("nothing")


async def test_the_own_workspace_only(user):
    with fails_with("other-ws"):
        await user.register_service_type({**TYPE, "id": "other-ws/calculator"})


async def test_foreign_types_need_permission(user, connect):
    await user.register_service_type(TYPE)
    await user.register_service_type({**TYPE, "id": "open", "config": {"visibility": "public"}})
    stranger = await connect()
    with fails_with("Permission denied"):
        await stranger.get_service_type(f"{user.account.home}/calculator")
    with fails_with("Permission denied"):
        await stranger.list_service_types(user.account.home)
    assert (await stranger.get_service_type(f"{user.account.home}/open"))["name"] == "Calculator"


async def test_a_service_is_checked_against_its_type(user):
    await user.register_service_type({**TYPE, "definition": {"id": {"type": "string"}, **TYPE["definition"]}})
    await user.register_service({"id": "good", "type": "calculator", "add": lambda a, b: a + b}, check_type=True)
    with fails_with("Missing key 'add' in service at path 'root'"):
        await user.register_service({"id": "bad", "type": "calculator", "sub": lambda a, b: a - b}, check_type=True)


async def test_a_reader_may_not_register_a_type(user, raw):
    reader = await raw(token=await user.generate_token({"permission": "read"}))
    with fails_with("Permission denied"):
        await reader.ask("register_service_type", TYPE)

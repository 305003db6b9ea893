"""Who sees and calls which service (workspace-api.md §5)."""

import pytest

from helpers import fails_with, service_ids


@pytest.fixture
async def provider(connect, make_user):
    """A workspace with one service of each visibility."""
    account = make_user()
    client = await connect(token=account.token, client_id="provider")
    client.account = account
    for visibility in ("public", "protected", "unlisted"):
        await client.register_service(
            {"id": visibility, "config": {"visibility": visibility}, "f": lambda name=visibility: name}
        )
    return client


@pytest.fixture
async def stranger(connect, make_user):
    """A signed-in user of another workspace."""
    return await connect(token=make_user().token)


@pytest.fixture
async def anonymous(connect):
    return await connect()


async def test_in_the_workspace_everything_is_callable(connect, provider):
    sibling = await connect(token=provider.account.token)
    for name in ("public", "protected", "unlisted"):
        assert await (await sibling.get_service(name)).f() == name


async def test_in_the_workspace_unlisted_is_listed_on_demand(connect, provider):
    sibling = await connect(token=provider.account.token)
    assert service_ids(await sibling.list_services()) == {"public", "protected"}
    assert service_ids(await sibling.list_services(include_unlisted=True)) == {"public", "protected", "unlisted"}


@pytest.mark.parametrize("who", ["stranger", "anonymous"])
async def test_from_outside(stranger, anonymous, provider, who):
    outsider = {"stranger": stranger, "anonymous": anonymous}[who]
    home = provider.account.home
    for name in ("public", "unlisted"):
        service = await outsider.get_service(f"{home}/provider:{name}")
        assert await service.f() == name
    with fails_with("Permission denied", home):
        await outsider.get_service(f"{home}/provider:protected")
    with fails_with("Permission denied", home):
        await outsider.get_service_info(f"{home}/provider:protected")
    assert service_ids(await outsider.list_services(home)) == {"public"}


async def test_unlisted_services_of_others_cannot_be_asked_for(provider, stranger):
    with fails_with("Cannot include unlisted services from workspace", provider.account.home):
        await stranger.list_services({"workspace": provider.account.home}, include_unlisted=True)


async def test_a_protected_function_is_guarded_by_its_owner(raw, provider, make_user):
    outsider = await (await raw(token=make_user().token)).join()
    address = f"{provider.account.home}/provider"
    assert await outsider.call(address, "services.public.f") == "public"
    with fails_with("Permission denied for invoking protected method", "workspace mismatch"):
        await outsider.call(address, "services.protected.f")
    with fails_with("Permission denied for getting protected service"):
        await outsider.call(address, "services.built-in.get_service", "protected")


async def test_authorized_workspaces(connect, provider, make_user):
    friend, foe = make_user(), make_user()
    await provider.register_service(
        {
            "id": "shared",
            "config": {"visibility": "protected", "authorized_workspaces": [friend.home]},
            "f": lambda: "shared",
        }
    )
    friendly, hostile = await connect(token=friend.token), await connect(token=foe.token)
    service = await friendly.get_service(f"{provider.account.home}/provider:shared")
    assert await service.f() == "shared"
    listed = await friendly.list_services(provider.account.home)
    assert service_ids(listed) == {"public", "shared"}
    for entry in listed:
        if entry["id"].endswith(":shared"):
            assert "authorized_workspaces" not in entry["config"]
    info = await friendly.get_service_info(f"{provider.account.home}/provider:shared")
    assert "authorized_workspaces" not in info["config"]
    assert service_ids(await hostile.list_services(provider.account.home)) == {"public"}
    with fails_with("Permission denied"):
        await hostile.get_service(f"{provider.account.home}/provider:shared")
    own = await provider.get_service_info("shared")
    assert own["config"]["authorized_workspaces"] == [friend.home]


@pytest.mark.parametrize("visibility", ["public", "unlisted"])
async def test_authorized_workspaces_need_protected(user, raw, visibility):
    with fails_with(
        f"authorized_workspaces can only be set when visibility is 'protected', got visibility='{visibility}'"
    ):
        await user.register_service(
            {"id": "x", "config": {"visibility": visibility, "authorized_workspaces": ["a-b"]}, "f": lambda: 1}
        )
    connection = await (await raw()).join()
    with fails_with(
        f"authorized_workspaces can only be set when visibility is 'protected', got visibility='{visibility}'"
    ):
        await connection.register("x", visibility=visibility, authorized_workspaces=["a-b"])


async def test_an_unknown_visibility_is_refused(raw):
    connection = await (await raw()).join()
    with pytest.raises(Exception):
        await connection.register("x", visibility="secret")


@pytest.mark.ours
async def test_private_means_protected(raw):
    connection = await (await raw()).join()
    await connection.register("x", visibility="private")
    assert (await connection.ask("get_service_info", "x"))["config"]["visibility"] == "protected"


async def test_a_guest_with_a_token_is_inside(connect, provider):
    guest = await connect(token=await provider.generate_token({"permission": "read"}))
    assert guest.config["workspace"] == provider.account.home
    assert await (await guest.get_service("protected")).f() == "protected"


async def test_a_reader_may_not_register(connect, provider):
    token = await provider.generate_token({"permission": "read"})
    with fails_with("Permission denied for workspace", provider.account.home):
        client = await connect(token=token)
        await client.register_service({"id": "mine", "f": lambda: 1})


async def test_the_public_workspace_is_read_by_all(anonymous):
    login = await anonymous.get_service("public/hypha-login")
    assert login["id"].endswith(":hypha-login")
    queue = await anonymous.get_service("public/queue")
    assert queue["id"].endswith(":queue")
    listed = await anonymous.list_services("public")
    assert {"queue", "hypha-login"} <= service_ids(listed)

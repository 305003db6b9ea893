"""Security cases 10 to 13 and 16: nobody reads or takes over artifacts of others, by whatever door."""

import httpx
import pytest

from artifacts import download, http_client, make, manager, upload

pytestmark = pytest.mark.ours

TRAVERSALS = [
    "../v0.json", "../../x", "a/../../x", "..", ".", "/etc/passwd", "//x", "a//b", "a\\..\\b", "..\\x", "a\0b", "a\nb",
    "./../x", "a/..", "", "/", "a/./b", "x" * 2000,
]


@pytest.fixture
async def victim(user):
    service = await manager(user)
    await make(service, "private", {"f": b"secret"}, secrets={"token": "hunter2"})
    await service.create(alias="draft", manifest={"name": "draft"}, stage=True)
    yield user
    assert await download(service, "private", "f") == b"secret", "the victim is unharmed"
    assert (await service.read("private"))["manifest"] == {"name": "private"}


@pytest.fixture
async def others(connect, make_user):
    """A stranger who is signed in, and one who is not."""
    return [await connect(token=make_user().token), await connect()]


async def test_artifacts_of_others_cannot_be_reached(victim, others):
    name = f"{victim.account.home}/private"
    mine = await (await manager(victim)).read("private")
    for other in others:
        service = await manager(other)
        for call in (
            lambda: service.read(name),
            lambda: service.read(mine["_id"]),
            lambda: service.get_file(name, "f"),
            lambda: service.list_files(name),
            lambda: service.read_file(name, "f"),
            lambda: service.edit(name, manifest={}),
            lambda: service.delete(name),
            lambda: service.duplicate(name, target_alias="mine"),
            lambda: service.get_secret(name),
            lambda: service.set_secret(name, "a", "b"),
            lambda: service.put_file(name, "x"),
            lambda: service.reset_stats(name),
            lambda: service.set_parent(name),
            lambda: service.list(parent_id=name),
            lambda: service.create(alias="private", workspace=victim.account.home, manifest={}, overwrite=True),
            lambda: service.create(artifact_id=name, manifest={}, overwrite=True),
            lambda: service.create(alias=name, manifest={}, overwrite=True),
            lambda: service.create(alias="new", workspace=victim.account.home, manifest={}),
        ):
            with pytest.raises(Exception, match="PermissionError"):
                await call()


async def test_listings_hide_private_artifacts_and_drafts(victim, others):
    for other in others:
        service = await manager(other)
        filters = {"workspace": victim.account.home}
        assert await service.search(filters=filters, stage="all") == []
        assert await service.list(filters=filters, stage="all") == []


@pytest.mark.parametrize("path", TRAVERSALS, ids=range(len(TRAVERSALS)))
async def test_paths_stay_inside(victim, path):
    service = await manager(victim)
    await service.edit("private", stage=True)
    for call in (
        lambda: service.get_file("private", path),
        lambda: service.get_file("private", [path]),
        lambda: service.read_file("private", path),
        lambda: service.put_file("private", path),
        lambda: service.write_file("private", path, "x"),
        lambda: service.remove_file("private", path),
        lambda: service.put_file_start_multipart("private", path, part_count=1),
        lambda: service.set_download_weight("private", path, 1),
    ):
        with pytest.raises(Exception, match="ValueError: Invalid file path"):
            await call()
    assert (await service.get_status("private"))["files"] == []
    await service.discard("private")


@pytest.mark.parametrize("path", ["..%2fv0.json", "%2e%2e/x", "..%5cx", "a%00b", "%252e%252e/x", "..%2f..%2f..%2fetc%2fpasswd"])
async def test_paths_in_urls_stay_inside(victim, server, path):
    async with httpx.AsyncClient(headers={"Authorization": f"Bearer {victim.account.token}"}) as http:
        for base in (f"{server.url}/{victim.account.home}/artifacts/private/files", f"{server.url}/s3/hypha-workspaces"):
            answer = await http.get(f"{base}/{path}")
            assert answer.status_code in (400, 403, 404) and b"secret" not in answer.content


@pytest.mark.parametrize("scope", ["get_file:{id}:*", "get_file:{id}:f", "put_file:{id}:*"])
async def test_file_scopes_cannot_be_minted(victim, others, scope):
    scope = scope.replace("{id}", f"{victim.account.home}/private")
    for other in [*others, victim]:
        with pytest.raises(Exception, match="(?i)scope"):
            await other.generate_token({"extra_scopes": [scope]})


async def test_urls_are_for_one_file_and_one_purpose(victim):
    service = await manager(victim)
    url = await service.get_file("private", "f")
    async with http_client() as http:
        assert (await http.get(url)).content == b"secret"
        assert (await http.put(url, content=b"evil")).status_code == 403
        assert (await http.get(url.replace("/f?", "/g?"))).status_code == 403
        assert (await http.get(url.replace("X-Hypha-Expires=", "X-Hypha-Expires=9"))).status_code == 403
    assert "hunter2" not in str(await service.read("private")) + str(await service.list(stage="all"))


async def test_an_upload_is_completed_by_who_started_it(victim, others):
    service = await manager(victim)
    await service.edit("draft", stage=True, config={"permissions": {"@": "rw+", victim.account.id: "*"}})
    await service.commit("draft")
    await service.edit("draft", stage=True)
    started = await service.put_file_start_multipart("draft", "f", part_count=1)
    async with http_client() as http:
        etag = (await http.put(started["parts"][0]["url"], content=b"x")).headers["etag"]
    stranger = await manager(others[0])
    name = f"{victim.account.home}/draft"
    await upload(stranger, name, "allowed", b"x")
    with pytest.raises(Exception, match="Upload session expired or not found"):
        parts = [{"part_number": 1, "etag": etag}]
        await stranger.put_file_complete_multipart(name, upload_id=started["upload_id"], parts=parts)

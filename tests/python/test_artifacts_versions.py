"""Artifacts with the official client: metadata, files, versions, staging."""

import asyncio

import pytest

from artifacts import download, http_client, make, manager, names, upload

pytestmark = pytest.mark.ours


async def test_a_committed_artifact_is_read_back(user):
    service = await manager(user)
    made = await service.create(alias="model", type="model", manifest={"name": "M", "tags": ["a"]}, comment="first")
    assert made["id"] == f"{user.account.home}/model" and made["staging"] is None
    assert made["versions"][0]["version"] == "v0" and made["versions"][0]["comment"] == "first"
    assert made["config"]["permissions"][user.account.id] == "*"
    assert "secrets" not in made
    for name in ("model", made["id"], made["_id"]):
        read = await service.read(name)
        assert read["manifest"] == {"name": "M", "tags": ["a"]} and read["_id"] == made["_id"]
    assert (await service.read("model", silent=True))["view_count"] == 3


async def test_files_go_to_a_draft_and_become_a_version(user):
    service = await manager(user)
    await service.create(alias="data", manifest={"name": "D"}, stage=True)
    await upload(service, "data", "a.txt", b"hello")
    await upload(service, "data", "sub/deep/b.bin", b"\0" * 100, download_weight=2)
    assert (await service.list()) == []
    assert [one["alias"] for one in await service.list(stage=True)] == ["data"]
    staged = await service.read("data", version="stage")
    assert staged["staging"][-1] == {"_intent": "new_version"}
    assert await names(service, "data", stage=True) == ["a.txt", "sub/"]
    committed = await service.commit("data")
    assert committed["file_count"] == 2 and committed["staging"] is None
    assert await download(service, "data", "a.txt") == b"hello"
    assert await names(service, "data", dir_path="sub/deep") == ["b.bin"]
    line = (await service.list_files("data", dir_path="sub/deep/"))[0]
    assert line["size"] == 100 and line["last_modified"] > 1.6e9
    assert await service.list_files("data", dir_path="nowhere") == []
    await download(service, "data", "sub/deep/b.bin")
    assert (await service.read("data"))["download_count"] == 2


async def test_versions_start_from_the_one_before_and_stay_as_they_are(user):
    service = await manager(user)
    await make(service, "v", {"a": b"a0", "b": b"b0"})
    await service.edit("v", version="new", stage=True, manifest={"name": "second"})
    await upload(service, "v", "a", b"a1")
    await upload(service, "v", "c", b"c1")
    await service.remove_file("v", "b")
    with pytest.raises(Exception, match="does not exist in the artifact"):
        await service.get_file("v", "b", stage=True)
    assert await download(service, "v", "b") == b"b0", "nothing is committed yet"
    done = await service.commit("v", version="1.0", comment="changes")
    assert [one["version"] for one in done["versions"]] == ["v0", "1.0"]
    assert await names(service, "v") == ["a", "c"]
    assert await names(service, "v", version="v0") == ["a", "b"]
    assert await download(service, "v", "a", version=0) == b"a0"
    assert (await service.read("v", version="v0"))["manifest"] == {"name": "v"}
    await service.delete("v", version="v0")
    assert await download(service, "v", "a") == b"a1", "deleting a version leaves the others alone"
    assert await names(service, "v", version="1.0") == ["a", "c"]
    with pytest.raises(Exception, match="version 'v0' does not exist"):
        await service.read("v", version="v0")
    with pytest.raises(Exception, match="already exists"):
        await service.edit("v", version="new", stage=True)
        await service.commit("v", version="1.0")


async def test_a_new_version_may_start_empty(user):
    service = await manager(user)
    await make(service, "e", {"old": b"1"})
    await service.edit("e", version="new", stage=True, inherit_files=False)
    await upload(service, "e", "new", b"2")
    assert await names(service, "e", stage=True) == ["new"]
    await service.commit("e")
    assert await names(service, "e") == ["new"] and await names(service, "e", version="v0") == ["old"]


async def test_an_edit_in_place_can_be_discarded(user):
    service = await manager(user)
    await make(service, "d", {"a": b"a0"})
    await service.edit("d", stage=True, manifest={"name": "other"})
    await upload(service, "d", "a", b"changed")
    await upload(service, "d", "b", b"added")
    assert (await service.get_status("d"))["files"] == [{"path": "a"}, {"path": "b"}]
    discarded = await service.discard("d")
    assert discarded["staging"] is None and discarded["manifest"] == {"name": "d"}
    assert await download(service, "d", "a") == b"a0" and await names(service, "d") == ["a"]
    assert await service.get_status("d") == {"staged": False}
    with pytest.raises(Exception, match="No staged changes to discard"):
        await service.discard("d")
    with pytest.raises(Exception, match="must be in staging mode"):
        await service.commit("d")
    with pytest.raises(Exception, match="must be in staging mode"):
        await service.put_file("d", "x")


async def test_a_late_upload_cannot_change_a_committed_file(user):
    service = await manager(user)
    await service.create(alias="late", manifest={}, stage=True)
    url = await service.put_file("late", "f")
    async with http_client() as http:
        assert (await http.put(url, content=b"one")).status_code == 200
        assert (await http.put(url, content=b"two")).status_code == 200
        await service.commit("late")
        assert (await http.put(url, content=b"evil")).status_code == 403
        assert await download(service, "late", "f") == b"two"
        await service.edit("late", stage=True)
        assert (await http.put(url, content=b"evil")).status_code == 403
        assert await service.put_file("late", "f") != url
    assert await download(service, "late", "f") == b"two"


async def test_a_commit_needs_every_file(user):
    service = await manager(user)
    await service.create(alias="part", manifest={}, stage=True)
    await service.put_file("part", "missing.bin")
    with pytest.raises(Exception, match="FileNotFoundError: File 'missing.bin' does not exist in the artifact"):
        await service.commit("part")
    await service.remove_file("part", "missing.bin")
    assert (await service.commit("part"))["file_count"] == 0


async def test_parallel_put_file_loses_nothing(user):
    service = await manager(user)
    await service.create(alias="many", manifest={}, stage=True)
    await asyncio.gather(*(upload(service, "many", f"f{n:02}", b"%d" % n) for n in range(30)))
    assert (await service.commit("many"))["file_count"] == 30
    assert await names(service, "many", limit=3, offset=28) == ["f28", "f29"]


async def test_large_files_come_in_parts(user):
    service = await manager(user)
    await service.create(alias="big", manifest={}, stage=True)
    started = await service.put_file_start_multipart("big", "big.bin", part_count=3)
    parts = []
    async with http_client() as http:
        for part in reversed(started["parts"]):
            answer = await http.put(part["url"], content=bytes([part["part_number"]]) * 1000)
            parts.append({"part_number": part["part_number"], "etag": answer.headers["etag"]})
    with pytest.raises(Exception, match="Upload session expired or not found"):
        await service.put_file_complete_multipart("big", upload_id="no-such-upload", parts=parts)
    done = await service.put_file_complete_multipart("big", upload_id=started["upload_id"], parts=parts)
    assert done["success"] is True
    await service.commit("big")
    assert await download(service, "big", "big.bin") == b"\1" * 1000 + b"\2" * 1000 + b"\3" * 1000


async def test_small_files_through_calls(user):
    service = await manager(user)
    await service.create(alias="small", manifest={}, stage=True)
    assert await service.write_file("small", "a.json", {"x": [1]}, format="json") == {"success": True, "bytes_written": 22}
    await service.write_file("small", "b.txt", "grüße")
    await service.write_file("small", "c.bin", b"\xff\x00", format="binary")
    assert (await service.read_file("small", "a.json", format="json", stage=True))["content"] == {"x": [1]}
    await service.commit("small")
    assert await service.read_file("small", "b.txt") == {"name": "b.txt", "content": "grüße"}
    assert (await service.read_file("small", "c.bin", format="base64"))["content"] == "/wA="
    assert (await service.read_file("small", "c.bin", format="binary", offset=1, limit=5))["content"] == b"\0"
    with pytest.raises(Exception, match="limit must be at most"):
        await service.read_file("small", "b.txt", limit=11 << 20)


async def test_copies_share_bytes_and_outlive_the_original(user):
    service = await manager(user)
    await make(service, "orig", {"a": b"shared", "b": b"2"}, secrets={"k": "v"})
    copy = await service.duplicate("orig", target_alias="copy")
    assert copy["file_count"] == 2
    assert await service.get_secret("copy") == {}
    draft = await service.duplicate("orig", target_alias="draft", stage=True)
    assert draft["versions"] == []
    await service.delete("orig")
    assert await download(service, "copy", "a") == b"shared"
    url = await service.put_file("draft", "a")
    async with http_client() as http:
        await http.put(url, content=b"mine")
    await service.commit("draft")
    assert await download(service, "draft", "a") == b"mine" and await download(service, "draft", "b") == b"2"
    assert await download(service, "copy", "a") == b"shared"
    with pytest.raises(Exception, match="over itself"):
        await service.duplicate("copy", target_alias="copy", overwrite=True)
    assert await download(service, "copy", "a") == b"shared"


async def test_overwrite_keeps_the_id_and_starts_anew(user):
    service = await manager(user)
    first = await make(service, "o", {"a": b"1"})
    with pytest.raises(Exception, match="FileExistsError: Artifact with alias 'o' already exists"):
        await service.create(alias="o", manifest={})
    again = await service.create(alias="o", manifest={"n": 2}, overwrite=True)
    assert again["_id"] == first["_id"] and again["file_count"] == 0 and again["created_at"] == first["created_at"]
    assert await names(service, "o") == []


async def test_acknowledged_commits_survive_a_kill(fresh_server, connect, make_user):
    server, account = fresh_server(), make_user()
    service = await manager(await connect(server, token=account.token))
    await make(service, "kept", {"a": b"1" * 100_000})
    await service.edit("kept", version="new", stage=True)
    await upload(service, "kept", "b", b"2")
    server.kill()
    server.start()
    service = await manager(await connect(server, token=account.token))
    assert await download(service, "kept", "a") == b"1" * 100_000
    assert await names(service, "kept") == ["a"] and await names(service, "kept", stage=True) == ["a", "b"]
    await service.commit("kept")
    assert await download(service, "kept", "b") == b"2"

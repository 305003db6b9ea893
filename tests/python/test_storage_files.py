"""Files of workspaces: the service `public/s3-storage` and the routes `/{workspace}/files/` (s3-storage.md §2, §4)."""

import asyncio

import pytest

from helpers import eventually

pytestmark = pytest.mark.ours


@pytest.fixture
async def files(user):
    return await user.get_service("public/s3-storage")


@pytest.fixture
def mine(user, web):
    """An HTTP client of the user, and the URL of its files."""
    return web(token=user.account.token), f"/{user.account.home}/files"


async def test_the_life_of_a_file(mine, files):
    http, base = mine
    put = await http.put(f"{base}/notes/a b.txt", content=b"hello")
    assert (put.status_code, put.json()) == (200, {"success": True, "message": "File uploaded successfully"})
    assert put.headers["etag"] == '"5d41402abc4b2a76b9719d911017c592"'
    got = await http.get(f"{base}/notes/a b.txt", headers={"Range": "bytes=1-2"})
    assert (got.status_code, got.content, got.headers["content-type"]) == (206, b"el", "text/plain")
    head = await http.head(f"{base}/notes/a b.txt")
    assert (head.status_code, head.headers["content-length"]) == (200, "5")
    listing = await files.list_files("notes")
    assert [(line["type"], line["name"], line["size"]) for line in listing] == [("file", "a b.txt", 5)]
    deleted = await http.delete(f"{base}/notes/a b.txt")
    assert deleted.status_code == 200 and deleted.json()["success"] is True
    assert (await http.delete(f"{base}/notes/a b.txt")).status_code == 200
    missing = await http.get(f"{base}/notes/a b.txt")
    assert missing.status_code == 404 and missing.json()["success"] is False


async def test_folders(mine, files):
    http, base = mine
    empty = await http.get(f"{base}/")
    assert empty.json() == {"success": True, "type": "directory", "name": "", "children": []}
    for path in ("b", "d/x", "d/y/z", "a", "c/1"):
        assert (await http.put(f"{base}/{path}", content=b"x")).status_code == 200
    root = (await http.get(f"{base}/")).json()
    assert [(line["type"], line["name"]) for line in root["children"]] == [
        ("file", "a"),
        ("file", "b"),
        ("directory", "c"),
        ("directory", "d"),
    ]
    page = (await http.get(f"{base}/", params={"max_length": 2, "offset": 1})).json()["children"]
    assert [line["name"] for line in page] == ["b", "c"]
    folder = (await http.get(f"{base}/d/")).json()
    assert (folder["name"], [line["name"] for line in folder["children"]]) == ("d", ["x", "y"])
    assert (await http.get(f"{base}/none/")).status_code == 404
    assert [line["name"] for line in await files.list_files("./d/y")] == ["z"]
    assert await files.list_files("none") == []
    assert (await http.delete(f"{base}/d/")).status_code == 200
    assert [line["name"] for line in await files.list_files("")] == ["a", "b", "c"]
    assert (await files.remove_file("c"))["success"] is True
    assert await files.remove_file("c") == {"success": False, "message": "Path does not exist: c"}
    many = await files.put_file(["m/1", "m/2"])
    assert sorted(many) == ["m/1", "m/2"]
    assert sorted(await files.getFile(["m/1", "m/2"])) == ["m/1", "m/2"]


async def test_multipart_over_http(mine):
    http, base = mine
    workspace = base.removesuffix("/files")
    created = await http.post(f"{workspace}/create-multipart-upload", params={"path": "big", "part_count": 2})
    upload = created.json()
    parts = []
    for part, content in zip(upload["parts"], (b"one", b"two")):
        answer = await http.put(part["url"], content=content)
        parts.append({"part_number": part["part_number"], "etag": answer.headers["etag"]})
    body = {"upload_id": upload["upload_id"], "parts": parts}
    done = await http.post(f"{workspace}/complete-multipart-upload", json=body)
    assert done.status_code == 200 and done.json()["success"] is True, done.text
    assert (await http.get(f"{base}/big")).content == b"onetwo"
    for path, expected in [("create-multipart-upload?path=x&part_count=0", 400), ("create-multipart-upload?path=x", 400)]:
        assert (await http.post(f"{workspace}/{path}")).status_code == expected
    again = await http.post(f"{workspace}/complete-multipart-upload", json=body)
    assert again.status_code == 400 and "not found or expired" in again.json()["detail"]


async def test_files_of_others(mine, web, make_user, connect):
    http, base = mine
    assert (await http.put(f"{base}/private.txt", content=b"mine")).status_code == 200
    workspace = base.removesuffix("/files")
    created = await http.post(f"{workspace}/create-multipart-upload", params={"path": "x", "part_count": 1})
    body = {"upload_id": created.json()["upload_id"], "parts": [{"part_number": 1, "etag": ""}]}
    stranger = make_user()
    await connect(token=stranger.token)
    for other in (web(), web(token=stranger.token)):
        for answer in (
            await other.get(f"{base}/private.txt"),
            await other.get(f"{base}/"),
            await other.put(f"{base}/private.txt", content=b"theirs"),
            await other.delete(f"{base}/private.txt"),
            await other.post(f"{workspace}/create-multipart-upload", params={"path": "x", "part_count": 1}),
            await other.post(f"{workspace}/complete-multipart-upload", json=body),
        ):
            assert answer.status_code == 403 and answer.json()["success"] is False, answer.text
    # Nor does an upload of one become a file of another.
    theirs = await web(token=stranger.token).post(f"/{stranger.home}/complete-multipart-upload", json=body)
    assert theirs.status_code == 400
    assert (await http.get(f"{base}/private.txt")).content == b"mine"
    assert (await http.get("/ws-nobody-has/files/a")).status_code == 404


async def test_readers_only_read(mine, user, web):
    http, base = mine
    await http.put(f"{base}/a", content=b"x")
    token = await user.generate_token({"permission": "read"})
    reader = web(token=token)
    assert (await reader.get(f"{base}/a")).status_code == 200
    assert (await reader.put(f"{base}/a", content=b"y")).status_code == 403
    assert (await reader.delete(f"{base}/a")).status_code == 403
    assert (await http.get(f"{base}/a")).content == b"x"


async def test_users_without_an_account_store_nothing(connect, fresh_server, web):
    anonymous = await connect()
    files = await anonymous.get_service("public/s3-storage")
    with pytest.raises(Exception, match="Permission denied: workspace is read-only"):
        await files.put_file("a")
    server = fresh_server({"enable-s3-for-anonymous-users": True})
    anonymous = await connect(server)
    files = await anonymous.get_service("public/s3-storage")
    assert (await web(server).put(await files.put_file("a"), content=b"x")).status_code == 200


@pytest.mark.parametrize(
    "path",
    ["../x", "a/../../x", "..", ".", "a//b", "a\\..\\x", "a\0b", "a\nb", "a/./b", "x" * 1100, "artifacts/1/v0/secret"],
)
async def test_paths_that_are_none(files, mine, path):
    for call in (files.put_file(path), files.get_file(path), files.delete_file(path)):
        with pytest.raises(Exception, match="ValueError|PermissionError"):
            await call
    for call in (files.put_file_start_multipart(path, 1), files.put_file(["fine", path])):
        with pytest.raises(Exception, match="ValueError|PermissionError"):
            await call


async def test_a_leading_slash_is_no_way_out(files, user, make_user):
    with pytest.raises(Exception, match="ValueError"):
        await files.get_file(f"/{make_user().home}/secret")


async def test_times_to_live(fresh_server, connect, make_user, web):
    server = fresh_server({"s3-cleanup-period": 1})
    client = await connect(server, token=make_user().token)
    files = await client.get_service("public/s3-storage")
    http = web(server)
    assert (await http.put(await files.put_file("short", ttl=1), content=b"x")).status_code == 200
    assert (await http.put(await files.put_file("renewed", ttl=1), content=b"x")).status_code == 200
    assert (await http.put(await files.put_file("renewed"), content=b"y")).status_code == 200

    async def names():
        return [line["name"] for line in await files.list_files()]

    async def is_gone():
        return await names() == ["renewed"]

    await eventually(is_gone, timeout=20)


async def test_files_go_with_their_workspace(root, user, web, make_user):
    workspace = await user.create_workspace({"name": f"{user.account.id}-data", "description": "d", "persistent": True})
    token = await user.generate_token({"workspace": workspace["id"], "permission": "admin"})
    http = web(token=token)
    assert (await http.put(f"/{workspace['id']}/files/a", content=b"x")).status_code == 200
    await user.delete_workspace(workspace["id"])
    assert (await http.get(f"/{workspace['id']}/files/a")).status_code in (403, 404)
    await user.create_workspace({"name": f"{user.account.id}-data", "description": "d", "persistent": True})

    async def is_empty():
        answer = await http.get(f"/{workspace['id']}/files/")
        return answer.status_code == 200 and answer.json()["children"] == []

    await eventually(is_empty)


async def test_quota(fresh_server, connect, make_user, web):
    server = fresh_server(env={"HYPHA_WORKSPACE_STORAGE_QUOTA": "100"})
    account = make_user()
    await connect(server, token=account.token)
    http = web(server, token=account.token)
    base = f"/{account.home}/files"
    assert (await http.put(f"{base}/a", content=b"x" * 90)).status_code == 200
    refused = await http.put(f"{base}/b", content=b"x" * 20)
    assert (refused.status_code, refused.json()["code"]) == (507, "quota_exceeded")
    assert (await http.put(f"{base}/a", content=b"x" * 100)).status_code == 200
    assert (await http.get(f"{base}/b")).status_code == 404


async def test_acknowledged_files_survive_a_kill(fresh_server, connect, make_user, web):
    server = fresh_server()
    account = make_user()
    await connect(server, token=account.token)
    http, base = web(server, token=account.token), f"/{account.home}/files"
    acknowledged = []

    async def write():
        for number in range(10_000):
            content = b"%d" % number * 1000
            answer = await http.put(f"{base}/{number}", content=content)
            if answer.status_code == 200:
                acknowledged.append((number, content))

    writer = asyncio.create_task(write())
    await eventually(lambda: len(acknowledged) >= 20, timeout=20)
    server.kill()
    writer.cancel()
    await asyncio.gather(writer, return_exceptions=True)
    server.start()
    http = web(server, token=account.token)
    for number, content in acknowledged:
        answer = await http.get(f"{base}/{number}")
        assert (answer.status_code, answer.content) == (200, content), number
    listed = (await http.get(f"{base}/", params={"max_length": 10_000})).json()["children"]
    assert len(listed) - len(acknowledged) in (0, 1)

"""Artifacts over HTTP: metadata, listings, files with ranges, uploads."""

import io
import json
import zipfile

import pytest

from artifacts import make, manager

pytestmark = pytest.mark.ours


async def test_metadata_and_listings(user, web):
    service = await manager(user)
    await make(service, "one", {"f": b"1"}, type="model")
    await make(service, "two", {}, type="dataset")
    http = web(token=user.account.token)
    home = user.account.home
    read = await http.get(f"/{home}/artifacts/one?silent=true")
    assert read.status_code == 200 and read.json()["alias"] == "one"
    listed = (await http.get(f"/{home}/artifacts/")).json()
    assert [one["alias"] for one in listed] == ["one", "two"]
    query = {"filters": json.dumps({"type": "model"}), "pagination": "true"}
    found = (await http.get(f"/{home}/artifacts/-/search", params=query)).json()
    assert found["total"] == 1 and found["items"][0]["alias"] == "one"
    assert (await http.get(f"/{home}/artifacts/none")).status_code == 404
    assert (await http.get(f"/{home}/artifacts/", params={"filters": "x"})).status_code == 400
    assert (await http.get(f"/{home}/artifacts/one/children?limit=5")).json() == []


async def test_files_are_read_with_ranges(user, web):
    service = await manager(user)
    await make(service, "files", {"a b+%#é.txt": b"0123456789", "sub/page.html": b"<p>hi</p>", "empty": b""})
    http = web(token=user.account.token)
    base = f"/{user.account.home}/artifacts/files/files"
    whole = await http.get(f"{base}/a%20b%2B%25%23%C3%A9.txt")
    assert whole.status_code == 200 and whole.content == b"0123456789"
    assert whole.headers["content-type"].startswith("text/plain") and whole.headers["accept-ranges"] == "bytes"
    part = await http.get(f"{base}/a%20b%2B%25%23%C3%A9.txt", headers={"range": "bytes=2-4"})
    assert part.status_code == 206 and part.content == b"234" and part.headers["content-range"] == "bytes 2-4/10"
    odd = await http.get(f"{base}/a%20b%2B%25%23%C3%A9.txt", headers={"range": "bytes=0--1"})
    assert odd.status_code == 200
    assert (await http.get(f"{base}/empty")).status_code == 200
    page = await http.get(f"{base}/sub/page.html")
    assert page.headers["content-disposition"] == "attachment", "data does not run on the server's origin"
    listed = (await http.get(f"{base}/")).json()
    assert [line["name"] for line in listed] == ["a b+%#é.txt", "empty", "sub"]
    folder = await http.get(f"{base}/sub")
    assert folder.status_code == 307 and folder.headers["location"].endswith("/files/sub/")
    assert [line["name"] for line in (await http.get(f"{base}/sub/")).json()] == ["page.html"]
    assert (await http.get(f"{base}/nothing/")).status_code == 404
    assert (await http.get(f"{base}/nothing")).status_code == 404
    signed = await http.get(f"{base}/empty?use_proxy=false")
    assert signed.status_code == 307 and "/s3/" in signed.headers["location"]


async def test_files_are_written(user, web):
    service = await manager(user)
    await service.create(alias="up", manifest={}, stage=True)
    http = web(token=user.account.token)
    base = f"/{user.account.home}/artifacts/up"
    put = await http.put(f"{base}/files/x/y.bin?download_weight=3", content=b"abc")
    assert put.status_code == 200 and put.headers["etag"]
    assert put.json() == {"success": True, "message": "File uploaded successfully"}
    started = (await http.post(f"{base}/create-multipart-upload?path=big&part_count=2")).json()
    parts = []
    for part in started["parts"]:
        answer = await http.put(part["url"], content=b"p" * part["part_number"], headers={"authorization": ""})
        parts.append({"part_number": part["part_number"], "etag": answer.headers["etag"]})
    done = await http.post(
        f"{base}/complete-multipart-upload", json={"upload_id": started["upload_id"], "parts": parts}
    )
    assert done.status_code == 200, done.text
    await service.commit("up")
    assert (await http.get(f"{base}/files/big")).content == b"ppp"
    late = await http.put(f"{base}/files/x/y.bin", content=b"changed")
    assert late.status_code == 400 and late.json()["detail"] == "Artifact must be in staging mode to upload files"
    assert (await http.get(f"{base}/files/x/y.bin")).content == b"abc"
    assert (await http.get(base)).json()["download_count"] == 3


async def test_visitors_see_what_is_public(user, web):
    service = await manager(user)
    await make(service, "open", {"f": b"public"}, config={"permissions": {"*": "r"}})
    await make(service, "closed", {"f": b"private"})
    await service.create(alias="draft", manifest={}, config={"permissions": {"*": "r"}}, stage=True)
    visitor, home = web(), user.account.home
    assert (await visitor.get(f"/{home}/artifacts/open/files/f")).content == b"public"
    assert (await visitor.get(f"/{home}/artifacts/closed/files/f")).status_code == 403
    assert (await visitor.get(f"/{home}/artifacts/closed")).status_code == 403
    for path in ("artifacts/", "artifacts/-/search"):
        listed = await visitor.get(f"/{home}/{path}?stage=all")
        assert [one["alias"] for one in listed.json()] == ["open"]
    owner = web(token=user.account.token)
    assert len((await owner.get(f"/{home}/artifacts/?stage=all")).json()) == 3
    assert [one["alias"] for one in (await visitor.get(f"/{home}/artifacts/")).json()] == ["open"], "no shared cache"
    assert (await visitor.put(f"/{home}/artifacts/open/files/f", content=b"x")).status_code == 403


async def test_zip_files_are_made_while_they_are_sent(user, web):
    service = await manager(user)
    files = {"a.txt": b"A" * 100_000, "dir/grüße.txt": b"hello", "empty": b""}
    await make(service, "zip", files)
    await service.set_download_weight("zip", "create-zip-file", 5)
    http, base = web(token=user.account.token), f"/{user.account.home}/artifacts/zip"
    answer = await http.get(f"{base}/create-zip-file")
    assert answer.status_code == 200 and answer.headers["content-disposition"] == "attachment; filename=zip.zip"
    assert int(answer.headers["content-length"]) == len(answer.content)
    with zipfile.ZipFile(io.BytesIO(answer.content)) as archive:
        assert archive.testzip() is None
        assert {name: archive.read(name) for name in archive.namelist()} == files
    some = await http.get(f"{base}/create-zip-file", params={"file": ["empty", "a.txt"], "silent": "true"})
    with zipfile.ZipFile(io.BytesIO(some.content)) as archive:
        assert sorted(archive.namelist()) == ["a.txt", "empty"]
    assert (await http.get(f"{base}/create-zip-file?file=none")).status_code == 404
    assert (await http.get(f"{base}/create-zip-file?file=../x")).status_code == 400
    assert (await web().get(f"{base}/create-zip-file")).status_code == 403
    assert (await service.read("zip"))["download_count"] == 5


async def test_sites(user, web):
    service = await manager(user)
    config = {"permissions": {"*": "r"}, "view_config": {"root_directory": "/site", "headers": {"X-Site": "yes"}}}
    await make(service, "site", {"site/index.html": b"<p>home</p>", "site/a/x.js": b"1", "other": b"o"}, config=config)
    await make(service, "plain", {"index.html": b"x"}, config={"permissions": {"*": "r"}})
    visitor, base = web(), f"/{user.account.home}/view/site"
    page = await visitor.get(f"{base}/")
    assert page.text == "<p>home</p>" and page.headers["content-type"].startswith("text/html")
    assert page.headers["x-site"] == "yes" and "content-disposition" not in page.headers
    assert (await visitor.get(f"{base}/a/x.js")).headers["content-type"].startswith("text/javascript")
    assert (await visitor.get(f"{base}/other")).status_code == 404
    assert (await visitor.get(f"{base}/..%2fother")).status_code in (400, 404)
    assert (await visitor.get(base)).status_code == 307
    assert (await visitor.get(f"/{user.account.home}/view/plain/")).status_code == 400
    assert (await service.read("site", silent=True))["view_count"] == 2

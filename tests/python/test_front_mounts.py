"""Folders of the operator at top-level names (configuration.md 4.2)."""

import os

import pytest

from front import exchange, http, statuses
from harness import ServerFailed

pytestmark = pytest.mark.ours

TEXT = "line\n" * 1000


@pytest.fixture
def folder(tmp_path):
    root = tmp_path / "root"
    (root / "sub").mkdir(parents=True)
    (root / "index.html").write_text("<h1>index</h1>")
    (root / "sub" / "index.html").write_text("<h1>sub</h1>")
    (root / "a b.txt").write_text(TEXT)
    (tmp_path / "secret").write_text("SECRET")
    os.symlink(tmp_path / "secret", root / "leak")
    os.symlink(tmp_path, root / "up")
    return root


@pytest.fixture(params=["", "/my/engine"])
def mounted(request, fresh_server, folder):
    options = {"static-mounts": f"/docs:{folder}"}
    return fresh_server({**options, **({"base-path": request.param} if request.param else {})})


async def test_files_folders_and_ranges(mounted):
    async with http(mounted) as client:
        index = await client.get("/docs/")
        assert (index.status_code, index.text) == (200, "<h1>index</h1>")
        assert index.headers["content-type"].startswith("text/html")
        for path in ("/docs", "/docs/sub"):
            answer = await client.get(f"{path}?a=b")
            assert (answer.status_code, answer.headers["location"]) == (307, f"{mounted.base_path}{path}/?a=b")
        assert (await client.get("/docs/sub/")).text == "<h1>sub</h1>"

        whole = await client.get("/docs/a%20b.txt")
        assert whole.text == TEXT and whole.headers["content-encoding"] == "gzip"
        plain = await client.get("/docs/a%20b.txt", headers={"Accept-Encoding": "identity"})
        assert plain.text == TEXT and plain.headers["content-length"] == str(len(TEXT))
        part = await client.get("/docs/a%20b.txt", headers={"Range": "bytes=2-1500"})
        assert (part.status_code, part.text) == (206, TEXT[2:1501])
        assert "content-encoding" not in part.headers
        beyond = await client.get("/docs/a%20b.txt", headers={"Range": "bytes=99999-"})
        assert beyond.status_code == 416
        same = await client.get("/docs/a%20b.txt", headers={"If-Modified-Since": whole.headers["last-modified"]})
        assert same.status_code == 304
        assert (await client.post("/docs/a%20b.txt")).status_code == 405


@pytest.mark.parametrize(
    "path",
    [
        "/docs/../secret",
        "/docs/%2e%2e/secret",
        "/docs/..%2fsecret",
        "/docs/sub/..%2f..%2fsecret",
        "/docs/..%5csecret",
        "/docs/%252e%252e/secret",
        "/docs//etc/passwd",
        "/docs/%2fetc/passwd",
        "/docs/leak",
        "/docs/up/secret",
        "/docs/a%20b.txt/",
        "/docs/a%20b.txt%00",
        "/docs/%ff%fe",
        "/docs/none",
        "/docs/" + "a" * 5000,
    ],
)
async def test_nothing_outside_the_folder(mounted, path):
    head = f"GET {mounted.base_path}{path} HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n"
    received = await exchange(mounted, head.encode())
    assert statuses(received) == [404]
    assert b"SECRET" not in received and b"root:" not in received


@pytest.mark.parametrize(
    "mount, text",
    [
        ("/a/b:{folder}", "Only top-level routes are supported."),
        ("/health:{folder}", "The route 'health' collides with an existing route."),
        ("/docs:{folder}/none", "does not exist."),
        ("docs:{folder}", "expected /<name>:<folder>"),
    ],
)
async def test_wrong_mounts_stop_the_start(fresh_server, folder, mount, text):
    with pytest.raises(ServerFailed, match=text):
        fresh_server({"static-mounts": mount.format(folder=folder)})

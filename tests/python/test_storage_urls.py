"""Signed URLs of files: what they allow, and how bytes come and go (s3-storage.md §3)."""

import asyncio
import hashlib
import http.client
import socket
from urllib.parse import urlsplit

import pytest

pytestmark = pytest.mark.ours


@pytest.fixture
async def files(user):
    """The file service, for a user in its home workspace."""
    return await user.get_service("public/s3-storage")


def etag_of(content: bytes) -> str:
    return f'"{hashlib.md5(content).hexdigest()}"'


async def stored(files, web, path: str, content: bytes, **headers) -> str:
    """Uploads a file; a URL to read it."""
    answer = await web().put(await files.put_file(path), content=content, headers=headers)
    assert answer.status_code == 200, answer.text
    assert answer.headers["etag"] == etag_of(content) and answer.content == b""
    return await files.get_file(path)


ODD_NAMES = ["a b+c%20&d=#e?.txt", "ä/日本/\U0001f600", ".keep", "..x/...", "%2e%2e/%2f", "x" * 900, "con", "C:/x", "a;b@c:d"]


@pytest.mark.parametrize("name", ODD_NAMES)
async def test_odd_names_come_back_exactly(files, web, name):
    content = name.encode()
    url = await stored(files, web, f"odd/{name}", content)
    answer = await web().get(url)
    assert (answer.status_code, answer.content) == (200, content)
    folder = f"odd/{name}".rsplit("/", 1)
    assert folder[1] in [line["name"] for line in await files.list_files(folder[0])]


async def test_the_answer_to_a_download(files, web):
    url = await stored(files, web, "a/report.json", b'{"a": 1}')
    for method in ("GET", "HEAD"):
        answer = await web().request(method, url)
        assert answer.status_code == 200
        expected = {
            "content-length": "8",
            "accept-ranges": "bytes",
            "etag": etag_of(b'{"a": 1}'),
            "content-type": "application/json",
            "x-content-type-options": "nosniff",
            "referrer-policy": "no-referrer",
        }
        assert {name: answer.headers[name] for name in expected} == expected
        assert "last-modified" in answer.headers and "content-disposition" not in answer.headers
        assert answer.content == (b'{"a": 1}' if method == "GET" else b"")


@pytest.mark.parametrize(
    "header, status, expected, content_range",
    [
        ("bytes=0-3", 206, b"0123", "bytes 0-3/10"),
        ("bytes=7-", 206, b"789", "bytes 7-9/10"),
        ("bytes=-2", 206, b"89", "bytes 8-9/10"),
        ("bytes=8-99", 206, b"89", "bytes 8-9/10"),
        ("bytes=0--1", 200, b"0123456789", None),
        ("bytes=5-2", 200, b"0123456789", None),
        ("bytes=0-1,4-5", 200, b"0123456789", None),
        ("lines=1-2", 200, b"0123456789", None),
        ("bytes=10-", 416, None, "bytes */10"),
        ("bytes=-0", 416, None, "bytes */10"),
    ],
)
async def test_ranges(files, web, header, status, expected, content_range):
    url = await stored(files, web, "range.bin", b"0123456789")
    answer = await web().get(url, headers={"Range": header})
    assert (answer.status_code, answer.headers.get("content-range")) == (status, content_range)
    if expected is not None:
        assert answer.content == expected
        assert answer.headers["content-length"] == str(len(expected))
    else:
        assert "<Code>InvalidRange</Code>" in answer.text


async def test_conditions(files, web):
    url = await stored(files, web, "condition.txt", b"abc")
    first = await web().get(url)
    etag, modified = first.headers["etag"], first.headers["last-modified"]
    for headers, status, length in [
        ({"If-None-Match": etag}, 304, 0),
        ({"If-None-Match": f'"x", W/{etag}'}, 304, 0),
        ({"If-None-Match": '"x"'}, 200, 3),
        ({"If-Modified-Since": modified}, 304, 0),
        ({"If-Match": '"x"'}, 412, 0),
        ({"If-Range": etag, "Range": "bytes=0-0"}, 206, 1),
        ({"If-Range": '"x"', "Range": "bytes=0-0"}, 200, 3),
    ]:
        answer = await web().get(url, headers=headers)
        assert (answer.status_code, len(answer.content)) == (status, length), headers


async def test_what_uploaders_say_about_types(files, web):
    for path, said, expected, is_saved in [
        ("t/a.csv", "", "text/csv", False),
        ("t/b.csv", "application/octet-stream", "text/csv", False),
        ("t/c.bin", "text/plain", "text/plain", False),
        ("t/d", "application/octet-stream", "application/octet-stream", False),
        ("t/e.html", "", "text/html", True),
        ("t/f.txt", "image/svg+xml", "image/svg+xml", True),
    ]:
        url = await stored(files, web, path, b"x", **{"Content-Type": said})
        answer = await web().get(url)
        assert answer.headers["content-type"] == expected, path
        assert (answer.headers.get("content-disposition") == "attachment") == is_saved, path


async def test_empty_and_chunked_and_replaced(files, web):
    url = await stored(files, web, "e/empty", b"")
    answer = await web().get(url, headers={"Range": "bytes=0--1"})
    assert (answer.status_code, answer.content) == (200, b"")

    async def chunks():
        for number in range(1000):
            yield b"%04d" % number

    put = await web().put(await files.put_file("e/empty"), content=chunks())
    assert put.status_code == 200
    answer = await web().get(url)
    assert answer.content == b"".join(b"%04d" % number for number in range(1000))


async def test_nothing_is_compressed(files, web):
    text = b"the same again " * 10_000
    url = await stored(files, web, "big.txt", text, **{"Content-Type": "text/plain"})
    answer = await web().get(url, headers={"Accept-Encoding": "gzip, br, zstd"})
    assert answer.headers.get("content-encoding") is None and answer.content == text
    # Nor is what comes compressed inflated: it is the file.
    url = await stored(files, web, "packed.gz", b"\x1f\x8bnot really", **{"Content-Encoding": "gzip"})
    assert (await web().get(url)).content == b"\x1f\x8bnot really"


async def test_large_files_pass_through_in_pieces(files, web, server):
    size = 64 << 20
    piece = bytes(range(256)) * 4096

    async def body():
        for _ in range(size // len(piece)):
            yield piece

    before = memory_of(server.pid)
    put = await web().put(await files.put_file("large.bin"), content=body(), headers={"Content-Length": str(size)})
    assert put.status_code == 200
    digest = hashlib.md5()
    async with web().stream("GET", await files.get_file("large.bin")) as answer:
        async for chunk in answer.aiter_bytes():
            digest.update(chunk)
    assert f'"{digest.hexdigest()}"' == put.headers["etag"]
    assert memory_of(server.pid) - before < 48 << 20


def memory_of(pid: int) -> int:
    """Resident bytes of a process."""
    with open(f"/proc/{pid}/status") as status:
        line = next(line for line in status if line.startswith("VmRSS"))
    return int(line.split()[1]) << 10


async def test_expect_continue(files, web, server):
    url = urlsplit(await files.put_file("expect.txt"))
    with socket.create_connection(("127.0.0.1", server.port), timeout=10) as sock:
        head = f"PUT {url.path}?{url.query} HTTP/1.1\r\nHost: h\r\nContent-Length: 3\r\nExpect: 100-continue\r\n\r\n"
        sock.sendall(head.encode())
        assert sock.recv(1000).startswith(b"HTTP/1.1 100 ")
        sock.sendall(b"abc")
        assert sock.recv(1000).startswith(b"HTTP/1.1 200 ")
    # Who may not upload is told so before it sends anything.
    with socket.create_connection(("127.0.0.1", server.port), timeout=10) as sock:
        head = f"PUT {url.path} HTTP/1.1\r\nHost: h\r\nContent-Length: 3\r\nExpect: 100-continue\r\n\r\n"
        sock.sendall(head.encode())
        assert sock.recv(1000).startswith(b"HTTP/1.1 403 ")


async def test_browsers_may_use_them(files, web):
    url = await stored(files, web, "cors.txt", b"abc")
    answer = await web().get(url, headers={"Origin": "https://page.example.org"})
    assert answer.headers.get_list("access-control-allow-origin") == ["https://page.example.org"]
    assert "ETag" in answer.headers["access-control-expose-headers"]
    preflight = {"Origin": "https://page.example.org", "Access-Control-Request-Method": "PUT"}
    assert (await web().options(url, headers=preflight)).status_code == 200


async def test_missing_files(files, web):
    answer = await web().get(await files.get_file("not/there"))
    assert answer.status_code == 404 and "<Code>NoSuchKey</Code>" in answer.text
    answer = await web().head(await files.get_file("not/there"))
    assert (answer.status_code, answer.content) == (404, b"")


async def test_a_body_that_breaks_off_leaves_nothing(files, web, server):
    kept = await stored(files, web, "cut/kept", b"before")
    for path in ("cut/kept", "cut/new"):
        for framing in ("Content-Length: 100\r\n\r\nhalf", "Transfer-Encoding: chunked\r\n\r\n4\r\nhalf\r\n"):
            url = urlsplit(await files.put_file(path))
            with socket.create_connection(("127.0.0.1", server.port), timeout=10) as sock:
                sock.sendall(f"PUT {url.path}?{url.query} HTTP/1.1\r\nHost: h\r\n{framing}".encode())
                sock.shutdown(socket.SHUT_WR)
                assert b" 200 " not in sock.recv(1000)
    assert (await web().get(kept)).content == b"before"
    assert (await web().get(await files.get_file("cut/new"))).status_code == 404


async def test_parts(files, web):
    parts = [b"a" * 5000, b"b" * 3000, b"c"]
    started = await files.put_file_start_multipart("parts/file", 3)
    urls = {part["part_number"]: part["url"] for part in started["parts"]}
    assert sorted(urls) == [1, 2, 3]
    # In any order, at once, and again.
    answers = await asyncio.gather(*(web().put(urls[n], content=parts[n - 1]) for n in (3, 1, 2)))
    etags = dict(zip((3, 1, 2), (answer.headers["etag"] for answer in answers)))
    assert (await web().put(urls[2], content=b"wrong")).status_code == 200
    again = await web().put(urls[2], content=parts[1])
    assert again.headers["etag"] == etags[2] == etag_of(parts[1])
    assert (await web().get(await files.get_file("parts/file"))).status_code == 404
    # With and without quotes, in any order.
    named = [{"part_number": n, "etag": etags[n] if n == 2 else etags[n].strip('"')} for n in (2, 3, 1)]
    done = await files.put_file_complete_multipart(started["upload_id"], named)
    assert done["success"] is True and done["etag"].endswith('-3"')
    answer = await web().get(await files.get_file("parts/file"), headers={"Range": "bytes=4999-8000"})
    assert answer.content == b"a" + b"b" * 3000 + b"c"
    with pytest.raises(Exception, match="not found or expired"):
        await files.put_file_complete_multipart(started["upload_id"], named)


async def test_a_url_is_for_one_thing(files, web):
    get = await stored(files, web, "one/a", b"aaa")
    await stored(files, web, "one/b", b"bbb")
    put = await files.put_file("one/a")
    started = await files.put_file_start_multipart("one/c", 2)
    part = started["parts"][0]["url"]
    for method, url in [
        ("PUT", get),
        ("DELETE", get),
        ("POST", get),
        ("GET", put),
        ("HEAD", put),
        ("DELETE", put),
        ("GET", part),
        ("GET", get.replace("/one/a", "/one/b")),
        ("GET", get.replace("/one/a", "/one/a/../b")),
        ("GET", get.replace("/one/a", "/one/%2e%2e/one/b")),
        ("PUT", put.replace("/one/a", "/one/b")),
        ("PUT", part.replace("partNumber=1", "partNumber=2")),
        ("PUT", part.replace("PART", "PUT")),
        ("GET", get.replace("hypha-workspaces", "other")),
        ("GET", get.split("?")[0]),
        ("GET", get.split("&X-Hypha-Sig")[0]),
        ("GET", get[:-4] + "AAAA"),
        ("GET", get.replace("X-Hypha-Expires=", "X-Hypha-Expires=9")),
        ("GET", get + "&X-Hypha-Method=PUT"),
        ("PUT", put + "&X-Hypha-Max-Size=1"),
    ]:
        answer = await send(url, method)
        assert answer in (400, 403, 405), (method, url, answer)
    assert (await web().get(get)).content == b"aaa"
    assert (await web().get(await files.get_file("one/b"))).content == b"bbb"


async def send(url: str, method: str) -> int:
    """Sends exactly this path: clients that tidy it up would hide what is tested."""
    parts = urlsplit(url)

    def exchange() -> int:
        connection = http.client.HTTPConnection(parts.netloc, timeout=10)
        try:
            connection.request(method, f"{parts.path}?{parts.query}", body=b"xxx" if method in ("PUT", "POST") else None)
            return connection.getresponse().status
        finally:
            connection.close()

    return await asyncio.to_thread(exchange)


async def test_urls_end_and_survive_a_restart(fresh_server, connect, make_user, web):
    server = fresh_server()
    client = await connect(server, token=make_user().token)
    files = await client.get_service("public/s3-storage")
    url = await stored(files, lambda: web(server), "kept.txt", b"kept")
    short = await files.get_file("kept.txt", expires_in=1)
    server.kill()
    server.start()
    assert (await web(server).get(url)).content == b"kept"
    for _ in range(100):
        answer = await web(server).get(short)
        if answer.status_code == 403:
            break
        await asyncio.sleep(0.1)
    assert answer.status_code == 403 and "expired" in answer.text


async def test_no_other_spelling_reaches_a_file(files, web, user):
    """Paths that mean something to a file system mean nothing here."""
    url = await stored(files, web, "deep/secret.txt", b"secret")
    query = urlsplit(url).query
    base = f"/s3/hypha-workspaces/{user.account.home}"
    for path in [
        "/deep//secret.txt",
        "/deep/./secret.txt",
        "/deep/x/../secret.txt",
        "/deep/x/%2e%2e/secret.txt",
        "/deep/x/..%2fsecret.txt",
        "/deep\\secret.txt",
        "/deep%5csecret.txt",
        "/deep/secret.txt%00",
        "/deep/secret.txt%0a",
        "/deep/secret.txt/",
        "//deep/secret.txt",
        "/%ff%fe",
    ]:
        assert await send(f"http://{urlsplit(url).netloc}{base}{path}?{query}", "GET") in (400, 403, 404), path

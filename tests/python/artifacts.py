"""What the tests of artifacts share."""

from __future__ import annotations

import httpx


def http_client() -> httpx.AsyncClient:
    """A client without a token. Plain HTTP needs no certificates, whose loading takes long."""
    return httpx.AsyncClient(verify=False, timeout=30)


async def manager(client):
    """The artifact manager as `client` sees it."""
    return await client.get_service("public/artifact-manager")


async def upload(service, artifact_id: str, path: str, content: bytes, **options) -> httpx.Response:
    """Stage a file and send its bytes to the URL."""
    url = await service.put_file(artifact_id=artifact_id, file_path=path, **options)
    async with http_client() as http:
        answer = await http.put(url, content=content)
    assert answer.status_code == 200, answer.text
    return answer


async def download(service, artifact_id: str, path: str, **options) -> bytes:
    """The bytes of a file."""
    url = await service.get_file(artifact_id=artifact_id, file_path=path, **options)
    async with http_client() as http:
        answer = await http.get(url)
    assert answer.status_code == 200, answer.text
    return answer.content


async def make(service, alias: str, files: dict[str, bytes], **options) -> dict:
    """A committed artifact with these files."""
    made = await service.create(alias=alias, manifest={"name": alias}, stage=True, **options)
    for path, content in files.items():
        await upload(service, made["id"], path, content)
    return await service.commit(made["id"])


async def names(service, artifact_id: str, **options) -> list[str]:
    """The names in a folder, those of folders with a slash."""
    lines = await service.list_files(artifact_id, **options)
    return [line["name"] + "/" * (line["type"] == "directory") for line in lines]

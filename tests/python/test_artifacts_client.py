"""The client `hypha-artifact` from PyPI against the server: everything it offers."""

import pytest
from hypha_artifact import AsyncHyphaArtifact

pytestmark = pytest.mark.ours


@pytest.fixture
async def artifact(server, user):
    client = AsyncHyphaArtifact(
        "client-test", workspace=user.account.home, token=await user.generate_token(), server_url=server.url
    )
    await client.create(manifest={"name": "C"}, stage=True, config={"permissions": {"*": "r"}})
    yield client
    await client.aclose()


async def test_files_from_here_to_there_and_back(artifact, tmp_path):
    (tmp_path / "in" / "sub").mkdir(parents=True)
    for name, content in {"a.txt": "A", "sub/b.txt": "B" * 5000, "sub/empty": ""}.items():
        (tmp_path / "in" / name).write_text(content)
    await artifact.put(str(tmp_path / "in"), "data", recursive=True)
    await artifact.commit(comment="files")
    await artifact.get("data", str(tmp_path / "out"), recursive=True)
    found = {str(p.relative_to(tmp_path / "out")): p.read_text() for p in (tmp_path / "out").rglob("*") if p.is_file()}
    assert found == {"a.txt": "A", "sub/b.txt": "B" * 5000, "sub/empty": ""}


async def test_reading_and_looking(artifact):
    async with artifact.open("dir/f.txt", "w") as file:
        await file.write("hello world")
    await artifact.commit()
    assert await artifact.cat("dir/f.txt") == "hello world"
    assert await artifact.exists("dir/f.txt") and not await artifact.exists("dir/none")
    assert await artifact.isdir("dir") and await artifact.isfile("dir/f.txt")
    assert await artifact.ls("dir", detail=False) == ["f.txt"]
    assert await artifact.size("dir/f.txt") == 11
    assert (await artifact.info("dir/f.txt"))["type"] == "file"
    assert await artifact.find("") == ["dir/f.txt"]
    async with artifact.open("dir/f.txt", "r") as file:
        assert await file.read(5) == "hello"


async def test_changing(artifact):
    async with artifact.open("a", "w") as file:
        await file.write("1")
    await artifact.commit()
    await artifact.edit(stage=True, version="new")
    await artifact.copy("a", "b")
    await artifact.rm("a")
    await artifact.touch("empty")
    await artifact.commit(version="second")
    assert sorted(await artifact.ls("", detail=False)) == ["b", "empty"]
    assert await artifact.ls("", version="v0", detail=False) == ["a"]
    await artifact.edit(stage=True)
    await artifact.discard()
    await artifact.edit(manifest={"name": "other"})


async def test_a_file_in_parts(artifact, tmp_path):
    big = tmp_path / "big.bin"
    big.write_bytes(bytes(range(256)) * (48 << 10))
    config = {"enable": True, "chunk_size": 5 << 20, "threshold": 6 << 20}
    await artifact.put(str(big), "big.bin", multipart_config=config)
    await artifact.commit()
    assert await artifact.size("big.bin") == 12 << 20
    await artifact.get("big.bin", str(tmp_path / "back.bin"))
    assert (tmp_path / "back.bin").read_bytes() == big.read_bytes()


async def test_children(artifact):
    await artifact.commit()
    assert await artifact.list_children() == []
    await artifact.delete()
    with pytest.raises(Exception, match="does not exist|404"):
        await artifact.ls("")

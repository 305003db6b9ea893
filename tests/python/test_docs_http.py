"""The examples of docs/http.md, run as a reader would."""

import asyncio
import os
import re
import sys

import pytest

from harness import REPOSITORY

PAGE = (REPOSITORY / "docs" / "http.md").read_text()


def blocks(language: str) -> list[str]:
    return re.findall(rf"^```{language}\n(.*?)^```$", PAGE, re.M | re.S)


def steps(block: str) -> list[tuple[str, str]]:
    """Each command of a console block with the output that the page shows."""
    parts = re.split(r"^\$ ", block, flags=re.M)[1:]
    return [tuple(part.split("\n", 1)) for part in parts]


@pytest.fixture
async def hello(server, tmp_path):
    """The URL that the first program of the page prints."""
    program = tmp_path / "hello.py"
    program.write_text(blocks("python")[0].replace("http://127.0.0.1:9527", server.url))
    process = await asyncio.create_subprocess_exec(sys.executable, str(program), stdout=asyncio.subprocess.PIPE)
    yield (await asyncio.wait_for(process.stdout.readline(), 20)).decode().strip()
    process.kill()
    await process.wait()


async def test_the_commands_print_what_the_page_says(hello):
    commands = [step for block in blocks("console") for step in steps(block)]
    assert len(commands) >= 9
    for command, expected in commands:
        process = await asyncio.create_subprocess_shell(
            command, stdout=asyncio.subprocess.PIPE, env={**os.environ, "HELLO": hello}
        )
        output, _ = await asyncio.wait_for(process.communicate(), 20)
        assert output.decode().rstrip("\n") == expected.rstrip("\n"), command


async def test_the_applications_of_the_page(user, web):
    base = f"/{user.account.home}/apps"
    namespace = {"server": user}
    for code in blocks("python")[1:]:
        body = "".join(f"    {line}\n" for line in code.splitlines())
        exec(f"async def run():\n{body}\n    return locals()", namespace)
        await namespace["run"]()
    assert (await web().get(f"{base}/web/")).json() == {"message": "hello from FastAPI"}
    assert (await web().get(f"{base}/site/")).text == "<h1>Hello anonymouz-http</h1>"

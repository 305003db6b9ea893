"""Runs a server and a client in two network namespaces, then makes the client's host unreachable.

usage: half_open_peer.py COMMAND DATA_DIR PORT        COMMAND is the server's command line as a JSON list

The client registers itself; a second one, on the server's own side, watches. No FIN and no RST reaches the server: only
its own probing can tell. Prints `removed after N s` and exits with 0 when the dead client is gone.
"""

from __future__ import annotations

import asyncio
import ctypes
import json
import os
import subprocess
import sys
import time
from types import SimpleNamespace

from raw import Raw
from tokens import new_user_id, user_token

SERVER_SIDE, CLIENT_SIDE = "10.123.77.1", "10.123.77.2"
CLONE_NEWNET = 0x40000000
LIMIT = 60.0


def sh(*command: str) -> None:
    subprocess.run(command, check=True)


def enter_new_network() -> None:
    """Move this process into a network namespace of its own with a working loopback."""
    if ctypes.CDLL(None, use_errno=True).unshare(CLONE_NEWNET):
        raise OSError(ctypes.get_errno(), "cannot make a network namespace")
    sh("ip", "link", "set", "lo", "up")


async def far_client(url: str, token: str) -> None:
    """The client that will vanish: it joins, says so, and waits."""
    client = await Raw.open(SimpleNamespace(ws_url=url), client_id="far", token=token)
    await client.join()
    print("joined", flush=True)
    await asyncio.sleep(LIMIT * 2)


async def watch(port: int, token: str, far: subprocess.Popen) -> float:
    """Make the far host vanish and wait until the server lets go of the far client."""
    near = await Raw.open(SimpleNamespace(ws_url=f"ws://{SERVER_SIDE}:{port}/ws"), client_id="near", token=token)
    await near.join()
    assert far.stdout.readline().strip() == "joined"
    assert len(await near.ask("list_clients")) == 2
    # Without its address the far host neither answers nor refuses: packets fall into a hole, and the link stays up.
    sh("nsenter", "-t", str(far.pid), "-n", "ip", "address", "flush", "dev", "veth-client")
    vanished = time.monotonic()
    while time.monotonic() - vanished < LIMIT:
        await asyncio.sleep(0.5)
        if len(await near.ask("list_clients")) == 1:
            return time.monotonic() - vanished
    raise SystemExit(f"the half-open client was still listed after {LIMIT:.0f} s")


def main() -> None:
    command, data_dir, port = json.loads(sys.argv[1]), sys.argv[2], int(sys.argv[3])
    os.makedirs(data_dir, exist_ok=True)
    # The server listens where both sides reach it; the address exists in this namespace only.
    command[command.index("--host") + 1] = SERVER_SIDE
    enter_new_network()
    token = user_token(new_user_id())
    url = f"ws://{SERVER_SIDE}:{port}/ws"
    # A child in a second namespace holds the far end of a virtual cable.
    far = subprocess.Popen(
        [sys.executable, __file__, "far", url, token], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    server = None
    try:
        assert far.stdout.readline().strip() == "namespace"
        sh("ip", "link", "add", "veth-server", "type", "veth", "peer", "name", "veth-client", "netns", str(far.pid))
        sh("ip", "address", "add", f"{SERVER_SIDE}/24", "dev", "veth-server")
        sh("ip", "link", "set", "veth-server", "up")
        server = subprocess.Popen(command, stdout=sys.stderr, stderr=sys.stderr)
        wait_for_server(port)
        far.stdin.write("go\n")
        far.stdin.flush()
        seconds = asyncio.run(watch(port, token, far))
        print(f"removed after {seconds:.1f} s")
    finally:
        far.kill()
        if server is not None:
            server.kill()


def wait_for_server(port: int) -> None:
    import urllib.request

    deadline = time.monotonic() + 30
    while time.monotonic() < deadline:
        try:
            urllib.request.urlopen(f"http://{SERVER_SIDE}:{port}/health/readiness", timeout=2)
            return
        except OSError:
            time.sleep(0.1)
    raise SystemExit("the server did not come up")


def far_main(url: str, token: str) -> None:
    enter_new_network()
    print("namespace", flush=True)
    sys.stdin.readline()
    sh("ip", "address", "add", f"{CLIENT_SIDE}/24", "dev", "veth-client")
    sh("ip", "link", "set", "veth-client", "up")
    asyncio.run(far_client(url, token))


if __name__ == "__main__":
    if sys.argv[1] == "far":
        far_main(*sys.argv[2:])
    else:
        main()

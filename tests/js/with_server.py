"""Runs a command while a server is up: `with_server.py COMMAND…`; the exit code is the command's.

The command finds the server's address in HYPHA_TEST_URL and the root token in HYPHA_TEST_ROOT_TOKEN.
"""

import os
import pathlib
import subprocess
import sys

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "python"))

from harness import JWT_SECRET, ROOT_TOKEN, Server  # noqa: E402


def main() -> int:
    server = Server().start()
    try:
        found = {"HYPHA_TEST_URL": server.url, "HYPHA_TEST_ROOT_TOKEN": ROOT_TOKEN, "HYPHA_TEST_JWT_SECRET": JWT_SECRET}
        code = subprocess.call(sys.argv[1:], env={**os.environ, **found})
        if code:
            print(f"\nlog of the server:\n{server.log()}", file=sys.stderr)
        return code
    finally:
        server.close()


sys.exit(main())

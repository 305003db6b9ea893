"""Small helpers that programs import from here."""

from __future__ import annotations

import random
import secrets
import string
from pkgutil import extend_path

from .. import _installed

__path__ = extend_path(__path__, __name__)


def __getattr__(name):
    return _installed.member(__name__, name, "it is not needed without the original server")


def random_id(readable=True):
    """A random name: two made-up words and a number, or 22 letters and digits that cannot be guessed."""
    if not readable:
        return "".join(secrets.choice(string.ascii_letters + string.digits) for _ in range(22))
    words = "-".join("".join(random.choices(string.ascii_lowercase, k=6)) for _ in range(2))
    return f"{words}-{random.randrange(10**8):08}"


def generate_password(length=50):
    """A random password."""
    return "".join(secrets.choice(string.ascii_letters + string.digits) for _ in range(length))


async def launch_external_services(server, command, **options):
    """Start a program with a service; see the function of the same name in `hypha_rpc.utils.launch`."""
    from hypha_rpc.utils.launch import launch_external_services as launch

    return await launch(server, command, **options)

"""End-to-end encryption between official clients: the server carries what it cannot read (rpc-protocol.md §10)."""

import pytest
from nacl.public import PrivateKey

from helpers import fails_with


@pytest.fixture
async def provider(connect, user):
    client = await connect(token=user.account.token, client_id="vault", encryption=True)
    client.account = user.account
    await client.register_service(
        {
            "id": "vault",
            "config": {"require_context": True},
            "add": lambda a, b, context=None: a + b,
            "how": lambda context=None: bool(context.get("encryption")),
            "same": lambda data, context=None: data,
        }
    )
    return client


def public_key(client) -> str:
    key = client.rpc.get_public_key() if hasattr(client.rpc, "get_public_key") else client.rpc._encryption_public_key
    return key if isinstance(key, str) else bytes(key).hex()


async def test_an_encrypted_call(connect, provider):
    caller = await connect(token=provider.account.token, encryption=True)
    vault = await caller.get_service("vault", encryption_public_key=public_key(provider))
    assert await vault.add(2, b=3) == 5
    assert await vault.how() is True


async def test_a_large_encrypted_call(connect, provider):
    caller = await connect(token=provider.account.token, encryption=True)
    vault = await caller.get_service("vault", encryption_public_key=public_key(provider))
    data = bytes(range(256)) * 8192
    assert await vault.same(data) == data


async def test_a_plain_call_is_still_possible(connect, provider):
    caller = await connect(token=provider.account.token)
    vault = await caller.get_service("vault")
    assert await vault.add(2, 3) == 5
    assert await vault.how() is False


async def test_trusted_keys(connect, user):
    friend = PrivateKey.generate()
    provider = await connect(token=user.account.token, client_id="strict", encryption=True)
    await provider.register_service(
        {"id": "strict", "config": {"trusted_keys": [bytes(friend.public_key).hex()]}, "f": lambda: "for friends"}
    )
    keys = {
        "encryption": True,
        "encryption_private_key": bytes(friend),
        "encryption_public_key": bytes(friend.public_key),
    }
    trusted = await connect(token=user.account.token, **keys)
    assert await (await trusted.get_service("strict", encryption_public_key=public_key(provider))).f() == "for friends"
    with fails_with("Encryption required for method"):
        await (await user.get_service("strict")).f()
    other = await connect(token=user.account.token, encryption=True)
    with fails_with("Caller's public key is not in the trusted keys list"):
        await (await other.get_service("strict", encryption_public_key=public_key(provider))).f()


async def test_a_wrong_key(connect, provider):
    """The callee cannot read the call; this version of its client answers nothing, so the caller's timer decides."""
    caller = await connect(token=provider.account.token, encryption=True, method_timeout=2)
    wrong = bytes(PrivateKey.generate().public_key).hex()
    vault = await caller.get_service("vault", encryption_public_key=wrong)
    with pytest.raises(Exception):
        await vault.add(1, 2)

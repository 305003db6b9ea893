"""Values that travel: arrays, bytes and everything else of rpc-protocol.md §6."""

import collections
import io

import numpy as np
import pytest

from helpers import fails_with


@pytest.fixture
async def mirror(connect, user):
    """A service that gives back what it gets, and one that tells the Python type."""
    caller = await connect(token=user.account.token)
    await user.register_service(
        {"id": "mirror", "same": lambda x: x, "kind": lambda x: type(x).__name__, "text": lambda x: repr(x)}
    )
    return await caller.get_service("mirror")


DTYPES = "int8 int16 int32 int64 uint8 uint16 uint32 uint64 float16 float32 float64 complex64 complex128 bool".split()


@pytest.mark.parametrize("dtype", DTYPES)
async def test_arrays_of_every_type(mirror, dtype):
    array = (np.arange(24).reshape(2, 3, 4) % 2).astype(dtype)
    back = await mirror.same(array)
    assert isinstance(back, np.ndarray)
    assert back.dtype == array.dtype
    assert back.shape == array.shape
    np.testing.assert_array_equal(back, array)


@pytest.mark.parametrize("array", [np.array(["abc", "d"]), np.array([b"abc", b"d"])], ids=["str", "bytes"])
async def test_arrays_of_text(mirror, array):
    back = await mirror.same(array)
    assert back.dtype == array.dtype
    np.testing.assert_array_equal(back, array)


@pytest.mark.parametrize("shape", [(0,), (3, 0), (0, 2, 2), (1,), (1, 1, 1, 1)])
async def test_empty_and_small_shapes(mirror, shape):
    back = await mirror.same(np.zeros(shape, dtype="float32"))
    assert back.shape == shape and back.dtype == np.float32


@pytest.mark.parametrize("value", [np.float32(1.5), np.int64(-7), np.uint8(255), np.bool_(True), np.float64(np.inf)])
async def test_scalars(mirror, value):
    back = await mirror.same(value)
    assert back == value
    assert np.asarray(back).shape == ()


async def test_order_and_slices_are_flattened_right(mirror):
    base = np.arange(60, dtype="int32").reshape(3, 4, 5)
    for array in (np.asfortranarray(base), base.T, base[::2, 1:3, ::-1]):
        np.testing.assert_array_equal(await mirror.same(array), array)


async def test_a_big_array(mirror):
    array = np.random.default_rng(1).integers(0, 255, (1000, 2000), dtype="uint8")
    np.testing.assert_array_equal(await mirror.same(array), array)


async def test_arrays_inside_containers(mirror):
    value = {"a": [np.ones(2), {"b": np.zeros((1, 2), dtype="int8")}], "c": 1}
    back = await mirror.same(value)
    np.testing.assert_array_equal(back["a"][0], np.ones(2))
    np.testing.assert_array_equal(back["a"][1]["b"], np.zeros((1, 2)))
    assert back["c"] == 1


@pytest.mark.parametrize(
    "value",
    [
        None,
        True,
        False,
        0,
        -1,
        2**63 - 1,
        -(2**63),
        2**64 - 1,
        0.1,
        1e308,
        float("inf"),
        float("-inf"),
        "",
        "text",
        "ünïcødé 🧪 \x00 \n",
        b"",
        bytes(range(256)),
        [],
        [1, [2, [3, [4]]]],
        {},
        {"a": {"b": {"c": None}}},
        {"": "empty key", "ö": 1},
        [None] * 1000,
    ],
)
async def test_plain_values(mirror, value):
    back = await mirror.same(value)
    assert back == value
    assert type(back) is type(value) or isinstance(back, type(value))


async def test_not_a_number(mirror):
    back = await mirror.same(float("nan"))
    assert back != back


async def test_tuples_become_lists(mirror):
    assert await mirror.same((1, (2, 3))) == [1, [2, 3]]


async def test_sets_maps_and_views(mirror):
    assert await mirror.same({1, 2, 3}) == {1, 2, 3}
    assert await mirror.kind({1}) == "set"
    view = await mirror.same(memoryview(b"abc"))
    assert bytes(view) == b"abc"
    assert await mirror.same(collections.OrderedDict(a=1)) == {"a": 1}


async def test_errors_are_values(mirror):
    back = await mirror.same([ValueError("just a value")])
    assert isinstance(back[0], Exception)
    assert "just a value" in str(back[0])


async def test_integers_beyond_64_bits_are_refused(mirror):
    with pytest.raises(Exception):
        await mirror.same(2**64)


async def test_what_cannot_be_sent(mirror):
    import datetime

    with fails_with("hypha-rpc: Unsupported data type"):
        await mirror.same(datetime.datetime(2020, 1, 1))
    with fails_with("hypha-rpc: Unsupported data type"):
        await mirror.same(object())


async def test_a_deep_value(mirror):
    value = current = []
    for _ in range(100):
        inner = []
        current.append(inner)
        current = inner
    assert await mirror.same(value) == value


async def test_a_wide_value(mirror):
    value = {f"key-{n}": n for n in range(5000)}
    assert await mirror.same(value) == value


async def test_an_io_stream(connect, user):
    caller = await connect(token=user.account.token)

    async def read(stream):
        first = await stream.read(4)
        await stream.seek(0)
        return first, await stream.read()

    await user.register_service({"id": "files", "read": read, "open": lambda: io.BytesIO(b"remote bytes")})
    service = await caller.get_service("files")
    assert await service.read(io.BytesIO(b"local bytes")) == [b"loca", b"local bytes"]
    stream = await service.open()
    assert await stream.read(6) == b"remote"
    assert await stream.read() == b" bytes"


@pytest.mark.only_websocket
async def test_a_custom_codec(connect, user):
    class Point:
        def __init__(self, x, y):
            self.x, self.y = x, y

    codec = {
        "name": "point",
        "type": Point,
        "encoder": lambda p: {"x": p.x, "y": np.float32(p.y)},
        "decoder": lambda data: Point(data["x"], data["y"]),
    }
    caller = await connect(token=user.account.token)
    user.register_codec(codec)
    caller.register_codec(codec)
    await user.register_service({"id": "geo", "flip": lambda p: Point(p.y, p.x)})
    point = await (await caller.get_service("geo")).flip(Point(1, 2))
    assert isinstance(point, Point)
    assert (point.x, point.y) == (2, 1)


@pytest.mark.only_websocket
async def test_a_codec_only_one_side_knows(connect, user):
    class Point:
        x = 7

    caller = await connect(token=user.account.token)
    caller.register_codec({"name": "point", "type": Point, "encoder": lambda p: {"x": p.x}, "decoder": None})
    await user.register_service({"id": "geo", "look": lambda p: [p["_rtype"], p["x"]]})
    assert await (await caller.get_service("geo")).look(Point()) == ["point", 7]

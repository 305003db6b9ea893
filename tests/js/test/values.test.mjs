// Values: typed arrays, buffers, maps, dates, and payloads that travel in chunks.
import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { test } from "node:test";
import { pair } from "../support.mjs";

const digest = (data) => createHash("sha256").update(data).digest("hex");

async function mirror(t) {
  const [provider, caller] = await pair(t);
  await provider.registerService({
    id: "mirror",
    same: (x) => x,
    digest: (data) => digest(data),
    make: (size) => new Uint8Array(size).map((_, i) => (i * 7) % 251),
  });
  return caller.getService("mirror");
}

test("plain values", async (t) => {
  const service = await mirror(t);
  const values = [
    null,
    true,
    0,
    -1,
    1.5,
    2 ** 53 - 1,
    -(2 ** 40),
    Infinity,
    "",
    "ünïcødé 🧪",
    [],
    [1, [2, [3]]],
    {},
    { a: { b: [null, { c: "d" }] } },
  ];
  for (const value of values) assert.deepEqual(await service.same(value), value);
  assert.ok(Number.isNaN(await service.same(NaN)));
});

test("bytes", async (t) => {
  const service = await mirror(t);
  const bytes = Uint8Array.from({ length: 256 }, (_, i) => i);
  assert.deepEqual(new Uint8Array(await service.same(bytes)), bytes);
  assert.deepEqual(new Uint8Array(await service.same(bytes.buffer)), bytes);
});

for (const kind of [Int8Array, Int16Array, Int32Array, Uint16Array, Uint32Array, Float32Array, Float64Array]) {
  test(`typed arrays: ${kind.name}`, async (t) => {
    const service = await mirror(t);
    const array = kind.from([1, 2, 3, 100]);
    const back = await service.same(array);
    assert.equal(back.constructor.name, kind.name);
    assert.deepEqual([...back], [...array]);
  });
}

test("maps, sets and errors", async (t) => {
  const service = await mirror(t);
  const map = await service.same(new Map([["a", 1], ["b", [2]]]));
  assert.deepEqual([...map], [["a", 1], ["b", [2]]]);
  const set = await service.same(new Set([1, 2]));
  assert.deepEqual([...set], [1, 2]);
  const error = await service.same(new Error("a value"));
  assert.match(String(error), /a value/);
});

for (const megabytes of [0.3, 1, 5, 20]) {
  test(`${megabytes} MB in both directions`, async (t) => {
    const service = await mirror(t);
    const size = Math.floor(megabytes * 1024 * 1024);
    const data = new Uint8Array(size).map((_, i) => (i * 7) % 251);
    assert.equal(await service.digest(data), digest(data));
    assert.equal(digest(new Uint8Array(await service.make(size))), digest(data));
  });
}

test("several large payloads at once", async (t) => {
  const service = await mirror(t);
  const blobs = [1, 2, 3, 4].map((n) => new Uint8Array(1024 * 1024 + n).fill(n));
  const answers = await Promise.all(blobs.map((blob) => service.digest(blob)));
  assert.deepEqual(answers, blobs.map(digest));
});

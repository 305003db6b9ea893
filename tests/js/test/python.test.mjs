// A Python service called from JavaScript, and the reverse.
import assert from "node:assert/strict";
import { test } from "node:test";
import { connect, newId, pythonPeer, userToken } from "../support.mjs";

test("JavaScript and Python", async (t) => {
  const id = newId("user");
  const token = userToken(id);
  await pythonPeer(t, token);
  const client = await connect(t, { token });
  const python = await client.getService("python");

  await t.test("plain values", async () => {
    for (const value of [null, true, 7, -1.5, "text", [1, [2]], { a: { b: 1 } }]) {
      assert.deepEqual(await python.same(value), value);
    }
    assert.deepEqual(new Uint8Array(await python.same(new Uint8Array([1, 2, 3]))), new Uint8Array([1, 2, 3]));
    assert.equal(await python.kind(new Uint8Array([1])), "bytes");
    assert.equal(await python.kind(new Set([1])), "set");
  });

  await t.test("typed arrays become numpy arrays", async () => {
    assert.deepEqual(await python.describe(Float32Array.from([1, 2, 3.5])), ["float32", [3], 6.5]);
    assert.deepEqual(await python.describe(Int16Array.from([-1, 2])), ["int16", [2], 1]);
  });

  await t.test("numpy arrays arrive with shape and type", async () => {
    const array = await python.array();
    assert.equal(array._rtype, "ndarray");
    assert.deepEqual(array._rshape, [2, 3]);
    assert.equal(array._rdtype, "float32");
    const bytes = new Uint8Array(array._rvalue);
    assert.deepEqual([...new Float32Array(bytes.slice().buffer)], [0, 1, 2, 3, 4, 5]);
    assert.deepEqual(await python.describe(array), ["float32", [2, 3], 15]);
  });

  await t.test("arguments with defaults and keywords", async () => {
    assert.equal(await python.add(1), 11);
    assert.equal(await python.add(1, 2), 3);
    assert.equal(await python.add({ a: 1, b: 2, c: 3, _rkwargs: true }), 6);
  });

  await t.test("context", async () => {
    assert.equal(await python.who(), id);
  });

  await t.test("callbacks", async () => {
    assert.deepEqual(await python.each([1, 2], (x) => x * 2), [2, 4]);
    const adder = await python.adder(5);
    assert.equal(await adder(1), 6);
  });

  await t.test("generators in both directions", async () => {
    const items = [];
    for await (const item of await python.count(4)) items.push(item);
    assert.deepEqual(items, [0, 1, 2, 3]);
    async function* numbers() {
      yield 1;
      yield 2;
    }
    assert.equal(await python.total(numbers()), 3);
  });

  await t.test("errors", async () => {
    await assert.rejects(python.fail(), /python says no/);
  });

  await t.test("large payloads", async () => {
    assert.equal(await python.length(new Uint8Array(3 * 1024 * 1024)), 3 * 1024 * 1024);
    const made = new Uint8Array(await python.make(3 * 1024 * 1024));
    assert.equal(made.length, 3 * 1024 * 1024);
    assert.ok(made.every((byte) => byte === "p".charCodeAt(0)));
  });

  await t.test("a JavaScript service called from Python", async () => {
    await client.registerService({ id: "js", run: (a, b) => ({ sum: a + b, from: "js" }) });
    assert.deepEqual(await python.call_js("js", 2, 3), { sum: 5, from: "js" });
    await client.registerService({ id: "js-large", run: (size) => new Uint8Array(size) });
    const large = await python.call_js("js-large", 1024 * 1024);
    assert.equal(new Uint8Array(large).length, 1024 * 1024);
    await client.registerService({
      id: "js-fails",
      run: () => {
        throw new Error("js says no");
      },
    });
    await assert.rejects(python.call_js("js-fails"), /js says no/);
  });
});

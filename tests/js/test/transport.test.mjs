// The HTTP transport: the client on a stream instead of a WebSocket.
import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { test } from "node:test";
import { connect, eventually, newId, ours, pair, pythonPeer, serverUrl, userToken } from "../support.mjs";

const http = { transport: "http" };
const digest = (data) => createHash("sha256").update(data).digest("hex");

test("services, callbacks and large values", ours, async (t) => {
  const [provider, caller] = await pair(t, http);
  await provider.registerService({
    id: "calc",
    add: (a, b) => a + b,
    fail: () => {
      throw new Error("on purpose");
    },
    count: async (to, tell) => {
      for (let i = 0; i < to; i++) await tell(i);
      return "done";
    },
    digest: (data) => digest(data),
    make: (size) => new Uint8Array(size).map((_, i) => (i * 7) % 251),
  });
  const calc = await caller.getService("calc");
  assert.equal(await calc.add(1, 2), 3);
  await assert.rejects(calc.fail(), /on purpose/);
  const seen = [];
  assert.equal(await calc.count(3, (i) => void seen.push(i)), "done");
  await eventually(() => seen.length === 3);
  const large = new Uint8Array(3 * 1024 * 1024).map((_, i) => i % 253);
  assert.equal(await calc.digest(large), digest(large));
  assert.equal((await calc.make(1024 * 1024)).length, 1024 * 1024);
  const sums = await Promise.all(Array.from({ length: 100 }, (_, i) => calc.add(i, i)));
  assert.deepEqual(sums, Array.from({ length: 100 }, (_, i) => 2 * i));
});

test("between the transports", ours, async (t) => {
  const token = userToken(newId("user"));
  const [stream, socket] = [await connect(t, { token, ...http }), await connect(t, { token })];
  for (const [provider, caller] of [
    [stream, socket],
    [socket, stream],
  ]) {
    await provider.registerService({ id: "hello", hi: (name) => `hi ${name}` }, { overwrite: true });
    const hello = await caller.getService(`${provider.rpc._client_id}:hello`);
    assert.equal(await hello.hi("you"), "hi you");
  }
});

test("an anonymous client", ours, async (t) => {
  // Node keeps no cookies and knows nothing of the secret: it is believed where it comes from.
  const [provider, caller] = [await connect(t, http), await connect(t)];
  await provider.registerService({ id: "open", config: { visibility: "public" }, hi: () => "hi" });
  const service = await caller.getService(`${provider.config.workspace}/open`);
  assert.equal(await service.hi(), "hi");
});

test("a Python peer", ours, async (t) => {
  const token = userToken(newId("user"));
  await pythonPeer(t, token);
  const client = await connect(t, { token, ...http });
  const services = await client.listServices();
  assert.ok(services.length > 0);
});

test("a bad token is refused", ours, async (t) => {
  const response = await fetch(`${serverUrl}/rpc?client_id=x`, { headers: { Authorization: "Bearer garbage" } });
  assert.equal(response.status, 401);
  assert.equal((await response.json()).code, "invalid_credential");
});

// Services, callbacks, generators, errors and events between JavaScript clients.
import assert from "node:assert/strict";
import { test } from "node:test";
import { connect, eventually, newId, pair, sleep, userToken } from "../support.mjs";

test("register, get, call, unregister", async (t) => {
  const [provider, caller] = await pair(t);
  const info = await provider.registerService({
    id: "calc",
    name: "Calculator",
    config: { visibility: "public" },
    add: (a, b) => a + b,
    nested: { deep: { still: () => "here" } },
    answer: 42,
    label: "text",
  });
  assert.equal(info.id, `${provider.config.workspace}/${provider.config.client_id}:calc`);
  const calc = await caller.getService("calc");
  assert.equal(await calc.add(1, 2), 3);
  assert.equal(await calc.nested.deep.still(), "here");
  assert.equal(calc.answer, 42);
  assert.equal(calc.label, "text");
  const listed = (await caller.listServices()).map((service) => service.id);
  assert.ok(listed.includes(info.id));
  await provider.unregisterService("calc");
  await assert.rejects(caller.getService("calc"), /Service not found/);
});

test("a duplicate id needs overwrite", async (t) => {
  const [provider, caller] = await pair(t);
  await provider.registerService({ id: "v", version: () => 1 });
  await assert.rejects(provider.registerService({ id: "v", version: () => 2 }), /already exists/);
  await provider.registerService({ id: "v", version: () => 2 }, { overwrite: true });
  assert.equal(await (await caller.getService("v")).version(), 2);
});

test("the context tells who calls", async (t) => {
  const [provider, caller] = await pair(t);
  await provider.registerService({
    id: "ctx",
    config: { require_context: true },
    who: (x, context) => [x, context.ws, context.from, context.user.id],
  });
  const { workspace, client_id, user } = caller.config;
  assert.deepEqual(await (await caller.getService("ctx")).who(1), [1, workspace, `${workspace}/${client_id}`, user.id]);
});

test("visibility", async (t) => {
  const [provider] = await pair(t);
  await provider.registerService({ id: "open", config: { visibility: "public" }, f: () => "open" });
  await provider.registerService({ id: "closed", f: () => "closed" });
  const stranger = await connect(t, { token: userToken(newId("user")) });
  const base = `${provider.config.workspace}/${provider.config.client_id}`;
  assert.equal(await (await stranger.getService(`${base}:open`)).f(), "open");
  await assert.rejects(stranger.getService(`${base}:closed`), /Permission denied/);
});

test("callbacks in arguments, results and containers", async (t) => {
  const [provider, caller] = await pair(t);
  await provider.registerService({
    id: "s",
    each: async (items, callback) => {
      const results = [];
      for (const item of items) results.push(await callback(item));
      return results;
    },
    adder: (n) => (x) => x + n,
    use: async (handlers) => [await handlers.a(), await handlers.list[0](5)],
  });
  const service = await caller.getService("s");
  assert.deepEqual(await service.each([1, 2, 3], (x) => x * 10), [10, 20, 30]);
  const adder = await service.adder(5);
  assert.equal(await adder(1), 6);
  assert.deepEqual(await service.use({ a: () => "A", list: [async (x) => x + 1] }), ["A", 6]);
});

test("long-lived interfaces", async (t) => {
  const [provider, caller] = await pair(t);
  let kept;
  await provider.registerService({
    id: "s",
    keep: (api) => {
      kept = api;
      return true;
    },
  });
  const seen = [];
  await (await caller.getService("s")).keep({ _rintf: true, notify: (x) => seen.push(x) && null, add: (a, b) => a + b });
  await sleep(100);
  await kept.notify("one");
  await kept.notify("two");
  assert.deepEqual(seen, ["one", "two"]);
  assert.equal(await kept.add(2, 3), 5);
});

test("generators", async (t) => {
  const [provider, caller] = await pair(t);
  await provider.registerService({
    id: "s",
    count: async function* (n) {
      for (let i = 0; i < n; i++) yield i;
    },
    total: async (numbers) => {
      let sum = 0;
      for await (const n of numbers) sum += n;
      return sum;
    },
    broken: async function* () {
      yield 1;
      throw new Error("ran out");
    },
  });
  const service = await caller.getService("s");
  const items = [];
  for await (const item of await service.count(5)) items.push(item);
  assert.deepEqual(items, [0, 1, 2, 3, 4]);
  async function* numbers() {
    yield 1;
    yield 2;
    yield 3;
  }
  assert.equal(await service.total(numbers()), 6);
  await assert.rejects(async () => {
    for await (const _ of await service.broken());
  }, /ran out/);
});

test("errors carry their text", async (t) => {
  const [provider, caller] = await pair(t);
  await provider.registerService({
    id: "s",
    sync: () => {
      throw new Error("sync failure");
    },
    later: async () => {
      throw new TypeError("async failure");
    },
  });
  const service = await caller.getService("s");
  await assert.rejects(service.sync(), /sync failure/);
  await assert.rejects(service.later(), /async failure/);
  await assert.rejects(caller.getService("nope"), /Service not found/);
  assert.equal(await caller.echo(1), 1);
});

test("a call longer than the timeout succeeds", async (t) => {
  const token = userToken(newId("user"));
  const provider = await connect(t, { token });
  const caller = await connect(t, { token, method_timeout: 2 });
  await provider.registerService({
    id: "s",
    slow: async () => {
      await sleep(5000);
      return "finished";
    },
  });
  assert.equal(await (await caller.getService("s")).slow(), "finished");
});

test("a client that leaves ends the calls to it", async (t) => {
  const [provider, caller] = await pair(t);
  await provider.registerService({ id: "s", hang: () => new Promise(() => {}) });
  const call = (await caller.getService("s")).hang();
  const failed = assert.rejects(call, /disconnected|not connected/i);
  await sleep(200);
  await provider.disconnect();
  await failed;
});

test("events", async (t) => {
  const [one, two] = await pair(t);
  const heard = [];
  two.on("news", (event) => heard.push(event));
  await two.subscribe("news");
  await one.emit({ type: "news", to: "*", data: { n: 1 } });
  await one.emit({ type: "news", to: two.config.client_id, data: { n: 2 } });
  await eventually(() => heard.length === 2);
  assert.deepEqual(heard.map((event) => event.data.n), [1, 2]);
  assert.equal(heard[0].from, `${one.config.workspace}/${one.config.client_id}`);
});

test("the server's events", async (t) => {
  const [one] = await pair(t);
  const joined = [];
  one.on("client_connected", (event) => joined.push(event.data.id));
  await one.subscribe(["client_connected"]);
  const token = await one.generateToken();
  await connect(t, { token, client_id: "newcomer" });
  await eventually(() => joined.includes(`${one.config.workspace}/newcomer`));
});

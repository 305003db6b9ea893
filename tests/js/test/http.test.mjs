// Services of a JavaScript client, called over HTTP.
import assert from "node:assert/strict";
import { test } from "node:test";
import { connect, newId, serverUrl, userToken } from "../support.mjs";

async function provider(t) {
  const id = newId("user");
  const token = userToken(id);
  const client = await connect(t, { token });
  return { client, token, base: `${serverUrl}/ws-user-${id}` };
}

test("a function is called with a query and with JSON", async (t) => {
  const { client, base } = await provider(t);
  await client.registerService({
    id: "calc",
    config: { visibility: "public" },
    add: (a, b) => a + b,
    sum: (a, b) => a + b,
  });
  const answer = await fetch(`${base}/services/calc/add?a=2&b=3`);
  assert.equal(await answer.json(), 5);
  const headers = { "Content-Type": "application/json; charset=utf-8" };
  const posted = await fetch(`${base}/services/calc/sum`, { method: "POST", headers, body: "[4, 5]" });
  assert.equal(await posted.json(), 9);
});

test("a failing function", async (t) => {
  const { client, base } = await provider(t);
  await client.registerService({
    id: "bad",
    config: { visibility: "public" },
    fail: () => {
      throw new Error("no luck");
    },
    missing: () => {
      throw new Error("file not found");
    },
  });
  const failed = await fetch(`${base}/services/bad/fail`);
  assert.equal(failed.status, 500);
  assert.match((await failed.json()).detail, /no luck/);
  assert.equal((await fetch(`${base}/services/bad/missing`)).status, 404);
});

test("an asynchronous generator becomes a stream of events", async (t) => {
  const { client, base } = await provider(t);
  await client.registerService({
    id: "gen",
    config: { visibility: "public" },
    count: async function* () {
      for (let i = 0; i < 3; i++) yield i;
    },
  });
  const answer = await fetch(`${base}/services/gen/count`);
  assert.equal(answer.headers.get("content-type"), "text/event-stream");
  assert.equal(await answer.text(), "data: 0\n\ndata: 1\n\ndata: 2\n\ndata: [DONE]\n\n");
});

test("a functions service", async (t) => {
  const { client, token, base } = await provider(t);
  await client.registerService({
    id: "site",
    type: "functions",
    config: { visibility: "public" },
    index: async () => ({ status: 200, headers: { "Content-Type": "text/html" }, body: "<p>js</p>" }),
    data: (event) => ({ status: 201, body: new Uint8Array([1, 2, ...(event.body || [])]) }),
    who: (event) => ({ body: event.user.id }),
  });
  const page = await fetch(`${base}/apps/site/`);
  assert.equal(await page.text(), "<p>js</p>");
  assert.equal(page.headers.get("content-type"), "text/html");
  const data = await fetch(`${base}/apps/site/data`, { method: "POST", body: new Uint8Array([3]) });
  assert.equal(data.status, 201);
  assert.deepEqual([...new Uint8Array(await data.arrayBuffer())], [1, 2, 3]);
  const who = await fetch(`${base}/apps/site/who`, { headers: { Authorization: `Bearer ${token}` } });
  assert.ok(base.endsWith(await who.text()));
  assert.equal((await fetch(`${base}/apps/site/nope`)).status, 404);
});

test("an application that speaks ASGI", async (t) => {
  const { client, base } = await provider(t);
  await client.registerService({
    id: "asgi",
    type: "asgi",
    config: { visibility: "public" },
    serve: async ({ scope, receive, send }) => {
      let size = 0;
      for (let more = true; more; ) {
        const event = await receive();
        size += event.body.length;
        more = event.more_body;
      }
      const text = (value) => new TextEncoder().encode(value);
      await send({ type: "http.response.start", status: 200, headers: [[text("x-path"), text(scope.path)]] });
      await send({ type: "http.response.body", body: text(`${scope.method} `), more_body: true });
      await send({ type: "http.response.body", body: text(`${size}`) });
    },
  });
  const answer = await fetch(`${base}/apps/asgi/a/b?c`, { method: "PUT", body: new Uint8Array(1_000_000) });
  assert.equal(answer.headers.get("x-path"), "/a/b");
  assert.equal(await answer.text(), "PUT 1000000");
});

// Connections that are lost come back, with their services.
import assert from "node:assert/strict";
import { test } from "node:test";
import WebSocket from "ws";
import { connect, eventually, newId, rootToken, userToken } from "../support.mjs";

/** A WebSocket class that remembers its sockets, so that a test can cut them. */
function remembering() {
  const sockets = [];
  class Remembered extends WebSocket {
    constructor(...args) {
      super(...args);
      sockets.push(this);
    }
  }
  return [Remembered, sockets];
}

test("a cut connection comes back and its services work again", async (t) => {
  const token = userToken(newId("user"));
  const watcher = await connect(t, { token });
  const [WebSocketClass, sockets] = remembering();
  const client = await connect(t, { token, client_id: "cut", WebSocketClass });
  await client.registerService({ id: "hello", hi: () => "hi" });
  sockets.at(-1).terminate();
  await eventually(async () => {
    try {
      return sockets.length > 1 && (await (await watcher.getService("cut:hello")).hi()) === "hi";
    } catch {
      return false;
    }
  }, 20);
});

test("a kicked client comes back", async (t) => {
  const token = userToken(newId("user"));
  const watcher = await connect(t, { token });
  const client = await connect(t, { token, client_id: "kicked" });
  await client.registerService({ id: "hello", hi: () => "hi" });
  const root = await connect(t, { token: rootToken });
  const admin = await root.getService("admin-utils");
  await admin.kickout_client(client.config.workspace, "kicked");
  await eventually(async () => {
    try {
      return (await (await watcher.getService("kicked:hello")).hi()) === "hi";
    } catch {
      return false;
    }
  }, 20);
});

test("the reconnection token opens the same workspace", async (t) => {
  const first = await connect(t, { client_id: "again" });
  const { workspace, reconnection_token } = first.config;
  const keeper = await connect(t, { token: await first.generateToken(), workspace });
  await first.disconnect();
  const second = await connect(t, { client_id: "again", workspace, reconnection_token });
  assert.equal(second.config.workspace, workspace);
  assert.equal(await keeper.ping("again"), "pong");
});

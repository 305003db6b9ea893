// Connecting, and what the manager offers to JavaScript.
import assert from "node:assert/strict";
import { test } from "node:test";
import { claimsOf, connect, newId, ours, rootToken, serverUrl, userToken } from "../support.mjs";

test("an anonymous client gets a workspace of its own", async (t) => {
  const client = await connect(t, { client_id: "me" });
  assert.equal(client.config.client_id, "me");
  assert.match(client.config.workspace, /^ws-user-anonymouz-/);
  assert.equal(client.config.user.is_anonymous, true);
  assert.equal(client.config.public_base_url, serverUrl);
  assert.equal(client.config.reconnection_token_life_time, 172800);
});

test("a token leads home", async (t) => {
  const id = newId("user");
  const client = await connect(t, { token: userToken(id) });
  assert.equal(client.config.workspace, `ws-user-${id}`);
  assert.equal(client.config.user.email, `${id}@example.org`);
});

test("the root token gives root", async (t) => {
  const client = await connect(t, { token: rootToken });
  assert.equal(client.config.user.id, "root");
});

test("the manager's methods have camel case names", async (t) => {
  const client = await connect(t);
  for (const name of ["listServices", "getService", "registerService", "generateToken", "createWorkspace", "checkStatus"]) {
    assert.equal(typeof client[name], "function", name);
  }
  assert.equal(await client.echo("hello"), "hello");
  assert.equal((await client.checkStatus()).status, "ready");
});

test("a garbage token is refused", async (t) => {
  await assert.rejects(connect(t, { token: "garbage" }), /Authentication error: .*Error decoding token headers/);
});

test("an expired token is refused", async (t) => {
  const now = Math.floor(Date.now() / 1000);
  const token = userToken(newId("user"), { iat: now - 100, exp: now - 10 });
  await assert.rejects(connect(t, { token }), /The token has expired. Please fetch a new one/);
});

test("an unknown workspace is refused", async (t) => {
  const token = userToken(newId("user"));
  await assert.rejects(connect(t, { token, workspace: "no-such-place" }), /does not exist or is not accessible/);
});

test("a live duplicate is refused and the first goes on", ours, async (t) => {
  const token = userToken(newId("user"));
  const first = await connect(t, { token, client_id: "twin" });
  await assert.rejects(connect(t, { token, client_id: "twin" }), /Client already exists and is active/);
  assert.equal(await first.echo("alive"), "alive");
});

test("tokens", async (t) => {
  const id = newId("user");
  const client = await connect(t, { token: userToken(id) });
  const token = await client.generateToken({ permission: "admin", expires_in: 100 });
  const claims = claimsOf(token);
  assert.deepEqual(claims.scope.split(" "), [`ws:ws-user-${id}#a`, `wid:ws-user-${id}`]);
  assert.equal(claims.exp - claims.iat, 100);
  const guest = await connect(t, { token });
  assert.equal(guest.config.workspace, `ws-user-${id}`);
  assert.equal((await client.parseToken(token)).parent, id);
  await client.revokeToken(token);
  await assert.rejects(connect(t, { token }), /Token has been revoked/);
});

test("workspaces", async (t) => {
  const client = await connect(t, { token: userToken(newId("user")) });
  const name = newId("lab");
  assert.equal((await client.createWorkspace({ name, description: "from JS" })).id, name);
  assert.equal((await client.getWorkspaceInfo(name)).description, "from JS");
  await assert.rejects(client.createWorkspace({ name }), new RegExp(`Workspace already exists: ${name}`));
  await client.setEnv("KEY", "value");
  assert.equal(await client.getEnv("KEY"), "value");
  await client.deleteWorkspace(name);
});

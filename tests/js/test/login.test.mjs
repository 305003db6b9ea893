// The login of the official client: what it gets from the login service. The page itself is tested in a browser, from
// Python.
import assert from "node:assert/strict";
import { createRequire } from "node:module";
import { test } from "node:test";
import { newId, serverUrl, userToken } from "../support.mjs";

const { login, logout } = createRequire(import.meta.url)("hypha-rpc").hyphaWebsocketClient;
const quiet = { server_url: serverUrl, logger: null };

function signIn(token) {
  return async (context) => {
    const query = new URLSearchParams({ key: context.key, token });
    const answer = await fetch(`${context.report_url}?${query}`);
    assert.equal(answer.status, 200, await answer.text());
  };
}

test("a token", async () => {
  const token = userToken(newId("user"));
  assert.equal(await login({ ...quiet, login_callback: signIn(token), login_timeout: 10 }), token);
});

test("a profile, with a workspace and a life asked for", async () => {
  const id = newId("user");
  const token = userToken(id);
  const workspace = `ws-user-${id}`;
  let shown;
  const login_callback = async (context) => {
    shown = new URL(context.login_url).searchParams;
    await signIn(token)(context);
  };
  const profile = await login({ ...quiet, workspace, expires_in: 77, profile: true, login_callback });
  assert.equal(profile.token, token);
  assert.equal(profile.user_id, id);
  assert.equal(shown.get("workspace"), workspace);
  assert.equal(shown.get("expires_in"), "77");
});

test("logging out", async () => {
  const seen = [];
  await logout({ ...quiet, logout_callback: (context) => seen.push(context.logout_url) });
  assert.deepEqual(seen, [`${serverUrl}/public/apps/hypha-login/?logout=true&close=true`]);
});

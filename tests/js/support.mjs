// Connecting with the official client in Node, users and tokens for it, and a Python peer.
import { spawn } from "node:child_process";
import { createHmac, randomBytes } from "node:crypto";
import { createRequire } from "node:module";
import { createInterface } from "node:readline";
import { fileURLToPath } from "node:url";
import WebSocket from "ws";

// The client is made for browsers and looks for the global.
globalThis.WebSocket = WebSocket;

const require = createRequire(import.meta.url);
export const { connectToServer } = require("hypha-rpc").hyphaWebsocketClient;

export const serverUrl = process.env.HYPHA_TEST_URL;
export const rootToken = process.env.HYPHA_TEST_ROOT_TOKEN;
const secret = process.env.HYPHA_TEST_JWT_SECRET;

/** Options of a test of something that the original server gets wrong. */
export const ours = { skip: process.env.HYPHA_TEST_SERVER === "original" && "the original server gets this wrong" };

/** A random id with a readable beginning. */
export const newId = (prefix) => `${prefix}-${randomBytes(5).toString("hex")}`;

/** A token of a signed-in user: an HS256 JWT with the claims that the server expects. */
export function userToken(id, claims = {}) {
  const now = Math.floor(Date.now() / 1000);
  const part = (value) => Buffer.from(JSON.stringify(value)).toString("base64url");
  const signed = [
    part({ alg: "HS256", typ: "JWT" }),
    part({
      iss: "https://amun.ai/",
      sub: id,
      aud: "https://amun-ai.eu.auth0.com/api/v2/",
      iat: now,
      exp: now + 3600,
      scope: `ws:ws-user-${id}#a`,
      gty: "client-credentials",
      "https://amun.ai/roles": [],
      "https://amun.ai/email": `${id}@example.org`,
      ...claims,
    }),
  ].join(".");
  return `${signed}.${createHmac("sha256", secret).update(signed).digest("base64url")}`;
}

/** The claims of a token, unverified. */
export const claimsOf = (token) => JSON.parse(Buffer.from(token.split(".")[1], "base64url").toString());

/** Connect, and disconnect when the test `t` is over. */
export async function connect(t, config = {}) {
  const client = await connectToServer({
    server_url: serverUrl,
    client_id: newId("js"),
    method_timeout: 20,
    logger: null,
    ...config,
  });
  t.after(async () => {
    // The client still sends acknowledgements of what it just received; let them go out first.
    await sleep(100);
    // On a stream, the client aborts its own reading and leaves the rejected promise to the process: read to an end first.
    await client.rpc._connection?._reader?.cancel();
    await client.disconnect();
  });
  return client;
}

/** Two clients in the home workspace of a new user. */
export async function pair(t, config = {}) {
  const token = userToken(newId("user"));
  return [await connect(t, { token, ...config }), await connect(t, { token, ...config })];
}

/** Wait until `check()` is truthy; its value. */
export async function eventually(check, seconds = 5) {
  const deadline = Date.now() + seconds * 1000;
  for (;;) {
    const value = await check();
    if (value) return value;
    if (Date.now() > deadline) throw new Error(`still not so after ${seconds} s: ${check}`);
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
}

export const sleep = (ms) => new Promise((resolve) => setTimeout(resolve, ms));

/** Start `peer.py` in the user's home workspace; resolves when its services are registered. */
export async function pythonPeer(t, token) {
  const script = fileURLToPath(new URL("./peer.py", import.meta.url));
  const child = spawn(process.env.HYPHA_TEST_PYTHON, [script, serverUrl, token], { stdio: ["pipe", "pipe", "inherit"] });
  t.after(() => child.kill());
  const lines = createInterface({ input: child.stdout });
  await new Promise((resolve, reject) => {
    lines.on("line", (line) => line.trim() === "ready" && resolve());
    child.on("exit", (code) => reject(new Error(`the Python peer ended with ${code}`)));
  });
  return child;
}

// The JavaScript half of record.py: two clients that send each other everything there is.
// Usage: node --experimental-websocket record.mjs <url of the recording proxy>

import { createRequire } from "node:module";

const { hyphaWebsocketClient } = createRequire(import.meta.url)("hypha-rpc");
const { connectToServer } = hyphaWebsocketClient;
const url = process.argv[2];

async function attempt(promise) {
  try {
    return await promise;
  } catch (error) {
    return error;
  }
}

const worker = await connectToServer({ server_url: url, client_id: "worker", method_timeout: 4 });
const caller = await connectToServer({
  server_url: url,
  client_id: "caller",
  workspace: worker.config.workspace,
  token: await worker.generateToken(),
  method_timeout: 4,
  long_message_chunk_size: 1024,
});

await worker.registerService({
  id: "golden",
  config: { visibility: "public", require_context: ["withContext"] },
  echo: (...values) => values,
  count: async function* () {
    for (let i = 0; i < 3; i++) yield i;
  },
  fail: () => {
    throw new Error("on purpose");
  },
  progress: async (callback) => {
    await callback({ type: "info" });
    await new Promise((resolve) => setTimeout(resolve, 2500));
    return () => "later";
  },
  withContext: (value, context) => context.ws,
  ingest: (data) => data.length,
  produce: (n) => new Uint8Array(n),
});
const service = await caller.getService("golden");

const values = [
  null,
  undefined,
  true,
  [0, 127, 128, -32, -33, 255, 256, 65536, 2 ** 31, -(2 ** 31) - 1, 2 ** 40, Number.MAX_SAFE_INTEGER],
  [1.5, -0.5, Infinity, 1e300],
  ["", "x".repeat(32), "x".repeat(256), "äöü€😀"],
  Object.fromEntries(Array.from({ length: 20 }, (_, i) => [`k${i}`, i])),
  new Uint8Array([1, 2, 3]),
  new Float32Array([1, 2]),
  new Int16Array([1, -2]),
  new Uint8Array([1, 2]).buffer,
  new DataView(new ArrayBuffer(2)),
  new Map([["a", 1], ["b", [2]]]),
  new Set([1, 2]),
  new Error("as a value"),
  new Date(1700000000123),
  new Blob(["a file"]),
  { _rtype: "custom", x: [1] },
  { _rintf: true, read: () => 1 },
];
for (const value of values) {
  const result = await attempt(service.echo(value));
  if (result instanceof Error) console.log("not recorded:", String(value), result.message.split("\n")[0]);
}
await attempt(service.echo(1, { name: "x", _rkwargs: true }));
const items = await attempt(service.count());
if (items[Symbol.asyncIterator]) for await (const _ of items);
await attempt(service.fail());
await attempt(service.withContext(1));
const later = await attempt(service.progress(() => null));
if (typeof later === "function") await attempt(later());
await attempt(service.ingest(new Uint8Array(5000)));
await attempt(caller.emit({ type: "golden-event", to: "*", data: { n: 1 } }));
await attempt(caller.rpc.get_remote_service("nobody:default"));
await new Promise((resolve) => setTimeout(resolve, 500));
await caller.disconnect();
await worker.disconnect();
process.exit(0);

// A service in JavaScript that starts with the server.
import { createRequire } from "node:module";
const require = createRequire(process.env.TEST_MODULES);
// The client is made for browsers and looks for the global.
globalThis.WebSocket = require("ws");
const { hyphaWebsocketClient } = require("hypha-rpc");
const server = await hyphaWebsocketClient.connectToServer({
  server_url: process.env.HYPHA_SERVER_URL,
  workspace: process.env.HYPHA_WORKSPACE,
  token: process.env.HYPHA_TOKEN,
  client_id: "from-node",
});
await server.registerService({ id: "node-service", config: { visibility: "public" }, add: (a, b) => a + b });

// Artifacts with the official JavaScript client: camelCase names, and a map as last argument for arguments by name.
import assert from "node:assert/strict";
import { test } from "node:test";
import { connect, newId, userToken } from "../support.mjs";

test("an artifact is made, filled, committed and read", async (t) => {
  const client = await connect(t, { token: userToken(newId("user")) });
  const manager = await client.getService("public/artifact-manager");
  const made = await manager.create({ alias: "js", manifest: { name: "From JavaScript" }, stage: true });
  const put = await manager.putFile(made.id, { file_path: "a.txt" });
  assert.equal((await fetch(put, { method: "PUT", body: "hello" })).status, 200);
  await manager.commit(made.id);
  const url = await manager.getFile(made.id, { file_path: "a.txt" });
  assert.equal(await (await fetch(url)).text(), "hello");
  const files = await manager.listFiles(made.id);
  assert.deepEqual(files.map((line) => line.name), ["a.txt"]);
  assert.equal((await manager.read(made.id)).manifest.name, "From JavaScript");
});

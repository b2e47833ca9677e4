import assert from "node:assert/strict";
import net from "node:net";
import { isRefused } from "./knock.ts";

Deno.test("isRefused() tells a port that nobody listens on", async () => {
  const server = net.createServer((socket) => socket.on("error", () => {}));
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const { port } = server.address() as net.AddressInfo;
  assert.equal(await isRefused("127.0.0.1", port, 5_000), false);
  await new Promise((resolve) => server.close(resolve));
  assert.equal(await isRefused("127.0.0.1", port, 5_000), true);
});

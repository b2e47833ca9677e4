import assert from "node:assert/strict";
import { hasCode } from "../../actors/mod.ts";
import { openRegistry } from "./mod.ts";

Deno.test("openRegistry() opens the embedded registry once at a time, and it keeps its data", async () => {
  const data = await Deno.makeTempDir({ prefix: "orrery-registry-" });
  try {
    const first = await openRegistry("embedded", { data });
    await first.transact({ sets: [{ key: "a", value: Uint8Array.of(1) }] });
    await assert.rejects(openRegistry("embedded", { data }), (e) => hasCode(e, "in_use"));
    await first.close();
    await first.close(); // no error
    const second = await openRegistry("embedded", { data });
    assert.deepEqual((await second.get("a"))?.value, Uint8Array.of(1));
    await second.close();
  } finally {
    await Deno.remove(data, { recursive: true });
  }
});

Deno.test("openRegistry() refuses other addresses and files that are not there", async () => {
  await assert.rejects(openRegistry("managed", { data: "" }), TypeError); // opened by other means
  for (const where of ["", "redis://a", "/tmp/x", "https://", "etcd://"]) {
    await assert.rejects(openRegistry(where, { data: "" }), (e) => hasCode(e, "bad_url"), where);
  }
  await assert.rejects(
    openRegistry("etcd://a?ca=/nowhere/ca.pem", { data: "" }),
    (e) => hasCode(e, "bad_url") && e.message.includes("/nowhere/ca.pem"),
  );
});

Deno.test("openRegistry() gives a registry whose operations end where nobody answers", async () => {
  const listener = Deno.listen({ hostname: "127.0.0.1", port: 0 });
  const { port } = listener.addr;
  const silent = (async () => {
    const connections = [];
    for await (const connection of listener) connections.push(connection);
    for (const connection of connections) connection.close();
  })();
  const registry = await openRegistry(`etcd://127.0.0.1:${port}`, { data: "" });
  const options = { deadlineMs: 200 };
  const late = (e: unknown) => hasCode(e, "unavailable");
  await assert.rejects(registry.get("a", options), late);
  await assert.rejects(registry.list("a", options), late);
  await assert.rejects(registry.grant(1_000, options), late);
  await assert.rejects(registry.transact({ deletes: ["a"] }, options), late);
  await registry.close();
  listener.close();
  await silent;
});

Deno.test("openRegistry() throws unavailable where no denokv server listens", async () => {
  const listener = Deno.listen({ hostname: "127.0.0.1", port: 0 });
  const { port } = listener.addr;
  listener.close();
  await assert.rejects(
    openRegistry(`http://127.0.0.1:${port}`, { data: "" }),
    (e) => hasCode(e, "unavailable") && e.message.includes(String(port)),
  );
});

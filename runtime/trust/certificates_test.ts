import assert from "node:assert/strict";
import { X509Certificate } from "node:crypto";
import { checkClient } from "./certificates.ts";
import { createKey, signAuthority, signNode } from "./sign.ts";

const HOUR = 3600_000;

Deno.test("checkClient() takes clocks that are hours apart, and names both where they are too far", async () => {
  const key = await createKey();
  const pem = await signAuthority(key);
  const { client } = await signNode(key, pem, {
    publicKey: (await createKey()).keys.publicKey,
    node: "den:8421:0001",
    untilMs: Date.now() + 24 * HOUR,
    takesJoins: false,
  });
  const { raw } = new X509Certificate(client);
  const at = (hours: number) =>
    checkClient(raw, new X509Certificate(pem), Date.now() + hours * HOUR);
  for (const hours of [-23, -5, 0, 7, 23]) assert.equal(at(hours).node, "den:8421:0001");
  for (const hours of [-25, 25]) {
    const said = /by the clock of the node that signed it, and this node's clock says 20\d\d-/;
    assert.throws(() => at(hours), said);
  }
});

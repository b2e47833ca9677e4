import assert from "node:assert/strict";
import { hasCode } from "../../actors/mod.ts";
import { TestCluster } from "../../tests/support/trust.ts";
import { listen, newNodeId } from "./listen.ts";

const host = "127.0.0.1";

Deno.test("newNodeId() makes an id of the name, the port and random digits", () => {
  assert.match(newNodeId({ mailboxPort: 0, name: "left pc/1" }), /^left-pc-1:0:[0-9a-f]{4}$/);
  assert.match(newNodeId({ mailboxPort: 8421 }), /^[A-Za-z0-9.-]+:8421:[0-9a-f]{4}$/);
});

Deno.test("listen() throws port_in_use and names the address", async () => {
  await using cluster = await TestCluster.create();
  const node = newNodeId({ mailboxPort: 0 });
  const tls = await cluster.first(node);
  const mailbox = await listen({ node, host, advertise: host, mailboxPort: 0, tls });
  try {
    assert.equal(mailbox.node, node);
    assert.equal(mailbox.address.host, host);
    const { port } = mailbox.address;
    await assert.rejects(
      listen({ node, host, advertise: host, mailboxPort: port, tls }),
      (e) =>
        hasCode(e, "port_in_use") && e.message.startsWith(`mailbox address ${host}:${port} is`),
    );
  } finally {
    await mailbox.close();
  }
});

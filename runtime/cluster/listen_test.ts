import assert from "node:assert/strict";
import { hasCode } from "../../actors/mod.ts";
import { listen } from "./listen.ts";

const host = "127.0.0.1";

Deno.test("listen() makes an id of the name, the port and random digits", async () => {
  const mailbox = await listen({ host, mailboxPort: 0, name: "left pc/1" });
  try {
    assert.match(mailbox.node, /^left-pc-1:0:[0-9a-f]{4}$/);
    assert.equal(mailbox.address.host, host);
  } finally {
    await mailbox.close();
  }
});

Deno.test("listen() throws port_in_use and names the address", async () => {
  const mailbox = await listen({ host, mailboxPort: 0 });
  try {
    const { port } = mailbox.address;
    await assert.rejects(
      listen({ host, mailboxPort: port }),
      (e) =>
        hasCode(e, "port_in_use") && e.message.startsWith(`mailbox address ${host}:${port} is`),
    );
  } finally {
    await mailbox.close();
  }
});

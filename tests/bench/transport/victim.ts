/**
 * The process that is attacked: a mailbox that takes connections, and dials the peers whose ports it
 * is told. It prints its own port, and whether its event loop still turns.
 *
 * @module
 */
// deno-lint-ignore-file no-console -- it talks to the process that started it
import { createMailbox } from "../../../runtime/mailbox/mod.ts";

const ports: number[] = JSON.parse(Deno.args[0]);
const mailbox = await createMailbox({
  node: "victim",
  accept: () => true,
  limits: {
    backoffMinMs: 1,
    backoffMaxMs: 5,
    helloTimeoutMs: 500,
    pingIntervalMs: 20,
    pingTimeoutMs: 300,
    maxConnections: 4_096,
  },
});
mailbox.start({ receive: () => {}, peerLost: () => {} });
console.log(`port ${mailbox.port}`);
for (const port of ports) mailbox.addPeer(`p${port}`, "127.0.0.1", port);
setInterval(() => console.log(`alive ${Deno.memoryUsage().rss}`), 500);

/**
 * The same actor on another node: only the transport differs. Here two mailboxes talk HTTP/2 over
 * loopback.
 *
 *     deno run --allow-net examples/02_two_nodes.ts
 */
// deno-lint-ignore-file no-console -- an example prints what it shows
import { z } from "zod";
import { ActorSystem, defineActor, directoryOf } from "../actors/mod.ts";
import { createMailbox, systemClock } from "../runtime/mod.ts";

const summer = defineActor({
  kind: "summer",
  config: z.object({}),
  messages: { sum: z.object({ values: z.instanceof(Float32Array) }) },
  create: () => ({ sum: ({ values }) => values.reduce((a, b) => a + b, 0) }),
});

// Summers live on node "right", wherever they are called from.
const directory = directoryOf((to) => to.includes("/summer/") ? "right" : "left");
const mailboxes = await Promise.all(["left", "right"].map((node) => createMailbox({ node })));
const [left, right] = mailboxes.map((transport) =>
  new ActorSystem({ transport, directory, clock: systemClock, random: Math.random })
);
right.register(summer, { config: {} });
mailboxes[0].addPeer("right", mailboxes[1].address.host, mailboxes[1].address.port);
mailboxes[1].addPeer("left", mailboxes[0].address.host, mailboxes[0].address.port);

const values = Float32Array.from({ length: 1000 }, (_, i) => i);
console.log("sum", await left.ask("demo/summer/a", { type: "sum", values }, { deadlineMs: 5_000 }));

await Promise.all([left.close(), right.close()]);

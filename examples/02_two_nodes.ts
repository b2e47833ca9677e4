/**
 * The same on two nodes: only the transport and the directory differ. Here two mailboxes talk
 * HTTP/2 over loopback, as two machines would over a network.
 *
 *     deno run --allow-net examples/02_two_nodes.ts
 */
// deno-lint-ignore-file no-console -- an example prints what it shows
import { createMailbox } from "@orrery/orrery";
import { anyNode, createSystem, defineActor, directoryOf } from "@orrery/orrery/actors";
import { z } from "zod";

const summer = defineActor({
  kind: "summer",
  config: z.object({}),
  messages: { sum: z.object({ values: z.instanceof(Float32Array) }) },
  callers: anyNode, // without it, only actors of its own node may ask
  create: () => ({ sum: ({ values }) => values.reduce((a, b) => a + b, 0) }),
});

// Every actor lives on node "right", wherever it is called from.
const directory = directoryOf(() => "right");
const [toLeft, toRight] = await Promise.all(
  ["left", "right"].map((node) => createMailbox({ node })),
);
toLeft.addPeer("right", toRight.address.host, toRight.address.port);
toRight.addPeer("left", toLeft.address.host, toLeft.address.port);

const left = createSystem([], { transport: toLeft, directory });
const right = createSystem([summer], { transport: toRight, directory });

const values = Float32Array.from({ length: 1000 }, (_, i) => i);
console.log("sum", await left.get(summer, "a").sum({ values }, { deadlineMs: 5_000 }));
console.log("active on right:", right.status().map((actor) => actor.address).join());

await Promise.all([left.close(), right.close()]);
console.log("next: examples/03_supervision.ts shows what happens where one fails");

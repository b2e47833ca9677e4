/**
 * One actor, one node: the first message activates it, it handles one message at a time, and an ask
 * gets what the handler returns, with the handler's type.
 *
 *     deno run examples/01_counter.ts
 */
// deno-lint-ignore-file no-console -- an example prints what it shows
import { createSystem, defineActor } from "@orrery/orrery/actors";
import { z } from "zod";

const counter = defineActor({
  kind: "counter",
  config: z.object({ start: z.number() }),
  messages: { add: z.object({ n: z.number() }), read: z.object({}) },
  create(_ctx, { start }) {
    let count = start;
    return {
      add: ({ n }) => void (count += n),
      read: () => count,
    };
  },
});

const system = createSystem([{ actor: counter, config: { start: 40 } }]);
const [a, b] = [system.get(counter, "a"), system.get(counter, "b")];

await a.tell.add({ n: 2 });
const doubled: number = 2 * await a.read(); // `read` answers a number; nothing is cast
console.log(`a counts ${doubled / 2}, b counts ${await b.read()}`);

// An address may come from outside, untyped. What does not fit the actor's messages is refused,
// with what was expected and where.
await system.ask("default/counter/a", { type: "add", n: "two" }).catch((error) =>
  console.log("refused:", error.message)
);
await system.close();
console.log("next: examples/02_two_nodes.ts puts the actor on another node");

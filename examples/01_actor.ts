/**
 * One actor, one node: the first message activates it, messages are handled one at a time, an ask
 * gets the handler's result.
 *
 *     deno run examples/01_actor.ts
 */
// deno-lint-ignore-file no-console -- an example prints what it shows
import { z } from "zod";
import { ActorSystem, defineActor, directoryOf, LocalNetwork } from "../actors/mod.ts";
import { systemClock } from "../runtime/mod.ts";

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

const system = new ActorSystem({
  transport: new LocalNetwork().connect("here"),
  directory: directoryOf(() => "here"),
  clock: systemClock,
  random: Math.random,
});
system.register(counter, { config: { start: 40 } });

await system.tell("demo/counter/a", { type: "add", n: 2 });
console.log("a counts", await system.ask("demo/counter/a", { type: "read" }));
console.log("b counts", await system.ask("demo/counter/b", { type: "read" }));

// What does not fit the actor's messages is refused, with what was expected and where.
await system.tell("demo/counter/a", { type: "add", n: "two" }).catch((error) =>
  console.log("refused:", error.message)
);
await system.close();

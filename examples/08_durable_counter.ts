/**
 * A counter that loses no count: its state is kept in a registry, here a file. Run it twice, and it
 * goes on counting. A message that is sent twice under one key counts once, and an alarm comes even
 * if nobody is there when it is due.
 *
 *     deno run -A examples/08_durable_counter.ts
 */
// deno-lint-ignore-file no-console -- an example prints what it shows
import { createSystem, defineActor, durableStore } from "@orrery/orrery/actors";
import { openRegistry } from "@orrery/orrery";
import { z } from "zod";

const counter = defineActor({
  kind: "counter",
  config: z.object({}),
  state: z.object({ count: z.number(), alarms: z.number() }).default({ count: 0, alarms: 0 }),
  alarms: true,
  messages: {
    add: z.object({ n: z.number() }),
    read: z.object({}),
    remind: z.object({ in_ms: z.number() }),
    reminded: z.object({}),
    crash: z.object({}),
  },
  create(ctx) {
    const { state } = ctx;
    return {
      add: ({ n }) => state.update((s) => ({ ...s, count: s.count + n })).count,
      read: () => state.value,
      remind: ({ in_ms }) => ctx.alarm(ctx.date() + in_ms, { type: "reminded" }, { name: "soon" }),
      reminded: () => void state.update((s) => ({ ...s, alarms: s.alarms + 1 })),
      crash() {
        state.update((s) => ({ ...s, count: -1 })); // taken back, as the handler does not end
        throw new RangeError("a defect");
      },
    };
  },
});

const registry = await openRegistry("embedded", { data: ".orrery/counter" });
/** One life of the program. */
const live = async () => createSystem([counter], { durable: await durableStore(registry) });

let system = await live();
let a = system.get(counter, "a");
const before = (await a.read()).count;
await a.add({ n: 1 });
await a.add({ n: 1 }, { idempotencyKey: "order-17" });
await a.add({ n: 1 }, { idempotencyKey: "order-17" }); // sent again, counted once, ever
await a.crash().catch(() => console.log("it crashed"));
console.log("counted", (await a.read()).count - before);
await a.remind({ in_ms: 200 });
await system.close();

await new Promise((resolve) => setTimeout(resolve, 300)); // nobody is there when the alarm is due
system = await live();
a = system.get(counter, "a");
while ((await a.read()).alarms === 0) await new Promise((resolve) => setTimeout(resolve, 10));
console.log("after a restart", await a.read());
await system.close();
await registry.close();
console.log("next: run it again: it goes on counting");

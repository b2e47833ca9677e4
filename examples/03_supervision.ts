/**
 * What happens when an actor fails: an error that the actor throws on purpose is an answer, any
 * other error is a crash, and a crash restarts the actor. Too many crashes, and the actor refuses
 * messages for a while. Nothing is lost silently: a message whose handler crashed is a dead letter.
 *
 *     deno run examples/03_supervision.ts
 */
// deno-lint-ignore-file no-console -- an example prints what it shows
import { createSystem, defineActor, OrreryError } from "@orrery/orrery/actors";
import { z } from "zod";

const till = defineActor({
  kind: "till",
  config: z.object({}),
  messages: { pay: z.object({ cents: z.number() }), total: z.object({}) },
  policy: { restarts: { max: 1, withinMs: 60_000 } },
  create(ctx) {
    let total = 0;
    ctx.onStop(() => console.log(`${ctx.self} stops with ${total} cents`));
    return {
      pay({ cents }) {
        if (cents === 0) {
          throw new OrreryError({
            group: "till",
            code: "no_money",
            message: "pay more than 0 cents",
          });
        }
        if (cents < 0) throw new RangeError("a defect: nobody thought of negative amounts");
        total += cents;
      },
      total: () => total,
    };
  },
});

const system = createSystem([till], {
  onCrash: (address, { message }) => console.log(`${address} crashed: ${message}`),
  onDeadLetter: ({ type, error }) => console.log(`dead letter ${type}: ${error.code}`),
});
const shop = system.get(till, "shop");
const pay = (cents: number) =>
  shop.pay({ cents }).catch(({ code, message }) =>
    console.log(`pay ${cents}: ${code}, ${message}`)
  );

await pay(250);
await pay(0); // an answer: the actor goes on with what it had
console.log("total", await shop.total());
await pay(-1); // a crash: what it had is gone, unless it was kept elsewhere
console.log("total after a restart", await shop.total());
await pay(-1); // one crash more than the policy allows
await pay(100);
await system.close();
console.log("next: examples/08_durable_counter.ts keeps what it counted beyond a crash");

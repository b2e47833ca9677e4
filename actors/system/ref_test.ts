import assert from "node:assert/strict";
import { z } from "zod";
import { createSystem } from "./create_system.ts";
import { defineActor } from "./define.ts";
import { hasCode, OrreryError } from "./errors.ts";
import type { RefOf } from "./ref.ts";

const counter = defineActor({
  kind: "counter",
  config: z.object({ start: z.number().default(0) }),
  messages: {
    add: z.object({ n: z.number() }),
    read: z.object({}),
    later: z.object({ word: z.string().optional() }),
    fail: z.object({}),
  },
  create(_ctx, { start }) {
    let count = start;
    return {
      add: ({ n }) => void (count += n),
      read: () => count,
      later: async ({ word }) => await Promise.resolve(word ?? "none"),
      fail: (): never => {
        throw new OrreryError({ group: "test", code: "no", message: "no" });
      },
    };
  },
});

Deno.test("ActorSystem.get() gives a ref whose answers have the handlers' types", async () => {
  const system = createSystem([counter]);
  const a = system.get(counter, "a");
  assert.equal(a.address, "default/counter/a");
  await a.tell.add({ n: 2 });
  const n: number = await a.read();
  const word: string = await a.later();
  assert.deepEqual([n, word, await a.later({ word: "x" })], [2, "none", "x"]);
  await assert.rejects(a.fail(), (e) => hasCode(e, "no"));
  await system.close();
});

Deno.test("ActorSystem.get() refuses what the definition does not have, at type check", () => {
  const unused = (a: RefOf<typeof counter>) => {
    // @ts-expect-error: the actor has no such message
    a.subtract;
    // @ts-expect-error: `n` is missing
    a.tell.add();
    // @ts-expect-error: `n` is a number
    void a.add({ n: "two" });
    // @ts-expect-error: `read` answers a number
    const wrong: Promise<string> = a.read();
    return wrong;
  };
  assert.equal(typeof unused, "function");
});

Deno.test("ActorSystem.get() takes the deployment from its options, else from the definition", async () => {
  const placed = defineActor({
    kind: "placed",
    deployment: "home",
    config: z.object({}),
    messages: { where: z.object({}) },
    create: (ctx) => ({ where: () => ctx.self }),
  });
  const system = createSystem([placed]);
  assert.equal(await system.get(placed, "x").where(), "home/placed/x");
  assert.equal(await system.get(placed, "x", { deployment: "away" }).where(), "away/placed/x");
  assert.throws(() => system.get(placed, "a/b"), (e) => hasCode(e, "invalid_address"));
  await system.close();
});

Deno.test("ActorSystem.at() refuses an address of another kind", async () => {
  const system = createSystem([counter]);
  assert.equal(await system.at(counter, "d/counter/a").read(), 0);
  assert.throws(() => system.at(counter, "d/clock/a"), (e) => hasCode(e, "invalid_address"));
  await system.close();
});

Deno.test("ActorContext.get() asks as the actor itself, and ends with the activation", async () => {
  const parent = defineActor({
    kind: "parent",
    config: z.object({}),
    messages: { sum: z.object({ keys: z.array(z.string()) }) },
    create: (ctx) => ({
      async sum({ keys }) {
        let total = 0;
        for (const key of keys) total += await ctx.get(counter, key).read();
        return total;
      },
    }),
  });
  const system = createSystem([parent, { actor: counter, config: { start: 5 } }]);
  assert.equal(await system.get(parent, "p").sum({ keys: ["a", "b"] }), 10);
  await system.close();
});

Deno.test("defineActor() refuses messages whose names every ref has", () => {
  for (const name of ["address", "tell", "then"]) {
    assert.throws(
      () =>
        defineActor({
          kind: "odd",
          config: z.object({}),
          messages: { [name]: z.object({}) },
          create: () => ({}) as never,
        }),
      new RegExp(`odd has a message ${name}`),
    );
  }
});

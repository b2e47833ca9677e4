import assert from "node:assert/strict";
import { z } from "zod";
import { defineActor, type Message, OrreryError, testActor } from "../system/mod.ts";
import { arenaMessages, type OpenArena, OpenArenas } from "./open_arenas.ts";

const ARBITER = "d/arbiter/n";

/** An actor with arenas and nothing else. */
const keeper = defineActor({
  kind: "keeper",
  config: z.object({}),
  messages: { open: z.object({ arena: z.string() }), ...arenaMessages },
  create(ctx) {
    const arenas = new OpenArenas<OpenArena>(ctx, { leaseMs: 300_000, ended: "freed it" });
    ctx.onStop(() => ctx.tell("d/log/main", { type: "ended", at: ctx.now() }));
    return {
      open({ arena }) {
        const state: OpenArena = { replyTo: ARBITER, until: 0, cancelled: new Set() };
        arenas.renew(state);
        arenas.open(arena, state);
      },
      cancel: ({ arena, seqs }) => arenas.cancel(arena, seqs),
      touch: ({ arena }) => arenas.touch(arena),
      close: ({ arena }) => arenas.close(arena),
      warm: () => ({}),
      retire: (how) => arenas.retire(how),
    };
  },
});

/** The actor with an open arena, told to retire; `arbiter` answers what it then asks its arbiter. */
async function retired(arbiter: () => unknown) {
  const t = testActor(keeper, {
    config: {},
    others: (_, { type }: Message) => type === "retiring" ? arbiter() : undefined,
  });
  await t.ref.open({ arena: "a" });
  await t.ref.retire({});
  const asked = () => t.sent.filter(({ message }) => message.type === "retiring").length;
  /** When it has ended, milliseconds; undefined: it goes on. */
  const endedAt = () => t.sent.find(({ message }) => message.type === "ended")?.message.at;
  return { t, asked, endedAt };
}

const error = (code: string) => new OrreryError({ group: "actor", code, message: "-" });

Deno.test("OpenArenas.retire() frees an arena whose arbiter has ended, or has no such arena", async () => {
  for (const arbiter of [() => false, () => Promise.reject(error("not_active"))]) {
    const { t, endedAt } = await retired(arbiter);
    await t.advance(1_000);
    assert.ok(Number(endedAt()) < 1_000, "before its lease ends");
    await t[Symbol.asyncDispose]();
  }
});

Deno.test("OpenArenas.retire() asks an arbiter that is late again, and waits for the one that has the arena", async () => {
  let late = 2;
  const { t, asked, endedAt } = await retired(() => late-- > 0 ? new Promise(() => {}) : false);
  await t.advance(15_000);
  assert.deepEqual([asked(), endedAt()], [2, undefined]);
  await t.advance(10_000);
  assert.deepEqual([asked(), typeof endedAt()], [3, "number"]);
  await t[Symbol.asyncDispose]();

  for (const answer of [true, undefined]) { // an arbiter of an earlier version says nothing
    const { t, asked, endedAt } = await retired(() => answer);
    await t.advance(30_000);
    assert.deepEqual([asked(), endedAt()], [1, undefined]);
    await t.ref.touch({ arena: "a" });
    await t.advance(1);
    assert.equal(asked(), 2);
    await t.ref.close({ arena: "a" });
    await t.advance(1);
    assert.equal(typeof endedAt(), "number");
    await t[Symbol.asyncDispose]();
  }
});

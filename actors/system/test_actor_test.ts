import assert from "node:assert/strict";
import { z } from "zod";
import { defineActor } from "./define.ts";
import { hasCode, OrreryError } from "./errors.ts";
import { testActor } from "./test_actor.ts";

const counter = defineActor({
  kind: "counter",
  config: z.object({ step: z.number() }),
  state: z.object({ count: z.number() }).default({ count: 0 }),
  alarms: true,
  messages: {
    add: z.object({}),
    read: z.object({}),
    reset: z.object({}),
    soon: z.object({ ms: z.number() }),
    look_up: z.object({ word: z.string() }),
    crash: z.object({}),
  },
  create: (ctx, { step }) => ({
    add() {
      ctx.alarm(ctx.date() + 86_400_000, { type: "reset" }, { name: "reset" });
      return ctx.state.update(({ count }) => ({ count: count + step })).count;
    },
    read: () => ctx.state.value.count,
    reset: () => ctx.state.clear(),
    soon: ({ ms }) =>
      void ctx.after(ms, () => void ctx.tell("default/log/main", { type: "note", at: ctx.now() })),
    look_up: ({ word }) =>
      ctx.ask("default/dictionary/main", { type: "find", word }, { deadlineMs: 2_000 }),
    crash() {
      ctx.state.set({ count: -1 });
      throw new Error("on purpose");
    },
  }),
});

Deno.test("testActor() runs an actor alone, with its state, alarms and restarts, in virtual time", async () => {
  await using t = testActor(counter, { config: { step: 2 }, date: 1_000 });
  assert.equal(t.state, undefined);
  assert.deepEqual(await Promise.all([t.ref.add(), t.ref.add()]), [2, 4]);
  assert.deepEqual(t.state, { count: 4 });
  assert.deepEqual(t.alarms, [{ name: "reset", at: 86_401_000, message: { type: "reset" } }]);
  await assert.rejects(t.ref.crash(), (error) => hasCode(error, "internal"));
  assert.deepEqual(t.crashes, ["on purpose"]);
  await t.restart();
  assert.equal(await t.ref.read(), 4);
  await t.advance(86_400_000);
  assert.deepEqual([await t.ref.read(), t.alarms], [0, []]);
});

Deno.test("testActor() answers for others, and keeps what the actor has sent them", async () => {
  await using t = testActor(counter, {
    config: { step: 1 },
    others(to, { word }) {
      if (word === "missing") {
        throw new OrreryError({ group: "test", code: "no_word", message: "-" });
      }
      if (word === "slow") return new Promise(() => {});
      return `${word} at ${to}`;
    },
  });
  assert.equal(await t.ref.look_up({ word: "rain" }), "rain at default/dictionary/main");
  await assert.rejects(t.ref.look_up({ word: "missing" }), (error) => hasCode(error, "no_word"));
  const before = t.now;
  await assert.rejects(t.ref.look_up({ word: "slow" }), (e) => hasCode(e, "deadline_exceeded"));
  assert.ok(t.now - before >= 2_000, "its deadline is one of virtual time");
  await t.ref.soon({ ms: 5_000 });
  const start = t.now;
  await t.advance(4_999);
  assert.equal(t.sent.length, 3);
  await t.advance(1);
  assert.deepEqual(t.sent[3], {
    to: "default/log/main",
    asked: false,
    message: { type: "note", at: start + 5_000 },
  });
});

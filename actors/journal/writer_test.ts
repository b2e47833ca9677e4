import assert from "node:assert/strict";
import type { Registry } from "../registry/mod.ts";
import { Simulation } from "../system/mod.ts";
import { JournalEntry } from "./entry.ts";
import type { AppendedMessage } from "./messages.ts";
import { JournalWriter } from "./writer.ts";

/**
 * A writer with the nodes "b" and "c" in virtual time, and how often a holder was named. Its node
 * notices deadlines `lagMs` too late, and reads the answers of its holder after `answerMs`.
 */
function world({ lagMs, answerMs }: { lagMs: number; answerMs: number }) {
  const sim = new Simulation({ seed: 1 });
  let named = 0;
  const registry = {
    transact: () => Promise.resolve({ ok: true, revision: ++named }),
    list: () => Promise.resolve({ entries: [] }),
  } as unknown as Registry;
  const entries: JournalEntry[] = [];
  const writer = new JournalWriter({
    ...{ node: "a", clock: sim.clock, date: () => 0, random: () => sim.random() },
    peers: () => ["b", "c"],
    registry: () => registry,
    entries: () => entries,
    append: (_holder, _message, { deadlineMs }) =>
      new Promise<AppendedMessage>((resolve, reject) => {
        if (answerMs <= deadlineMs) {
          sim.clock.after(answerMs, () => resolve({ state: "kept", missing: [], refused: [] }));
        } else sim.clock.after(deadlineMs + lagMs, () => reject(new Error("no answer")));
      }),
    onTaken: () => assert.fail("nobody takes the journal"),
    onUnavailable: () => assert.fail("a holder can be named"),
  });
  /** Adds a record, and lets time pass. */
  const append = async (forMs: number) => {
    const entry = new JournalEntry({ id: "0".repeat(32), request: "", owner: "", keep_ms: 0 });
    entry.add(["record"]);
    entries.push(entry);
    writer.submit(entry);
    await sim.run({ forMs });
    return entry;
  };
  writer.members();
  return { sim, writer, append, named: () => named };
}

Deno.test("JournalWriter.submit() names another holder where one does not answer in time", async () => {
  const { sim, writer, append, named } = world({ lagMs: 0, answerMs: Infinity });
  await sim.run({ forMs: 100 });
  assert.deepEqual([writer.holder, named()], ["b", 1]);
  await append(1_050);
  assert.deepEqual([writer.holder, named()], ["c", 2]);
});

Deno.test("JournalWriter.submit() keeps a holder whose answers this node reads late, as it lags", async () => {
  const { sim, writer, append, named } = world({ lagMs: 600, answerMs: 1_700 });
  await sim.run({ forMs: 100 });
  const entry = await append(5_000);
  assert.equal(entry.certain, 1);
  assert.deepEqual([writer.holder, named()], ["b", 1]);
});

Deno.test("JournalWriter.submit() names another holder in the end where one is silent while this node lags", async () => {
  const { sim, writer, append, named } = world({ lagMs: 600, answerMs: Infinity });
  await sim.run({ forMs: 100 });
  await append(4_000);
  assert.equal(named(), 1);
  await append(3_000);
  assert.deepEqual([writer.holder, named()], ["c", 2]);
});

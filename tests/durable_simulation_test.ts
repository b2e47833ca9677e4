/**
 * Durable actors under the simulator: the worlds of ownership (crashes in the middle of a save,
 * processes that stand still, cut and lossy lines, requests that land late, two owners), with
 * ledgers whose totals are states. Each add has a mark, half of them are sent again under a key, and
 * each sets an alarm. Stores that are broken on purpose must be noticed.
 */
import assert from "node:assert/strict";
import type { DurableStore, KeptActor } from "../actors/mod.ts";
import { runWorlds } from "./support/ownership/run_worlds.ts";
import type { Variant, WorldReport } from "./support/ownership/world.ts";
import { BROKEN } from "./support/ownership/variants.ts";

const SEEDS = 30;

const run = async (seeds: number[], make: () => Variant): Promise<WorldReport[]> => {
  const reports: WorldReport[] = [];
  await runWorlds(seeds, (report) => reports.push(report), make);
  return reports;
};
const seeds = Array.from({ length: SEEDS }, (_, i) => i + 1);

/** A store whose saves are replaced. */
const saving = (
  store: DurableStore,
  save: (kept: (actor: KeptActor) => Promise<void>, actor: KeptActor) => Promise<void>,
): DurableStore => ({
  alarms: (options) => store.alarms(options),
  async open(to, options) {
    const record = await store.open(to, options);
    return { kept: record.kept, save: (actor) => save((a) => record.save(a), actor) };
  },
});

/** Of some saves that have landed nobody is told: the activation ends, and the next one reads. */
function unsureSaving() {
  let saves = 0;
  return async (save: (actor: KeptActor) => Promise<void>, actor: KeptActor) => {
    await save(actor);
    if (++saves % 7 === 0) throw new Error("nobody knows whether it was saved");
  };
}

Deno.test("DurableStates loses no add, doubles none and rings each alarm once, on every seed", async () => {
  const reports = await run(seeds, () => ({ durable: (store) => saving(store, unsureSaving()) }));
  const wrong = reports.filter(({ problems }) => problems.length > 0);
  assert.deepEqual(wrong.map(({ seed, problems }) => `${seed}: ${problems[0]}`), []);
  const answered = reports.reduce((all, report) => all + report.answered, 0);
  assert.ok(answered > 20 * SEEDS, `${answered} asks were answered`);
});

const unanswered = BROKEN.find(({ name }) => name.includes("without an answer"))!;
const broken: Record<string, () => Variant> = {
  "an answer that leaves before it is saved": () => ({
    durable: (store) =>
      saving(store, (save, actor) => {
        save(actor).catch(() => {});
        return Promise.resolve();
      }),
  }),
  "answers that are not kept": () => ({
    durable: (store) => {
      const unsure = unsureSaving();
      return saving(store, (save, actor) => unsure(save, { ...actor, answers: [] }));
    },
  }),
  "a write without an answer that counts as landed": () => ({
    ...unanswered.make(),
    durable: (store) => store,
  }),
};
for (const [name, make] of Object.entries(broken)) {
  Deno.test(`DurableStates is noticed to be broken with ${name}`, async () => {
    const reports = await run(seeds, make);
    const first = reports.sort((a, b) => a.seed - b.seed).find((r) => r.problems.length > 0);
    assert.ok(first, `no seed of ${SEEDS} shows it`);
    assert.match(first.problems[0], /twice|two adds|after/);
  });
}

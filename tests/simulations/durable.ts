/**
 * Durable actors: the worlds of ownership (crashes in the middle of a save, processes that stand
 * still, cut and lossy lines, requests that land late, two owners), with ledgers whose totals are
 * states. Each add has a mark, half of them are sent again under a key, and each sets an alarm.
 *
 * @module
 */
import type { DurableStore, KeptActor } from "../../actors/mod.ts";
import { BROKEN } from "../support/ownership/variants.ts";
import type { Variant } from "../support/ownership/world.ts";
import { runOwners } from "./ownership.ts";
import { seedsFrom, type SimulationArea } from "./simulation_area.ts";

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

const unanswered = BROKEN.find(({ name }) => name.includes("without an answer"))!;
const BREAKS: Record<string, () => Variant> = {
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

/** See the module's text. */
export const DURABLE: SimulationArea = {
  name: "durable",
  promise: "no add is lost or doubled, and each alarm rings once",
  share: 10,
  run: (seed) => runOwners(seed, () => ({ durable: (store) => saving(store, unsureSaving()) })),
  least: { answers: 20 },
  broken: Object.entries(BREAKS).map(([name, make]) => ({
    ...{ name, shows: /twice|two adds|after/, seeds: seedsFrom(1, 30) },
    run: (seed) => runOwners(seed, make),
  })),
};

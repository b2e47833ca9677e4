import assert from "node:assert/strict";
import type { StageEngine } from "../../actors/mod.ts";
import type { StoredModel } from "../../models/mod.ts";
import type { StageToLoad } from "./engines_to_load.ts";
import type { LoadedLayers } from "./stage_loader.ts";
import { WarmEngines } from "./warm_engines.ts";

const STORED = { dir: "/m", manifest: { name: "m" } } as unknown as StoredModel;
const layers = (first: number, last: number): LoadedLayers => ({ node: "n1", first, last });
const stage = (first: number, last: number): StageToLoad => ({
  kind: "stage",
  stored: STORED,
  layers: layers(first, last),
});
const valid = () => true;

/** Engines that write down when they are loaded and disposed of. */
function world() {
  const events: string[] = [];
  /** Addresses for which there is no room ahead. */
  const full = new Set<string>();
  let hold: Promise<void> | undefined;
  const warm = new WarmEngines({
    load: async (to, _, { first, last, spare = false }) => {
      if (spare && full.has(to)) throw new Error("not enough memory");
      await hold;
      events.push(`${to} loads ${first}-${last}${spare ? " ahead" : ""}`);
      return {
        dispose() {
          events.push(`${to} ends`);
          return Promise.resolve();
        },
      } as unknown as StageEngine;
    },
    loadHead: () => Promise.reject(new Error("no head")),
  });
  const keep = (all: Record<string, StageToLoad>) =>
    warm.keep("d", { all: new Map(Object.entries(all)), valid });
  return { warm, events, full, keep, holdBack: (by: Promise<void>) => void (hold = by) };
}

/** Waits until so many are loaded, or being loaded, ahead. */
async function begun(warm: WarmEngines, count: number): Promise<void> {
  while (warm.addresses.length < count) await new Promise((resolve) => setTimeout(resolve, 1));
}

Deno.test("WarmEngines.load() hands over what was loaded ahead, and loads what was not", async () => {
  const { warm, events, keep } = world();
  await keep({ "d/stage/1": stage(4, 7) });
  assert.deepEqual(warm.addresses, ["d/stage/1"]);
  await warm.load("d/stage/1", STORED, layers(4, 7));
  assert.deepEqual(events, ["d/stage/1 loads 4-7 ahead"]);
  assert.deepEqual(warm.addresses, []);
  await warm.load("d/stage/1", STORED, layers(4, 7));
  assert.deepEqual(events.splice(0), ["d/stage/1 loads 4-7 ahead", "d/stage/1 loads 4-7"]);
});

Deno.test("WarmEngines.load() makes room first: what nobody needs yet is unloaded", async () => {
  const { warm, events, keep } = world();
  await keep({ "d/stage/0": stage(0, 3), "d/stage/1": stage(4, 7) });
  events.length = 0;
  // The same address with other layers is not what was loaded.
  await warm.load("d/stage/1", STORED, layers(5, 7));
  assert.deepEqual(events, ["d/stage/0 ends", "d/stage/1 ends", "d/stage/1 loads 5-7"]);
  assert.deepEqual(warm.addresses, []);
});

Deno.test("WarmEngines.keep() unloads what is not named any more, and leaves out what has no room", async () => {
  const { warm, events, full, keep } = world();
  await keep({ "d/stage/0": stage(0, 3), "d/stage/1": stage(4, 7) });
  full.add("d/stage/2");
  events.length = 0;
  await keep({ "d/stage/1": stage(4, 7), "d/stage/2": stage(8, 9) });
  assert.deepEqual(events, ["d/stage/0 ends"]);
  assert.deepEqual(warm.addresses, ["d/stage/1"]);
  await warm.keep("d", { all: new Map([["d/stage/0", stage(0, 3)]]), valid: () => false });
  assert.deepEqual(warm.addresses, [], "the deployment was retired meanwhile");
});

Deno.test("WarmEngines.drop() unloads an engine that is still being loaded", async () => {
  const { warm, events, keep, holdBack } = world();
  const loaded = Promise.withResolvers<void>();
  holdBack(loaded.promise);
  const kept = keep({ "d/stage/0": stage(0, 3), "d/stage/1": stage(4, 7) });
  await begun(warm, 2);
  const dropped = warm.drop("d");
  loaded.resolve();
  await Promise.all([kept, dropped]);
  assert.deepEqual(events, ["d/stage/0 loads 0-3 ahead", "d/stage/0 ends"]);
  assert.deepEqual(warm.addresses, []);
});

Deno.test("WarmEngines.load() waits for the engine that is being loaded ahead", async () => {
  const { warm, events, keep, holdBack } = world();
  const loaded = Promise.withResolvers<void>();
  holdBack(loaded.promise);
  const kept = keep({ "d/stage/0": stage(0, 3) });
  await begun(warm, 1);
  const taken = warm.load("d/stage/0", STORED, layers(0, 3));
  loaded.resolve();
  await Promise.all([kept, taken]);
  assert.deepEqual(events, ["d/stage/0 loads 0-3 ahead"]);
});

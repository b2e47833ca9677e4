/**
 * Windowed layers that keep few rows, under conversations with drafts, prompts that part anywhere, little
 * memory, and stages that are lost: every token is that of layers which keep all.
 *
 * @module
 */
import assert from "node:assert/strict";
import { seededRandom } from "../../actors/mod.ts";
import { NearRows } from "../../actors/arbiter/near_rows.ts";
import { RowPool } from "../../actors/arbiter/row_pool.ts";
import { arbiterWorld, type Client, Refused, tokenAfter } from "../support/arbiter_world.ts";
import { withMethods } from "../support/with_methods.ts";
import { loseParts } from "./rebuild.ts";
import { reportOf, type SeedReport, seedsFrom, type SimulationArea } from "./simulation_area.ts";

/** What requests are told for which there is no memory. */
const NO_MEMORY = ["arena_memory", "too_many_rows"];

/** A row of a text and the drafts behind it. */
interface TextRow {
  token: number;
  position: number;
  parent: number;
}

/** What a turn of a conversation is made of. */
interface Turn {
  random: () => number;
  prompt: number[];
  /** Tokens of the answer. */
  count: number;
  window: number;
  branches: boolean;
}

/** One answer with drafts, some of them right; its tokens. */
async function answer(
  client: Client,
  { random, prompt, count, window, branches }: Turn,
): Promise<number[]> {
  const int = (n: number) => Math.floor(random() * n);
  const rows: (TextRow | undefined)[] = prompt.map((token, i) => ({
    ...{ token, position: i, parent: i - 1 },
  }));
  const results = new Map<number, number>();
  const path = (at: number): number[] => {
    const tokens: number[] = [];
    for (let n = at; n >= 0; n = rows[n]!.parent) tokens.push(rows[n]!.token);
    return tokens.reverse();
  };
  const send = async (kind: "decode" | "draft", parent: number, tokens: number[]) => {
    const first = rows.length;
    const { position } = rows[parent]!;
    const made = tokens.map((token, i) => ({
      ...{
        token,
        position: position + 1 + i,
        parent: i ? first + i - 1 : parent,
        chance: random(),
      },
    }));
    rows.push(...made);
    await client.rows(kind, first, made);
  };
  const pieces = [1 + int(30), 1 + int(30)];
  await client.open(Int32Array.from(prompt), {
    ...{ max_rows: prompt.length + 8 * count, pieces, branches },
  });
  const tokens: number[] = [];
  let tip = prompt.length - 1;
  for (;;) {
    for (const { row, token } of await client.next()) {
      if (!rows[row]) continue; // it was dropped meanwhile
      const right = await tokenAfter(path(row), window);
      assert.equal(token, right, `token after row ${row} of ${prompt.length} and ${tokens.length}`);
      results.set(row, token);
    }
    for (let token = results.get(tip); token !== undefined; token = results.get(tip)) {
      tokens.push(token);
      if (tokens.length === count) {
        await client.close();
        return tokens;
      }
      const children = rows.keys().filter((n) => rows[n]?.parent === tip).toArray();
      const next = children.find((n) => rows[n]!.token === token);
      const wrong = children.filter((n) => n !== next);
      if (wrong.length > 0) await client.drop(...wrong);
      const lost = new Set(wrong);
      for (const n of rows.keys()) if (rows[n] && lost.has(rows[n].parent)) lost.add(n);
      for (const n of lost) rows[n] = undefined;
      if (next !== undefined) {
        tip = next;
        continue;
      }
      await send("decode", tip, [token]);
      tip = rows.length - 1;
      if (random() > 0.4) continue;
      const drafts: number[] = [];
      for (let n = int(6); n > 0; n--) {
        const guess = random() < 0.7
          ? await tokenAfter([...path(tip), ...drafts], window)
          : int(251);
        drafts.push(guess);
      }
      if (drafts.length > 0) await send("draft", tip, drafts);
    }
  }
}

async function run(seed: number): Promise<SeedReport> {
  const random = seededRandom(seed);
  const int = (n: number) => Math.floor(random() * n);
  const stages = 1 + int(4);
  const window = 3 + int(20);
  const world = arbiterWorld({
    ...{ stages, seed, windowed: { window, slackRows: 4 + int(24) } },
    shards: [0, 0, 2][int(3)],
    capacityRows: 400 + int(500),
    latencyMs: { min: 0.1, max: [1, 8, 40][int(3)] },
    ...(random() < 0.4 && {
      budgetRows: Array.from({ length: stages }, () => 140 + int(400)),
    }),
    arbiter: { silenceMs: 60_000 },
  });
  const { sim, engines } = world;
  const tokens = (n: number) => Array.from({ length: n }, () => int(251));
  const common = tokens(int(60));
  let [reused, refused, live] = [0, 0, 3];
  const chat = async (name: number) => {
    let history = [...common, ...tokens(5 + int(40))];
    for (let turn = 0; turn < 1 + int(4); turn++) {
      const client = world.client(`g${name}.${turn}`);
      try {
        const { length } = history;
        const made = await answer(client, {
          ...{ random, prompt: history, count: 4 + int(30), window, branches: random() < 0.1 },
        });
        reused += client.reused ?? 0;
        // Now and then the next prompt parts from this text before its end.
        const upTo = random() < 0.5 ? length + made.length : 1 + int(length + made.length);
        history = [...[...history, ...made].slice(0, upTo), ...tokens(1 + int(30))];
      } catch (error) {
        // There is no memory for it.
        if (!(error instanceof Refused) || !NO_MEMORY.includes(error.error.code)) throw error;
        refused++;
      }
    }
    live--;
  };
  return await reportOf(sim, async () => {
    const losses = async () => {
      for (let n = int(3); n > 0 && live > 0; n--) {
        await new Promise<void>((resolve) => sim.clock.after(int(1_500), resolve));
        const names = Array.from({ length: stages }, (_, i) => `s${i}`);
        const some = names.filter(() => random() < 0.4);
        if (some.length > 0) await loseParts(world, some, { downMs: int(200) });
      }
    };
    await sim.until(Promise.all([chat(0), chat(1), chat(2), losses()]));
    assert.equal(world.crashes.join("; "), "", `crashed: ${world.crashes[0]?.message}`);
    const { rebuilds, capacity } = await world.stats();
    const most = Math.max(...engines.flat().map(({ mostNear }) => mostNear));
    assert.ok(most > 0, "no layer limited its rows");
    return { rebuilds, reused, refused, saved: Math.max(0, capacity - most) };
  });
}

/** See the module's text. */
export const WINDOWS: SimulationArea = {
  name: "windows",
  promise: "windowed layers that keep few rows leave every token as it was",
  share: 10,
  run,
  least: { rebuilds: 0.3, reused: 40, saved: 60 },
  broken: [{
    name: "memory for windowed layers is asked for with layouts that move rows",
    shows: /given up in windowed layers|token after row|is kept/,
    seeds: seedsFrom(1032, 4),
    run: (seed) =>
      withMethods(RowPool, {
        identity(this: RowPool) {
          return this.arrange();
        },
      }, () => run(seed)),
  }, {
    name: "cached rows of which windowed layers lack what is before them are gone on from",
    shows: /given up in windowed layers/,
    seeds: seedsFrom(0, 30),
    run: (seed) => withMethods(NearRows, { resumable: () => true }, () => run(seed)),
  }],
};

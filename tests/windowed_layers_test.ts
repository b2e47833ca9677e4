/**
 * Windowed layers that keep only the rows that later ones attend to: the text of transformers, and what
 * the engine refuses.
 */
import assert from "node:assert/strict";
import { hasCode } from "../actors/system/errors.ts";
import type { StageEngine } from "../actors/pipeline/engine.ts";
import { type Frame, samplingSchema } from "../actors/pipeline/frame.ts";
import { buildStageGraph } from "../models/mod.ts";
import { evenSplit } from "../planner/mod.ts";
import { loadEngine } from "../runtime/engine/mod.ts";
import { cut, type Fixture, withFixture } from "./support/architecture_fixtures.ts";
import "./support/open_library.ts";
import { RebuildWorld } from "./support/rebuild_world.ts";

const options = { sanitizeOps: true, sanitizeResources: true };

/** Rows that a draft may have beyond the window. */
const SLACK = 7;

/** Stages with an arena whose windowed layers have few rows, and one text in it. */
class WindowedText implements AsyncDisposable {
  readonly #engines: StageEngine[];
  readonly #window: number;
  readonly #near: number;
  /** Slot of each row of the text. */
  slots: number[] = [];
  /** Slots of the rows in the near slots. */
  #standing: number[] = [];
  #end = 0;
  /** How often rows were given up. */
  given = 0;

  private constructor(engines: StageEngine[], window: number) {
    this.#engines = engines;
    this.#window = window;
    this.#near = window + SLACK;
  }

  static async open(
    { manifest, blobDir }: Fixture,
    ranges: [number, number][],
  ): Promise<WindowedText> {
    const { geometry } = manifest;
    const engines: StageEngine[] = [];
    for (const [firstLayer, lastLayer] of ranges) {
      const graph = await buildStageGraph(manifest, { firstLayer, lastLayer, blobDir });
      engines.push(await loadEngine({ graph, geometry, threads: 1, arenaBudgetBytes: 1 << 24 }));
    }
    const text = new WindowedText(engines, geometry.local!.window);
    const near = { capacity: text.#near, keep: new Int32Array(0) };
    for (const engine of engines) await engine.layout("r", layoutOf([], near));
    return text;
  }

  /** Bytes of the arenas. */
  async bytes(): Promise<number> {
    let bytes = 0;
    for (const engine of this.#engines) bytes += (await engine.stats()).arenaBytes;
    return bytes;
  }

  /** Runs tokens behind the text, of which the last `rejected` ones do not become a part of it. */
  async run(tokens: number[], rejected = 0): Promise<number> {
    if (this.#standing.length + tokens.length > this.#near) await this.#giveUp(tokens.length);
    const base = this.#end;
    const first = this.slots.length;
    const want = Int32Array.of(tokens.length - 1 - rejected);
    let frame: Frame = {
      ...{ arena: "r", seq: 0, base, near_base: this.#standing.length },
      samplers: [{ id: 0, sampling: samplingSchema.parse({}), prompt_rows: 20 }],
      tokens: Int32Array.from(tokens),
      positions: Int32Array.from(tokens, (_, i) => first + i),
      parents: Int32Array.from(tokens, (_, i) => i ? base + i - 1 : this.slots.at(-1) ?? -1),
      ...{ want, want_samplers: new Int32Array(1) },
    };
    this.slots.push(...tokens.slice(0, tokens.length - rejected).map((_, i) => base + i));
    this.#standing.push(...tokens.map((_, i) => base + i));
    this.#end += tokens.length;
    for (const engine of this.#engines) {
      const output = await engine.run(frame);
      if (output.kind === "tokens") return output.tokens[0].token;
      if (output.kind === "hidden") frame = { ...frame, hidden: output.hidden };
    }
    throw new Error("the last stage gave no token");
  }

  /** Keeps the rows that the next one attends to, which makes room for `rows` more. */
  async #giveUp(rows: number): Promise<void> {
    const keep = this.slots.slice(1 - this.#window);
    assert.ok(keep.length + rows <= this.#near);
    this.given++;
    // Now and then the rows move within the arena too.
    const moves = this.given % 2 === 0;
    const all = moves ? this.slots : Array.from({ length: this.#end }, (_, slot) => slot);
    const near = keep.map((slot) => all.indexOf(slot));
    for (const engine of this.#engines) {
      await engine.layout(
        "r",
        layoutOf(all, { capacity: this.#near, keep: Int32Array.from(near) }),
      );
    }
    this.slots = this.slots.map((slot) => all.indexOf(slot));
    this.#end = all.length;
    this.#standing = near;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const engine of this.#engines) await engine.dispose();
  }
}

const layoutOf = (keep: number[], near?: { capacity: number; keep: Int32Array }) => ({
  capacity: 128,
  keep: Int32Array.from(keep),
  near,
});

for (
  const name of [
    ...["cohere2", "exaone4", "gemma2", "gemma3", "gpt_oss", "mistral", "olmo3", "phi3"],
    ...["qwen2_window", "smollm3_window"],
  ]
) {
  Deno.test(
    `${name} with few rows in its windowed layers has transformers' greedy text at every cut`,
    options,
    async () => {
      await withFixture(name, "f32", async (fixture) => {
        const { prompt, greedy } = fixture.expected;
        const { layers } = fixture.manifest.geometry;
        for (let at = 0; at < layers; at++) {
          const ranges = at === 0 ? cut(layers, 0) : cut(layers, 0, at);
          await using text = await WindowedText.open(fixture, ranges);
          // A piece as long as its room, then the rest in short ones.
          const longest = fixture.manifest.geometry.local!.window + SLACK;
          let token = await text.run(prompt.slice(0, longest));
          for (let i = longest; i < prompt.length; i += SLACK) {
            token = await text.run(prompt.slice(i, i + SLACK));
          }
          const got = [token];
          while (got.length < greedy.length) {
            const drafts = got.length % 5 === 0 ? [1, 2, 3] : [];
            got.push(await text.run([got.at(-1)!, ...drafts], drafts.length));
          }
          assert.deepEqual(got, greedy, `cut ${JSON.stringify(ranges)}`);
          assert.ok(text.given > 5, `rows were given up ${text.given} times`);
        }
      });
    },
  );
}

for (const name of ["gemma3", "gpt_oss", "olmo3"]) {
  Deno.test(
    `${name} has transformers' greedy text on any number of stages, of which one is lost`,
    options,
    async () => {
      await withFixture(name, "f32", async ({ manifest, blobDir, expected }) => {
        const { geometry } = manifest;
        const { prompt, greedy } = expected;
        for (const stages of new Set([1, 2, geometry.layers])) {
          const ranges = evenSplit(geometry.layers, stages);
          await using world = new RebuildWorld({
            ...{ stages, wire: "f32", capacityRows: 512 },
            windowed: { window: geometry.local!.window, slackRows: SLACK },
            load: async (stage) => {
              const { first: firstLayer, last: lastLayer } = ranges[stage];
              const graph = await buildStageGraph(manifest, { firstLayer, lastLayer, blobDir });
              return loadEngine({ graph, geometry, threads: 1, arenaBudgetBytes: 1 << 24 });
            },
          });
          await world.warm();
          const lost = stages - 1;
          const node = await world.backup(lost);
          // The second request goes on from rows of the first one's prompt.
          const sampling = samplingSchema.parse({});
          const asked = [prompt, prompt.slice(0, 15)].map((tokens) => ({
            ...{ prompt: Int32Array.from(tokens), sampling },
          }));
          const [answer] = await world.answers(asked, {
            ...{ count: greedy.length, at: 30, act: () => world.lose(new Map([[lost, node]])) },
          });
          assert.deepEqual(answer.map(({ token }) => token), greedy, `${stages} stages`);
          assert.equal((await world.stats()).rebuilds, 1);
        }
      });
    },
  );
}

Deno.test(
  "an engine refuses rows that attend to what windowed layers have given up",
  options,
  async () => {
    await withFixture("gemma3", "f32", async (fixture) => {
      const { manifest, blobDir } = fixture;
      const { geometry } = manifest;
      const graph = await buildStageGraph(manifest, {
        firstLayer: 0,
        lastLayer: geometry.layers - 1,
        blobDir,
      });
      const { kvBytesPerRow, windowedBytesPerRow } = graph;
      const engine = await loadEngine({ graph, geometry, threads: 1, arenaBudgetBytes: 1 << 24 });
      try {
        const empty = { capacity: 20, keep: new Int32Array(0) };
        await engine.layout("r", layoutOf([], empty));
        const { arenaBytes } = await engine.stats();
        assert.equal(
          arenaBytes,
          128 * (kvBytesPerRow - windowedBytesPerRow!) + 20 * windowedBytesPerRow!,
        );
        const rows = (base: number, near_base: number | undefined, n: number): Frame => ({
          ...{ arena: "r", seq: 0, base, near_base },
          tokens: new Int32Array(n).fill(7),
          positions: Int32Array.from({ length: n }, (_, i) => base + i),
          parents: Int32Array.from({ length: n }, (_, i) => base + i - 1),
          ...{ want: new Int32Array(0), want_samplers: new Int32Array(0) },
        });
        const refused = async (does: Promise<unknown>, why: RegExp) =>
          await assert.rejects(does, (e) => hasCode(e, "bad_frame") && why.test(e.message));
        await refused(engine.run(rows(0, undefined, 4)), /does not say where its rows stand/);
        await refused(engine.run(rows(0, 15, 6)), /need 21 of them/);
        await engine.run(rows(0, 0, 14));
        const all = Array.from({ length: 14 }, (_, slot) => slot);
        const keep = (slots: number[]) => ({ capacity: 20, keep: Int32Array.from(slots) });
        await engine.layout("r", layoutOf(all, keep([6, 7, 8, 9, 10, 11, 12, 13])));
        await refused(engine.run(rows(14, 8, 1)), /attends to slot 5, whose row was given up/);
        await refused(
          engine.layout("r", layoutOf(all, keep([5]))),
          /slot 5 is to be kept in windowed/,
        );
        await refused(
          engine.layout("r", layoutOf(all, { ...keep([12, 13]), capacity: 1 })),
          /2 rows are to be kept in windowed layers with room for 1/,
        );
      } finally {
        await engine.dispose();
      }
    });
  },
);

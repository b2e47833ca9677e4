/**
 * What the engine's tests share: a tiny random model, and short functions that make frames.
 *
 * @module
 */
import assert from "node:assert/strict";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { StageEngine } from "../../actors/pipeline/engine.ts";
import {
  type Frame,
  type Sampling,
  samplingSchema,
  type TokenResult,
} from "../../actors/pipeline/frame.ts";
import { buildStageGraph } from "../../models/graph/mod.ts";
import {
  type Geometry,
  ModelStore,
  type Precision,
  type StoredModel,
  type TokenRange,
} from "../../models/mod.ts";
import { type TinyCheckpointOptions, writeTinyCheckpoint } from "./tiny_checkpoint.ts";
import { loadEngine } from "../../runtime/engine/mod.ts";
import "./open_library.ts";

/**
 * Tolerance for log-probabilities whose sums were made in another order: f32 rounding over 4
 * layers.
 */
export const TOLERANCE = 2e-5;

/** Some tokens of the model. */
export const TOKENS = Array.from({ length: 100 }, (_, i) => (i * 37 + 11) % 250 + 5);

/** A tiny random model in a folder of its own. */
export class Fixture implements AsyncDisposable {
  #engines: StageEngine[] = [];
  private constructor(readonly dir: string, readonly model: StoredModel) {}

  static async make(
    options: TinyCheckpointOptions = {},
    precision: Precision = "f32",
  ): Promise<Fixture> {
    const dir = await mkdtemp(join(tmpdir(), "orrery-engine-"));
    await writeTinyCheckpoint(join(dir, "checkpoint"), options);
    const store = await ModelStore.open(join(dir, "store"));
    return new Fixture(dir, await store.add(join(dir, "checkpoint"), { precision }));
  }

  get geometry(): Geometry {
    return this.model.manifest.geometry;
  }

  /** An engine for these layers, all of them if left out; `tokens`: those that have logits. */
  async engine(
    firstLayer = 0,
    lastLayer = this.geometry.layers - 1,
    arenaBudgetBytes = 1 << 24,
    tokens?: readonly TokenRange[],
  ): Promise<StageEngine> {
    const graph = await buildStageGraph(this.model.manifest, {
      firstLayer,
      lastLayer,
      tokens,
      blobDir: this.model.blobsDir,
    });
    const engine = await loadEngine({
      graph,
      geometry: this.geometry,
      threads: 1,
      arenaBudgetBytes,
    });
    this.#engines.push(engine);
    return engine;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const engine of this.#engines) await engine.dispose();
    await rm(this.dir, { recursive: true });
  }
}

/** Opens an empty arena. */
export const open = (engine: StageEngine, arena: string, capacity = 128) =>
  engine.layout(arena, { capacity, keep: new Int32Array(0) });

/** A sampler for a frame's `samplers`. */
export const sampler = (sampling: Partial<Sampling> = {}, { id = 0, prompt_rows = 10 } = {}) => ({
  id,
  prompt_rows,
  sampling: samplingSchema.parse({ top_logprobs: 5, ...sampling }),
});

/**
 * A frame with a chain of rows. The first row has the `parent` and `position` given, else it
 * follows the slot before it.
 */
export function chain(
  arena: string,
  base: number,
  tokens: number[],
  { parent = base - 1, position = base, want = [tokens.length - 1], samplers = [sampler()] } = {},
): Frame {
  return {
    arena,
    seq: 0,
    samplers,
    base,
    tokens: Int32Array.from(tokens),
    positions: Int32Array.from(tokens, (_, i) => position + i),
    parents: Int32Array.from(tokens, (_, i) => i === 0 ? parent : base + i - 1),
    want: Int32Array.from(want),
    want_samplers: new Int32Array(want.length),
  };
}

/** 0 .. n - 1. */
export const range = (n: number) => Array.from({ length: n }, (_, i) => i);

/** The tokens that the last stage chose. */
export async function tokensOf(engine: StageEngine, frame: Frame): Promise<TokenResult[]> {
  const output = await engine.run(frame);
  assert.equal(output.kind, "tokens");
  return output.kind === "tokens" ? output.tokens : [];
}

/** Same tokens, and log-probabilities within the tolerance; slots may differ. */
export function assertSame(
  got: TokenResult[],
  want: TokenResult[],
  what: string,
  tolerance: number = TOLERANCE,
): void {
  assert.equal(got.length, want.length, what);
  got.forEach((g, i) => {
    const w = want[i];
    assert.equal(g.token, w.token, `${what}: token ${i}`);
    g.top!.forEach(([id, p], k) => {
      assert.equal(id, w.top![k][0], `${what}: alternative ${k} of token ${i}`);
      assert.ok(Math.abs(p - w.top![k][1]) < tolerance, `${what}: ${p} is not ${w.top![k][1]}`);
    });
  });
}

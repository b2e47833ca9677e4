/**
 * Runs one token through a whole model: what `models verify --deep` does.
 *
 * @module
 */
import { type Frame, OrreryError, samplingSchema } from "../../actors/mod.ts";
import { buildStageGraph, type StoredModel } from "../../models/mod.ts";
import { arenaBytes, loadEngine, usualThreads } from "../engine/mod.ts";

/** Rows of the arena that one token needs, with room to spare. */
const ROWS = 8;
const ARENA = "verify";

/** What a model made of one token. */
export interface OneToken {
  /** Id of the token that it was given. */
  given: number;
  /** Id of the token that it holds most likely to follow. */
  next: number;
  /** Natural logarithm of that token's probability. */
  logprob: number;
}

/**
 * Loads all layers and the LM head, and runs the model's first token (BOS, else id 0) through them.
 * Throws what loading and running throw, and OrreryError `model/not_finite` where the result is no
 * number.
 */
export async function runOneToken({ manifest, blobsDir }: StoredModel): Promise<OneToken> {
  const { geometry, name, bos_token } = manifest;
  const graph = await buildStageGraph(manifest, {
    firstLayer: 0,
    lastLayer: geometry.layers - 1,
    blobDir: blobsDir,
  });
  const engine = await loadEngine({
    graph,
    geometry,
    threads: usualThreads(graph.weightBytes),
    arenaBudgetBytes: 2 * arenaBytes(graph.caches, ROWS, graph),
  });
  try {
    await engine.layout(ARENA, { capacity: ROWS, keep: new Int32Array(0) });
    const given = bos_token ?? 0;
    const frame: Frame = {
      arena: ARENA,
      seq: 0,
      samplers: [{ id: 0, sampling: samplingSchema.parse({ logprobs: true }), prompt_rows: 1 }],
      base: 0,
      tokens: Int32Array.of(given),
      positions: Int32Array.of(0),
      parents: Int32Array.of(-1),
      want: Int32Array.of(0),
      want_samplers: Int32Array.of(0),
    };
    const output = await engine.run(frame);
    const result = output.kind === "tokens" ? output.tokens[0] : undefined;
    if (!result || result.failed || !Number.isFinite(result.logprob)) {
      throw new OrreryError({
        group: "model",
        code: "not_finite",
        message: `${name} gives no token after token ${given}: ${
          result?.failed?.message ?? "its logits are no numbers"
        }; its weights are damaged, or do not fit its config.json`,
        metadata: { model: name, token: given },
      });
    }
    return { given, next: result.token, logprob: result.logprob! };
  } finally {
    await engine.dispose();
  }
}

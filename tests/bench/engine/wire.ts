/**
 * Measures what the wire formats of hidden states cost and how they change the output.
 *
 * @module
 */
import type { StageEngine } from "../../../actors/pipeline/engine.ts";
import { type Frame, samplingSchema } from "../../../actors/pipeline/frame.ts";
import {
  decodeHidden,
  encodeHidden,
  fromFloat32,
  type Wire,
  wireSchema,
} from "../../../actors/pipeline/tensor.ts";
import type { StoredModel } from "../../../models/mod.ts";
import { buildStageGraph } from "../../../models/graph/mod.ts";
import { PROMPTS } from "../../support/prompts.ts";
import { loadEngine } from "../../../runtime/engine/mod.ts";

/** Every wire format. */
export const WIRES = wireSchema.options;
const TEXT_TOKENS = 48;

/**
 * How far the output with a wire format agrees with that with f32, over the benchmark's prompts.
 */
export interface Agreement {
  wire: Wire;
  /** Bytes of one row on one link. */
  bytesPerRow: number;
  /** Number of tokens that are the same after the same text, and number of all tokens. */
  equal: number;
  tokens: number;
  /**
   * Number of texts that are the same when each continues from its own tokens, and of all texts.
   */
  equalTexts: number;
  texts: number;
  /** Largest difference between the log-probabilities of a chosen token. */
  logprob: number;
}

/** Microseconds to encode and to decode hidden states (rows, hidden), by wire format. */
export function measureCoding(
  rows: number,
  hidden: number,
): Record<Wire, { encode: number; decode: number }> {
  const t = fromFloat32(
    [rows, hidden],
    Float32Array.from({ length: rows * hidden }, (_, i) => 9 * Math.sin(i * i)),
  );
  /** The best of some batches, since disturbances only ever add time. */
  const time = (work: () => unknown) => {
    const times = Math.ceil(5e5 / (rows * hidden));
    let best = Infinity;
    for (let batch = 0; batch < 12; batch++) {
      const start = performance.now();
      for (let i = 0; i < times; i++) work();
      best = Math.min(best, (performance.now() - start) / times);
    }
    return best * 1000;
  };
  const both = (wire: Wire) => {
    const wired = encodeHidden(t, wire);
    return { encode: time(() => encodeHidden(t, wire)), decode: time(() => decodeHidden(wired)) };
  };
  return { f32: both("f32"), f16: both("f16"), int8: both("int8") };
}

/**
 * Runs the model in two stages with each wire format between them, greedily, on the benchmark's
 * prompts.
 */
export async function measureAgreement(stored: StoredModel): Promise<Agreement[]> {
  const { manifest, blobsDir } = stored;
  const { geometry } = manifest;
  const tokenizer = await stored.tokenizer();
  const cut = geometry.layers >> 1;
  const load = async (firstLayer: number, lastLayer: number) =>
    await loadEngine({
      graph: await buildStageGraph(manifest, { firstLayer, lastLayer, blobDir: blobsDir }),
      geometry,
      threads: 1,
      arenaBudgetBytes: 2 ** 28,
    });
  const stages = [await load(0, cut - 1), await load(cut, geometry.layers - 1)] as const;
  try {
    const prompts = PROMPTS.map((text) => tokenizer.encode(text));
    const plain: { tokens: number[]; logprobs: number[] }[] = [];
    for (const prompt of prompts) plain.push(await generate(stages, prompt, "f32"));
    const found: Agreement[] = [];
    for (const wire of WIRES) {
      const agreement = {
        wire,
        bytesPerRow: 0,
        equal: 0,
        tokens: 0,
        equalTexts: 0,
        texts: 0,
        logprob: 0,
      };
      for (const [i, prompt] of prompts.entries()) {
        const forced = await choices(stages, 0, [...prompt, ...plain[i].tokens.slice(0, -1)], wire);
        agreement.bytesPerRow = forced.bytes / (prompt.length + TEXT_TOKENS - 1);
        plain[i].tokens.forEach((token, n) => {
          const chosen = forced.tokens[prompt.length - 1 + n];
          agreement.tokens++;
          if (chosen.token !== token) return;
          agreement.equal++;
          agreement.logprob = Math.max(
            agreement.logprob,
            Math.abs(chosen.logprob! - plain[i].logprobs[n]),
          );
        });
        agreement.texts++;
        const { tokens } = await generate(stages, prompt, wire);
        if (tokens.every((token, n) => token === plain[i].tokens[n])) agreement.equalTexts++;
      }
      found.push(agreement);
    }
    return found;
  } finally {
    for (const stage of stages) await stage.dispose();
  }
}

async function generate(stages: readonly [StageEngine, StageEngine], prompt: number[], wire: Wire) {
  const tokens: number[] = [];
  const logprobs: number[] = [];
  let base = 0;
  for (let rows = prompt; tokens.length < TEXT_TOKENS; rows = [tokens.at(-1)!]) {
    const last = (await choices(stages, base, rows, wire)).tokens.at(-1)!;
    base += rows.length;
    tokens.push(last.token);
    logprobs.push(last.logprob!);
  }
  return { tokens, logprobs };
}

/**
 * The token after each row of a chain, and the bytes that went from the first stage to the second.
 */
async function choices(
  [first, last]: readonly [StageEngine, StageEngine],
  base: number,
  rows: number[],
  wire: Wire,
) {
  if (base === 0) {
    for (const stage of [first, last]) {
      await stage.layout("wire", { capacity: 512, keep: new Int32Array(0) });
    }
  }
  const slots = Int32Array.from(rows, (_, i) => base + i);
  const frame: Frame = {
    arena: "wire",
    seq: 0,
    samplers: [{ id: 0, sampling: samplingSchema.parse({ logprobs: true }), prompt_rows: 0 }],
    base,
    tokens: Int32Array.from(rows),
    positions: slots,
    parents: slots.map((slot) => slot - 1),
    want: slots.map((slot) => slot - base),
    want_samplers: new Int32Array(rows.length),
  };
  const middle = await first.run(frame);
  if (middle.kind !== "hidden") throw new Error("the first stage chose tokens");
  const wired = encodeHidden(middle.hidden, wire);
  const bytes = wired.data.byteLength + (wired.scales?.byteLength ?? 0);
  const output = await last.run({ ...frame, hidden: decodeHidden(wired) });
  if (output.kind !== "tokens") throw new Error("the last stage chose no tokens");
  return { tokens: output.tokens, bytes };
}

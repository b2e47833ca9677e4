/**
 * What the Jupiter paper (arXiv 2504.08242) measured, and its hardware and models.
 *
 * @module
 */
import type { ModelShape } from "../../../planner/types.ts";

/** `A`: 4 Xavier NX. `B`: 1 Xavier NX, 2 TX2, 1 Nano, in this order. */
export type Environment = "A" | "B";
/** Llama-2, INT4. */
export type PaperModelSize = "7B" | "13B";
/** Kinds of boards. */
export type Board = "nx" | "tx2" | "nano";

/** One cell of the table. */
export interface Cell {
  environment: Environment;
  model: PaperModelSize;
  /** Megabits a second. */
  mbit: number;
  /** End-to-end seconds of plain pipelining (EdgeShard), published. */
  edgeshard_s: number;
  /** End-to-end seconds of Jupiter, published. */
  jupiter_s: number;
}

/** Tokens of the prompt; the paper says "about 260". */
export const PROMPT = 260;
/** Tokens of the answer. */
export const TOKENS = 64;

const row = (
  environment: Environment,
  model: PaperModelSize,
  cells: [number, number, number][],
): Cell[] =>
  cells.map(([mbit, edgeshard_s, jupiter_s]) => ({
    environment,
    model,
    mbit,
    edgeshard_s,
    jupiter_s,
  }));

/** The paper's end-to-end table, the two columns that matter here. */
export const CELLS: Cell[] = [
  ...row("A", "7B", [[100, 42.2, 16.5], [500, 39.0, 15.2], [1000, 38.6, 14.9]]),
  ...row("A", "13B", [[100, 66.2, 26.3], [500, 63.4, 25.2], [1000, 63.1, 24.9]]),
  ...row("B", "7B", [[100, 59.3, 22.4], [500, 56.1, 21.4], [1000, 55.7, 20.9]]),
  ...row("B", "13B", [[100, 102.4, 38.8], [500, 99.7, 37.3], [1000, 98.3, 36.8]]),
];

/** EdgeShard's seconds per token at 1 Gbit/s, from the heights of bars. */
export const EDGESHARD_BARS: {
  environment: Environment;
  model: PaperModelSize;
  prefill_s: number;
  decode_s: number;
}[] = [
  { environment: "A", model: "7B", prefill_s: 0.0284, decode_s: 0.482 },
  { environment: "A", model: "13B", prefill_s: 0.0546, decode_s: 0.754 },
  { environment: "B", model: "7B", prefill_s: 0.0517, decode_s: 0.651 },
  { environment: "B", model: "13B", prefill_s: 0.0998, decode_s: 1.131 },
];

/** Boards of an environment, in pipeline order. */
export const BOARDS: Record<Environment, Board[]> = {
  A: ["nx", "nx", "nx", "nx"],
  B: ["nx", "tx2", "tx2", "nano"],
};

/**
 * From the makers' data sheets: 16-bit operations a second, bytes of memory traffic a second, bytes
 * of memory.
 */
export const DATA_SHEETS: Record<Board, { flops: number; bandwidth: number; memory: number }> = {
  nx: { flops: 1.69e12, bandwidth: 59.7e9, memory: 8 * 2 ** 30 },
  tx2: { flops: 1.33e12, bandwidth: 59.7e9, memory: 8 * 2 ** 30 },
  nano: { flops: 0.472e12, bandwidth: 25.6e9, memory: 4 * 2 ** 30 },
};

/** Share of a board's memory that stages may use; system and display take the rest. */
export const USABLE_MEMORY = 0.8;

function llama2(
  name: string,
  size: { layers: number; hidden: number; feedForward: number },
): ModelShape {
  const { layers, hidden, feedForward } = size;
  const vocab = 32_000;
  const macs = 4 * hidden ** 2 + 3 * hidden * feedForward;
  return {
    name,
    layers,
    hidden,
    vocab,
    context: 4096,
    // 4 bits for each weight, and a 16-bit scale for each block of 32.
    layerBytes: new Array<number>(layers).fill(macs * 0.5625),
    embedBytes: hidden * vocab * 2,
    headBytes: hidden * vocab * 2,
    tied: false,
    kvBytesPerRow: 2 * hidden * 2,
    macsPerRow: macs,
    macsPerPastRow: 2 * hidden,
  };
}

/** The two models. */
export const MODELS: Record<PaperModelSize, ModelShape> = {
  "7B": llama2("Llama-2-7B", { layers: 32, hidden: 4096, feedForward: 11_008 }),
  "13B": llama2("Llama-2-13B", { layers: 40, hidden: 5120, feedForward: 13_824 }),
};

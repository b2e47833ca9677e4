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

/** One cell of the table: where it was measured, and the published end-to-end seconds. */
export interface Cell {
  environment: Environment;
  model: PaperModelSize;
  /** Megabits a second. */
  mbit: number;
  /** Sequence parallelism; null: published as out of memory. */
  sp_s: number | null;
  /** Megatron-LM: tensor parallelism. */
  megatron_s: number;
  /** DeTransformer: block parallelism. */
  detransformer_s: number;
  /** Galaxy: tensor and sequence parallelism, with communication hidden behind products. */
  galaxy_s: number;
  /** EdgeShard: plain pipelining. */
  edgeshard_s: number;
  jupiter_s: number;
}

/** Systems of the table, in the order of its columns. */
export const SYSTEMS = [
  "sp",
  "megatron",
  "detransformer",
  "galaxy",
  "edgeshard",
  "jupiter",
] as const;
/** One of {@linkcode SYSTEMS}. */
export type SystemName = typeof SYSTEMS[number];

/** Published end-to-end seconds of a system; null: out of memory. */
export function publishedSeconds(cell: Cell, system: SystemName): number | null {
  return cell[`${system}_s`];
}

/** Tokens of the prompt; the paper says "about 260". */
export const PROMPT = 260;
/** Tokens of the answer. */
export const TOKENS = 64;

const row = (
  environment: Environment,
  model: PaperModelSize,
  cells: [number, number | null, number, number, number, number, number][],
): Cell[] =>
  cells.map(([mbit, sp_s, megatron_s, detransformer_s, galaxy_s, edgeshard_s, jupiter_s]) => ({
    environment,
    model,
    mbit,
    sp_s,
    megatron_s,
    detransformer_s,
    galaxy_s,
    edgeshard_s,
    jupiter_s,
  }));

/** The paper's end-to-end table: Mbit/s, then the seconds of the systems in their order. */
export const CELLS: Cell[] = [
  ...row("A", "7B", [
    [100, 53.5, 431.2, 228.5, 427.6, 42.2, 16.5],
    [500, 37.4, 106.9, 66.4, 103.9, 39.0, 15.2],
    [1000, 35.4, 66.4, 46.1, 65.0, 38.6, 14.9],
  ]),
  ...row("A", "13B", [
    [100, null, 503.4, 270.1, 496.5, 66.2, 26.3],
    [500, null, 130.1, 83.4, 125.0, 63.4, 25.2],
    [1000, null, 83.4, 60.1, 81.3, 63.1, 24.9],
  ]),
  ...row("B", "7B", [
    [100, 63.1, 491.2, 288.6, 458.3, 59.3, 22.4],
    [500, 47.0, 167.0, 126.4, 142.9, 56.1, 21.4],
    [1000, 44.8, 126.4, 106.2, 104.9, 55.7, 20.9],
  ]),
  ...row("B", "13B", [
    [100, null, 624.5, 391.2, 566.4, 102.4, 38.8],
    [500, null, 251.2, 204.5, 208.0, 99.7, 37.3],
    [1000, null, 204.5, 181.2, 165.7, 98.3, 36.8],
  ]),
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

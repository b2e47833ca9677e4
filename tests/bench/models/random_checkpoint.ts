/**
 * Writes a checkpoint with random weights of a real model's shape, tensor after tensor: the input
 * of `bench:models`.
 *
 * @module
 */
import { copyFile, type FileHandle, mkdir, open, readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { seededRandom } from "../../../actors/mod.ts";

/** Counts of config.json. */
export interface CheckpointShape {
  hidden: number;
  layers: number;
  heads: number;
  kvHeads: number;
  intermediate: number;
  vocab: number;
  /** A mixture of experts in place of each MLP; `intermediate` is then an expert's. */
  experts?: { count: number; active: number };
  /**
   * Whether token t is followed by token t + {@linkcode CHAIN_STEP} by a wide margin: the LM head
   * is the embedding with its rows moved by that number, and the layers add little. Then the
   * generated text does not depend on the last bit of a sum. @default false
   */
  chain?: boolean;
}

/** TinyLlama-1.1B's counts. */
export const TINYLLAMA: CheckpointShape = {
  hidden: 2048,
  layers: 22,
  heads: 32,
  kvHeads: 4,
  intermediate: 5632,
  vocab: 32000,
};

/** Step from one token to the next in a model with {@linkcode CheckpointShape.chain}. */
export const CHAIN_STEP = 1009;

const EMBEDDED = fileURLToPath(new URL("../../../models/embedded/target/", import.meta.url));
/** Bytes of a shard: it ends with the tensor that exceeds this. */
const SHARD_BYTES = 500 * 1024 * 1024;
const POOL = 1 << 20;

interface Spec {
  name: string;
  shape: number[];
  /** Standard deviation of the elements; 0: all are 1. */
  deviation: number;
  /**
   * Rows depend on their number alone, and row r equals row r - turned of the other such matrix.
   * Undefined: all elements are random.
   */
  turned?: number;
}

const elements = ({ shape }: Spec) => shape.reduce((a, b) => a * b, 1);

/** Bytes of the weights of a checkpoint of this shape. */
export const checkpointBytes = (shape: CheckpointShape): number =>
  2 * tensorsOf(shape).reduce((sum, spec) => sum + elements(spec), 0);

/**
 * Writes config, tokenizer and BF16 shards into `dir`. Memory holds a pool of random numbers and
 * one piece of a tensor.
 */
export async function writeRandomCheckpoint(dir: string, shape: CheckpointShape): Promise<void> {
  await mkdir(dir, { recursive: true });
  await writeTexts(dir, shape.vocab);
  await writeConfig(dir, shape);
  const shards: Spec[][] = [[]];
  let bytes = 0;
  for (const spec of tensorsOf(shape)) {
    if (bytes > SHARD_BYTES) {
      shards.push([]);
      bytes = 0;
    }
    shards.at(-1)!.push(spec);
    bytes += 2 * elements(spec);
  }
  const random = seededRandom(1);
  const pool = numberPool(random);
  const number = (n: number) => String(n).padStart(5, "0");
  const places: Record<string, string> = {};
  for (const [index, specs] of shards.entries()) {
    const file = `model-${number(index + 1)}-of-${number(shards.length)}.safetensors`;
    for (const { name } of specs) places[name] = file;
    await writeShard(join(dir, file), specs, pool, random);
  }
  const weight_map = { metadata: {}, weight_map: places };
  await writeFile(join(dir, "model.safetensors.index.json"), JSON.stringify(weight_map));
}

/**
 * A pool of BF16 numbers, normally distributed with the deviation asked for; deviation 0: all 1.
 */
function numberPool(random: () => number): (deviation: number) => Uint16Array {
  const normal = Float32Array.from(
    { length: POOL },
    () => Math.sqrt(-2 * Math.log(1 - random())) * Math.cos(2 * Math.PI * random()),
  );
  const pools = new Map<number, Uint16Array>();
  return (deviation) => {
    let pool = pools.get(deviation);
    if (!pool) {
      const words = new Uint32Array(normal.map((x) => deviation === 0 ? 1 : x * deviation).buffer);
      pools.set(deviation, pool = Uint16Array.from(words, (word) => (word + 0x8000) >>> 16));
    }
    return pool;
  };
}

function tensorsOf(shape: CheckpointShape): Spec[] {
  const { hidden, layers, heads, kvHeads, intermediate, vocab, experts, chain = false } = shape;
  const kv = hidden / heads * kvHeads;
  const norm = (name: string): Spec => ({ name, shape: [hidden], deviation: 0 });
  const matrix = (name: string, out: number, inputs: number): Spec => (
    { name, shape: [out, inputs], deviation: inputs ** -0.5 }
  );
  /** A matrix whose product is added to the residual stream. */
  const output = (name: string, inputs: number): Spec => (
    { name, shape: [hidden, inputs], deviation: (chain ? 0.05 : 1) * inputs ** -0.5 }
  );
  const vocabulary = (name: string, turned: number): Spec => (
    {
      name,
      shape: [vocab, hidden],
      ...(chain ? { deviation: 1, turned } : { deviation: hidden ** -0.5 }),
    }
  );
  const mixture = (prefix: string, count: number) => [
    matrix(`${prefix}gate.weight`, count, hidden),
    ...Array.from({ length: count }, (_, n) => [
      matrix(`${prefix}experts.${n}.w1.weight`, intermediate, hidden),
      matrix(`${prefix}experts.${n}.w3.weight`, intermediate, hidden),
      output(`${prefix}experts.${n}.w2.weight`, intermediate),
    ]).flat(),
  ];
  const layer = (prefix: string) => [
    norm(`${prefix}input_layernorm.weight`),
    matrix(`${prefix}self_attn.q_proj.weight`, hidden, hidden),
    matrix(`${prefix}self_attn.k_proj.weight`, kv, hidden),
    matrix(`${prefix}self_attn.v_proj.weight`, kv, hidden),
    output(`${prefix}self_attn.o_proj.weight`, hidden),
    norm(`${prefix}post_attention_layernorm.weight`),
    ...(experts ? mixture(`${prefix}block_sparse_moe.`, experts.count) : [
      matrix(`${prefix}mlp.gate_proj.weight`, intermediate, hidden),
      matrix(`${prefix}mlp.up_proj.weight`, intermediate, hidden),
      output(`${prefix}mlp.down_proj.weight`, intermediate),
    ]),
  ];
  return [
    vocabulary("model.embed_tokens.weight", 0),
    ...Array.from({ length: layers }, (_, n) => layer(`model.layers.${n}.`)).flat(),
    norm("model.norm.weight"),
    vocabulary("lm_head.weight", CHAIN_STEP),
  ];
}

async function writeShard(
  path: string,
  specs: Spec[],
  pool: (deviation: number) => Uint16Array,
  random: () => number,
): Promise<void> {
  let end = 0;
  const header = Object.fromEntries(specs.map((spec) => {
    const start = end;
    end += 2 * elements(spec);
    return [spec.name, { dtype: "BF16", shape: spec.shape, data_offsets: [start, end] }];
  }));
  const json = JSON.stringify(header);
  const head = new TextEncoder().encode(json + " ".repeat((8 - json.length % 8) % 8));
  await using file = await open(path, "w");
  const length = new Uint8Array(8);
  new DataView(length.buffer).setBigUint64(0, BigInt(head.length), true);
  await file.writeFile(length);
  await file.writeFile(head);
  for (const spec of specs) {
    const halves = pool(spec.deviation);
    if (spec.turned !== undefined) {
      await writeRows(file, halves, spec);
      continue;
    }
    for (let left = elements(spec); left > 0;) {
      const from = Math.floor(random() * POOL / 2);
      const piece = halves.subarray(from, Math.min(POOL, from + left));
      await file.writeFile(new Uint8Array(piece.buffer, piece.byteOffset, piece.byteLength));
      left -= piece.length;
    }
  }
}

/** Writes rows that depend on their number alone. */
async function writeRows(
  file: FileHandle,
  pool: Uint16Array,
  { shape: [rows, width], turned }: Spec,
): Promise<void> {
  const some = new Uint16Array(1024 * width);
  for (let from = 0; from < rows; from += 1024) {
    const count = Math.min(1024, rows - from);
    for (let i = 0; i < count; i++) {
      const number = (from + i - turned! + rows) % rows;
      const at = Math.imul(number + 1, 0x9e3779b1) >>> 0;
      some.set(pool.subarray(at % (POOL - width), at % (POOL - width) + width), i * width);
    }
    await file.writeFile(new Uint8Array(some.buffer, 0, count * width * 2));
  }
}

/** Writes the embedded model's tokenizer, with more words until the vocabulary is full. */
export async function writeTexts(dir: string, vocab: number): Promise<void> {
  const tokenizer = JSON.parse(await readFile(join(EMBEDDED, "tokenizer.json"), "utf8"));
  const known = Object.keys(tokenizer.model.vocab).length;
  for (let id = known; id < vocab; id++) tokenizer.model.vocab[`word${id}`] = id;
  await writeFile(join(dir, "tokenizer.json"), JSON.stringify(tokenizer));
  for (const file of ["tokenizer_config.json", "generation_config.json"]) {
    await copyFile(join(EMBEDDED, file), join(dir, file));
  }
}

async function writeConfig(dir: string, shape: CheckpointShape): Promise<void> {
  const config = {
    architectures: [shape.experts ? "MixtralForCausalLM" : "LlamaForCausalLM"],
    ...(shape.experts && {
      num_local_experts: shape.experts.count,
      num_experts_per_tok: shape.experts.active,
      sliding_window: null,
    }),
    hidden_size: shape.hidden,
    intermediate_size: shape.intermediate,
    num_hidden_layers: shape.layers,
    num_attention_heads: shape.heads,
    num_key_value_heads: shape.kvHeads,
    vocab_size: shape.vocab,
    max_position_embeddings: 2048,
    rms_norm_eps: 1e-5,
    tie_word_embeddings: false,
    torch_dtype: "bfloat16",
    eos_token_id: 1,
  };
  await writeFile(join(dir, "config.json"), JSON.stringify(config));
}

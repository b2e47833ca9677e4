/**
 * Tiny checkpoints of all architectures, with what transformers computed of them
 * (`tests/fixtures/make_checkpoints.py`).
 *
 * @module
 */
import { copyFile, mkdir, mkdtemp, readdir, readFile, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { type Manifest, ModelStore, type Precision } from "../../models/mod.ts";
import { StageChain } from "../oracle/stages.ts";
import { readSafetensors } from "./read_safetensors.ts";
import { trimTokenizer, writeTinyCheckpoint } from "./tiny_checkpoint.ts";

/** Their folder. */
export const FIXTURE_DIR: string = fileURLToPath(
  new URL("../fixtures/checkpoints", import.meta.url),
);

/** What transformers computed in float32. */
export interface Expected {
  /** Token ids of the prompt (20), and those that follow by greedy choice (64). */
  prompt: number[];
  greedy: number[];
  /** Positions whose logits are known, and the logits (positions, vocab). */
  prefill: { rows: number[]; logits: Float32Array };
  steps: { rows: number[]; logits: Float32Array };
}

/** A converted fixture. */
export interface Fixture {
  manifest: Manifest;
  blobDir: string;
  expected: Expected;
}

/** What is expected of the fixture in this folder. */
export async function readExpected(folder: string): Promise<Expected> {
  const { prompt, greedy, prefill, steps } = JSON.parse(
    await readFile(join(folder, "expected.json"), "utf8"),
  );
  const values = await readSafetensors(join(folder, "expected.safetensors"));
  return {
    prompt,
    greedy,
    prefill: { rows: prefill, logits: values("prefill") },
    steps: { rows: steps, logits: values("steps") },
  };
}

/** Rows of the embedding of a checkpoint. */
async function vocabularyOf(folder: string): Promise<number> {
  const config = JSON.parse(await readFile(join(folder, "config.json"), "utf8"));
  return (config.text_config ?? config).vocab_size;
}

/** Converts a fixture and runs `use` on it; the fixtures have no tokenizer of their own. */
export async function withFixture(
  name: string,
  precision: Precision,
  use: (fixture: Fixture) => Promise<void>,
): Promise<void> {
  const dir = await mkdtemp(join(tmpdir(), "orrery-architectures-"));
  try {
    const source = join(dir, name);
    await mkdir(source);
    for (const file of await readdir(join(FIXTURE_DIR, name))) {
      await copyFile(join(FIXTURE_DIR, name, file), join(source, file));
    }
    const { dir: tokenizer } = await writeTinyCheckpoint(join(dir, "tokenizer"), { layers: 1 });
    await copyFile(join(tokenizer, "tokenizer.json"), join(source, "tokenizer.json"));
    await trimTokenizer(source, await vocabularyOf(source));
    const store = await ModelStore.open(join(dir, "store"));
    const { manifest, blobsDir: blobDir } = await store.add(source, { precision });
    await use({ manifest, blobDir, expected: await readExpected(source) });
  } finally {
    await rm(dir, { recursive: true });
  }
}

/** Stages that begin at these layers. */
export function cut(layers: number, ...starts: number[]): [number, number][] {
  return starts.map((start, i): [number, number] => [start, (starts[i + 1] ?? layers) - 1]);
}

/** Every way to cut a model of this many layers. */
export function splits(layers: number): [number, number][][] {
  const inner = Array.from({ length: layers - 1 }, (_, i) => i + 1);
  return Array.from(
    { length: 2 ** inner.length },
    (_, choice) => cut(layers, 0, ...inner.filter((_, i) => choice >> i & 1)),
  );
}

const rowsOf = (tokens: number[], from = 0) =>
  tokens.map((token, i) => ({ token, position: from + i, parent: from + i - 1 }));

/** Logits of all rows of the prompt, (20, vocab), run in pieces. */
export async function prefill(
  { manifest, blobDir, expected }: Fixture,
  ranges: [number, number][],
  piece: number,
) {
  const { prompt } = expected;
  await using chain = await StageChain.open(manifest, ranges, {
    blobDir,
    capacity: 24,
    accuracyLevel: 1,
  });
  const logits: number[] = [];
  for (let at = 0; at < prompt.length; at += piece) {
    const rows = rowsOf(prompt.slice(at, at + piece), at);
    logits.push(...(await chain.run(rows, rows.map((_, i) => i))).logits);
  }
  return Float64Array.from(logits);
}

/** The index of the largest. */
const best = (logits: Float32Array): number =>
  logits.reduce((at, v, i) => v > logits[at] ? i : at, 0);

/** Runs prompt and continuation token by token. */
export async function decode({ manifest, blobDir, expected }: Fixture, ranges: [number, number][]) {
  await using chain = await StageChain.open(manifest, ranges, { blobDir, capacity: 84 });
  const tokens = [...expected.prompt];
  const logits: Float32Array[] = [];
  while (tokens.length < expected.prompt.length + expected.greedy.length) {
    const at = logits.length;
    logits.push((await chain.run(rowsOf([tokens[at]], at), [0])).logits.slice());
    if (at >= expected.prompt.length - 1) tokens.push(best(logits[at]));
  }
  return { greedy: tokens.slice(expected.prompt.length), logits };
}

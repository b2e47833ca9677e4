/**
 * `deno task models quality`: what each precision costs a model.
 *
 * @module
 */
// deno-lint-ignore-file no-console -- a command talks to its user
import { basename } from "node:path";
import pc from "picocolors";
import { type ModelParts, type ModelStore, openModelSource, passagesOf } from "../../models/mod.ts";
import { calibrate, measureQuality, type QualityReport } from "../quality/mod.ts";
import { exitCodes, UsageError } from "./fail.ts";
import { humanBytes, Progress } from "./progress.ts";
import { table } from "./table.ts";

/** What is asked for. */
export interface QualityRequest {
  /** A model of the store, or a checkpoint folder or GGUF file. */
  source: string;
  /** GGUF files or folders of the same model that are measured too. */
  beside: string[];
  /** Path of the text to measure over. @default the built-in one */
  text?: string;
  json: boolean;
  signal: AbortSignal;
}

/** Measures and prints a table, or JSON. Returns the exit code. */
export async function printQuality(store: ModelStore, request: QualityRequest): Promise<number> {
  const { source, beside, text, json, signal } = request;
  const progress = new Progress();
  const passages = text === undefined ? undefined : passagesOf(await readText(text));
  await using opened = new AsyncDisposableStack();
  const others = new Map<string, ModelParts>();
  try {
    const parts = opened.use(await partsOf(store, source, opened));
    for (const path of beside) {
      others.set(basename(path), opened.use(await partsOf(store, path, opened)));
    }
    const report = await measureQuality(parts, {
      // The calibration runs its own texts, and disposes of its own parts.
      calibrate: async () => await calibrate(await partsOf(store, source, opened), { signal }),
      beside: others,
      passages,
      onProgress: (done, total, what) => progress.show("measuring", done, total, what),
      signal,
    });
    progress.end();
    console.log(json ? JSON.stringify(report, null, 2) : tableOf(report));
    return exitCodes.ok;
  } catch (error) {
    progress.end();
    if (!signal.aborted) throw error;
    console.error("interrupted; nothing was changed");
    return exitCodes.interrupted;
  }
}

/** A model of the store of this name, else what lies at this path, taken apart. */
async function partsOf(
  store: ModelStore,
  source: string,
  opened: AsyncDisposableStack,
): Promise<ModelParts> {
  const there = await Deno.stat(source).then(() => true, () => false);
  const known = (await store.list()).find(({ manifest }) => manifest.name === source);
  if (known) return await store.parts(known);
  if (!there) return await store.parts(await store.get(source));
  return await store.parts(opened.use(await openModelSource(source)));
}

async function readText(path: string): Promise<string> {
  try {
    return await Deno.readTextFile(path);
  } catch (error) {
    throw new UsageError(`--text ${path} cannot be read: ${(error as Error).message}`);
  }
}

function tableOf({ model, reference, tokens, perplexity, rows }: QualityReport): string {
  const head = ["stored as", "size", "KL, mean", "KL, p99", "same top", "perplexity"];
  const lines = rows.map((row) => [
    row.name,
    row.bytes > 0 ? humanBytes(row.bytes) : "-",
    row.kl.toFixed(5),
    row.kl_p99.toFixed(4),
    `${(100 * row.same_top).toFixed(2)} %`,
    row.perplexity.toFixed(3),
  ]);
  const held = reference === "f32" ? "its weights" : `its ${reference} weights`;
  return [
    `${pc.bold(model)}: divergence from ${held} in f32, in nats a token, over ${tokens} tokens`,
    table([head.map((cell) => pc.bold(cell)), ...lines]),
    `perplexity of the reference: ${perplexity.toFixed(3)}`,
    ...(reference.startsWith("q4")
      ? [
        `it holds ${reference}: name the folder or file that it was made from to see what ${reference} itself cost`,
      ]
      : []),
  ].join("\n");
}

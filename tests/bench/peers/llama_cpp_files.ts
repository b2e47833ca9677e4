/**
 * Where the benchmarks keep llama.cpp, the package `node-llama-cpp`, and its form of the models
 * with random weights.
 *
 * @module
 */
import { mkdtemp, rm, stat } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { type CheckpointShape, writeRandomCheckpoint } from "../models/random_checkpoint.ts";
import { writeGguf } from "./write_gguf.ts";

/** Version of `node-llama-cpp`. */
export const LLAMA_VERSION = "3.22.1";

/** Folder of the package and of the GGUF files, where none is given. */
export const DEFAULT_DATA: string = join(tmpdir(), "orrery-edge");

/** Folder of the installed package. */
export const llamaFolder = (data: string): string =>
  join(data, "peers", `node-llama-cpp-${LLAMA_VERSION}`);

/** The package's module. */
export const llamaEntry = (data: string): string =>
  join(llamaFolder(data), "node_modules", "node-llama-cpp", "dist", "index.js");

const exists = (path: string) => stat(path).then(() => true, () => false);

/** Ends the process with a sentence that says what to do, unless the package is there. */
export async function requireLlama(data: string): Promise<void> {
  if (await exists(llamaEntry(data))) return;
  // deno-lint-ignore no-console -- for the person at the terminal
  console.error(
    `${llamaFolder(data)} is not here; fetch llama.cpp once with ` +
      `deno task bench:llama --install --data ${data}`,
  );
  Deno.exit(2);
}

/**
 * A model with random weights as a GGUF file, which is kept in the data folder. Returns its path.
 * Writing it needs the disk space of its BF16 checkpoint for a while.
 */
export async function prepareGguf(
  { name, data, shape }: { name: string; data: string; shape: CheckpointShape },
): Promise<string> {
  const file = join(data, "peers", `${name}.gguf`);
  if (await exists(file)) return file;
  const checkpoint = await mkdtemp(join(data, "checkpoint-"));
  try {
    await writeRandomCheckpoint(checkpoint, shape);
    await writeGguf(checkpoint, file);
  } finally {
    await rm(checkpoint, { recursive: true });
  }
  return file;
}

/** Arguments of Deno that run a module of this folder with the package; its folder must be the working one. */
export const llamaArguments = (module: string): string[] => [
  ...["run", "-A", "-q", "--no-config", "--no-lock", "--node-modules-dir=manual"],
  module,
];

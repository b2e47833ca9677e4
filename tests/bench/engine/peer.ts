// deno-lint-ignore-file no-console -- prints the table of a benchmark
/**
 * Compares the engine with llama.cpp on this machine: the same shapes, both with a head of 8 bits,
 * by turns of a few frames each. Other work on the machine disturbs both alike, so ratios are
 * medians of the turns' ratios.
 *
 * @module
 */
import { mkdir, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import type { Geometry } from "../../../models/mod.ts";
import { RANDOM_MODELS } from "../edge/models.ts";
import {
  llamaArguments,
  llamaEntry,
  llamaFolder,
  prepareGguf,
  requireLlama,
} from "../peers/llama_cpp_files.ts";
import type { LlamaTurns } from "../peers/llama_cpp_turns.ts";
import { alignRows, medianOf } from "../shared/figures.ts";
import { inTemporaryFolder } from "../shared/temporary_folder.ts";
import type { OwnTurns } from "./own_turns.ts";
import { HALF_BILLION_GEOMETRY, syntheticModel } from "./synthetic.ts";
import { type Farewell, PAST_ROWS, type Ready, type Turn, type TurnFigures } from "./turns.ts";

/** What is measured, what it is called, and the share of the repeats that it gets. */
const TURNS: { name: string; turn: Turn; share: number }[] = [
  { name: `1 row after ${PAST_ROWS}`, turn: { kind: "decode", rows: 1, frames: 8 }, share: 1 },
  { name: `8 rows after ${PAST_ROWS}`, turn: { kind: "decode", rows: 8, frames: 3 }, share: 1 },
  // A prompt takes as long as 20 turns of the first kind.
  { name: "prompt of 512", turn: { kind: "prefill", rows: 512 }, share: 1 / 3 },
];

/** Options of {@linkcode comparePeer}. */
export interface PeerOptions {
  /** Folder of llama.cpp and its models. */
  data: string;
  /** Numbers of threads, each a comparison of its own. */
  threads: number[];
  /** Turns of each engine. */
  repeats: number;
  /** Names of {@linkcode RANDOM_MODELS}. */
  models: string[];
}

/** Measures both engines and prints a table for each model and number of threads. */
export async function comparePeer({ data, threads, repeats, models }: PeerOptions): Promise<void> {
  await requireLlama(data);
  await inTemporaryFolder(async (dir) => {
    for (const name of models) {
      const shape = RANDOM_MODELS[name];
      const gguf = await prepareGguf({ name, data, shape });
      const blobDir = join(dir, name);
      await mkdir(blobDir);
      const manifest = await syntheticModel(geometryOf(name), blobDir);
      for (const count of threads) {
        const assignment = join(dir, "assignment.json");
        const own: OwnTurns = { manifest, blobDir, threads: count };
        await writeFile(assignment, JSON.stringify(own));
        const llama: LlamaTurns = {
          entry: llamaEntry(data),
          model: gguf,
          threads: count,
          past: PAST_ROWS,
        };
        await using ours = await Engine.start(
          ["run", "-A", "-q", fileURLToPath(new URL("own_turns.ts", import.meta.url)), assignment],
        );
        await using peer = await Engine.start([
          ...llamaArguments(
            fileURLToPath(new URL("../peers/llama_cpp_turns.ts", import.meta.url)),
          ),
          JSON.stringify(llama),
        ], llamaFolder(data));
        console.log(`\n${name}, ${count} thread${count === 1 ? "" : "s"}`);
        await compare(ours, peer, repeats);
      }
    }
  });
}

/** The geometry that the engine's benchmark makes up for a model. */
function geometryOf(name: string): Geometry {
  const { hidden, layers, heads, kvHeads, intermediate, vocab } = RANDOM_MODELS[name];
  return {
    ...HALF_BILLION_GEOMETRY,
    ...{ hidden, layers, heads, intermediate, vocab, kv_heads: kvHeads },
    head_dim: hidden / heads,
  };
}

async function compare(ours: Engine, peer: Engine, repeats: number): Promise<void> {
  const rows = [[
    "",
    ...["ours, ms", `${peer.name}, ms`, "its time / ours", "its processor time / ours"],
  ]];
  for (const { name, turn, share } of TURNS) {
    const turns = Math.max(1, Math.round(share * repeats));
    const pairs: [TurnFigures, TurnFigures][] = [];
    for (let i = turn.kind === "decode" ? -1 : 0; i < turns; i++) {
      // Who begins alternates too: the second one finds the caches as the first one left them.
      const order = i % 2 === 0 ? [ours, peer] : [peer, ours];
      const found = new Map<Engine, TurnFigures>();
      for (const engine of order) found.set(engine, await engine.take(turn));
      if (i >= 0) pairs.push([found.get(ours)!, found.get(peer)!]); // the first one of decoding warms up
    }
    const ratio = (key: keyof TurnFigures) =>
      medianOf(pairs.map(([mine, its]) => its[key] / mine[key])).toFixed(2);
    const ms = (which: 0 | 1) => medianOf(pairs.map((pair) => pair[which].ms)).toFixed(1);
    rows.push([name, ms(0), ms(1), ratio("ms"), ratio("cpuMs")]);
  }
  for (const line of alignRows(rows, [0])) console.log(`  ${line}`);
  const resident = await Promise.all([ours, peer].map((engine) => engine.end()));
  console.log(
    `  resident: ours +${mb(resident[0])} MB, ${peer.name} +${mb(resident[1])} MB`,
  );
}

const mb = (bytes: number) => (bytes / 1e6).toFixed(0);

/** A process that answers {@linkcode Turn}s. */
class Engine implements AsyncDisposable {
  readonly #child: Deno.ChildProcess;
  readonly #writer: WritableStreamDefaultWriter<Uint8Array>;
  readonly #lines: AsyncIterator<string>;
  /** Name and version. */
  name = "";

  private constructor(args: string[], cwd?: string) {
    this.#child = new Deno.Command(Deno.execPath(), {
      args,
      cwd,
      env: { NO_COLOR: "1" },
      stdin: "piped",
      stdout: "piped",
      stderr: "inherit",
    }).spawn();
    this.#writer = this.#child.stdin.getWriter();
    this.#lines = linesOf(this.#child.stdout);
  }

  /** Starts the process and waits until its model is loaded. */
  static async start(args: string[], cwd?: string): Promise<Engine> {
    const engine = new Engine(args, cwd);
    engine.name = (await engine.#read<Ready>()).engine;
    return engine;
  }

  async take(turn: Turn): Promise<TurnFigures> {
    await this.#writer.write(new TextEncoder().encode(`${JSON.stringify(turn)}\n`));
    return await this.#read<TurnFigures>();
  }

  /** Ends the process; returns the memory that it had, in bytes. */
  async end(): Promise<number> {
    await this.#writer.close();
    const { residentBytes } = await this.#read<Farewell>();
    await this.#child.status;
    return residentBytes;
  }

  async #read<T>(): Promise<T> {
    const { value, done } = await this.#lines.next();
    if (done) throw new Error("an engine of the comparison ended; see its message above");
    return JSON.parse(value);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    try {
      this.#child.kill("SIGKILL");
    } catch {
      // It has ended already.
    }
    await this.#child.status;
  }
}

async function* linesOf(stream: ReadableStream<Uint8Array<ArrayBuffer>>): AsyncGenerator<string> {
  let rest = "";
  for await (const piece of stream.pipeThrough(new TextDecoderStream())) {
    const lines = (rest + piece).split("\n");
    rest = lines.pop()!;
    yield* lines;
  }
}

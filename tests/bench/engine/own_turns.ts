// deno-lint-ignore-file no-console -- its lines are its answers
/**
 * This project's engine as one of the two of `bench:engine --peer`, see `turns.ts`: its first
 * argument is an {@linkcode OwnTurns} in JSON, its input are turns.
 *
 * @module
 */
import process from "node:process";
import { createInterface } from "node:readline";
import type { StageEngine } from "../../../actors/pipeline/engine.ts";
import { buildStageGraph, type Manifest } from "../../../models/mod.ts";
import { loadEngine } from "../../../runtime/engine/mod.ts";
import { chainFrame } from "../shared/chain.ts";
import {
  cpuMs,
  type Farewell,
  PAST_ROWS,
  type Ready,
  type Turn,
  type TurnFigures,
} from "./turns.ts";

/** How to load the model. */
export interface OwnTurns {
  manifest: Manifest;
  blobDir: string;
  /** Threads that compute. */
  threads: number;
}

/** Rows of a piece of a prompt. */
const PIECE = 64;
/** Rows of the arena. */
const CAPACITY = 1024;
const ARENA_BYTES = 1 << 30;

async function measure(engine: StageEngine, vocab: number, turn: Turn): Promise<TurnFigures> {
  const parts = turn.kind === "prefill" ? 1 : turn.frames;
  const [start, startCpu] = [performance.now(), cpuMs()];
  if (turn.kind === "prefill") {
    for (let base = 0; base < turn.rows; base += PIECE) {
      const rows = Math.min(PIECE, turn.rows - base);
      const last = base + rows === turn.rows;
      await engine.run(chainFrame(base, rows, vocab, last ? [rows - 1] : []));
    }
  } else {
    const want = Array.from({ length: turn.rows }, (_, i) => i);
    for (let i = 0; i < turn.frames; i++) {
      await engine.run(chainFrame(PAST_ROWS + i * turn.rows, turn.rows, vocab, want));
    }
  }
  return { ms: (performance.now() - start) / parts, cpuMs: (cpuMs() - startCpu) / parts };
}

const { manifest, blobDir, threads }: OwnTurns = JSON.parse(await Deno.readTextFile(Deno.args[0]));
const { geometry } = manifest;
const range = { firstLayer: 0, lastLayer: geometry.layers - 1, blobDir };
const before = Deno.memoryUsage().rss;
const graph = await buildStageGraph(manifest, range);
const engine = await loadEngine({ graph, geometry, threads, arenaBudgetBytes: ARENA_BYTES });
await engine.layout("bench", { capacity: CAPACITY, keep: new Int32Array(0) });
await measure(engine, geometry.vocab, { kind: "prefill", rows: PAST_ROWS });
const ready: Ready = { engine: "ours" };
console.log(JSON.stringify(ready));
for await (const line of createInterface({ input: process.stdin })) {
  console.log(JSON.stringify(await measure(engine, geometry.vocab, JSON.parse(line))));
}
const farewell: Farewell = { residentBytes: Deno.memoryUsage().rss - before };
console.log(JSON.stringify(farewell));
Deno.exit(0);

// deno-lint-ignore-file no-console -- its lines are its answers
/**
 * llama.cpp as one of the two engines of `bench:engine --peer`, see `engine/turns.ts`: its first
 * argument is a {@linkcode LlamaTurns} in JSON, its input are turns. Of this project it imports
 * types alone, since it runs with the packages of another folder.
 *
 * @module
 */
import process from "node:process";
import { createInterface } from "node:readline";
import type { Farewell, Ready, Turn, TurnFigures } from "../engine/turns.ts";

/** How to load the model. */
export interface LlamaTurns {
  /** Path of the module `node-llama-cpp`. */
  entry: string;
  /** Path of the GGUF file. */
  model: string;
  /** Threads that compute. */
  threads: number;
  /** Rows in the cache before the frames that are measured. */
  past: number;
}

interface Sequence {
  readonly nextTokenIndex: number;
  clearHistory(): Promise<void>;
  eraseContextTokenRanges(ranges: { start: number; end: number }[]): Promise<void>;
  evaluateWithoutGeneratingNewTokens(tokens: number[]): Promise<void>;
  controlledEvaluate(
    tokens: [token: number, options: { generateNext: { token: true } }][],
  ): Promise<unknown>;
  evaluate(tokens: number[], options: { temperature: number }): AsyncGenerator<number>;
}

/** The part of `node-llama-cpp` that is used here. */
interface LlamaModule {
  getLlama(options: Record<string, unknown>): Promise<{
    llamaCppRelease: { release: string };
    loadModel(options: Record<string, unknown>): Promise<{
      createContext(options: Record<string, unknown>): Promise<{ getSequence(): Sequence }>;
    }>;
  }>;
}

/** Rows of llama.cpp's context. */
const CONTEXT = 2048;

const { entry, model: modelPath, threads, past }: LlamaTurns = JSON.parse(Deno.args[0]);

const cpuMs = () => {
  const { user, system } = process.cpuUsage();
  return (user + system) / 1000;
};
const randomToken = () => 300 + Math.floor(Math.random() * 3000);
const randomTokens = (count: number) => Array.from({ length: count }, randomToken);

/** Time of `work`, divided by `parts`. */
async function timed(parts: number, work: () => Promise<void>): Promise<TurnFigures> {
  const [start, startCpu] = [performance.now(), cpuMs()];
  await work();
  return { ms: (performance.now() - start) / parts, cpuMs: (cpuMs() - startCpu) / parts };
}

/** Drops all rows from `past` on. */
async function rewind(sequence: Sequence): Promise<void> {
  const end = sequence.nextTokenIndex;
  if (end > past) await sequence.eraseContextTokenRanges([{ start: past, end }]);
}

async function measure(sequence: Sequence, turn: Turn): Promise<TurnFigures> {
  if (turn.kind === "prefill") {
    await sequence.clearHistory();
    return await timed(1, async () => {
      const answer = sequence.evaluate(randomTokens(turn.rows), { temperature: 0 });
      await answer.next();
      await answer.return(undefined);
    });
  }
  await rewind(sequence);
  if (turn.rows === 1) {
    const answer = sequence.evaluate([randomToken()], { temperature: 0 });
    await answer.next();
    const figures = await timed(turn.frames, async () => {
      for (let i = 0; i < turn.frames; i++) await answer.next();
    });
    await answer.return(undefined);
    return figures;
  }
  return await timed(turn.frames, async () => {
    for (let i = 0; i < turn.frames; i++) {
      await sequence.controlledEvaluate(
        randomTokens(turn.rows).map((token) => [token, { generateNext: { token: true } }]),
      );
    }
  });
}

const module: LlamaModule = await import(`file://${entry}`);
const before = Deno.memoryUsage().rss;
const llama = await module.getLlama({ gpu: false, build: "never", logLevel: "error" });
const model = await llama.loadModel({ modelPath, gpuLayers: 0 });
const sequence = (await model.createContext({ contextSize: CONTEXT, threads })).getSequence();
await sequence.evaluateWithoutGeneratingNewTokens(randomTokens(past));
// The library has kernels for a dozen kinds of processors and loads those of this one.
const maps = await Deno.readTextFile("/proc/self/maps").catch(() => "");
const kernels = /libggml-cpu-(\w+)/.exec(maps)?.[1] ?? "unknown";
const ready: Ready = { engine: `llama.cpp ${llama.llamaCppRelease.release} (${kernels})` };
console.log(JSON.stringify(ready));
for await (const line of createInterface({ input: process.stdin })) {
  console.log(JSON.stringify(await measure(sequence, JSON.parse(line))));
}
const farewell: Farewell = { residentBytes: Deno.memoryUsage().rss - before };
console.log(JSON.stringify(farewell));
Deno.exit(0);

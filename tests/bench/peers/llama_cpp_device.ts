// deno-lint-ignore-file no-console -- its last line is its answer
/**
 * Measures llama.cpp on the device that it runs on: answers the {@linkcode LlamaJob} of its first
 * argument with a line of {@linkcode LlamaResult}. It imports nothing of this project, since it
 * runs with the packages of another folder.
 *
 * @module
 */

/** What to measure. */
export interface LlamaJob {
  /** Path of the module `node-llama-cpp`. */
  entry: string;
  /** Path of the GGUF file. */
  model: string;
  /** Threads that compute. */
  threads: number;
  /** Lengths in tokens. */
  requests: { prompt: number; tokens: number }[];
  /** How often each request is measured, every time with a new prompt. */
  repeats: number;
}

/** What was measured. */
export interface LlamaResult {
  /** llama.cpp's release. */
  release: string;
  /** For each request of the job its repeats. */
  measured: { ttftS: number; totalS: number; tokens: number }[][];
  /**
   * Resident memory of the process at the end, less what it had before llama.cpp was loaded, in
   * bytes.
   */
  residentBytes: number;
  /** Share of the tokens, 0 to 1, that follow the one before by the step of the random model. */
  chained: number;
}

/** The part of `node-llama-cpp` that is used here. */
interface LlamaModule {
  getLlama(options: Record<string, unknown>): Promise<{
    llamaCppRelease: { release: string };
    loadModel(options: Record<string, unknown>): Promise<{
      createContext(options: Record<string, unknown>): Promise<{
        getSequence(): {
          clearHistory(): Promise<void>;
          evaluate(tokens: number[], options: { temperature: number }): AsyncGenerator<number>;
        };
      }>;
    }>;
  }>;
}

/** Tokens from one to the next, see `models/random_checkpoint.ts`. */
const CHAIN_STEP = 1009;
/** Rows of llama.cpp's context. */
const CONTEXT = 2048;

const residentBytes = async () =>
  1024 * Number(/^VmRSS:\s+(\d+)/m.exec(await Deno.readTextFile("/proc/self/status"))![1]);

/** Runs the job. Throws what llama.cpp throws. */
async function measure(job: LlamaJob): Promise<LlamaResult> {
  const module: LlamaModule = await import(`file://${job.entry}`);
  const before = await residentBytes();
  const llama = await module.getLlama({ gpu: false, build: "never", logLevel: "error" });
  const model = await llama.loadModel({ modelPath: job.model, gpuLayers: 0 });
  const { threads } = job;
  const context = await model.createContext({ contextSize: CONTEXT, threads });
  const sequence = context.getSequence();
  const measured: LlamaResult["measured"] = job.requests.map(() => []);
  let chained = 0, followed = 0;
  for (let repeat = -1; repeat < job.repeats; repeat++) {
    for (const [i, request] of job.requests.entries()) {
      // The first round warms up with short requests and is not counted.
      const prompt = repeat < 0 ? 16 : request.prompt;
      const tokens = repeat < 0 ? 4 : request.tokens;
      const ids = Array.from({ length: prompt }, () => 300 + Math.floor(Math.random() * 3000));
      await sequence.clearHistory();
      const started = performance.now();
      const seconds = () => (performance.now() - started) / 1000;
      let ttftS = NaN, count = 0, last = ids.at(-1)!;
      for await (const token of sequence.evaluate(ids, { temperature: 0 })) {
        if (count++ === 0) ttftS = seconds();
        followed++;
        if (token === last + CHAIN_STEP) chained++;
        last = token;
        if (count === tokens) break;
      }
      if (repeat >= 0) measured[i].push({ ttftS, totalS: seconds(), tokens: count });
    }
  }
  return {
    release: llama.llamaCppRelease.release,
    measured,
    residentBytes: await residentBytes() - before,
    chained: chained / followed,
  };
}

console.log(JSON.stringify(await measure(JSON.parse(Deno.args[0]))));
Deno.exit(0);

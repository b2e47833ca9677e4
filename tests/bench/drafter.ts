// deno-lint-ignore-file no-console -- its lines are its answers
/**
 * `deno task bench:drafter [--quick] [--tokenizer FOLDER]... [--text FILE]...`: what a draft model
 * gains and loses by an LM head that has the frequent tokens only.
 *
 * - Of each text, the share of tokens that such a head has, with each tokenizer.
 * - Of the embedded pair's answers, the share of tokens that the draft model guesses.
 * - Milliseconds of processor time and bytes of a row, by turns, of a draft model with a large vocabulary (left out
 *   with `--quick`).
 *
 * @module
 */
import { mkdir } from "node:fs/promises";
import { basename, join } from "node:path";
import { parseArgs } from "node:util";
import { type Frame, type Sampling, samplingSchema } from "../../actors/pipeline/frame.ts";
import type { StageEngine } from "../../actors/pipeline/engine.ts";
import {
  buildStageGraph,
  frequentTokens,
  headBounds,
  type Manifest,
  ModelStore,
  type StoredModel,
  Tokenizer,
  type TokenRange,
} from "../../models/mod.ts";
import { loadEngine } from "../../runtime/engine/mod.ts";
import { FIFTY } from "../support/prompts.ts";
import { HALF_BILLION_GEOMETRY, syntheticModel } from "./engine/synthetic.ts";
import { cpuMs } from "./engine/turns.ts";
import { chainFrame } from "./shared/chain.ts";
import { alignRows, describeMachine, medianOf } from "./shared/figures.ts";
import { inTemporaryFolder } from "./shared/temporary_folder.ts";

const { values: args } = parseArgs({
  options: {
    quick: { type: "boolean", default: false },
    tokenizer: { type: "string", multiple: true, default: [] },
    text: { type: "string", multiple: true, default: [] },
    /** For the process that this command starts: the file that says what to load. */
    load: { type: "string" },
  },
});

/** Parts of the vocabulary that are kept: 1 / each. */
const DIVISORS = [1, 2, 4, 8];
/** Characters that are tokenised at once. */
const CHUNK = 4000;
const ANSWER_TOKENS = 150;
/** Tokens before the end of an answer that are counted by themselves. */
const LAST_TOKENS = 8;
/** Rows before the one that is measured. */
const PAST_ROWS = 256;
const ROUNDS = 15;
const FRAMES = 8;
const MIB = 2 ** 20;

const EMBEDDED = join(import.meta.dirname!, "..", "..", "models", "embedded");

const percent = (part: number, whole: number) =>
  whole > 0 ? `${(100 * part / whole).toFixed(1)} %` : "-";
const shareName = (divisor: number) => divisor === 1 ? "whole" : `1/${divisor}`;
const has = (ranges: readonly TokenRange[], id: number) =>
  ranges.some(({ first, rows }) => id >= first && id < first + rows);
const print = (rows: string[][]) => alignRows(rows, [0]).forEach((line) => console.log(line));

/** Prints which share of each text's tokens a trimmed head has. */
async function coverage(folder: string, texts: readonly string[]): Promise<void> {
  const tokenizer = await Tokenizer.load(folder);
  const vocab = tokenizer.vocabSize;
  const rows = [["tokens of the head", ...texts.map((text) => basename(text))]];
  const ids = await Promise.all(texts.map(async (file) => {
    const text = await Deno.readTextFile(file);
    const found: number[] = [];
    for (let at = 0; at < text.length; at += CHUNK) {
      found.push(...tokenizer.encode(text.slice(at, at + CHUNK), { addSpecialTokens: false }));
    }
    return found;
  }));
  for (const divisor of DIVISORS.slice(1)) {
    const count = Math.round(vocab / divisor);
    const kept = await frequentTokens(folder, { count, vocab });
    rows.push([
      `${count} (${shareName(divisor)})`,
      ...ids.map((of) => percent(of.filter((id) => has(kept, id)).length, of.length)),
    ]);
  }
  console.log(`\n${basename(folder)}, ${vocab} tokens: share of each text's tokens`);
  print(rows);
}

/** An engine with all layers; `tokens`: those that have logits. */
async function open(
  { manifest, blobDir }: { manifest: Manifest; blobDir: string },
  tokens?: readonly TokenRange[],
): Promise<{ engine: StageEngine; weightBytes: number }> {
  const { geometry } = manifest;
  const graph = await buildStageGraph(manifest, {
    firstLayer: 0,
    lastLayer: geometry.layers - 1,
    blobDir,
    tokens,
  });
  const engine = await loadEngine({ graph, geometry, threads: 1, arenaBudgetBytes: 256 * MIB });
  await engine.layout("bench", { capacity: 1024, keep: new Int32Array(0) });
  return { engine, weightBytes: graph.weightBytes };
}

/** A frame of these tokens, each of whose followers is wanted where `want` says so. */
function frameOf(
  base: number,
  tokens: number[],
  { want, sampling }: { want: number[]; sampling: Sampling },
): Frame {
  const frame = chainFrame(base, tokens.length, 1, want);
  return {
    ...frame,
    tokens: Int32Array.from(tokens),
    samplers: [{ id: 0, sampling, prompt_rows: 0 }],
  };
}

async function chosen(engine: StageEngine, frame: Frame): Promise<number[]> {
  const output = await engine.run(frame);
  if (output.kind !== "tokens") throw new Error("the engine has no LM head");
  return output.tokens.map(({ token }) => token);
}

/** A prompt and the target's answer to it. */
interface Answer {
  prompt: number[];
  answer: number[];
  sampling: Sampling;
}

/** The target's answers, without drafts. */
async function answersOf(target: StoredModel, temperature: number): Promise<Answer[]> {
  const [tokenizer, template] = [await target.tokenizer(), await target.chatTemplate()];
  const { eosTokens } = await target.generationDefaults();
  const { engine } = await open({ manifest: target.manifest, blobDir: target.blobsDir });
  const answers: Answer[] = [];
  for (const [seed, content] of FIFTY.entries()) {
    const sampling = samplingSchema.parse({ temperature, seed });
    const prompt = tokenizer.encode(template.render([{ role: "user", content }]), {
      addSpecialTokens: false,
    });
    const answer: number[] = [];
    let rows = prompt;
    while (answer.length < ANSWER_TOKENS) {
      const base = rows === prompt ? 0 : prompt.length + answer.length - 1;
      const frame = frameOf(base, rows, { want: [rows.length - 1], sampling });
      const [token] = await chosen(engine, frame);
      answer.push(token);
      if (eosTokens.includes(token)) break;
      rows = [token];
    }
    answers.push({ prompt, answer, sampling });
  }
  await engine.dispose();
  return answers;
}

/** Prints how many tokens of the embedded target's answers its draft model guesses. */
async function acceptance(dir: string): Promise<void> {
  const store = await ModelStore.open(join(dir, "store"));
  const add = (name: string) => store.add(join(EMBEDDED, name), { name, precision: "f32" });
  const [target, draft] = [await add("target"), await add("draft")];
  const { vocab } = draft.manifest.geometry;
  const { eosTokens } = await target.generationDefaults();
  for (const temperature of [0, 0.9]) {
    const answers = await answersOf(target, temperature);
    const total = answers.reduce((sum, { answer }) => sum + answer.length, 0);
    const header = ["tokens of the head", "in the head", "guessed", "of those", "of the last"];
    const rows = [[...header, "ends guessed"]];
    for (const divisor of DIVISORS) {
      const kept = await frequentTokens(draft.dir, { count: vocab / divisor, vocab });
      const { engine } = await open({ manifest: draft.manifest, blobDir: draft.blobsDir }, kept);
      let [inside, right, last, lastRight, ends, endsRight] = [0, 0, 0, 0, 0, 0];
      for (const { prompt, answer, sampling } of answers) {
        const rows = [...prompt, ...answer.slice(0, -1)];
        const want = answer.map((_, i) => prompt.length - 1 + i);
        const guesses = await chosen(engine, frameOf(0, rows, { want, sampling }));
        const ended = eosTokens.includes(answer.at(-1)!);
        for (const [i, token] of answer.entries()) {
          const hit = guesses[i] === token;
          if (has(kept, token)) inside++;
          if (hit) right++;
          if (ended && i >= answer.length - LAST_TOKENS) {
            last++;
            if (hit) lastRight++;
          }
        }
        if (ended) {
          ends++;
          if (guesses.at(-1) === answer.at(-1)) endsRight++;
        }
      }
      await engine.dispose();
      rows.push([
        `${vocab / divisor} (${shareName(divisor)})`,
        percent(inside, total),
        percent(right, total),
        percent(right, inside),
        percent(lastRight, last),
        `${endsRight} of ${ends}`,
      ]);
    }
    console.log(
      `\nthe embedded pair, temperature ${temperature}: tokens of ${answers.length} answers that the draft ` +
        `model guesses, given all before ("of the last": ${LAST_TOKENS} of each answer that ended)`,
    );
    print(rows);
  }
}

/** What a process of its own loads. */
interface Load {
  manifest: Manifest;
  blobDir: string;
  tokens: TokenRange[];
}

/** Private bytes that a process of its own takes for an engine. */
async function heldBytes(dir: string, load: Load): Promise<number> {
  const file = join(dir, "load.json");
  await Deno.writeTextFile(file, JSON.stringify(load));
  const { success, stdout } = await new Deno.Command(Deno.execPath(), {
    args: ["run", "--allow-all", import.meta.filename!, "--load", file],
    stderr: "inherit",
  }).output();
  if (!success) throw new Error("the process that loads an engine alone failed");
  return Number(new TextDecoder().decode(stdout));
}

/** Prints the private bytes that this process gains by an engine. */
async function loadAlone({ tokens, ...model }: Load): Promise<void> {
  const before = await privateBytes();
  const { engine } = await open(model, tokens);
  const { vocab } = model.manifest.geometry;
  await engine.run(chainFrame(0, PAST_ROWS, vocab, [PAST_ROWS - 1]));
  console.log(await privateBytes() - before);
  await engine.dispose();
}

/** Bytes of this process that no file backs (Linux; elsewhere all that are resident). */
async function privateBytes(): Promise<number> {
  if (Deno.build.os !== "linux") return Deno.memoryUsage().rss;
  const status = await Deno.readTextFile("/proc/self/status");
  return Number(/^RssAnon:\s*(\d+) kB$/m.exec(status)![1]) * 1024;
}

/** Prints processor time and bytes of a row with heads of several sizes, by turns. */
async function rowTimes(dir: string, layers: number): Promise<void> {
  const blobDir = join(dir, `layers-${layers}`);
  await mkdir(blobDir);
  const geometry = { ...HALF_BILLION_GEOMETRY, layers };
  const manifest = await syntheticModel(geometry, blobDir);
  const bounds = headBounds(geometry.vocab);
  const engines = [];
  for (const divisor of DIVISORS) {
    const tokens = [{ first: 0, rows: bounds[8 / divisor] }];
    const opened = await open({ manifest, blobDir }, tokens);
    await opened.engine.run(chainFrame(0, PAST_ROWS, geometry.vocab, [PAST_ROWS - 1]));
    const held = await heldBytes(dir, { manifest, blobDir, tokens });
    engines.push({ ...opened, divisor, held, times: [] as number[], ratios: [] as number[] });
  }
  for (let round = 0; round < ROUNDS; round++) {
    for (const own of engines) {
      const start = cpuMs();
      for (let i = 0; i < FRAMES; i++) {
        await own.engine.run(chainFrame(PAST_ROWS, 1, geometry.vocab, [0]));
      }
      own.times.push((cpuMs() - start) / FRAMES);
      own.ratios.push(own.times.at(-1)! / engines[0].times.at(-1)!);
    }
  }
  console.log(
    `\na row of ${layers} layers of the 0.5B shape (q4, head q8, ${geometry.vocab} tokens), one thread, ` +
      `medians of ${ROUNDS} turns`,
  );
  print([
    ["tokens of the head", "CPU ms", "of whole", "weights, MiB", "private, MiB"],
    ...engines.map(({ divisor, times, ratios, weightBytes, held }) => [
      shareName(divisor),
      medianOf(times).toFixed(2),
      medianOf(ratios).toFixed(2),
      (weightBytes / MIB).toFixed(0),
      `+${(held / MIB).toFixed(0)}`,
    ]),
  ]);
  for (const { engine } of engines) await engine.dispose();
}

async function main(): Promise<void> {
  console.log(describeMachine({ load: true }));
  for (const folder of args.tokenizer) await coverage(folder, args.text);
  await inTemporaryFolder(async (dir) => {
    await acceptance(dir);
    if (!args.quick) { for (const layers of [24, 4]) await rowTimes(dir, layers); }
  });
}

if (args.load === undefined) await main();
else await loadAlone(JSON.parse(await Deno.readTextFile(args.load)));

// deno-lint-ignore-file no-console -- its lines are its answers
/**
 * `deno task bench:lookups [--quick] [--tokenizer FOLDER]`: what drafts without a model gain where an
 * answer repeats its prompt or earlier answers: by n-grams, by the longest match in the text, and by
 * the longest match in earlier answers too; and what these gain beside a draft model.
 *
 * The real actors run under the simulator; engine and links are made up from measured costs, and the
 * texts say which token comes. So the table depends on no machine. What a token takes a lookup is
 * measured on this machine.
 *
 * @module
 */
import { join } from "node:path";
import { parseArgs } from "node:util";
import { seededRandom } from "../../actors/mod.ts";
import { NgramDrafter } from "../../actors/pipeline/ngram.ts";
import { SuffixDrafter, SuffixStore } from "../../actors/pipeline/suffix.ts";
import { Tokenizer } from "../../models/mod.ts";
import { world } from "../support/generation_world.ts";
import { withMethods } from "../support/with_methods.ts";
import { type Workload, workloads } from "./lookups/conversations.ts";
import { alignRows, describeMachine } from "./shared/figures.ts";
import { DEVICES, stageMs } from "./speculation/devices.ts";

const { values: args } = parseArgs({
  options: {
    /** Fewer topics and files, no two stages. */
    quick: { type: "boolean", default: false },
    /** Folder with tokenizer.json. @default the embedded model's */
    tokenizer: {
      type: "string",
      default: join(import.meta.dirname!, "..", "..", "models", "embedded", "target"),
    },
  },
});

const STAGES = args.quick ? [1, 4] : [1, 2, 4];
const LINKS = { min: 0.3, max: 1 };
/** Longest prompt and answer: the toy model's context. */
const MOST_TOKENS = 3_500;
/** Tokens whose lookups are timed. */
const TIMED = 20_000;

/** An exchange as token ids. */
interface Encoded {
  prompt: Int32Array;
  answer: number[];
}

/** Milliseconds of a drafted token: 4 layers of the 0.5B shape on a whole core of their own. */
const DRAFT_MS = 8;

/** Where drafts come from. */
interface Source {
  name: string;
  lookups?: "n-grams" | "longest match" | "and earlier answers";
  /** Share of a draft model's tokens that come true after the ones before them did, 0 to 1. */
  model?: number;
}

const SOURCES: Source[] = [
  { name: "none" },
  ...(["n-grams", "longest match", "and earlier answers"] as const).map((lookups) => ({
    ...{ name: lookups, lookups },
  })),
  ...[0.6, 0.85].flatMap((model) => [
    { name: `a draft model, ${model} right`, model },
    { name: "  beside all lookups", model, lookups: "and earlier answers" as const },
  ]),
];

const nothing = () => ({ tokens: [], chances: [] });

/** Runs with drafts of this source alone. */
function drafting<R>({ lookups }: Source, run: () => Promise<R>): Promise<R> {
  const longest = lookups !== undefined && lookups !== "n-grams";
  if (longest) return run();
  const byNgrams = lookups ? run : () => withMethods(NgramDrafter, { draft: noNgrams }, run);
  return withMethods(SuffixDrafter, { push: () => {}, draft: nothing }, byNgrams);
}

const noNgrams = () => ({ tokens: new Int32Array(0), chances: new Float32Array(0) });

/** What the answers of a workload came to. */
interface Figures {
  /** From the first token on. */
  tokensPerS: number;
  drafted: number;
  accepted: number;
}

/** Answers the exchanges one after the other, each with what the ones before have measured. */
async function figuresOf(
  exchanges: readonly Encoded[],
  { source, stages, vocab }: { source: Source; stages: number; vocab: number },
): Promise<Figures> {
  const answers = source.lookups === "and earlier answers" ? new SuffixStore() : undefined;
  const { model } = source;
  const random = seededRandom(7);
  let measured: Record<string, number[]> | undefined;
  let [ms, tokens, drafted, accepted] = [0, 0, 0, 0];
  for (const [i, { prompt, answer }] of exchanges.entries()) {
    const all = [...prompt, ...answer];
    const w = world({
      ...{ stages, seed: i + 1, latencyMs: LINKS, answers, silenceMs: 120_000 },
      frameMs: stageMs(DEVICES.slow, stages),
      script: { vocab, token: (position) => all[position] ?? 0 },
      ...(model && {
        drafter: { right: () => random() < model, chance: model, ms: DRAFT_MS },
      }),
    });
    const outcome = await w.answer("it", {
      ...{ prompt, max_tokens: answer.length, measured, pieces: [128] },
      mode: source.model || source.lookups ? "auto" : "plain",
    });
    if (outcome.tokens.join() !== answer.join()) {
      throw new Error(`drafts changed answer ${i}: ${outcome.error?.message ?? "other tokens"}`);
    }
    measured = { ...measured, ...outcome.done.measured };
    ms += outcome.done.tpot_ms * (answer.length - 1);
    tokens += answer.length - 1;
    drafted += outcome.done.orrery.drafted;
    accepted += outcome.done.orrery.accepted;
  }
  return { tokensPerS: 1000 * tokens / ms, drafted, accepted };
}

/** Prints the table of a workload. */
async function printWorkload({ name, exchanges }: Workload, tokenizer: Tokenizer): Promise<void> {
  const ids = (text: string) => tokenizer.encode(text, { addSpecialTokens: false });
  const all = exchanges.map(({ prompt, answer }): Encoded => ({
    prompt: Int32Array.from(ids(prompt)),
    answer: ids(answer),
  })).filter(({ prompt, answer }) => prompt.length + answer.length <= MOST_TOKENS);
  const mean = (of: (e: Encoded) => number) =>
    (all.reduce((sum, e) => sum + of(e), 0) / all.length).toFixed(0);
  console.log(
    `\n${name}: ${all.length} of ${exchanges.length} answers, in the mean ${
      mean(({ answer }) => answer.length)
    } tokens after ${
      mean(({ prompt }) => prompt.length)
    }; tokens/s, of the drafted rows accepted\n`,
  );
  const rows = [["drafts from", ...STAGES.map((n) => `${n} ${n === 1 ? "stage" : "stages"}`)]];
  const plain: number[] = [];
  for (const source of SOURCES) {
    const cells: string[] = [];
    for (const [i, stages] of STAGES.entries()) {
      const { tokensPerS, drafted, accepted } = await drafting(
        source,
        () => figuresOf(all, { source, stages, vocab: tokenizer.vocabSize }),
      );
      plain[i] ??= tokensPerS;
      const share = drafted > 0 ? `, ${accepted} of ${drafted}` : "";
      cells.push(`${tokensPerS.toFixed(1)} (${(tokensPerS / plain[i]).toFixed(2)})${share}`);
    }
    rows.push([source.name, ...cells]);
  }
  alignRows(rows, [0]).forEach((line) => console.log(line));
}

/** Prints what a token of a text takes each kind of lookup, guessing 8 tokens behind each. */
function printCosts(tokens: readonly number[]): void {
  const kinds = {
    "n-grams": () => new NgramDrafter(),
    "longest match": () => new SuffixDrafter(),
    "and earlier answers": () => {
      const answers = new SuffixStore();
      answers.add(tokens);
      return new SuffixDrafter({ answers });
    },
  };
  console.log(`\nmicroseconds a token, ${tokens.length} tokens, on this machine:`);
  for (const [kind, open] of Object.entries(kinds)) {
    const drafter = open();
    let [pushMs, draftMs] = [0, 0];
    for (const token of tokens) {
      const began = performance.now();
      drafter.push(token);
      const pushed = performance.now();
      drafter.draft(8);
      pushMs += pushed - began;
      draftMs += performance.now() - pushed;
    }
    const each = (ms: number) => (1000 * ms / tokens.length).toFixed(1);
    console.log(`  ${kind}: ${each(pushMs)} to take it in, ${each(draftMs)} to guess`);
  }
  const store = new SuffixStore();
  store.add(tokens);
  console.log(`  a store of them takes ${(store.bytes / tokens.length).toFixed(0)} bytes a token`);
}

console.log(describeMachine({ load: true }));
console.log(`${DEVICES.slow.text}; links of ${LINKS.min}-${LINKS.max} ms; ${args.tokenizer}`);
const tokenizer = await Tokenizer.load(args.tokenizer);
const all = await workloads(args.quick);
for (const workload of all) await printWorkload(workload, tokenizer);
const text = all.flatMap(({ exchanges }) => exchanges.map(({ prompt, answer }) => prompt + answer));
printCosts(
  text.flatMap((part) => tokenizer.encode(part, { addSpecialTokens: false })).slice(0, TIMED),
);

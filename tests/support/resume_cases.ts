/**
 * Answers of every kind, cut anywhere and gone on with elsewhere: the second run has other stages,
 * another schedule and another arbiter.
 *
 * @module
 */
import assert from "node:assert/strict";
import {
  addProgress,
  type AnswerState,
  type Delta,
  emptyAnswer,
  type OutlineText,
  samplingSchema,
  type SpelledToken,
  type TextCodec,
} from "../../actors/mod.ts";
import { StopMatcher } from "../../models/mod.ts";
import { DEVICES, stageMs } from "../bench/speculation/devices.ts";
import {
  type GenerationWorldOptions,
  type Outcome,
  prompt,
  toyTokens,
  world,
} from "./generation_world.ts";
import { toyGrammar } from "./toy_grammar.ts";

const greedy = samplingSchema.parse({});
const seeded = samplingSchema.parse({ temperature: 0.8, seed: 17 });
const plain = toyTokens(Array.from(prompt), 60, greedy);

/** Two characters a token, which come with the next token where the id can be divided by 3. */
const codec = (stop: string[] = []): TextCodec => {
  const matcher = new StopMatcher(stop);
  let half = "";
  return {
    push(token) {
      const text = half + String.fromCharCode(97 + token % 26, 65 + token % 7);
      half = token % 3 === 0 ? text.slice(-1) : "";
      const found = matcher.push(text.slice(0, text.length - half.length));
      return { text: found.text, stopped: found.stop !== undefined };
    },
    flush: () => matcher.push(half).text + matcher.flush(),
    tokenText: String,
  };
};

const outlinePrompt = Int32Array.from([...prompt.subarray(0, 30), 7, 8, 9]);
const outline = toyTokens(Array.from(outlinePrompt), 12, greedy);
/** The outline ends with this token. */
const EOS = outline[10];

/** An outline of `n` points, which takes what the model says for them; `bad`: it cannot be read. */
const words = (n: number, bad = false) => (): OutlineText => ({
  route: { suited: true, why: "it has parts" },
  outlinePrompt: () => outlinePrompt.slice(),
  parse: () =>
    bad ? { malformed: "no list" } : { points: Array.from({ length: n }, (_, k) => `P${k}`) },
  write: (points) => ({ tokens: outline.slice(0, 10), text: "", points }),
  branchPrompt: ({ tokens }, k) =>
    Int32Array.from([...outlinePrompt, ...tokens, EOS, 5, 6, 40 + k, 41 + k, 42]),
  heading: (all, k) => `${k + 1}. ${all[k]}: `,
});

/** One record after the other: `1 2 3`, one to three even tokens, `4 5 6 7`; at most three of them. */
const records = toyGrammar(250, (path) => {
  const even = Array.from({ length: 100 }, (_, i) => 20 + 2 * i);
  const done = path.filter((token) => token === 7).length;
  const record = path.slice(path.lastIndexOf(7) + 1);
  const last = record.at(-1);
  if (last === 250) return [];
  if (last === undefined) return done === 0 ? [1] : done < 3 ? [1, 250] : [250];
  if (last < 3 || (last >= 4 && last < 7)) return [last + 1];
  if (last === 3) return even;
  return record.length < 6 ? [...even, 4] : [4];
});

/** A kind of answer. */
export interface ResumeCase {
  world?: GenerationWorldOptions;
  more: Record<string, unknown>;
}

const right = (n: number) => n % 3 > 0;
const modelDrafts = { drafter: { right, chance: 0.8, ms: 1 } };
const stopText = ["", ...plain.slice(0, 11).map((t) => String.fromCharCode(97 + t % 26))].at(-1)!;

/** Every kind of answer, by what it is called. */
export const CASES: Record<string, ResumeCase> = {
  "plain, to its limit": { more: {} },
  "plain, sampled with a seed": { more: { sampling: seeded } },
  "plain, to an end token": { more: { eos: [plain[13]] } },
  "plain, with penalties": { more: { sampling: { ...seeded, frequency_penalty: 0.5 } } },
  "plain, with a stop text": { more: { stop: [`${stopText}${String.fromCharCode(65)}`, "zzz"] } },
  "plain, with log-probabilities": { more: { sampling: { ...seeded, logprobs: true } } },
  "plain, with those of the prompt": { more: { prompt_logprobs: 0, sampling: greedy } },
  "with n-grams": { more: { mode: "speculative", draft_length: 4 } },
  "with a prediction": {
    more: { mode: "speculative", prediction: Int32Array.from(plain.slice(4, 30)) },
  },
  "with a draft model": { world: modelDrafts, more: { mode: "speculative", sampling: seeded } },
  "with drafts that follow each other": {
    world: {
      drafter: { right: () => true, chance: 0.95, ms: 2 },
      frameMs: stageMs(DEVICES.slow, 4),
      latencyMs: { min: 20, max: 25 },
    },
    more: { mode: "speculative" },
  },
  "under a grammar": { world: { grammar: { ...records, ms: 2 } }, more: { sampling: seeded } },
  "under a grammar, with a draft model": {
    world: { ...modelDrafts, grammar: records },
    more: { mode: "speculative", draft_length: 4 },
  },
  "by an outline": {
    world: { outline: words(5) },
    more: { mode: "outline", max_branches: 2, max_tokens: 60, eos: [EOS] },
  },
  "by an outline, with drafts": {
    world: { ...modelDrafts, outline: words(4) },
    more: { mode: "outline+speculative", max_branches: 3, max_tokens: 52, eos: [EOS] },
  },
  "by an outline, branches as they come": {
    world: { outline: words(4) },
    more: { mode: "outline", max_tokens: 50, eos: [EOS], live_branches: true },
  },
  "by points that are given": {
    world: { outline: words(3) },
    more: { mode: "outline", max_tokens: 36, points: ["a", "b", "c"], max_branches: 2 },
  },
  "by an outline that is given up": {
    world: { outline: words(3, true) },
    more: { mode: "outline", max_tokens: 40, eos: [EOS] },
  },
  "in the mode that is chosen": {
    world: { outline: words(3) },
    more: { mode: "auto", max_tokens: 100, answer_tokens: 100, eos: [EOS] },
  },
};

/** What a client knows: by branch, texts and tokens. */
export function known(...parts: Delta[][]) {
  const branches = new Map<number, { text: string; tokens: SpelledToken[] }>();
  for (const { branch = -1, text, tokens } of parts.flat()) {
    const own = branches.get(branch) ?? { text: "", tokens: [] };
    branches.set(branch, { text: own.text + text, tokens: [...own.tokens, ...tokens] });
  }
  return [...branches].sort(([a], [b]) => a - b);
}

/** The state of an answer after its first deltas, as a journal has it: through JSON. */
export function stateAfter(deltas: Delta[]): AnswerState {
  const state = emptyAnswer();
  for (const { progress } of deltas) addProgress(state, JSON.parse(JSON.stringify(progress)));
  return structuredClone(state);
}

/** A whole answer, or the rest of one whose state is given, on so many stages. */
export async function answer(
  { world: options, more }: ResumeCase,
  { stages, seed = stages * 7, resumed }: { stages: number; seed?: number; resumed?: AnswerState },
) {
  const w = world({ codec, stages, seed, ...options });
  const outcome = await w.answer("g", { max_tokens: 24, progress: true, ...more, resumed });
  assert.equal(outcome.type, "done", outcome.error?.message);
  await w.sim.run({ forMs: 1_000 });
  assert.deepEqual(w.generations(), []);
  const frames = w.engines.flat().reduce((n, e) => n + e.frames, 0);
  if (frames > 0) assert.equal((await w.arbiter()).requests, 0, "nothing is left at the arbiter");
  return { outcome, frames, steps: w.sim.steps };
}

/** Throws where what a client got before and after is not the whole answer. */
export function assertSame(whole: Outcome, before: Delta[], after: Outcome, where: string): void {
  const [got, expected] = [known(before, after.deltas), known(whole.deltas)];
  assert.equal(JSON.stringify(got), JSON.stringify(expected), `${where}: another answer`);
  if (!whole.deltas.some(({ branch }) => branch !== undefined)) {
    assert.equal(known(before, after.deltas)[0]?.[1].text ?? "", whole.text, where);
  }
  assert.equal(after.done.finish, whole.done.finish, where);
  assert.equal(after.done.completion_tokens, whole.done.completion_tokens, where);
  assert.equal(after.done.orrery.branches, whole.done.orrery.branches, where);
}

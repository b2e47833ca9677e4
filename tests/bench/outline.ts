// deno-lint-ignore-file no-console
/**
 * Measures the quality of answers by outline against plain ones: `deno task bench:outline [--topics
 * 100] [--max-tokens N]`, and how far the branches of a model of yours keep to their points: `deno
 * task bench:outline --model NAME --data FOLDER [--topics 100] [--point TEXT] [--max-tokens N]`.
 *
 * A node in this process serves the embedded model. It is asked about topics of the model's corpus
 * through its own API, greedily, each question once in mode plain and once in mode outline: in a
 * wording that the model was trained on, and in one that it has never seen. The corpus says what is
 * right. Nothing is left behind. The router's figures are those of `deno task bench:router`.
 *
 * A model of the store in FOLDER is asked the same questions with the corpus's points given, so that
 * models and prompts write about the same headings. TEXT takes the place of the prompt that asks for
 * one point.
 *
 * @module
 */
import process from "node:process";
import { parseArgs } from "node:util";
import { z } from "zod";
import { parseGraph } from "../../actors/graph/mod.ts";
import { CHAT_TEMPLATES, type OutlineTemplates } from "../../actors/outline/mod.ts";
import { readTopics } from "./outline/corpus.ts";
import { type BranchCounts, countBranches, NO_BRANCHES } from "./outline/branches.ts";
import { OutlineScorer, readSections, type Topic } from "./outline/score.ts";
import { type MeasuredAnswer, type Pair, printPairs, share } from "./outline/table.ts";
import { describeMachine } from "./shared/figures.ts";
import { inTemporaryFolder } from "./shared/temporary_folder.ts";
import { askServed, openServedNode } from "./shared/served_node.ts";
import type { Node } from "../../runtime/node.ts";

const { values: args } = parseArgs({
  options: {
    topics: { type: "string", default: "100" },
    /**
     * Longest answer in tokens. Undefined: the limit that applies where a client states none, which
     * is what users get.
     */
    "max-tokens": { type: "string" },
    /** A model of the store in `--data`, in place of the embedded one. */
    model: { type: "string" },
    data: { type: "string" },
    /** The prompt that asks for one point, in place of the built-in one. */
    point: { type: "string" },
  },
});
const topicsAsked = wholeNumber("topics", args.topics);
const maxTokens = args["max-tokens"] === undefined
  ? undefined
  : wholeNumber("max-tokens", args["max-tokens"]);

const responseSchema = z.object({
  choices: z.array(
    z.object({ message: z.object({ content: z.string() }), finish_reason: z.string() }),
  )
    .length(1),
  usage: z.object({ completion_tokens: z.int() }),
  orrery: z.object({ mode: z.string(), why: z.string(), ttft_ms: z.number() }),
});

await (args.model === undefined ? main() : askModel(args.model));

async function main(): Promise<void> {
  const all = await readTopics();
  const scorer = new OutlineScorer(all);
  const n = Math.min(topicsAsked, all.length);
  const topics = Array.from({ length: n }, (_, i) => all[Math.floor(i * all.length / n)]);
  console.log(describeMachine({ load: true }));
  await inTemporaryFolder(async (dir) => {
    const node = await openServedNode(dir);
    try {
      const { embedded, sets } = await askAll(node, { topics, scorer });
      const limit = maxTokens === undefined
        ? "the model's own limit of tokens"
        : `at most ${maxTokens} tokens`;
      console.log(
        `${embedded}; ${n} of ${all.length} topics, each asked in one trained wording and one ` +
          `held out; greedy; ${limit} an answer\n`,
      );
      printPairs(sets);
      for (const [set, pairs] of sets) {
        printBranches(`branches, ${set} wording`, pairs.map(({ outline }) => outline));
      }
    } finally {
      await node.close({ deadlineMs: 5_000 });
    }
  });
}

/** Asks a model of a store in mode outline and prints how far its branches keep to their points. */
async function askModel(model: string): Promise<void> {
  if (args.data === undefined) {
    console.error("--model NAME needs --data FOLDER, the folder of the store that has the model");
    Deno.exit(2);
  }
  const all = await readTopics();
  const n = Math.min(topicsAsked, all.length);
  const templates = {
    ...CHAT_TEMPLATES,
    ...(args.point === undefined ? {} : { point: args.point }),
  };
  const node = await openServedNode(args.data, { model, graph: graphOf(model, templates) });
  try {
    console.log(describeMachine({ load: true }));
    const answers: BranchedAnswer[] = [];
    for (let i = 0; i < n; i++) {
      const { heldOut, outline } = all[Math.floor((i + 0.5) * all.length / n)];
      const points = outline.map(({ point }) => point);
      const answer = await ask(node, { question: heldOut[0], mode: "outline", points });
      answers.push({ ...answer, wanted: outline.map(({ text }) => text) });
    }
    printBranches(model, answers);
  } finally {
    await node.close({ deadlineMs: 5_000 });
  }
}

/** An answer by outline and, where they are known, the texts that its sections should have. */
type BranchedAnswer = MeasuredAnswer & { wanted?: string[] };

function printBranches(name: string, answers: readonly BranchedAnswer[]): void {
  let counts: BranchCounts = NO_BRANCHES;
  for (const { mode, text, wanted } of answers) {
    const sections = mode.startsWith("outline") ? readSections(text) : undefined;
    if (sections) counts = countBranches(counts, sections, wanted);
  }
  console.log(
    `\n${name}: ${counts.answers} of ${answers.length} answers by outline, ${counts.sections} sections\n` +
      `  runs of three words that another section has too: ${
        share(counts.repeated, counts.runs)
      }\n` +
      `  sections that say more than their heading: ${share(counts.said, counts.sections)}\n` +
      (answers.some(({ wanted }) => wanted)
        ? `  sections nearer to what belongs under their heading than to another's: ${
          share(counts.right, counts.sections)
        }\n`
        : "") +
      `  tokens of an answer, in the mean: ${
        Math.round(answers.reduce((sum, { tokens }) => sum + tokens, 0) / answers.length)
      }`,
  );
}

function wholeNumber(option: string, text: string): number {
  if (/^[1-9]\d*$/.test(text)) return Number(text);
  console.error(`--${option} takes a whole number from 1, not ${JSON.stringify(text)}`);
  Deno.exit(2);
}

/** A graph in which outlines of this model are asked for by these templates. */
const graphOf = (model: string, templates: OutlineTemplates) =>
  parseGraph(JSON.stringify({ model, actors: { outline: { templates } } }), { file: "bench.json" });

async function askAll(
  node: Node,
  { topics, scorer }: { topics: readonly Topic[]; scorer: OutlineScorer },
): Promise<{ embedded: string; sets: Map<string, Pair[]> }> {
  const [{ name, precision }] = node.gateway.models();
  // The first frame of each kind costs more, once; it must not count for an answer.
  for (const mode of ["plain", "outline"]) {
    await ask(node, { question: topics[0].trained[0], mode });
  }
  const sets = new Map<string, Pair[]>();
  const wordings = {
    trained: ({ trained }: Topic, i: number) => trained[i % trained.length],
    "held out": ({ heldOut }: Topic, i: number) => heldOut[i % heldOut.length],
  };
  for (const [set, wordingOf] of Object.entries(wordings)) {
    const pairs: Pair[] = [];
    for (const [i, topic] of topics.entries()) {
      const question = wordingOf(topic, i);
      const plain = await ask(node, { question, mode: "plain" });
      const outline = await ask(node, { question, mode: "outline" });
      pairs.push({
        plain: { ...plain, score: scorer.plain(topic, plain.text) },
        outline: outline.mode.startsWith("outline")
          ? { ...outline, fellBack: false, score: scorer.outline(topic, outline.text) }
          : { ...outline, fellBack: true, score: scorer.plain(topic, outline.text) },
      });
    }
    sets.set(set, pairs);
  }
  return { embedded: `${name} at ${precision}, one node, one thread`, sets };
}

async function ask(
  node: Node,
  { question, mode, points }: { question: string; mode: string; points?: string[] },
): Promise<MeasuredAnswer> {
  const started = performance.now();
  const cpu = process.cpuUsage();
  const { choices: [{ message, finish_reason }], usage, orrery } = responseSchema.parse(
    await askServed(node, question, { max_tokens: maxTokens, orrery: { mode, points } }),
  );
  const { user, system } = process.cpuUsage(cpu);
  return {
    text: message.content,
    cut: finish_reason === "length",
    tokens: usage.completion_tokens,
    ms: performance.now() - started,
    cpuMs: (user + system) / 1000,
    ttftMs: orrery.ttft_ms,
    mode: orrery.mode,
    why: orrery.why,
  };
}

// deno-lint-ignore-file no-console
/**
 * Measures how often the embedded model refuses what it never learned, and still answers what it
 * did: `deno task bench:refusals [--mode plain] [--as "{} (7)"] [--show]`.
 *
 * A node in this process serves the embedded model. It is asked the held-out questions of
 * models/training/heldout through its own API, greedily. The corpus says what is right. Nothing is
 * left behind.
 *
 * @module
 */
import { parseArgs } from "node:util";
import { z } from "zod";
import { readTopics } from "./outline/corpus.ts";
import { readKnownTopics, readOffTopic } from "./refusals/questions.ts";
import { RefusalScorer, type Verdict } from "./refusals/score.ts";
import { alignRows, describeMachine } from "./shared/figures.ts";
import { askServed, openServedNode } from "./shared/served_node.ts";
import { inTemporaryFolder } from "./shared/temporary_folder.ts";

/** Questions that are asked at the same time. */
const AT_ONCE = 8;

/** Tokens of a plain answer that suffice to tell what it is: first sentences have at most 24. */
const PLAIN_TOKENS = 32;

const MODES = ["plain", "outline", "auto"];

const responseSchema = z.object({
  choices: z.array(z.object({ message: z.object({ content: z.string() }) })).length(1),
  orrery: z.object({ mode: z.string() }),
});

const { values: args } = parseArgs({
  options: {
    mode: { type: "string", default: "plain" },
    /** What is sent for each question, which stands where this has `{}`. */
    as: { type: "string", default: "{}" },
    /** Prints the questions that were not answered as they should be. */
    show: { type: "boolean", default: false },
  },
});
if (!MODES.includes(args.mode)) {
  console.error(`--mode takes one of ${MODES.join(", ")}, not ${JSON.stringify(args.mode)}`);
  Deno.exit(2);
}
if (!args.as.includes("{}")) {
  console.error(
    `--as takes a text with {} where the question goes, not ${JSON.stringify(args.as)}`,
  );
  Deno.exit(2);
}

/** A question, what was answered and what that is. */
interface Judged {
  question: string;
  /** Group of the question; of known topics `known`. */
  kind: string;
  text: string;
  verdict: Verdict;
}

await main();

async function main(): Promise<void> {
  const off = await readOffTopic();
  const known = await readKnownTopics();
  const questions = [
    ...off.map(({ kind, question }) => ({ kind, question, id: undefined })),
    ...known.map(({ id, question }) => ({ kind: "known", question, id })),
  ];
  console.log(describeMachine({ load: true }));
  console.log(
    `the embedded model, one node; ${off.length} questions off its topics and ${known.length} about ` +
      `them, held out; greedy; mode ${args.mode}; ` +
      `sent as ${JSON.stringify(args.as)}\n`,
  );
  await inTemporaryFolder(async (dir) => {
    const judged = await askAll(dir, questions);
    printTable(judged);
    if (args.show) printFailures(judged);
  });
}

async function askAll(
  dir: string,
  questions: readonly { kind: string; question: string; id?: string }[],
): Promise<Judged[]> {
  const scorer = new RefusalScorer(await readTopics());
  const node = await openServedNode(dir);
  const judged: Judged[] = [];
  try {
    const left = questions.values();
    const worker = async () => {
      for (const { kind, question, id } of left) {
        const { choices: [{ message }], orrery } = responseSchema.parse(
          await askServed(node, args.as.replaceAll("{}", () => question), {
            max_tokens: args.mode === "plain" ? PLAIN_TOKENS : undefined,
            orrery: { mode: args.mode },
          }),
        );
        const text = message.content;
        const verdict = scorer.judge(text, { id, outline: orrery.mode.startsWith("outline") });
        judged.push({ kind, question, text, verdict });
      }
    };
    await Promise.all(Array.from({ length: AT_ONCE }, worker));
  } finally {
    await node.close({ deadlineMs: 5_000 });
  }
  return judged;
}

function isOff({ kind }: Judged): boolean {
  return kind !== "known";
}

function printTable(judged: readonly Judged[]): void {
  const off = judged.filter(isOff);
  const known = judged.filter((one) => !isOff(one));
  const row = (name: string, of: readonly Judged[], ...verdicts: Verdict[]) => {
    const hits = of.filter(({ verdict }) => verdicts.includes(verdict)).length;
    const share = (100 * hits / Math.max(1, of.length)).toFixed(1);
    return [name, `${share} %`, `${hits} of ${of.length}`];
  };
  const kinds = Object.entries(Object.groupBy(off, ({ kind }) => kind));
  const rows = [
    row("known topics, answered right", known, "right"),
    row("known topics, refused", known, "refused", "declined"),
    row("known topics, answered with another topic", known, "other"),
    row("off-topic, refused", off, "refused", "declined"),
    row("  of them by small talk", off, "declined"),
    ...kinds.map(([kind, of]) => row(`  ${kind}`, of!, "refused", "declined")),
  ];
  console.log(alignRows(rows, [0]).join("\n"));
}

function printFailures(judged: readonly Judged[]): void {
  console.log("\nnot as they should be:");
  for (const one of judged) {
    const right = isOff(one) ? ["refused", "declined"] : ["right"];
    if (!right.includes(one.verdict)) {
      console.log(`  ${one.kind}: ${one.question} -> ${one.text.slice(0, 80)}`);
    }
  }
}

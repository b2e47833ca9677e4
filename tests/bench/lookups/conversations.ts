/**
 * Requests whose answers repeat what was said before, as texts: conversations about a topic, the same
 * questions asked again, and edits of source files.
 *
 * @module
 */
import { join } from "node:path";
import { readTopics } from "../outline/corpus.ts";
import type { Topic } from "../outline/score.ts";

const ROOT = join(import.meta.dirname!, "..", "..", "..");

/** A request and its answer. */
export interface Exchange {
  prompt: string;
  answer: string;
}

/** Exchanges that follow each other. */
export interface Workload {
  name: string;
  exchanges: Exchange[];
}

/** Files that are edited, and what is renamed in each. */
const EDITS = [
  { file: "planner/numbers.ts", from: "bytes", to: "octets" },
  { file: "actors/generation/continuous_drafts.ts", from: "interval", to: "spacing" },
  { file: "models/text/stop.ts", from: "text", to: "written" },
  { file: "runtime/serve/experience.ts", from: "measured", to: "observed" },
] as const;

/** Turns of one conversation: each prompt has all turns before it. */
function conversation(turns: readonly (readonly [question: string, answer: string])[]): Exchange[] {
  let before = "";
  return turns.map(([question, answer]) => {
    const prompt = `${before}User: ${question}\nAssistant:`;
    before = `${prompt} ${answer}\n`;
    return { prompt, answer: ` ${answer}` };
  });
}

/** A topic from its outline to each of its points, and the answer in short at last. */
const discussed = ({ trained, answer, outline }: Topic) =>
  conversation([
    [`Outline: ${trained[0]}`, outline.map(({ point }, i) => `${i + 1}. ${point}`).join("\n")],
    ...outline.map(({ point, text }, i) => [`Expand point ${i + 1}: ${point}`, text] as const),
    [`In short: ${trained[0]}`, answer],
  ]);

/** A file that is changed, and changed back. */
async function edited({ file, from, to }: typeof EDITS[number]): Promise<Exchange[]> {
  const text = await Deno.readTextFile(join(ROOT, file));
  const renamed = text.replaceAll(new RegExp(`\\b${from}\\b`, "g"), to);
  if (renamed === text) throw new Error(`${file} has no ${from} to rename`);
  return conversation([
    [`Rename \`${from}\` to \`${to}\` in this file:\n${text}`, renamed],
    [`Now call it \`${from}\` again, and leave out the comment at the top.`, withoutTop(text)],
  ]);
}

const withoutTop = (text: string) => text.replace(/^\/\*\*[\s\S]*?\*\/\n/, "");

/** All workloads; `few` takes fewer topics and files. */
export async function workloads(few: boolean): Promise<Workload[]> {
  const topics = (await readTopics()).filter((_, i) => i % (few ? 75 : 25) === 0);
  const files = EDITS.slice(0, few ? 1 : undefined);
  const again = [0, 1, 2].flatMap((n) =>
    topics.flatMap(({ trained, answer }) => conversation([[trained[n], answer]]))
  );
  return [
    { name: "conversations about a topic", exchanges: topics.flatMap(discussed) },
    { name: "questions asked again in other words", exchanges: again },
    { name: "edits of source files", exchanges: (await Promise.all(files.map(edited))).flat() },
  ];
}

/**
 * Reads the router's labelled questions.
 *
 * A file has one question a line, `\n` standing for a line break, under headings `# KIND`: a kind of
 * `actors/outline/kinds.ts`, or `suited` or `unsuited` where only that is known (other languages).
 *
 * @module
 */
import { readdir, readFile } from "node:fs/promises";
import { z } from "zod";
import { KINDS } from "../../../actors/outline/kinds.ts";

/** A labelled question. */
export interface LabelledQuestion {
  question: string;
  /** Whether an outline suits it. */
  suited: boolean;
  /** Its kind; undefined: only `suited` is known. */
  kind?: string;
}

const FOLDER = new URL("../../fixtures/router/", import.meta.url);
/** Questions of the time before the classifier, which its rules were changed to suit. */
const EARLIER = new URL("../../fixtures/router_questions.jsonl", import.meta.url);

/** Kinds of the earlier questions that have another name now. */
const RENAMED: Record<string, string> = {
  howto: "how-to",
  compare: "comparison",
  explain: "explanation",
  list: "ideas",
  creative: "story",
  followup: "recall",
  oneword: "short form",
  rewrite: "given text",
  smalltalk: "small talk",
  translate: "translation",
  yesno: "yes or no",
};

const earlierSchema = z.object({
  question: z.string(),
  suited: z.boolean(),
  kind: z.string(),
  set: z.int(),
});

/** The questions that the classifier is trained on, by file; the earlier ones are `earlier`. */
export async function readTraining(): Promise<Map<string, LabelledQuestion[]>> {
  const folder = new URL("train/", FOLDER);
  const names = (await readdir(folder)).filter((name) => name.endsWith(".txt")).sort();
  const files = new Map<string, LabelledQuestion[]>();
  for (const name of names) {
    files.set(name, parseQuestions(await readFile(new URL(name, folder), "utf8"), name));
  }
  return files.set("earlier", await readEarlier());
}

/** Questions that nothing was trained on or changed to suit. */
export async function readHeldOut(): Promise<LabelledQuestion[]> {
  return parseQuestions(await readFile(new URL("held_out.txt", FOLDER), "utf8"), "held_out.txt");
}

/** Labelled questions in a text; `name` is that of its file. Throws an Error that names the line. */
export function parseQuestions(text: string, name: string): LabelledQuestion[] {
  const questions: LabelledQuestion[] = [];
  let label: { suited: boolean; kind?: string } | undefined;
  for (const [i, line] of text.split("\n").entries()) {
    if (line.trim() === "") continue;
    if (line.startsWith("# ")) label = labelOf(line.slice(2), `${name} line ${i + 1}`);
    else if (label) questions.push({ question: line.replaceAll("\\n", "\n"), ...label });
    else throw new Error(`${name} line ${i + 1}: a question stands before the first "# KIND"`);
  }
  return questions;
}

function labelOf(heading: string, where: string): { suited: boolean; kind?: string } {
  if (heading === "suited" || heading === "unsuited") return { suited: heading === "suited" };
  const known = KINDS.find(({ kind }) => kind === heading);
  if (known) return { suited: known.suited, kind: known.kind };
  const kinds = KINDS.map(({ kind }) => kind).join(", ");
  throw new Error(
    `${where}: no kind ${JSON.stringify(heading)}; name suited, unsuited or one of ${kinds}`,
  );
}

async function readEarlier(): Promise<LabelledQuestion[]> {
  return (await readFile(EARLIER, "utf8")).trim().split("\n").map((line) => {
    const { question, suited, kind } = earlierSchema.parse(JSON.parse(line));
    const name = RENAMED[kind] ?? kind;
    const known = KINDS.find((k) => k.kind === name && k.suited === suited);
    return { question, suited, kind: known?.kind };
  });
}

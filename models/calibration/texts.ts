/**
 * The built-in texts: those with which q4 is calibrated, and others over which quality is measured.
 * Both were written for this project: prose, questions with answers, code, tables and other
 * languages.
 *
 * @module
 */
import { fileURLToPath } from "node:url";

/** A piece of a text: prose or code, or a question with its answer. */
export type Passage = { text: string } | { question: string; answer: string };

/** What the built-in texts are for. */
export type TextUse = "calibration" | "evaluation";

/** Reads a built-in text. */
export async function builtInPassages(use: TextUse): Promise<Passage[]> {
  const path = fileURLToPath(new URL(`./${use}.txt`, import.meta.url));
  return passagesOf(await Deno.readTextFile(path));
}

/**
 * Cuts a text at its empty lines. A passage of which one line begins with `User:` and the rest with
 * `Assistant:` (or `Question:` and `Answer:`) is a question with its answer.
 */
export function passagesOf(text: string): Passage[] {
  const passages: Passage[] = [];
  let plain: string[] = [];
  const end = () => {
    if (plain.length > 0) passages.push({ text: plain.join("\n\n") });
    plain = [];
  };
  for (const part of text.split(/\n{2,}/)) {
    const [, question, answer] = /^(?:User|Question): (.+)\n(?:Assistant|Answer): ([^]+)$/
      .exec(part.trim()) ?? [];
    if (answer === undefined) {
      if (part.trim() !== "") plain.push(part);
      continue;
    }
    end();
    passages.push({ question, answer });
  }
  end();
  return passages;
}

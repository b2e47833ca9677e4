/**
 * What is typed at the prompt of `chat`: questions of one or more lines, and commands.
 *
 * @module
 */
import { didYouMean } from "../../actors/mod.ts";

/** Begins and ends a question of several lines. */
const FENCE = '"""';

/** How an answer may be generated; the names are those of the API. */
export const CHAT_MODES = [
  "auto",
  "plain",
  "speculative",
  "outline",
  "outline+speculative",
] as const;

/** One of {@linkcode CHAT_MODES}. */
export type ChatMode = typeof CHAT_MODES[number];

/** Puts lines together to questions. */
export class QuestionLines {
  #lines: string[] = [];
  #fenced = false;

  /** Whether a question has begun and not ended. */
  get open(): boolean {
    return this.#lines.length > 0 || this.#fenced;
  }

  /** Forgets what has begun. */
  clear(): void {
    this.#lines = [];
    this.#fenced = false;
  }

  /** Takes a line; the whole question, or undefined: it goes on with the next line. */
  add(line: string): string | undefined {
    if (this.#fenced) {
      const end = line.indexOf(FENCE);
      this.#lines.push(end < 0 ? line : line.slice(0, end));
      return end < 0 ? undefined : this.#whole();
    }
    if (this.#lines.length === 0 && line.trimStart().startsWith(FENCE)) {
      this.#fenced = true;
      const rest = line.trimStart().slice(FENCE.length);
      return rest === "" ? undefined : this.add(rest);
    }
    if (line.endsWith("\\")) {
      this.#lines.push(line.slice(0, -1));
      return undefined;
    }
    this.#lines.push(line);
    return this.#whole();
  }

  #whole(): string {
    const text = this.#lines.join("\n").trim();
    this.clear();
    return text;
  }
}

/** What a line that begins with a slash asks for. */
export type ChatCommand =
  | { state: "help" }
  | { state: "clear" }
  | { state: "exit" }
  | { state: "show mode" }
  | { state: "mode"; mode: ChatMode }
  | { state: "wrong"; why: string };

const COMMANDS = ["/help", "/clear", "/mode", "/exit"];

/** Help on what can be typed at the prompt. */
export const CHAT_HELP = `/help         print this
/clear        begin a new conversation
/mode [MODE]  how answers are generated: ${CHAT_MODES.join(", ")}
/exit         end, as Ctrl-D does

A line that ends with \\ goes on with the next one; ${FENCE} begins and ends a question of many lines.
Ctrl-C ends an answer; at the prompt it empties the line, and on an empty line it ends the program.`;

/** The command in a line; undefined: it is a question. */
export function chatCommand(line: string): ChatCommand | undefined {
  const [word, ...rest] = line.trim().split(/\s+/);
  if (!/^\/[a-z]+$/.test(word)) return undefined;
  if (word === "/help") return { state: "help" };
  if (word === "/clear") return { state: "clear" };
  if (word === "/exit" || word === "/bye" || word === "/quit") return { state: "exit" };
  if (word !== "/mode") {
    return { state: "wrong", why: `there is no ${word}: ${didYouMean(word, COMMANDS)}` };
  }
  if (rest.length === 0) return { state: "show mode" };
  const mode = CHAT_MODES.find((known) => known === rest[0]);
  if (mode) return { state: "mode", mode };
  const why = `there is no mode ${JSON.stringify(rest[0])}: ${didYouMean(rest[0], CHAT_MODES)}`;
  return { state: "wrong", why };
}

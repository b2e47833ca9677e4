/**
 * The questions of earlier conversations, for the line editor of `chat`. They are kept in the user's
 * own folder, whatever the current one is, in a file that only its owner may read.
 *
 * @module
 */
import { join } from "node:path";

/** Most questions that are kept. */
const MOST = 500;
/** Most bytes that are read of the file. */
const MOST_BYTES = 1_000_000;

/**
 * Folder of the history; the command may write nowhere else (deno.json). Undefined: nothing says
 * where the user's folder is, and no history is kept.
 */
export function historyFolder(home: string | undefined): string | undefined {
  return home ? join(home, ".local", "state", "orrery") : undefined;
}

/**
 * The history in a file. What cannot be read or written is no history: a conversation goes on
 * without.
 */
export class ChatHistory {
  readonly #folder: string | undefined;

  /** `folder`: see {@linkcode historyFolder}. Nothing is read or written yet. */
  constructor(folder: string | undefined) {
    this.#folder = folder;
  }

  /** The file; undefined: there is none. */
  get path(): string | undefined {
    return this.#folder && join(this.#folder, "chat_history");
  }

  /** The questions, the newest first, as `readline` takes them. */
  read(): string[] {
    const { path } = this;
    try {
      if (!path || !mayDo("read", path) || Deno.statSync(path).size > MOST_BYTES) return [];
      const lines = Deno.readTextFileSync(path).split("\n").filter((line) => line !== "");
      return lines.slice(-MOST).reverse();
    } catch {
      return [];
    }
  }

  /** Keeps the questions, the newest first. */
  write(questions: readonly string[]): void {
    const { path } = this;
    if (!path || !this.#folder || !mayDo("write", this.#folder)) return;
    const text = questions.slice(0, MOST).toReversed().map((line) =>
      line.replaceAll(/[\r\n]+/g, " ") + "\n"
    ).join("");
    try {
      Deno.mkdirSync(this.#folder, { recursive: true, mode: 0o700 });
      // In two steps, so that a reader never sees half a file.
      const part = `${path}.part`;
      Deno.writeTextFileSync(part, text, { mode: 0o600 });
      Deno.renameSync(part, path);
    } catch {
      // the conversation matters more
    }
  }
}

const mayDo = (name: "read" | "write", path: string): boolean =>
  Deno.permissions.querySync({ name, path }).state === "granted";

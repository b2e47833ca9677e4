/**
 * The questions of earlier conversations, for the line editor of `chat`. They are kept in the data
 * folder, in a file that only its owner may read.
 *
 * @module
 */
import { join } from "node:path";

/** Most questions that are kept. */
const MOST = 500;
/** Most bytes that are read of the file. */
const MOST_BYTES = 1_000_000;

/** Folder of the history, below the data folder; the command may write nowhere else. */
export const HISTORY_FOLDER = "chat";

/**
 * The history in a file. What cannot be read or written is no history: a conversation goes on
 * without.
 */
export class ChatHistory {
  readonly #folder: string;

  /** `data`: the data folder. Nothing is read or written yet. */
  constructor(data: string) {
    this.#folder = join(data, HISTORY_FOLDER);
  }

  /** The file. */
  get path(): string {
    return join(this.#folder, "history");
  }

  /** The questions, the newest first, as `readline` takes them. */
  read(): string[] {
    try {
      if (!mayDo("read", this.path) || Deno.statSync(this.path).size > MOST_BYTES) return [];
      const lines = Deno.readTextFileSync(this.path).split("\n").filter((line) => line !== "");
      return lines.slice(-MOST).reverse();
    } catch {
      return [];
    }
  }

  /** Keeps the questions, the newest first. */
  write(questions: readonly string[]): void {
    if (!mayDo("write", this.#folder)) return;
    const text = questions.slice(0, MOST).toReversed().map((line) =>
      line.replaceAll(/[\r\n]+/g, " ") + "\n"
    ).join("");
    try {
      Deno.mkdirSync(this.#folder, { recursive: true, mode: 0o700 });
      // In two steps, so that a reader never sees half a file.
      const part = `${this.path}.part`;
      Deno.writeTextFileSync(part, text, { mode: 0o600 });
      Deno.renameSync(part, this.path);
    } catch {
      // the conversation matters more
    }
  }
}

const mayDo = (name: "read" | "write", path: string): boolean =>
  Deno.permissions.querySync({ name, path }).state === "granted";

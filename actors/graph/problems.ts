/**
 * Finds for each problem of a file its line and column, and what was probably meant:
 * `devices.yaml:7:5: devices[0].memory: ...`.
 *
 * @module
 */
import { type Document, isMap, isScalar, isSeq, LineCounter, type Node, parseDocument } from "yaml";
import type { z } from "zod";
import { OrreryError } from "../system/mod.ts";

type Path = readonly PropertyKey[];

/** Most problems that an error names; it counts the others. */
const NAMED = 20;
/** Most problems that are looked up in the file, of which the first in its order are named. */
const LOOKED_UP = 1000;
/** Most characters of one problem's text. */
const LINE = 1000;
/** Most known words that a message lists. */
const LISTED = 20;
/** Longest word, in characters, for which a known one that is near is looked for. */
const LONGEST_WORD = 128;

/** One problem of a file. */
export interface FileProblem {
  /** Line in the file, from 1. */
  line: number;
  /** Column in the line, from 1. */
  column: number;
  /** Path of the value, such as `devices[0].name`; "" for the whole file. */
  path: string;
  /** What was expected and what was found. */
  message: string;
}

/** A YAML or JSON text, with the line and column of each of its values. */
export class SourceFile {
  /** File name for error messages. */
  readonly file: string;
  readonly #document: Document.Parsed;
  readonly #lines = new LineCounter();
  readonly #problems: FileProblem[] = [];
  /** Problems that were found beyond those that are looked up. */
  #more = 0;

  /** Throws group `graph`, code `bad_graph` where the text is not YAML. */
  constructor(text: string, file: string) {
    this.file = file;
    this.#document = parseDocument(text, { lineCounter: this.#lines, prettyErrors: false });
    const { errors } = this.#document;
    this.#more = Math.max(0, errors.length - LOOKED_UP);
    for (const { message, pos, code } of errors.slice(0, LOOKED_UP)) {
      const { line, col } = this.#lines.linePos(pos[0]);
      const twice = code === "DUPLICATE_KEY"
        ? "expected each key once, found one of them again"
        : message;
      this.#problems.push({ line, column: col, path: "", message: twice });
    }
    this.throwProblems();
  }

  /** The file's value as plain JavaScript. Throws `bad_graph` for an alias without an anchor. */
  value(): unknown {
    try {
      return this.#document.toJS({ maxAliasCount: 100 });
    } catch (error) {
      this.add([], (error as Error).message);
      this.throwProblems();
    }
  }

  /** Adds a problem at a path. `key`: at the key itself instead of its value. @default false */
  add(path: Path, message: string, { key = false }: { key?: boolean } = {}): void {
    if (this.#problems.length >= LOOKED_UP) {
      this.#more++;
      return;
    }
    const { line, col } = this.#lines.linePos(this.#offset(path, key));
    this.#problems.push({
      line: Math.max(1, line),
      column: Math.max(1, col),
      path: pathText(path),
      message,
    });
  }

  /** Adds the issues that a schema has with `value`. */
  addIssues(issues: readonly z.core.$ZodIssue[], value: unknown): void {
    for (const issue of issues) this.#addIssue(issue, [], value);
  }

  /**
   * Throws group `graph`, code `bad_graph` with the first {@linkcode NAMED} problems in the file's
   * order, one line for each, and the number of the others. Returns if there are none.
   */
  throwProblems(): void {
    if (this.#problems.length === 0) return;
    const problems = this.#problems.toSorted((a, b) => a.line - b.line || a.column - b.column);
    const named = problems.slice(0, NAMED);
    const lines = [
      ...new Set(
        named.map(({ line, column, path, message }) =>
          cut(`${this.file}:${line}:${column}: ${path === "" ? "" : `${path}: `}${message}`, LINE)
        ),
      ),
    ];
    const others = problems.length - named.length + this.#more;
    if (others > 0) {
      lines.push(`${this.file}: and ${others} more problem${others === 1 ? "" : "s"}`);
    }
    throw new OrreryError({
      group: "graph",
      code: "bad_graph",
      message: lines.join("\n"),
      metadata: {
        file: this.file,
        problems: named.map((p) => ({
          ...p,
          path: cut(p.path, LINE),
          message: cut(p.message, LINE),
        })),
      },
    });
  }

  #addIssue(issue: z.core.$ZodIssue, above: Path, value: unknown): void {
    if (this.#problems.length >= LOOKED_UP) {
      this.#more++;
      return;
    }
    const path = [...above, ...issue.path];
    if (issue.code === "unrecognized_keys") {
      const known = issue.message.replace(/^expected one of /, "").split(", ");
      for (const [i, key] of issue.keys.entries()) {
        if (this.#problems.length >= LOOKED_UP) {
          this.#more += issue.keys.length - i;
          return;
        }
        this.add([...path, key], `unknown field; ${didYouMean(key, known)}`, { key: true });
      }
      return;
    }
    if (issue.code === "invalid_key") {
      const why = issue.issues[0]?.message ?? "expected another key";
      return this.add(path, `${why}, found ${shown(issue.path.at(-1))}`, { key: true });
    }
    if (issue.code === "invalid_union") {
      // the branch whose issues lie deeper in the value is the one that was meant
      const meant = issue.errors.filter((branch) =>
        branch.length > 0 &&
        branch.every((i) =>
          i.path.length > 0 || i.code === "unrecognized_keys" || i.code === "too_big"
        )
      );
      if (meant.length > 0) {
        const best = meant.reduce((a, b) => b.length < a.length ? b : a);
        for (const inner of best) this.#addIssue(inner, path, value);
        return;
      }
    }
    const found = valueAt(value, path);
    const missing = found === undefined;
    const expected = expectation(issue);
    const wrong = `${expected}, ${missing ? "found nothing" : `found ${shown(found)}`}`;
    const words = choices(issue);
    const near = typeof found === "string" ? nearest(found, words) : undefined;
    this.add(path, near === undefined ? wrong : `${wrong}; did you mean ${near}?`);
  }

  /**
   * Offset in the text at which the path's value (or key) begins. For a missing value: at which the
   * nearest value around it begins.
   */
  #offset(path: Path, key: boolean): number {
    let node: Node | null = this.#document.contents;
    let offset = node?.range?.[0] ?? 0;
    for (const [i, part] of path.entries()) {
      const last = i === path.length - 1;
      if (isMap(node)) {
        const pair = node.items.find((item) =>
          String(isScalar(item.key) ? item.key.value : item.key) === String(part)
        );
        if (!pair) return offset;
        const [at, inside] = [pair.key as Node | null, pair.value as Node | null];
        offset = at?.range?.[0] ?? offset;
        if (last && key) return offset;
        // a block map or list is reported at its key, because its own offset is that of its first
        // child
        const block = (isMap(inside) || isSeq(inside)) && !inside.flow;
        if (inside?.range && !(block && last)) offset = block ? offset : inside.range[0];
        node = inside;
      } else if (isSeq(node)) {
        node = (node.items[Number(part)] ?? null) as Node | null;
        offset = node?.range?.[0] ?? offset;
      } else return offset;
    }
    return offset;
  }
}

/** A path as text: `devices[0].name`. */
function pathText(path: Path): string {
  const text = path.map((part, i) =>
    typeof part === "number" ? `[${part}]` : `${i > 0 ? "." : ""}${String(part)}`
  )
    .join("");
  return text.replace(/\s+/g, " "); // a key with line breaks must not break the message into lines
}

/** The part of a value at a path; undefined where there is none. */
function valueAt(value: unknown, path: Path): unknown {
  return path.reduce<unknown>(
    (v, part) =>
      v !== null && typeof v === "object" ? (v as Record<PropertyKey, unknown>)[part] : undefined,
    value,
  );
}

/** A value in a message, cut to a readable length. */
export function shown(value: unknown): string {
  if (Array.isArray(value)) return value.length === 0 ? "an empty list" : "a list";
  if (value !== null && typeof value === "object") {
    const keys = Object.keys(value);
    return keys.length === 0 ? "an empty map" : `a map with ${keys.slice(0, 8).join(", ")}`;
  }
  const text = typeof value === "bigint" ? String(value) : JSON.stringify(value) ?? String(value);
  return cut(text, 60);
}

/** The text, with its end left out where it is longer than `most` characters. */
function cut(text: string, most: number): string {
  return text.length > most ? `${text.slice(0, most - 3)}...` : text;
}

/** Words for the types that a schema expects. */
const KINDS: Record<string, string> = {
  string: "text",
  number: "a number",
  int: "a whole number",
  boolean: "true or false",
  object: "a map",
  record: "a map",
  array: "a list",
};

/** The words that the schema would have accepted. */
function choices(issue: z.core.$ZodIssue): string[] {
  if (issue.code === "invalid_value") return issue.values.map(String);
  return issue.code === "invalid_union" ? issue.errors.flat().flatMap(choices) : [];
}

/** What the schema expected, as text. */
function expectation(issue: z.core.$ZodIssue): string {
  if (/^(expected|must) /.test(issue.message)) return issue.message;
  switch (issue.code) {
    case "invalid_type":
      return `expected ${KINDS[issue.expected] ?? issue.expected}`;
    case "invalid_value":
      return `expected ${listed(issue.values.map(String))}`;
    case "too_small":
    case "too_big": {
      const least = issue.code === "too_small";
      const bound = Number(least ? issue.minimum : issue.maximum);
      if (issue.origin === "array") {
        return `expected ${least ? "at least" : "at most"} ${bound} ${
          bound === 1 ? "entry" : "entries"
        }`;
      }
      if (issue.origin === "string") {
        return `expected ${least ? "at least" : "at most"} ${bound} characters`;
      }
      return `expected a number ${
        least ? issue.inclusive ? "from" : "above" : issue.inclusive ? "up to" : "below"
      } ${bound}`;
    }
    case "invalid_union": {
      const all = issue.errors.flat().map((inner) => expectation(inner).replace(/^expected /, ""));
      return `expected ${listed([...new Set(all)])}`;
    }
    default:
      return issue.message;
  }
}

/** Joins words: `a, b or c`. */
function listed(words: string[]): string {
  return words.length < 2 ? words.join("") : `${words.slice(0, -1).join(", ")} or ${words.at(-1)}`;
}

/** `did you mean x?` where a known word is near, otherwise the list of known words. */
export function didYouMean(word: string, known: readonly string[]): string {
  const near = nearest(word, known);
  if (near !== undefined) return `did you mean ${near}?`;
  if (known.length === 0) return "none is known here";
  const rest = known.length > LISTED ? ` and ${known.length - LISTED} more` : "";
  return `known are ${known.slice(0, LISTED).join(", ")}${rest}`;
}

/** The known word with the fewest edits, if these are at most a third of its letters. */
function nearest(word: string, known: readonly string[]): string | undefined {
  if (word.length > LONGEST_WORD) return undefined;
  const ranked = known.map((other) => ({
    other,
    far: distance(word.toLowerCase(), other.toLowerCase()),
  }))
    .sort((a, b) => a.far - b.far);
  const best = ranked[0];
  return best && best.far <= Math.floor(best.other.length / 3) ? best.other : undefined;
}

/**
 * Number of edits between two words, where swapping two neighbours is one edit (optimal string
 * alignment).
 */
function distance(a: string, b: string): number {
  let [older, old] = [[] as number[], Array.from({ length: b.length + 1 }, (_, j) => j)];
  for (let i = 1; i <= a.length; i++) {
    const now = [i];
    for (let j = 1; j <= b.length; j++) {
      const cost = a[i - 1] === b[j - 1] ? 0 : 1;
      now[j] = Math.min(old[j] + 1, now[j - 1] + 1, old[j - 1] + cost);
      if (i > 1 && j > 1 && a[i - 1] === b[j - 2] && a[i - 2] === b[j - 1]) {
        now[j] = Math.min(now[j], older[j - 2] + 1);
      }
    }
    [older, old] = [old, now];
  }
  return old[b.length];
}

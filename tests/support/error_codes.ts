/**
 * The error codes that the product's sources make, read from their text, and those that
 * docs/errors.md describes.
 *
 * @module
 */
import { join } from "node:path";
import { readImports } from "./imports.ts";

/**
 * Functions that make an error from a code, their first argument; the group is the same for all
 * their errors. With a file, the name means this only there.
 */
const MAKERS: { name: string; group: string; file?: string }[] = [
  { name: "refusal", group: "actor", file: "actors/system/refusals.ts" },
  { name: "durableError", group: "actor", file: "actors/system/durable_errors.ts" },
  { name: "mailboxError", group: "mailbox" },
  { name: "trustError", group: "trust" },
  { name: "engineError", group: "engine" },
  { name: "modelError", group: "model" },
  { name: "ggufError", group: "model" },
  { name: "error", group: "model", file: "models/hub/client.ts" },
  { name: "bad", group: "planner", file: "planner/check_input.ts" },
  { name: "graphProblem", group: "graph" },
  { name: "registryError", group: "registry" },
  { name: "apiError", group: "api" },
  { name: "unavailable", group: "api" },
  { name: "refused", group: "access", file: "runtime/access/key_file.ts" },
  { name: "failed", group: "cli", file: "runtime/cli/api_call.ts" },
  { name: "failed", group: "cli", file: "runtime/cli/chat_client.ts" },
  { name: "failed", group: "cli", file: "runtime/cli/nodes.ts" },
];

/**
 * Places that pass a code on instead of choosing one: their number in each file, and where the
 * code comes from.
 */
const FORWARDS: Record<string, { places: number; from: string }> = {
  "actors/generation/grammar_errors.ts": {
    places: 1,
    from: "a token that the engine could not choose",
  },
  "actors/registry/errors.ts": { places: 1, from: "registryError()" },
  "actors/pipeline/draft_chains.ts": { places: 1, from: "a token that the engine did not choose" },
  "actors/system/durable_errors.ts": { places: 1, from: "durableError()" },
  "actors/system/errors.ts": { places: 1, from: "an error that came over the wire" },
  "actors/system/local_transport.ts": { places: 1, from: "mailboxError() of this transport" },
  "actors/system/refusals.ts": { places: 1, from: "refusal()" },
  "runtime/serve/requests_runner.ts": { places: 1, from: "an error of a grammar, with its field" },
  "runtime/access/key_file.ts": { places: 1, from: "refused()" },
  "models/errors.ts": { places: 1, from: "modelError()" },
  "models/hub/client.ts": { places: 1, from: "error()" },
  "models/sources/gguf.ts": { places: 1, from: "ggufError()" },
  "planner/check_input.ts": { places: 1, from: "bad()" },
  "runtime/api/errors.ts": { places: 2, from: "apiError() and unavailable()" },
  "runtime/cli/api_call.ts": { places: 1, from: "failed()" },
  "runtime/custom/graph_problem.ts": { places: 1, from: "graphProblem()" },
  "runtime/custom/flow_generator.ts": { places: 1, from: "a custom actor's refusal" },
  "runtime/custom/worker_link.ts": { places: 1, from: "an error of a custom actor's module" },
  "runtime/engine/errors.ts": { places: 1, from: "engineError()" },
  "runtime/mailbox/errors.ts": { places: 1, from: "mailboxError()" },
  "runtime/trust/errors.ts": { places: 1, from: "trustError()" },
};

/** A code in the sources. */
export interface ErrorCode {
  group: string;
  code: string;
  /** The file that makes it. */
  file: string;
}

/** What {@linkcode readErrorCodes} found. */
export interface ErrorCodes {
  codes: ErrorCode[];
  /** `file:line` of places whose code could not be read. */
  unclear: string[];
}

const BLOCK_COMMENT = /\/\*.*?\*\//gs;
const LITERAL = /"([a-z][a-z0-9_]*)"/g;
/** The beginning of an error, or of one as it crosses the wire, with its code's expression. */
const GROUP_AND_CODE = /\bgroup: "([a-z]+)",\s*code(?::([^,]+))?,/g;
/** A group with something else than the code behind it. */
const GROUP_ALONE = /\bgroup: "[a-z]+"(?!,\s*code\b)/g;
/** An error that does not begin with a literal group. */
const OTHER_ERROR = /new OrreryError\((?!\s*\{\s*group: "[a-z]+")/g;

/** Reads the codes of every file of the product below `root`. */
export async function readErrorCodes(root: string): Promise<ErrorCodes> {
  const { files } = await readImports(root);
  const found: ErrorCodes = { codes: [], unclear: [] };
  for (const file of files) {
    // Comments become blank lines of the same number, so that the places stay right.
    const text = (await Deno.readTextFile(join(root, file)))
      .replace(BLOCK_COMMENT, (comment) => comment.replace(/[^\n]/g, " "));
    codesOf(file, text, found);
  }
  return found;
}

/** Adds the codes of one file's text to `found`. */
export function codesOf(file: string, text: string, found: ErrorCodes): void {
  const unclear = (at: number) => {
    const place = `${file}:${text.slice(0, at).split("\n").length}`;
    if (!found.unclear.includes(place)) found.unclear.push(place);
  };
  const add = (group: string, expression: string, at: number) => {
    const codes = [...expression.matchAll(LITERAL)].map(([, code]) => code);
    for (const code of codes) found.codes.push({ group, code, file });
    // What a function chooses cannot be read from its call.
    if (codes.length === 0 || expression.includes("(")) unclear(at);
  };
  for (const m of text.matchAll(GROUP_AND_CODE)) add(m[1], m[2] ?? "", m.index);
  for (const m of text.matchAll(GROUP_ALONE)) unclear(m.index);
  for (const m of text.matchAll(OTHER_ERROR)) unclear(m.index);
  for (const { name, group, file: only } of MAKERS) {
    if (only !== undefined && only !== file) continue;
    const calls = new RegExp(`(?<!function |[.#\\w])${name}\\(\\s*([^,()]*\\(?)`, "g");
    for (const m of text.matchAll(calls)) add(group, m[1], m.index);
  }
}

/**
 * The places whose code could not be read, without those of files that have exactly as many as
 * `forwards` says; and each file of `forwards` that has none.
 */
export function unexplained(unclear: string[], forwards = FORWARDS): string[] {
  const byFile = Map.groupBy(unclear, (place) => place.split(":")[0]);
  const more = [...byFile].flatMap(([file, places]) =>
    places.length === forwards[file]?.places ? [] : places
  );
  return [...more, ...Object.keys(forwards).filter((file) => !byFile.has(file))];
}

/** A row of the page. */
export interface DocumentedCode {
  group: string;
  code: string;
  /** The cell behind the code: the HTTP status in group `api`, else when it happens. */
  next: string;
}

/** The rows of the page docs/errors.md, in its order. */
export function documentedCodes(page: string): DocumentedCode[] {
  const rows: DocumentedCode[] = [];
  let group = "";
  for (const line of page.split("\n")) {
    if (line.startsWith("## ")) group = /\(`([a-z]+)`\)$/.exec(line)?.[1] ?? "";
    const [, code, next] = /^\| `([a-z0-9_]+)` +\| ([^|]+)/.exec(line) ?? [];
    if (code !== undefined) rows.push({ group, code, next: next.trim() });
  }
  return rows;
}

/** How the rows of the page and the codes of the sources differ, each as `group code`. */
export function differences(
  rows: Pick<DocumentedCode, "group" | "code">[],
  codes: Pick<ErrorCode, "group" | "code">[],
): { undocumented: string[]; unmade: string[]; twice: string[] } {
  const name = ({ group, code }: { group: string; code: string }) => `${group} ${code}`;
  const described = rows.map(name);
  const made = new Set(codes.map(name));
  return {
    undocumented: [...made].filter((code) => !described.includes(code)).sort(),
    unmade: described.filter((code) => !made.has(code)),
    twice: described.filter((code, i) => described.indexOf(code) < i),
  };
}

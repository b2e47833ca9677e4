/**
 * The error codes that the product's sources make, read from their text.
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
  { name: "mailboxError", group: "mailbox" },
  { name: "engineError", group: "engine" },
  { name: "modelError", group: "model" },
  { name: "ggufError", group: "model" },
  { name: "error", group: "model", file: "models/hub/client.ts" },
  { name: "bad", group: "planner", file: "planner/check_input.ts" },
  { name: "problem", group: "graph", file: "runtime/custom/custom_actors.ts" },
  { name: "apiError", group: "api" },
  { name: "unavailable", group: "api" },
  { name: "failed", group: "cli", file: "runtime/cli/chat_client.ts" },
];

/** Places that pass a code on instead of choosing one, and where the code comes from. */
const FORWARDS: Record<string, string> = {
  "actors/generation/run.ts": "the code of a token that the engine could not choose",
  "actors/pipeline/draft_chains.ts": "the code of a token that the draft's engine could not choose",
  "actors/system/errors.ts": "what came over the wire",
  "actors/system/local_transport.ts": "mailboxError() of the in-process transport",
  "actors/system/refusals.ts": "refusal()",
  "models/errors.ts": "modelError()",
  "models/hub/client.ts": "error()",
  "models/sources/gguf.ts": "ggufError()",
  "models/sources/safetensors.ts": "bad(), whose codes begin with safetensors_",
  "planner/check_input.ts": "bad()",
  "runtime/api/errors.ts": "apiError() and unavailable()",
  "runtime/cli/chat_client.ts": "failed(), which also passes on what the node said",
  "runtime/custom/custom_actors.ts": "problem()",
  "runtime/custom/flow_generator.ts": "the code with which a custom actor refused a request",
  "runtime/custom/worker_link.ts": "the error that a custom actor's module threw",
  "runtime/engine/errors.ts": "engineError()",
  "runtime/mailbox/errors.ts": "mailboxError()",
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
  /** `file:line` of places whose code could not be read and that are not listed as forwarding one. */
  unclear: string[];
}

const BLOCK_COMMENT = /\/\*.*?\*\//gs;
const LITERAL = /"([a-z][a-z0-9_]*)"/g;

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
  const add = (group: string, expression: string, at: number) => {
    const codes = [...expression.matchAll(LITERAL)].map(([, code]) => code);
    for (const code of codes) found.codes.push({ group, code, file });
    if (codes.length === 0 && !(file in FORWARDS)) {
      found.unclear.push(`${file}:${text.slice(0, at).split("\n").length}`);
    }
  };
  for (const m of text.matchAll(/\bgroup: "([a-z]+)",\s*code(?::([^,\n]+))?,/g)) {
    add(m[1], m[2] ?? "", m.index);
  }
  for (const m of text.matchAll(/new OrreryError\((?!\s*\{\s*group: "[a-z]+",\s*code)/g)) {
    add("", "", m.index);
  }
  for (const { name, group, file: only } of MAKERS) {
    if (only !== undefined && only !== file) continue;
    for (
      const m of text.matchAll(new RegExp(`(?<!function |[.#\\w])${name}\\(\\s*([^,()]*)`, "g"))
    ) {
      add(group, m[1], m.index);
    }
  }
}

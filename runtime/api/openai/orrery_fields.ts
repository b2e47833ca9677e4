/**
 * The `orrery` object of a request: settings that only Orrery has.
 *
 * @module
 */
import { z } from "zod";
import { MODES, ROUTES } from "../../../actors/mod.ts";
import { apiError } from "../errors.ts";
import type { GenerateRequest } from "../generator.ts";

/** Longest point of an outline that a client may give, in characters. */
const MOST_POINT_CHARS = 500;

/** Longest regular expression or grammar, in characters. */
const MOST_GRAMMAR_CHARS = 65_536;

/** Settings that only Orrery has. */
export const orreryFields = z.strictObject({
  mode: z.enum(MODES).optional().describe(
    "how to generate the answer; with `auto` the node chooses",
  ),
  route: z.enum(ROUTES).optional()
    .describe("which stages compute the answer; with `auto` the node chooses"),
  draft_length: z.int().min(0).max(32).optional().describe(
    "draft tokens: with mode `auto` the longest draft, with a speculative mode the length of each; 0: none",
  ),
  draft_tree: z.boolean().optional().describe(
    "draft alternatives too: true always, false never; left out: where they are likely enough",
  ),
  regex: z.string().min(1).max(MOST_GRAMMAR_CHARS).optional()
    .describe("a regular expression that the whole answer matches"),
  grammar: z.string().min(1).max(MOST_GRAMMAR_CHARS).optional()
    .describe(
      "a grammar in EBNF of which the whole answer is a sentence; its first rule is `root`",
    ),
  points: z.array(z.string().trim().min(1).max(MOST_POINT_CHARS)).min(1).max(30).optional()
    .describe("points of the outline: the model then generates none"),
  max_branches: z.int().min(1).max(64).optional()
    .describe("outline branches that run at the same time"),
  live_branches: z.boolean().optional()
    .describe("stream all branches as they come, instead of one text in order"),
  pieces: z.int().min(1).max(1024).optional()
    .describe("pieces of the prompt, all of about equal size"),
  piece_rows: z.int().min(1).optional()
    .describe("rows in each piece of the prompt; ignored where `pieces` is given"),
  reuse: z.boolean().optional().describe(
    "false: the prompt takes no rows of earlier requests, drafts are not looked up in earlier answers, and neither its rows nor its answer are kept for later ones",
  ),
  ignore_eos: z.boolean().optional()
    .describe("generate past the end of the text, up to the limit of tokens"),
}).nullish();

/** The parsed {@linkcode orreryFields}. */
export type OrreryFields = z.infer<typeof orreryFields>;

/**
 * The object as the generator takes it; fields that were left out stay left out. Throws group `api`,
 * code `invalid_value`, for fields that exclude each other.
 */
export function orrerySettings(own: OrreryFields): Partial<GenerateRequest> {
  if (!own) return {};
  const { mode, points, regex, grammar } = own;
  if (points !== undefined && (mode === "plain" || mode === "speculative")) {
    throw apiError(
      "invalid_value",
      `orrery.points: an answer of mode ${mode} has no outline`,
      "orrery.points",
    );
  }
  if (regex !== undefined && grammar !== undefined) {
    throw apiError(
      "invalid_value",
      "orrery.grammar: not together with orrery.regex; give one of them",
      "orrery.grammar",
    );
  }
  return {
    ...(own.piece_rows !== undefined && { pieceRows: own.piece_rows }),
    ...(own.ignore_eos && { ignoreEos: true }),
    ...(own.reuse === false && { reuse: false }),
    ...(own.pieces !== undefined && { pieces: own.pieces }),
    ...(mode !== undefined && { mode }),
    ...(own.route !== undefined && { route: own.route }),
    ...(own.draft_length !== undefined && { draftLength: own.draft_length }),
    ...(own.draft_tree !== undefined && { draftTree: own.draft_tree }),
    ...(regex !== undefined && {
      constraint: { kind: "regex", pattern: regex },
      constraintField: "orrery.regex",
    }),
    ...(grammar !== undefined && {
      constraint: { kind: "grammar", ebnf: grammar },
      constraintField: "orrery.grammar",
    }),
    ...(points !== undefined && { points }),
    ...(own.max_branches !== undefined && { maxBranches: own.max_branches }),
    ...(own.live_branches && { liveBranches: true }),
  };
}

/**
 * Messages of the LM head's shards, each of which has some parts of the vocabulary.
 *
 *     last stage --normed--> every shard --partial--> arbiter
 *                                 ^                     |
 *                                 '--------more---------'
 *
 * @module
 */
import { z } from "zod";
import { spansSchema } from "../system/mod.ts";
import { maskFields, samplerSchema, stageTraceSchema, tokenResultSchema } from "./frame.ts";
import { tensorSchema } from "./tensor.ts";
import { type PackedPartials, unpackPartials } from "./pack_partials.ts";

const i32 = z.instanceof(Int32Array);
const count = z.number().int().nonnegative();
const arena = z.string().min(1).max(128);

/** Why no token can be chosen for a row; `row` is its index among the frame's wanted rows. */
export const rowFailureSchema = z.object({
  row: count,
  code: z.string().max(64),
  message: z.string().max(1024),
});

/** See {@linkcode rowFailureSchema}. */
export type RowFailure = z.infer<typeof rowFailureSchema>;

/** What stages know of a frame, for the arbiter: it travels with the first shard's messages. */
export const carriedSchema = z.object({
  /** When each stage had the frame, in order of the stages. */
  trace: z.array(stageTraceSchema),
  /** Bytes of the frame's hidden states over the last link between stages. */
  hidden_bytes: z.number().nonnegative(),
  /** Rows for which the stages found that no token can be chosen. */
  failed: z.array(rowFailureSchema),
  /**
   * Results of the wanted rows whose hidden states are wanted, in order: shards get the other rows
   * alone, and count these.
   */
  states: z.array(tokenResultSchema).optional(),
});

/** See {@linkcode carriedSchema}. */
export type CarriedFacts = z.infer<typeof carriedSchema>;

/** Last stage -> shard, message `normed`: the wanted rows of a frame, after the final norm. */
export const normedSchema = z.object({
  arena,
  /** Number of the frame. */
  seq: count,
  /** Address that gets `partial` and `failed`. */
  reply_to: z.string(),
  /** The arena's first message to this shard, which opens it there. */
  opens: z.boolean(),
  /** Samplers that rows of this and later messages may name. */
  samplers: z.array(samplerSchema).optional(),
  /** Ids of samplers that no later message names. */
  drop_samplers: z.array(count).optional(),
  /** As those of a frame; each mask is that of the shard's own tokens. */
  ...maskFields,
  /** The rows after the final norm, f32 (wanted rows, hidden). */
  normed: tensorSchema,
  /** Id of the sampler of each row. i32 (wanted rows) */
  want_samplers: i32,
  /** Position of the token that is sampled for each row. i32 (wanted rows) */
  positions: i32,
  /**
   * Tokens before the sampled one, each once, with how often each was generated: for rows with
   * penalties, and of the shard's own part of the vocabulary. (rows with penalties)
   */
  occurrences: z.array(z.object({ row: count, tokens: i32, generated: i32 })).optional(),
  /** As those of the frame. */
  spans: spansSchema.optional(),
  /** To the first shard alone. */
  carried: carriedSchema.optional(),
}).superRefine((m, ctx) => {
  const rows = m.want_samplers.length;
  const problem = (message: string) => ctx.addIssue({ code: "custom", message });
  if (rows === 0) problem("a normed message has no rows");
  if (m.want_masks && m.want_masks.length !== rows) {
    problem(`${m.want_masks.length} masks for ${rows} rows`);
  }
  if (m.want_given && m.want_given.length !== rows) {
    problem(`${m.want_given.length} given tokens for ${rows} rows`);
  }
  for (const token of m.want_given ?? []) {
    if (token < -1) problem(`want_given names token ${token}`);
  }
  for (const id of m.want_masks ?? []) if (id < -1) problem(`want_masks names mask ${id}`);
  if (m.positions.length !== rows) problem(`${m.positions.length} positions for ${rows} rows`);
  const { dtype, shape } = m.normed;
  if (dtype !== "f32" || shape.length !== 2 || shape[0] !== rows) {
    problem(`normed must be f32 (${rows}, hidden), got ${dtype} (${shape})`);
  }
  for (const { row, tokens, generated } of m.occurrences ?? []) {
    if (row >= rows) problem(`occurrences of row ${row}, there are ${rows}`);
    if (tokens.length !== generated.length) {
      problem(`${tokens.length} tokens occurred ${generated.length} times`);
    }
  }
});

/** See {@linkcode normedSchema}. */
export type NormedMessage = z.infer<typeof normedSchema>;

/** Parts into which an LM head is cut by vocabulary rows; a shard has some of them. */
export const HEAD_PARTS = 8;

/** Shard -> arbiter, message `partial`: what its parts say of some rows of a frame. */
export const partialSchema = z.object({
  arena,
  seq: count,
  /** Index of the shard. */
  shard: count,
  /** Number of its parts. */
  parts: z.number().int().positive().max(HEAD_PARTS),
  /** Tokens of the whole vocabulary. */
  vocab: z.number().int().positive(),
  /** Indices of the rows among the frame's wanted rows. i32 (rows) */
  rows: i32,
  /** See {@linkcode PackedPartials}: all rows that have not failed, with all parts each. */
  ints: i32,
  floats: z.instanceof(Float32Array),
  doubles: z.instanceof(Float64Array),
  /** Rows for which this shard found that no token can be chosen. */
  failed: z.array(rowFailureSchema),
  /** When the shard had the rows. */
  trace: stageTraceSchema.pick({ received: true, began: true, ended: true, busy_ms: true }),
  /** From the first shard alone, with its first answer to a frame. */
  carried: carriedSchema.optional(),
}).superRefine((m, ctx) => {
  const problem = (message: string) => ctx.addIssue({ code: "custom", message });
  const lost = new Set(m.failed.map((f) => f.row));
  const left = m.rows.filter((row) => !lost.has(row)).length;
  if (m.rows.some((row) => row < 0)) problem("a row's index is negative");
  const unpacked = unpackPartials(m, { count: left * m.parts, vocab: m.vocab });
  if (typeof unpacked === "string") problem(unpacked);
});

/** See {@linkcode partialSchema}. */
export type PartialMessage = z.infer<typeof partialSchema> & PackedPartials;

/** Arbiter -> shard, message `more`: candidates beyond those that were listed. */
export const moreSchema = z.object({
  arena,
  seq: count,
  /** Indices of the rows among the frame's wanted rows. i32 (rows) */
  rows: i32,
  /** Most candidates of each part. */
  limit: z.number().int().positive(),
});

/** See {@linkcode moreSchema}. */
export type MoreMessage = z.infer<typeof moreSchema>;

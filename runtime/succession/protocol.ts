/**
 * What nodes say to each other when the first node is gone: HTTP/2 requests on the mailbox's port,
 * with JSON. They need no certificate:
 *
 * - Certificates end after 24 hours, and nobody renews them while the first node is gone. A cluster
 *   whose first node died on Friday can still have a new one on Monday.
 * - Nothing depends on who carries a message: votes and records are signed, and they are public.
 *
 * | request                             | answer                                                   |
 * | ----------------------------------- | -------------------------------------------------------- |
 * | `POST /succession/v1/question`      | whether a member would vote, to a member (it signs)      |
 * | `POST /succession/v1/vote`          | a member's vote, to the candidate (it sends its own one) |
 * | `POST /succession/v1/record`        | whether the receiver believes a succession record        |
 * | `GET /succession/v1/record/SHA256`  | the record by which this authority was followed          |
 *
 * @module
 */
import { z } from "zod";
import { rollSchema } from "../trust/mod.ts";
import { ballotSchema, recordSchema, voteSchema } from "./record.ts";

/** What all paths begin with. */
export const PREFIX = "/succession/v1/";
/** Longest request or answer, bytes: a record of 4,096 votes has 3 MB. */
export const MAX_BYTES = 4 * 1024 * 1024;
/** Longest question or answer to it, bytes: a roll of 4,096 members has 280 KB. */
export const MAX_QUESTION_BYTES = 512 * 1024;

/** Asks a member whether it would vote. */
export const questionSchema = z.strictObject({
  /** SHA-256 of the authority's certificate. */
  cluster: z.string().regex(/^[0-9a-f]{64}$/),
  /** The asker's certificate, and its signature of {@linkcode questionText}. */
  asker: voteSchema,
});

/** What a member signs who asks. */
export const questionText = (cluster: string): string =>
  `orrery succession question 1\ncluster ${cluster}`;

/** A member's answer to a question. */
export const standingSchema = z.object({
  node: z.string().max(128),
  /** Milliseconds for which it has not heard the first node. */
  lost_ms: z.number().nonnegative(),
  /** Milliseconds for which it must not have heard it until it votes. */
  needed_ms: z.number().nonnegative(),
  /** Its last vote. */
  voted: z.object({ epoch: z.int().positive(), node: z.string().max(128) }).optional(),
  /** Its newest roll. */
  roll: rollSchema,
});
/** See {@linkcode standingSchema}. */
export type Standing = z.infer<typeof standingSchema>;

/** Asks for a vote; `own` is the candidate's. */
export const voteRequestSchema = z.strictObject({ ballot: ballotSchema, own: voteSchema });

/** Answer with a vote. */
export const voteAnswerSchema = z.object({ vote: voteSchema });

/** Answer with a record; null: none is known. */
export const recordAnswerSchema = z.object({ record: recordSchema.nullable() });

/** Answer to a record that was sent. */
export const acceptedSchema = z.object({
  node: z.string().max(128),
  /** A record of a later epoch, by which the same authority was followed. */
  newer: recordSchema.optional(),
});

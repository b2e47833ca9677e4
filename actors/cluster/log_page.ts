/**
 * What a node tells of its own log: the newest records, which it keeps in memory.
 *
 * @module
 */
import { z } from "zod";

/** Levels of records, the least urgent first. */
export const LOG_LEVELS = ["debug", "info", "warning", "error", "fatal"] as const;

/** One of {@linkcode LOG_LEVELS}. */
export type KeptLevel = typeof LOG_LEVELS[number];

/** Most records of a page. */
export const MOST_RECORDS = 500;
/** Most characters of a record's text; the rest is cut. */
export const MOST_RECORD_CHARS = 4_096;

/** Which records are wanted. */
export const logQuerySchema = z.object({
  /** Records after the one with this number; left out: the newest. */
  after: z.number().int().nonnegative().optional(),
  /** Records of this level or a more urgent one. */
  level: z.enum(LOG_LEVELS).default("info"),
  /** Records of the request with this id alone; left out: all. */
  request: z.string().min(1).max(128).optional(),
  /** So many at most. */
  limit: z.number().int().min(1).max(MOST_RECORDS).default(200),
});

/** See {@linkcode logQuerySchema}. */
export type LogQuery = z.output<typeof logQuerySchema>;

/** A record of a log. */
export const keptRecordSchema = z.object({
  /** Counts the records of this life of the node, from 1 on. */
  number: z.number().int().positive(),
  /** When, milliseconds since 1970 by the node's own clock. */
  time_ms: z.number(),
  level: z.enum(LOG_LEVELS),
  /** What wrote it, such as `orrery.node`. */
  category: z.string().max(256),
  text: z.string().max(MOST_RECORD_CHARS + 1),
  /** Id of the request that it is about, as the header `x-request-id` of its answer says. */
  request: z.string().max(128).optional(),
  /** Id of the request's trace, 32 hexadecimal digits; left out: it has none. */
  trace_id: z.string().max(64).optional(),
});

/** See {@linkcode keptRecordSchema}. */
export type KeptRecord = z.infer<typeof keptRecordSchema>;

/** Some records, the oldest first. */
export const logPageSchema = z.object({
  records: z.array(keptRecordSchema).max(MOST_RECORDS),
  /** What `after` must be to get those that follow. */
  next: z.number().int().nonnegative(),
  /** Records after `after` that are not kept any more. */
  lost: z.number().int().nonnegative(),
});

/** See {@linkcode logPageSchema}. */
export type LogPage = z.infer<typeof logPageSchema>;

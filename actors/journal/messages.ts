/**
 * What journals of different nodes say to each other.
 *
 * @module
 */
import { z } from "zod";
import { wireErrorSchema } from "../system/mod.ts";
import { entryHeadSchema } from "./entry.ts";

/** Most records in one message of the journal. */
export const MOST_RECORDS = 4096;
/** Most entries in one message of the journal. */
export const MOST_OPS = 512;

const id = entryHeadSchema.shape.id;
const node = z.string().min(1).max(128);
const position = z.number().int().nonnegative();

/** What was added to one entry. */
export const journalOpSchema = z.object({
  id,
  /** Records that the entry had before; a copy that has fewer asks for all of them. */
  from: position,
  records: z.array(z.string()).max(MOST_RECORDS),
  /** What was asked; only where `from` is 0. */
  head: entryHeadSchema.optional(),
  /** The request has ended with these records. */
  ended: z.boolean().optional(),
});

/** See {@linkcode journalOpSchema}. */
export type JournalOp = z.infer<typeof journalOpSchema>;

/** Message `append`: a node's requests went on. */
export const appendSchema = z.object({
  /** The node with the requests; it sends this itself. */
  origin: node,
  /** Number of its term: which second node the registry names for it. */
  term: z.number().int().positive(),
  ops: z.array(journalOpSchema).max(MOST_OPS),
});

/** See {@linkcode appendSchema}. */
export type AppendMessage = z.infer<typeof appendSchema>;

/** What an append is answered. */
export const appendedSchema = z.discriminatedUnion("state", [
  z.object({
    state: z.literal("kept"),
    /** Entries of which earlier records are missing: they must be sent from the beginning. */
    missing: z.array(id),
    /** Entries for which there is no room. */
    refused: z.array(id),
  }),
  /** This node goes on with the requests of that term: the sender must not tell anybody more. */
  z.object({ state: z.literal("sealed") }),
]);

/** See {@linkcode appendedSchema}. */
export type AppendedMessage = z.infer<typeof appendedSchema>;

/**
 * Message `locate`: who goes on with a request? It is answered `{ state }`: `own`, `held` (another
 * node, of which this one keeps a copy) or `unknown`.
 */
export const locateSchema = z.object({ id });

/** Message `read`: the records from a position on, as soon as there are some. */
export const readSchema = z.object({
  id,
  from: position,
  /** Milliseconds to wait for the first record. */
  wait_ms: z.number().int().min(0).max(30_000),
});

/** What `read` is answered. */
export const readAnswerSchema = z.object({
  /** `gone`: this node does not go on with it. `failed`: its run ended early, after these records. */
  state: z.enum(["open", "ended", "gone", "failed"]),
  records: z.array(z.string()),
  /** Only where `from` is 0. */
  head: entryHeadSchema.optional(),
  /** Why its run ended early. */
  error: wireErrorSchema.optional(),
});

/** See {@linkcode readAnswerSchema}. */
export type ReadAnswer = z.infer<typeof readAnswerSchema>;

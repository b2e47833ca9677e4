/**
 * What a node is at, in figures that cost nothing to ask for: for whoever watches the cluster.
 *
 * @module
 */
import { z } from "zod";
import { MOST_LINKS } from "./links.ts";

const count = z.number().nonnegative();

/** Schema of a link as the node at one end has used it. */
export const vitalLinkSchema = z.object({
  /** The node at the other end. */
  node: z.string().max(128),
  /** Whether it is up, being made, or lost. */
  state: z.enum(["connecting", "up", "lost"]),
  /** Round trip of the last ping, milliseconds; null: not known. */
  round_trip_ms: count.nullable(),
  /** Bytes sent to and received from the other node since this one began. */
  bytes_sent: count,
  bytes_received: count,
});

/** Schema of what a node is at. */
export const nodeVitalsSchema = z.object({
  /** When it was told, milliseconds of that node's own clock since it began. */
  at_ms: count,
  /** Milliseconds that its process has computed on any core since it began. */
  cpu_ms: count,
  memory: z.object({
    /** Bytes that the process holds, and those that its stages were given. */
    resident_bytes: count,
    stages_bytes: count,
    /** Bytes that `--memory` allows; null: nobody said. */
    most_bytes: count.nullable(),
  }),
  /** Requests of its own API that run and that wait. */
  requests: z.object({ running: count, waiting: count }),
  links: z.array(vitalLinkSchema).max(MOST_LINKS),
});

/** See {@linkcode nodeVitalsSchema}. */
export type NodeVitals = z.infer<typeof nodeVitalsSchema>;

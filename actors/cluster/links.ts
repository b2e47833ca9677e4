/**
 * What a node's traffic shows of its links, as it tells the first node.
 *
 * @module
 */
import { z } from "zod";

/** Most links that a node tells of. */
export const MOST_LINKS = 1024;

/** Schema of a link as the node at one end sees it by its traffic. */
export const linkFiguresSchema = z.object({
  /** The node at the other end. */
  node: z.string().max(128),
  /** Round trip of a small message on the idle link, milliseconds; null: not known. */
  round_trip_ms: z.number().nonnegative().nullable(),
  /** Bandwidth from the other node to this one, bytes a second; null: not known. */
  bytes_per_s: z.number().positive().nullable(),
  /** Milliseconds since the bandwidth was last measured; null: it never was. */
  age_ms: z.number().nonnegative().nullable(),
});
/** See {@linkcode linkFiguresSchema}. */
export type NodeLink = z.infer<typeof linkFiguresSchema>;

/** Schema of what a node tells of its links. */
export const nodeLinksSchema = z.object({
  /** Milliseconds since any of its links carried more than heartbeats, or a stage here computed. */
  quiet_ms: z.number().nonnegative(),
  links: z.array(linkFiguresSchema).max(MOST_LINKS),
});
/** See {@linkcode nodeLinksSchema}. */
export type NodeLinks = z.infer<typeof nodeLinksSchema>;

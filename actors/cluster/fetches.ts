/**
 * How far the members are with the weights that they fetch for a deployment, in words.
 *
 * @module
 */
import { z } from "zod";

const bytes = z.number().nonnegative().max(1e18);

/** How far a node is with fetching the weights that its layers need. */
export const fetchReportSchema = z.object({
  /** Id of the node. */
  node: z.string().min(1).max(128),
  /** Bytes that it has of those that it needs. */
  done_bytes: bytes,
  /** Bytes that it needs. */
  total_bytes: bytes,
  /** Bytes a second in the last seconds. */
  bytes_per_s: bytes,
  /** Nodes that sent some of them in the last seconds. */
  peers: z.number().int().nonnegative().max(1e6),
});

/** See {@linkcode fetchReportSchema}. */
export type FetchReport = z.infer<typeof fetchReportSchema>;

const mega = (bytes: number): string =>
  bytes < 9.95e6 ? (bytes / 1e6).toFixed(1) : String(Math.round(bytes / 1e6));

/** A report in words, without the node: `120 of 300 MB (40 %), 25 MB/s from 2 nodes`. */
export function fetchText(
  { done_bytes, total_bytes, bytes_per_s, peers }: Omit<FetchReport, "node">,
): string {
  const percent = total_bytes > 0 ? Math.floor(100 * Math.min(1, done_bytes / total_bytes)) : 100;
  return `${mega(done_bytes)} of ${mega(total_bytes)} MB (${percent} %), ${
    mega(bytes_per_s)
  } MB/s from ${peers} node${peers === 1 ? "" : "s"}`;
}

/** The last reports of the nodes that prepare a deployment. */
export class Fetches {
  readonly #reports = new Map<string, FetchReport>();

  /** Notes what a node says of itself. */
  note(report: FetchReport): void {
    this.#reports.set(report.node, report);
  }

  /** Forgets all: another deployment is prepared, or none. */
  clear(): void {
    this.#reports.clear();
  }

  /** What the nodes are at, to be put behind a reason; "": none fetches. */
  get text(): string {
    const each = [...this.#reports.values()]
      .filter((r) => r.done_bytes < r.total_bytes)
      .map((r) => `; ${r.node} has ${fetchText(r)}`);
    return each.join("");
  }
}

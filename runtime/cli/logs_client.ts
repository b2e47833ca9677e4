/**
 * What commands ask of the logs of nodes, and how they show records.
 *
 * @module
 */
import pc from "picocolors";
import { z } from "zod";
import { type KeptRecord, logPageSchema } from "../../actors/mod.ts";
import { type ApiCall, readApi } from "./api_call.ts";
import { asCalled } from "./as_called.ts";
import { printable } from "./word_wrap.ts";

/** Milliseconds in which the node must answer: it may have to ask another one. */
const ANSWER_MS = 10_000;

const answerSchema = logPageSchema.extend({ node: z.string() });

/** Records of a node's log, and which node that is. */
export type ToldLog = z.infer<typeof answerSchema>;

/** Which records are wanted; see `GET /api/logs`. */
export interface WantedLog {
  node?: string;
  after?: number;
  level?: string;
  request?: string;
  limit?: number;
}

/** Asks a node for the log of a node. Throws what {@linkcode readApi} throws. */
export async function readLogs(
  target: Pick<ApiCall, "url" | "key">,
  wanted: WantedLog,
): Promise<ToldLog> {
  const query = new URLSearchParams(
    Object.entries(wanted).filter(([, value]) => value !== undefined)
      .map(([name, value]) => [name, String(value)]),
  );
  return await readApi({ ...target, path: `/api/logs?${query}` }, {
    schema: answerSchema,
    what: "a log",
    withinMs: ANSWER_MS,
    late: "the node that was asked, or the one whose log is wanted, is very busy or gone",
  });
}

/** A record on one line: time, level, what wrote it, text. */
export function recordLine({ time_ms, level, category, text }: KeptRecord): string {
  const word = level.padEnd(7);
  const colour = level === "error" || level === "fatal"
    ? pc.red
    : level === "warning"
    ? pc.yellow
    : pc.dim;
  const from = category.replace(/^orrery\./, "");
  // A record's text may come from other nodes: it moves no cursor, and stays on its line.
  const shown = asCalled(printable(text).replaceAll("\n", " "));
  return `${pc.dim(new Date(time_ms).toISOString())} ${colour(word)} ${from}: ${shown}`;
}

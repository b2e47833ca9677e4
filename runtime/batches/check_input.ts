/**
 * Checks of a batch's input file.
 *
 * @module
 */
import { z } from "zod";
import type { BatchEndpoint, BatchFault } from "../api/mod.ts";
import { readLines } from "./lines.ts";

/** Bounds of an input file. */
export interface InputLimits {
  /** Most requests. */
  mostLines: number;
  /** Longest line in characters. */
  mostLineBytes: number;
}

/** Most faults that are reported of a file. */
const MOST_FAULTS = 20;

/** A line of an input file. */
export const lineSchema = z.object({
  custom_id: z.string().min(1).max(512),
  method: z.literal("POST"),
  url: z.string(),
  body: z.record(z.string(), z.unknown()),
});

/** How many requests a file has, or what is wrong with it. */
export async function checkInput(
  path: string,
  { endpoint, limits, signal }: {
    endpoint: BatchEndpoint;
    limits: InputLimits;
    signal: AbortSignal;
  },
): Promise<{ total: number; faults: BatchFault[] }> {
  const faults: BatchFault[] = [];
  const seen = new Set<string>();
  let total = 0;
  const fault = (
    line: number | null,
    code: string,
    message: string,
    param: string | null = null,
  ) => void faults.push({ code, message, param, line });
  const checkLine = (number: number, text: string | undefined): void => {
    if (text === undefined) {
      return fault(number, "line_too_long", `longer than ${limits.mostLineBytes} characters`);
    }
    let value: unknown;
    try {
      value = JSON.parse(text);
    } catch (error) {
      return fault(number, "invalid_json_line", `no JSON: ${(error as Error).message}`);
    }
    const parsed = lineSchema.safeParse(value);
    if (!parsed.success) {
      const { path, message } = parsed.error.issues[0];
      const param = path.map(String).join(".");
      return fault(number, "invalid_request", `${param || "the line"}: ${message}`, param || null);
    }
    const { custom_id, url } = parsed.data;
    if (url !== endpoint) {
      const [wanted, got] = [endpoint, url.slice(0, 80)].map((text) => JSON.stringify(text));
      const message = `url: expected ${wanted}, the batch's endpoint, got ${got}`;
      return fault(number, "mismatched_endpoint", message, "url");
    }
    if (seen.has(custom_id)) {
      const id = JSON.stringify(custom_id.slice(0, 80));
      return fault(number, "duplicate_custom_id", `custom_id: ${id} stands twice`, "custom_id");
    }
    seen.add(custom_id);
  };
  for await (const { number, text } of readLines(path, limits.mostLineBytes)) {
    signal.throwIfAborted();
    if (++total > limits.mostLines) {
      fault(null, "too_many_tasks", `the file has more than ${limits.mostLines} requests`);
      break;
    }
    checkLine(number, text);
    if (faults.length === MOST_FAULTS) break;
  }
  if (total === 0) fault(null, "empty_file", "the file has no requests");
  return { total, faults };
}

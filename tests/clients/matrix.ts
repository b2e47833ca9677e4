/**
 * A matrix of features and clients: which of them work with which.
 *
 * @module
 */

/** What clients may do with a node, in the order of the matrix's rows, with what a check shows. */
export const FEATURES = {
  health: "asks whether the node lives",
  models: "lists models",
  answer: "answers, whole",
  stream: "answers, streamed",
  usage: "usage, streamed",
  stop: "stop strings",
  begun: "goes on with a text that is given",
  seed: "a seed repeats an answer",
  logprobs: "log-probabilities",
  echo_logprobs: "log-probabilities of a prompt",
  completions: "text completions",
  json_object: "JSON, any",
  json_schema: "JSON by a schema",
  json_schema_stream: "JSON by a schema, streamed",
  tool_call: "a tool call",
  tool_stream: "a tool call, streamed",
  tool_loop: "a tool's result goes back",
  tool_none: "tools that may not be called",
  embeddings: "embeddings",
  responses: "Responses, whole",
  responses_stream: "Responses, streamed",
  responses_chain: "Responses, previous_response_id",
  count_tokens: "counts tokens",
  files: "files",
  batches: "batches",
  pull: "adds a model of a hub",
  errors: "refusals have the client's class",
} as const;

/** A row of the matrix. */
export type Feature = keyof typeof FEATURES;

/** Where the node is. */
export interface Target {
  /** Base URL without a path. */
  url: string;
  /** Name of the served model. */
  model: string;
  /** A model on the hub that the node asks, as `owner/name`. */
  onHub: string;
}

/** One check of each feature that a client can use; a check throws where the feature fails. */
export type ClientChecks = Partial<Record<Feature, (target: Target) => Promise<void>>>;

/** How a check ended. */
export type Cell = { state: "pass"; ms: number } | { state: "fail"; error: string };

/** Results by client and feature. */
export type Matrix = Record<string, Partial<Record<Feature, Cell>>>;

/** Milliseconds after which a check has failed. */
const PATIENCE_MS = 60_000;

/** Runs a check to its end, or its deadline. */
export async function runCheck(check: () => Promise<void>): Promise<Cell> {
  const begun = performance.now();
  const late = Promise.withResolvers<never>();
  const timer = setTimeout(
    () => late.reject(new Error(`not done after ${PATIENCE_MS / 1000} s`)),
    PATIENCE_MS,
  );
  try {
    await Promise.race([check(), late.promise]);
    return { state: "pass", ms: performance.now() - begun };
  } catch (error) {
    return { state: "fail", error: String(error).slice(0, 600) };
  } finally {
    clearTimeout(timer);
  }
}

/** The matrix as a Markdown table: `yes`, `no`, `soon` for what is `missing` (as `client: feature`), or nothing. */
export function matrixTable(matrix: Matrix, missing: ReadonlySet<string> = new Set()): string {
  const clients = Object.keys(matrix);
  const rows = [["", ...clients]];
  for (const [feature, title] of Object.entries(FEATURES)) {
    const cells = clients.map((client) => {
      const cell = matrix[client][feature as Feature];
      if (!cell) return "";
      if (cell.state === "pass") return "yes";
      return missing.has(`${client}: ${feature}`) ? "soon" : "**no**";
    });
    if (cells.some((cell) => cell !== "")) rows.push([title, ...cells]);
  }
  const widths = rows[0].map((_, column) => Math.max(3, ...rows.map((row) => row[column].length)));
  const line = (cells: string[]) =>
    `| ${cells.map((cell, column) => cell.padEnd(widths[column])).join(" | ")} |`;
  return [
    line(rows[0]),
    `| ${widths.map((width) => "-".repeat(width)).join(" | ")} |`,
    ...rows.slice(1).map(line),
  ].join("\n");
}

/**
 * Answers the lines of a batch that were not answered yet, a few at a time.
 *
 * @module
 */
import { setTimeout as sleep } from "node:timers/promises";
import type { AnswerLine, BatchEndpoint, LineAnswer } from "../api/mod.ts";
import { lineSchema } from "./check_input.ts";
import { sizeOf } from "./disk.ts";
import { cutTorn, LineFile, readLines } from "./lines.ts";

/** How a batch's lines are answered. */
export interface RunOptions {
  /** Id of the batch. */
  id: string;
  endpoint: BatchEndpoint;
  /** Paths of the input and of the two files that grow. */
  paths: { input: string; output: string; errors: string };
  answer: AnswerLine;
  /** Lines that are answered at once. */
  atOnce: number;
  /** Longest line in characters. */
  mostLineBytes: number;
  /** Called when a line is on the disk. */
  onLine: (outcome: "completed" | "failed") => void;
  /** Ends the run; its reason is thrown. */
  signal: AbortSignal;
}

/** Times that a line is tried whose answer failed behind the API. */
const TRIES = 3;
/** Milliseconds to the next try, and the longest of them as they double. */
const PAUSE_MS = 250;
const LONGEST_PAUSE_MS = 10_000;

/**
 * Numbers of the lines that a batch has answered, by outcome. What a process wrote when it was killed
 * is cut off: that line has no answer.
 */
export async function answeredLines(
  { output, errors }: { output: string; errors: string },
): Promise<{ completed: Set<number>; failed: Set<number> }> {
  const [completed, failed] = await Promise.all([numbersIn(output), numbersIn(errors)]);
  return { completed, failed };
}

/** Answers what is left. Throws the signal's reason, and what reading and writing files throw. */
export async function runLines(options: RunOptions): Promise<void> {
  const { id, endpoint, paths, atOnce, signal, onLine } = options;
  await eachLeft(options, atOnce, async ({ number, customId, body }, { output, errors }) => {
    const { status, requestId, body: answer } = await answered(options, endpoint, body);
    signal.throwIfAborted();
    const record = {
      ...{ id: `${reqId(id)}_${number}`, custom_id: customId },
      ...{ response: { status_code: status, request_id: requestId, body: answer }, error: null },
    };
    await (status < 400 ? output : errors).append(record);
    onLine(status < 400 ? "completed" : "failed");
  }, paths);
}

/** Writes for each line that is left that its batch has expired. */
export async function expireLines(options: Omit<RunOptions, "answer" | "endpoint">): Promise<void> {
  await eachLeft(options, 1, async ({ number, customId }, { errors }) => {
    await errors.append({
      ...{ id: `${reqId(options.id)}_${number}`, custom_id: customId, response: null },
      error: {
        code: "batch_expired",
        message: "the batch's time was over before this line's turn",
      },
    });
    options.onLine("failed");
  }, options.paths);
}

interface LeftLine {
  number: number;
  customId: string;
  body: Record<string, unknown>;
}

/** Handles the lines that neither file has, `atOnce` of them at once. */
async function eachLeft(
  { mostLineBytes, signal }: Pick<RunOptions, "mostLineBytes" | "signal">,
  atOnce: number,
  handle: (line: LeftLine, files: { output: LineFile; errors: LineFile }) => Promise<void>,
  paths: RunOptions["paths"],
): Promise<void> {
  using output = await LineFile.open(paths.output);
  using errors = await LineFile.open(paths.errors);
  const { completed, failed } = await answeredLines(paths);
  const lines = readLines(paths.input, mostLineBytes);
  const failure = new AbortController();
  const work = async () => {
    // Workers that share a generator get a line each: it answers one call of next() after the other.
    for (;;) {
      const { done, value } = await lines.next();
      if (done || signal.aborted || failure.signal.aborted) return;
      if (completed.has(value.number) || failed.has(value.number)) continue;
      const { custom_id, body } = lineSchema.parse(JSON.parse(value.text!));
      await handle({ number: value.number, customId: custom_id, body }, { output, errors });
    }
  };
  try {
    const worked = await Promise.allSettled(
      Array.from({ length: atOnce }, () =>
        work().catch((error) => {
          failure.abort();
          throw error;
        })),
    );
    signal.throwIfAborted();
    const failed = worked.find((result) => result.status === "rejected");
    if (failed) throw failed.reason;
  } finally {
    await lines.return(undefined);
  }
}

/** The answer to a line, tried again while the node is busy and a few times where it fails. */
async function answered(
  { answer, signal }: RunOptions,
  endpoint: BatchEndpoint,
  body: Record<string, unknown>,
): Promise<LineAnswer> {
  let pause = PAUSE_MS;
  for (let tries = 1;;) {
    const result = await answer(endpoint, body, signal);
    const busy = result.status === 429 || result.status === 503;
    if (!busy && (result.status < 500 || tries++ === TRIES)) return result;
    await sleep(
      Math.min(result.retryAfterS ? result.retryAfterS * 1000 : pause, LONGEST_PAUSE_MS),
      null,
      {
        signal,
      },
    );
    pause *= 2;
  }
}

const reqId = (batch: string): string => batch.replace("batch_", "batch_req_");

/** Numbers of the lines in a file of answers. */
async function numbersIn(path: string): Promise<Set<number>> {
  const numbers = new Set<number>();
  await cutTorn(path);
  if (await sizeOf(path) === 0) return numbers;
  for await (const { text = "" } of readLines(path, Infinity)) {
    const number = /^\{"id":"batch_req_[0-9a-f]+_(\d+)"/.exec(text)?.[1];
    if (number !== undefined) numbers.add(Number(number));
  }
  return numbers;
}

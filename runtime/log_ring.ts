/**
 * The newest records of this process's log, in memory: `GET /api/logs` tells them.
 *
 * @module
 */
import {
  type KeptLevel,
  type KeptRecord,
  LOG_LEVELS,
  type LogPage,
  type LogQuery,
  MOST_RECORD_CHARS,
} from "../actors/mod.ts";

/** What a logging library hands to a sink, as far as it is kept. */
export interface LoggedRecord {
  level: string;
  category: readonly string[];
  /** Texts and values by turns, as LogTape has them. */
  message: readonly unknown[];
  /** Milliseconds since 1970. */
  timestamp: number;
  /** What is known about it by name; of these `request` and `trace_id` are kept. */
  properties?: Readonly<Record<string, unknown>>;
}

/** How much is kept. */
export interface LogRingOptions {
  /** Most records. @default 2000 */
  records?: number;
  /** Most characters of all records together. @default 1_000_000 */
  chars?: number;
}

/** Keeps records until there are too many, then drops the oldest. */
export class LogRing {
  readonly #most: Required<LogRingOptions>;
  #kept: KeptRecord[] = [];
  #chars = 0;
  /** Number of the newest record. */
  #number = 0;

  constructor({ records = 2_000, chars = 1_000_000 }: LogRingOptions = {}) {
    this.#most = { records, chars };
  }

  /** Keeps a record. A sink of LogTape. */
  readonly sink = ({ level, category, message, timestamp, properties }: LoggedRecord): void => {
    const text = messageText(message);
    const { request, trace_id } = properties ?? {};
    const kept: KeptRecord = {
      number: ++this.#number,
      time_ms: timestamp,
      level: LOG_LEVELS.find((known) => known === level) ?? "debug",
      category: category.join(".").slice(0, 256),
      text: text.length > MOST_RECORD_CHARS ? `${text.slice(0, MOST_RECORD_CHARS)}…` : text,
      ...(typeof request === "string" && { request: request.slice(0, 128) }),
      ...(typeof trace_id === "string" && { trace_id: trace_id.slice(0, 64) }),
    };
    this.#kept.push(kept);
    this.#chars += kept.text.length;
    // Half goes at once: to drop one record at a time would move all others each time.
    const { records, chars } = this.#most;
    if (this.#kept.length > records || this.#chars > chars) {
      this.#kept = this.#kept.slice(Math.ceil(this.#kept.length / 2));
      this.#chars = this.#kept.reduce((sum, record) => sum + record.text.length, 0);
    }
  };

  /** The records that are asked for. */
  read({ after, level, request, limit }: LogQuery): LogPage {
    const least = urgency(level);
    const first = this.#kept[0]?.number ?? this.#number + 1;
    // A number beyond the newest is one of an earlier life of this node.
    const from = after !== undefined && after <= this.#number ? after : undefined;
    const fit = this.#kept.filter((record) =>
      record.number > (from ?? 0) && urgency(record.level) >= least &&
      (request === undefined || record.request === request)
    );
    if (from === undefined) return { records: fit.slice(-limit), next: this.#number, lost: 0 };
    const records = fit.slice(0, limit);
    const next = fit.length > limit ? records.at(-1)!.number : this.#number;
    return { records, next, lost: Math.max(0, first - 1 - from) };
  }
}

const urgency = (level: KeptLevel): number => LOG_LEVELS.indexOf(level);

/** The message as one text. Values are written as they are, or as JSON. */
function messageText(message: readonly unknown[]): string {
  return message.map((part, i) => i % 2 === 0 || typeof part === "string" ? part : shown(part))
    .join("");
}

function shown(value: unknown): string {
  if (value instanceof Error) return value.message;
  try {
    return JSON.stringify(value) ?? String(value);
  } catch {
    return String(value);
  }
}

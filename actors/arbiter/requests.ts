/**
 * The requests of an arbiter: those that run and those that wait for memory.
 *
 * @module
 */
import type { ArbiterRequest } from "./request.ts";

/** Rows of an answer, before any has ended. */
const PRIOR_ANSWER_ROWS = 256;
/** Weight of the newest answer. */
const NEWEST = 0.1;

/** See the module's text. */
export class Requests {
  readonly #running = new Map<string, ArbiterRequest>();
  readonly #waiting: ArbiterRequest[] = [];
  /** Rows of an answer in the mean. */
  #answerRows = PRIOR_ANSWER_ROWS;

  /** Requests that run. */
  get running(): ArbiterRequest[] {
    return [...this.#running.values()];
  }

  /** Number of requests that run. */
  get runs(): number {
    return this.#running.size;
  }

  /** Number of requests that wait. */
  get waits(): number {
    return this.#waiting.length;
  }

  /** The request of a Generation, if it is open. */
  find(generation: string): ArbiterRequest | undefined {
    return this.#running.get(generation) ?? this.#waiting.find((r) => r.generation === generation);
  }

  /** A request arrives; {@linkcode Requests.admit} lets it in. */
  add(request: ArbiterRequest): void {
    this.#waiting.push(request);
  }

  /** It is over. */
  remove(request: ArbiterRequest): void {
    request.closed = true;
    if (!request.fresh) this.#answerRows += NEWEST * (request.answerRows - this.#answerRows);
    this.#running.delete(request.generation);
    const at = this.#waiting.indexOf(request);
    if (at >= 0) this.#waiting.splice(at, 1);
  }

  /** Those that run, and with `all` those that wait too. */
  list({ all }: { all: boolean }): ArbiterRequest[] {
    return all ? [...this.running, ...this.#waiting] : this.running;
  }

  /** Rows that the running ones will probably still run, judged by those that have ended. */
  rowsToCome(): number {
    return this.running.reduce((n, request) => n + request.rowsToCome(this.#answerRows), 0);
  }

  /**
   * Lets requests in, in the order of arrival, while what they may need at most fits together into
   * `limit` rows. Returns how many.
   */
  admit(limit: number): number {
    let admitted = 0;
    let claimed = 0;
    for (const r of this.#running.values()) claimed += r.open.max_rows;
    while (this.#waiting.length > 0) {
      const [request] = this.#waiting;
      claimed += request.open.max_rows;
      if (claimed > limit && this.#running.size > 0) break;
      this.#waiting.shift();
      // It takes its turn beside the others, neither before nor after all that they have had.
      request.served = Math.min(...this.running.map((r) => r.served), Infinity);
      if (request.served === Infinity) request.served = 0;
      this.#running.set(request.generation, request);
      admitted++;
    }
    return admitted;
  }

  /** The one that came last of those that run. There is one. */
  newest(): ArbiterRequest {
    return this.running.reduce((a, b) => b.order > a.order ? b : a);
  }

  /** Rows that the running ones need at least: their prompts and a row each. */
  rowsNeeded(): number {
    let rows = 0;
    for (const { open } of this.#running.values()) rows += open.prompt.length + 1;
    return rows;
  }
}

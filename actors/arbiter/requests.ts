/**
 * The requests of an arbiter: those that run and those that wait for memory, or until those that
 * run leave time for them.
 *
 * @module
 */
import type { ArbiterRequest } from "./request.ts";

/** Guess at the mean rows of an answer, until one has ended. */
const PRIOR_ANSWER_ROWS = 256;
/** Weight of the newest answer in the running mean of rows, 0 to 1. */
const NEWEST = 0.1;

/** See the module's text. */
export class Requests {
  /** Requests that run, by the address of their Generation. */
  readonly #running = new Map<string, ArbiterRequest>();
  /** Requests that wait for memory, in order of arrival. */
  readonly #waiting: ArbiterRequest[] = [];
  /** Running mean of the rows of an answer. */
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

  /** The request of the Generation at this address; undefined: it has none open. */
  find(generation: string): ArbiterRequest | undefined {
    return this.#running.get(generation) ?? this.#waiting.find((r) => r.generation === generation);
  }

  /** Adds a request that waits until {@linkcode Requests.admit} lets it run. */
  add(request: ArbiterRequest): void {
    this.#waiting.push(request);
  }

  /** Removes a request: it is over. */
  remove(request: ArbiterRequest): void {
    request.closed = true;
    if (!request.fresh) this.#answerRows += NEWEST * (request.answerRows - this.#answerRows);
    this.#running.delete(request.generation);
    const at = this.#waiting.indexOf(request);
    if (at >= 0) this.#waiting.splice(at, 1);
  }

  /** Requests that run; with `all`, those that wait too. */
  list({ all }: { all: boolean }): ArbiterRequest[] {
    return all ? [...this.running, ...this.#waiting] : this.running;
  }

  /** Rows that the running requests are likely to run yet, judged by those that have ended. */
  rowsToCome(): number {
    return this.running.reduce((n, request) => n + request.rowsToCome(this.#answerRows), 0);
  }

  /**
   * Lets waiting requests run, in the order of arrival, while the most rows that all running ones
   * may need fit into `limit` rows together, and `quick` says that one more would not make them too
   * slow. One request may always run. Returns how many were let in.
   */
  admit(limit: number, quick: () => boolean = () => true): number {
    let admitted = 0;
    let claimed = 0;
    for (const r of this.#running.values()) claimed += r.open.max_rows;
    while (this.#waiting.length > 0) {
      const [request] = this.#waiting;
      claimed += request.open.max_rows;
      if (this.#running.size > 0 && (claimed > limit || !quick())) break;
      this.#waiting.shift();
      // It takes turns with the others from now on, as if it had been served as much as the least
      // served of them.
      request.served = Math.min(...this.running.map((r) => r.served), Infinity);
      if (request.served === Infinity) request.served = 0;
      this.#running.set(request.generation, request);
      admitted++;
    }
    return admitted;
  }

  /** The running request that came last. At least one must run. */
  newest(): ArbiterRequest {
    return this.running.reduce((a, b) => b.order > a.order ? b : a);
  }

  /** Fewest rows that the running requests need together: their prompts and one row each. */
  rowsNeeded(): number {
    let rows = 0;
    for (const { open } of this.#running.values()) rows += open.prompt.length + 1;
    return rows;
  }
}

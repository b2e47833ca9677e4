/**
 * The state of a running answer, at any time.
 *
 * @module
 */
import type { AnswerProgress, AnswerState } from "./answer_state.ts";
import type { Lane } from "./lane.ts";

/** Follows the lanes of a running request. */
export class AnswerTracker {
  readonly #outline: boolean;
  readonly #resumed?: AnswerState;
  /** By name, in the order in which they began. */
  readonly #lanes = new Map<string, { lane: Lane; told: number; said: number; saidTold: number }>();

  /** `outline`: see {@linkcode AnswerState}; `resumed`: what an earlier run has generated. */
  constructor({ outline, resumed }: { outline: boolean; resumed?: AnswerState }) {
    this.#outline = outline;
    this.#resumed = resumed;
  }

  /** What an earlier run has generated in the lane of this name; undefined: nothing. */
  known(name: string): AnswerState["lanes"][number] | undefined {
    return this.#resumed?.lanes.find(({ lane }) => lane === name);
  }

  /** A lane begins, after what is known of it. */
  begin(name: string, lane: Lane): void {
    const { told = 0, tokens = [] } = this.known(name) ?? {};
    this.#lanes.set(name, { lane, told, said: tokens.length, saidTold: told });
  }

  /** The client is told the lane's tokens up to this number, in the deltas that wait or before. */
  told(name: string, tokens: number): void {
    const known = this.#lanes.get(name)!;
    known.told = Math.max(known.told, tokens);
  }

  /** What has changed since the last call. */
  takeProgress(): AnswerProgress {
    const lanes: AnswerProgress["lanes"] = [];
    for (const [name, known] of this.#lanes) {
      const { lane, told, said, saidTold } = known;
      if (lane.generated === said && told === saidTold) continue;
      lanes.push({ lane: name, at: said, tokens: lane.generatedFrom(said), told });
      known.said = lane.generated;
      known.saidTold = told;
    }
    return { outline: this.#outline, lanes };
  }

  /** All of it; `scored`: the client has been told the prompt's log-probabilities. */
  state({ scored }: { scored: boolean }): AnswerState {
    const lanes = Array.from(this.#lanes, ([name, { lane, told }]) => ({
      lane: name,
      tokens: lane.generatedFrom(0),
      told,
    }));
    const later = this.#resumed?.lanes.filter(({ lane }) => !this.#lanes.has(lane)) ?? [];
    return { outline: this.#outline, scored, lanes: [...lanes, ...later] };
  }
}

/**
 * When layers move though what serves could go on: where the plan gains enough, the gain repays the
 * pause, and layers have not moved too often of late.
 *
 * A device that is fast and slow by turns would have layers follow it, with a pause each time. So
 * each move within an hour makes the time longer until the next one may follow: 1 minute, then 2, 4
 * and so on. Pure, but for what it remembers.
 *
 * @module
 */

/** Gain of the objective, 0 to 1, below which layers stay: it may be an error of measurement. */
export const LEAST_GAIN = 0.1;
/** Milliseconds between a first move and the next one; doubled with each move of the last hour. */
const LEAST_QUIET_MS = 60_000;
const HOUR_MS = 3_600_000;
/**
 * What was measured is expected to hold for as long as it has held, but at least for so many seconds,
 * and for so many requests.
 */
const LEAST_HORIZON_S = 300;
const LEAST_REQUESTS = 4;
/** Seconds of a hand-over beside what is computed again. */
const HAND_OVER_S = 0.3;

/** What speaks for a move, and against it. */
export interface MoveFacts {
  /** Part of the objective that it saves, 0 to 1. */
  gain: number;
  /**
   * Seconds in which the rows of all requests are computed again where layers move to; 0: running
   * requests end where they are.
   */
  rebuildS: number;
  /** Seconds of a request. */
  requestS: number;
  /** Whether a device has come that was never here: it need not wait. */
  newcomer: boolean;
  /** Milliseconds of the placer's clock. */
  now: number;
}

/** What is decided: to move, or why not, and after how many milliseconds to look again. */
export type MoveVerdict = { moves: true } | { moves: false; why: string; againMs?: number };

/** See the module's text. */
export class MovePolicy {
  /** When layers were moved, milliseconds. */
  #moves: number[] = [];

  /** Layers move, or not. */
  judge({ gain, rebuildS, requestS, newcomer, now }: MoveFacts): MoveVerdict {
    this.#moves = this.#moves.filter((at) => now - at < HOUR_MS);
    const percent = (100 * gain).toFixed(1);
    const gains = `moving them would gain ${percent} %`;
    if (gain < LEAST_GAIN) {
      return { moves: false, why: `${gains}, less than ${100 * LEAST_GAIN} %` };
    }
    const last = this.#moves.at(-1);
    const sinceS = last === undefined ? 0 : (now - last) / 1000;
    const horizonS = Math.max(LEAST_HORIZON_S, LEAST_REQUESTS * requestS, sinceS);
    const pauseS = HAND_OVER_S + rebuildS;
    if (gain * horizonS < pauseS) {
      const why = `${gains}, which does not repay a pause of ${pauseS.toFixed(1)} s`;
      return { moves: false, why };
    }
    const quietMs = LEAST_QUIET_MS * 2 ** (this.#moves.length - 1);
    if (newcomer || last === undefined || now - last >= quietMs) return { moves: true };
    const againMs = last + quietMs - now;
    const why = `${gains}, and they have moved ${this.#moves.length} times within an hour: not ` +
      `before ${Math.ceil(againMs / 1000)} s from now`;
    return { moves: false, why, againMs };
  }

  /** Layers move now, though what serves could have gone on. */
  moved(now: number): void {
    this.#moves.push(now);
  }
}

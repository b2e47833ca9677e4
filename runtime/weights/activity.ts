/**
 * Whether requests run at a node or through its stages, so that weights travel slowly meanwhile.
 *
 * @module
 */
import type { Clock } from "../../actors/mod.ts";

/**
 * Milliseconds after a frame for which a request counts as running: its next frame comes when the
 * other stages and the gateway are through.
 */
const AFTERGLOW_MS = 1_500;

/** Options of an {@linkcode Activity}. */
export interface ActivityOptions {
  clock: Pick<Clock, "now">;
  /** Requests of this node's API that run now. */
  requests: () => number;
}

/** See the module's text. */
export class Activity {
  readonly #options: ActivityOptions;
  /** Frames that engines of this node compute now. */
  #frames = 0;
  /** When the last frame ended, milliseconds of the clock. */
  #lastAt = -Infinity;

  constructor(options: ActivityOptions) {
    this.#options = options;
  }

  /** Whether a request runs at this node or through its stages. */
  get running(): boolean {
    const { clock, requests } = this.#options;
    return this.#frames > 0 || requests() > 0 || clock.now() - this.#lastAt < AFTERGLOW_MS;
  }

  /** The same engine; its frames count as activity. */
  watched<A extends unknown[], R, E extends { run(...args: A): Promise<R> }>(engine: E): E {
    const run = async (...args: A): Promise<R> => {
      this.#frames++;
      try {
        return await engine.run(...args);
      } finally {
        this.#frames--;
        this.#lastAt = this.#options.clock.now();
      }
    };
    return new Proxy(engine, {
      get: (target, name) => {
        if (name === "run") return run;
        const value = Reflect.get(target, name, target);
        return typeof value === "function" ? value.bind(target) : value;
      },
    });
  }
}

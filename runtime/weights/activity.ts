/**
 * Whether requests run at a node or through its stages, so that weights travel slowly meanwhile.
 *
 * @module
 */
import type { Clock } from "../../actors/mod.ts";

/**
 * Milliseconds after a frame, or after news of a request, for which a request counts as running: its
 * next frame comes when the other stages and the gateway are through.
 */
const AFTERGLOW_MS = 1_500;

/** See the module's text. */
export class Activity {
  readonly #clock: Pick<Clock, "now">;
  /** Frames that engines of this node compute now. */
  #frames = 0;
  /** When the last frame ended or a request last got on, milliseconds of the clock. */
  #lastAt = -Infinity;

  constructor(clock: Pick<Clock, "now">) {
    this.#clock = clock;
  }

  /** Whether a request runs at this node or through its stages. */
  get running(): boolean {
    return this.#frames > 0 || this.#clock.now() - this.#lastAt < AFTERGLOW_MS;
  }

  /**
   * A request of this node's API has got on. One that stands still does not count: it may be waiting
   * for the very weights that would travel slowly.
   */
  progressed(): void {
    this.#lastAt = this.#clock.now();
  }

  /** The same engine; its frames count as activity. */
  watched<A extends unknown[], R, E extends { run(...args: A): Promise<R> }>(engine: E): E {
    const run = async (...args: A): Promise<R> => {
      this.#frames++;
      try {
        return await engine.run(...args);
      } finally {
        this.#frames--;
        this.#lastAt = this.#clock.now();
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

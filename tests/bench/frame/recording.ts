/**
 * Records the profile of a thread.
 *
 * @module
 */
import inspector from "node:inspector";
import type { Profile } from "./attribution.ts";

/** Microseconds between two samples of a profile. */
const SAMPLE_US = 400;

/** Records one thread's profile. */
export class Recording {
  readonly #session = new inspector.Session();

  constructor() {
    this.#session.connect();
  }

  async start(): Promise<void> {
    await this.#post("Profiler.enable");
    await this.#post("Profiler.setSamplingInterval", { interval: SAMPLE_US });
    await this.#post("Profiler.start");
  }

  async stop(): Promise<Profile> {
    return (await this.#post("Profiler.stop") as { profile: Profile }).profile;
  }

  #post(method: string, parameters: Record<string, unknown> = {}): Promise<unknown> {
    return new Promise((resolve, reject) =>
      this.#session.post(
        method,
        parameters,
        (error: Error | null, result?: unknown) => error ? reject(error) : resolve(result),
      )
    );
  }
}

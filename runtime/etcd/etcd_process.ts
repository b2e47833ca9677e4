/**
 * One etcd as a child process of this node: started again when it ends, stopped with the node, and
 * killed with it when the node is killed (see `run_etcd.sh`).
 *
 * @module
 */
import { getLogger } from "@logtape/logtape";
import { pause } from "../registry/mod.ts";
import type { BoundedLog } from "./bounded_log.ts";
import { RUN_ETCD } from "./etcd_program.ts";

const log = getLogger(["orrery", "registry"]);

/** Milliseconds before the first restart; twice as long before each further one, up to a bound. */
const FIRST_PAUSE_MS = 250;
const LONGEST_PAUSE_MS = 30_000;
/** An etcd that ran for so many milliseconds is started again without a long pause. */
const STEADY_MS = 60_000;
/** Milliseconds for etcd to hand its leadership over and end, before it is killed. */
const GOODBYE_MS = 5_000;

/** See the module's text. */
export class EtcdProcess {
  readonly #args: string[];
  readonly #log: BoundedLog;
  readonly #stopping = new AbortController();
  readonly #running: Promise<void>;
  #child: Deno.ChildProcess | undefined;

  /** Starts it. What it says goes to `output`. */
  constructor(args: string[], output: BoundedLog) {
    this.#args = args;
    this.#log = output;
    this.#running = this.#run();
  }

  /** Id of the process; undefined while there is none. */
  get pid(): number | undefined {
    return this.#child?.pid;
  }

  /** Ends it for good: asks it to end, and kills it if it does not. */
  async stop(): Promise<void> {
    this.#stopping.abort();
    this.#signal("SIGTERM");
    const timer = setTimeout(() => this.#signal("SIGKILL"), GOODBYE_MS);
    await this.#running;
    clearTimeout(timer);
  }

  async #run(): Promise<void> {
    const { signal } = this.#stopping;
    for (let failures = 0; !signal.aborted; failures++) {
      const began = performance.now();
      const why = await this.#once().catch((error) => `it cannot be started: ${error.message}`);
      if (signal.aborted) return;
      if (performance.now() - began > STEADY_MS) failures = 0;
      const pauseMs = Math.min(LONGEST_PAUSE_MS, FIRST_PAUSE_MS * 2 ** failures);
      log.warn("this node's etcd ended ({why}) and is started again in {pauseMs} ms: {last}", {
        why,
        pauseMs,
        last: this.#log.last || `it wrote nothing to ${this.#log.path}`,
      });
      await pause(pauseMs, signal).catch(() => {});
    }
  }

  /** One life of the process; gives how it ended. */
  async #once(): Promise<string> {
    const child = new Deno.Command(RUN_ETCD, {
      args: this.#args,
      stdin: "piped",
      stdout: "null",
      stderr: "piped",
    }).spawn();
    this.#child = child;
    if (this.#stopping.signal.aborted) this.#signal("SIGTERM");
    const stdin = child.stdin.getWriter(); // open until etcd has ended
    const said = (async () => {
      for await (const chunk of child.stderr) await this.#log.write(chunk);
    })();
    const { code, signal } = await child.status;
    this.#child = undefined;
    await stdin.write(new TextEncoder().encode("\n")).catch(() => {});
    await stdin.close().catch(() => {});
    await said.catch(() => {});
    return signal ? `by ${signal}` : `with code ${code}`;
  }

  #signal(signal: Deno.Signal): void {
    try {
      this.#child?.kill(signal);
    } catch {
      // it has ended
    }
  }
}

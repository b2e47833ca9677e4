/**
 * Measures the processor time in ONNX Runtime, whatever thread of this process computes.
 *
 * @module
 */
import type { Profile } from "./attribution.ts";

/** See the module's text. */
export interface Probe {
  /** Starts to measure. @param profile Also record the worker of an engine that has one. */
  begin(profile: boolean): Promise<void>;
  /** Processor time in ONNX Runtime since `begin`, milliseconds, and the worker's profile. */
  end(): Promise<{ computeMs: number; profile?: Profile }>;
}

/** What the probe in an engine's worker is asked. */
export type ProbeOrder = { probe: "begin" | "end"; profile: boolean };
/** What it answers. */
export interface ProbeAnswer {
  probe: true;
  computeMs: number;
  profile?: Profile;
}

/** As much of the engine's session as is measured. */
export interface SessionClass {
  prototype: { run(...args: unknown[]): unknown };
}

/** Linux's `CLOCK_PROCESS_CPUTIME_ID` and `CLOCK_THREAD_CPUTIME_ID`. */
const [PROCESS, THREAD] = [2, 3];
/** Empty calls by which a thread of the pool is measured, and milliseconds between two. */
const [EMPTY_CALLS, EMPTY_PAUSE_MS] = [200, 3];

/** Functions of the C library. */
export function clocks() {
  const { clock_gettime: clock, usleep } = Deno.dlopen("libc.so.6", {
    clock_gettime: { parameters: ["i32", "buffer"], result: "i32" },
    usleep: { parameters: ["u32"], result: "i32", nonblocking: true },
  }).symbols;
  /** Seconds and nanoseconds, as the clock writes them. */
  const timespec = new BigInt64Array(2);
  const ms = (id: number): number => {
    clock(id, timespec);
    return Number(timespec[0]) * 1e3 + Number(timespec[1]) / 1e6;
  };
  return {
    /** Processor time of this thread so far, milliseconds. */
    thread: () => ms(THREAD),
    /** Processor time of all other threads of the process so far, milliseconds. */
    others: () => ms(PROCESS) - ms(THREAD),
    /** A call on a thread of Deno's pool that does nothing. */
    empty: () => usleep(0),
  };
}

/** The probe for the checkout at `root`; call it before its engine is loaded. */
export async function probeOf(root: string): Promise<Probe> {
  const worker = new URL("runtime/engine/worker.ts", root);
  const old = await Deno.stat(worker).then(() => true, () => false);
  return old ? workerProbe(root) : await poolProbe(root);
}

/**
 * For an engine that computes on a thread of Deno's pool. While `Run` is under way, the time of all
 * threads but this one is computing, less what an empty call costs there.
 */
async function poolProbe(root: string): Promise<Probe> {
  const { others, empty } = clocks();
  const { Session } = await import(new URL("runtime/engine/ort.ts", root).href) as {
    Session: SessionClass;
  };
  let emptyMs = 0;
  for (let i = 0; i < EMPTY_CALLS; i++) {
    await new Promise((resolve) => setTimeout(resolve, EMPTY_PAUSE_MS));
    const before = others();
    await empty();
    emptyMs += (others() - before) / EMPTY_CALLS;
  }
  let computeMs = 0;
  const { run } = Session.prototype;
  Session.prototype.run = async function computing(...args: unknown[]): Promise<unknown> {
    const before = others();
    try {
      return await run.apply(this, args);
    } finally {
      computeMs += others() - before - emptyMs;
    }
  };
  return {
    begin() {
      computeMs = 0;
      return Promise.resolve();
    },
    end: () => Promise.resolve({ computeMs }),
  };
}

/** For an engine in a worker: takes the place of `Worker`, so that a probe runs in there. */
function workerProbe(root: string): Probe {
  let probed: Worker | undefined;
  let profiled = false;
  const heard: ((answer: ProbeAnswer) => void)[] = [];
  globalThis.Worker = class extends Worker {
    constructor(_url: string | URL, options?: WorkerOptions) {
      super(new URL(`./worker_probe.ts?root=${encodeURIComponent(root)}`, import.meta.url), {
        type: "module",
        name: options?.name,
      });
      probed = this as Worker;
      this.addEventListener("message", (event) => {
        const answer = event.data as Partial<ProbeAnswer>;
        if (answer?.probe !== true) return;
        event.stopImmediatePropagation();
        heard.shift()?.(answer as ProbeAnswer);
      });
    }
  };
  const ask = (order: ProbeOrder) =>
    new Promise<ProbeAnswer>((resolve) => {
      heard.push(resolve);
      probed!.postMessage(order);
    });
  return {
    async begin(profile) {
      profiled = profile;
      await ask({ probe: "begin", profile });
    },
    end: () => ask({ probe: "end", profile: profiled }),
  };
}

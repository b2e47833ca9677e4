/**
 * Runs in the worker of the engine of an older checkout, beside the engine's own code: measures the time in ONNX
 * Runtime, and records the worker's profile.
 *
 * @module
 */
import { clocks, type ProbeAnswer, type ProbeOrder, type SessionClass } from "./probe.ts";
import { Recording } from "./recording.ts";

const root = new URL(import.meta.url).searchParams.get("root")!;
const worker = globalThis as unknown as {
  addEventListener(type: "message", listener: (event: MessageEvent) => void): void;
  postMessage(message: ProbeAnswer): void;
};

const { thread: processorMs } = clocks();
let computeMs = 0;
let recording: Recording | undefined;
const early: MessageEvent[] = [];
let ready = false;

// Before the engine's own handler, so that it does not see what is meant for the probe.
worker.addEventListener("message", (event) => {
  const { probe, profile } = (event.data ?? {}) as Partial<ProbeOrder>;
  if (probe === undefined) {
    // What comes while the engine's code is loading is given to it afterwards.
    if (!ready) early.push(event);
    return;
  }
  event.stopImmediatePropagation();
  void answer({ probe, profile: profile! });
});

async function answer({ probe, profile }: ProbeOrder): Promise<void> {
  if (probe === "begin") {
    computeMs = 0;
    recording = profile ? new Recording() : undefined;
    await recording?.start();
    worker.postMessage({ probe: true, computeMs });
    return;
  }
  const recorded = await recording?.stop();
  worker.postMessage({ probe: true, computeMs, ...(recorded && { profile: recorded }) });
}

const { Session } = await import(new URL("runtime/engine/ort.ts", root).href) as {
  Session: SessionClass;
};
const { run } = Session.prototype;
Session.prototype.run = function computing(...args: unknown[]): unknown {
  const began = processorMs();
  try {
    return run.apply(this, args);
  } finally {
    computeMs += processorMs() - began;
  }
};
await import(new URL("runtime/engine/worker.ts", root).href);
ready = true;
const engine = globalThis as unknown as { onmessage(event: MessageEvent): void };
for (const event of early) engine.onmessage(event);

/**
 * A cluster must never be slower than its best node alone.
 *
 * @module
 */
import type { Workload } from "../types.ts";

/** Predicted speed of one way to serve. */
export interface PredictedSpeed {
  /** Until the first token. */
  ttftSeconds: number;
  /** Of one request. */
  tokensPerSecond: number;
}

/** What {@linkcode worthDistributing} compares. */
export interface WorthDistributingInput {
  /** Best single device; null: the model fits on none. */
  alone: (PredictedSpeed & { host: string }) | null;
  /** Best pipeline of several devices. */
  pipeline: PredictedSpeed;
  /** What a request looks like. */
  workload: Pick<Workload, "promptTokens" | "outputTokens">;
  /** Gain below which one device serves alone. @default 0 */
  margin?: number;
}

/** See {@linkcode worthDistributing}. */
export interface WorthDistributing {
  /** true: the pipeline serves. */
  distribute: boolean;
  /** Seconds of a request on the best device; null: it fits on none. */
  aloneSeconds: number | null;
  /** Seconds of a request in the pipeline. */
  pipelineSeconds: number;
  /** `aloneSeconds / pipelineSeconds`; null: there is no device to compare with. */
  speedup: number | null;
  /** One line for people. */
  why: string;
}

/** Seconds of one request: its first token and all that follow. */
export function requestSeconds(
  { ttftSeconds, tokensPerSecond }: PredictedSpeed,
  outputTokens: number,
): number {
  return ttftSeconds + Math.max(0, outputTokens - 1) / tokensPerSecond;
}

/** Does the pipeline serve the workload's request faster than the best single device, by more than the margin? */
export function worthDistributing(input: WorthDistributingInput): WorthDistributing {
  const { alone, pipeline, workload, margin = 0 } = input;
  const seconds = requestSeconds(pipeline, workload.outputTokens);
  if (!alone) {
    return {
      distribute: true,
      aloneSeconds: null,
      pipelineSeconds: seconds,
      speedup: null,
      why: "no single device has the memory",
    };
  }
  const aloneSeconds = requestSeconds(alone, workload.outputTokens);
  const speedup = aloneSeconds / seconds;
  const distribute = speedup > 1 + margin;
  const compared = `a request takes ${aloneSeconds.toFixed(2)} s on ${alone.host} alone and ${
    seconds.toFixed(2)
  } s in the pipeline`;
  return {
    distribute,
    aloneSeconds,
    pipelineSeconds: seconds,
    speedup,
    why: distribute ? compared : `${alone.host} serves alone: ${compared}`,
  };
}

/**
 * What a gateway works with.
 *
 * @module
 */
import type { ActorSystem, Clock, Telemetry } from "../../actors/mod.ts";
import type { Admission } from "./admission.ts";
import type { RequestCounts } from "./request_meter.ts";

/** Options of a `Gateway`. */
export interface GatewayOptions {
  /** The node's actors; generations and arbiters are registered there. */
  system: ActorSystem;
  /** Limits the generations that run and that wait. */
  admission: Admission;
  /**
   * Called while the deployment with this id answers no prompt, and why. Without it the stages are
   * probed only when somebody asks for `check`.
   */
  onBroken?: (deployment: string, why: string) => void;
  /** Tells the coordinator that a request waits for a deployment that sleeps. @default nobody */
  onWake?: (name: string) => void;
  /** Called whenever a request of this node gets on. */
  onProgress?: () => void;
  /** Milliseconds since anything came from a node. @default nobody counts */
  silentMs?: (node: string) => number | undefined;
  /** Times probes and waits. @default the real clock */
  clock?: Clock;
  /** Told of requests, for metrics. @default nobody is */
  counts?: RequestCounts;
  /** Begins spans of requests that wait. @default nobody does */
  tracer?: Pick<Telemetry, "span">;
}

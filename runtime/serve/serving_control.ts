/**
 * What the cluster asks of whatever answers a node's requests.
 *
 * @module
 */
import type { CopyName, Deployment, NameActivity } from "../../actors/mod.ts";
import type { Served } from "./running_requests.ts";
import type { ServedModel } from "./served_model.ts";

/** How the cluster tells a node which deployment its requests use. */
export interface ServingControl {
  /**
   * New requests use this deployment; undefined: none can be answered by this copy, and `reason` says
   * why. `told.failed`: it could not be loaded. @default told copy 0 of the default deployment
   */
  serve(
    served: Served | undefined,
    reason: string,
    told?: CopyName & { failed?: boolean },
  ): void;
  /**
   * This node knows another revision of a deployment (`after`), which may be adopted, or skipped
   * where one more follows it.
   */
  learned(before: Deployment, after: Deployment): void;
  /** A deployment with this model sleeps until a request comes. */
  sleep(model: ServedModel, of: CopyName): void;
  /** There is no such copy any more. */
  drop(of: CopyName): void;
  /** Resolves once a prompt of one token was answered; nothing else need serve it. */
  prove(served: Served, signal: AbortSignal): Promise<void>;
  /** What requests are at, by name of the deployment. */
  activity(): NameActivity[];
  /** Whether a request of this deployment (its id) is running. */
  runs(deployment: string): boolean;
  /** Resolves when no request of this deployment (its id) runs. Rejects with the signal's reason. */
  unused(deployment: string, signal: AbortSignal): Promise<void>;
  /** Holds the requests that have a stage at `node`, which is gone, or has them go on elsewhere. */
  nodeLost(node: string): void;
}

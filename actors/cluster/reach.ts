/**
 * The answer of one node to another that asks whether it reaches a third: the indirect probe of SWIM
 * (Das, Gupta and Motivala, DSN 2002).
 *
 * @module
 */
import type { NodeView, Reach, WatchWorld } from "./health.ts";

/** Time between two pings while an answer is awaited, milliseconds: one that is lost is no proof. */
const PING_AGAIN_MS = 500;

/** What a probe does to the world. */
export type ProbeWorld = NodeView & Pick<WatchWorld, "now" | "after" | "ping">;

/** Whom a probe is about, and how long it takes. */
export interface ProbeOptions {
  /** Id of the node. */
  node: string;
  /** Milliseconds after which a node that showed nothing counts as silent. */
  withinMs: number;
  /** Ends the probe: nothing was found out. */
  signal: AbortSignal;
}

/**
 * Pings a node again and again, and tries to connect to it: what comes first decides. Whatever else
 * the node sent meanwhile shows as well that it lives, such as the answer to a ping of an earlier
 * probe, whose time was too short for a slow link. Rejects with the signal's reason.
 */
export function reachNode(
  world: ProbeWorld,
  { node, withinMs, signal }: ProbeOptions,
): Promise<Reach> {
  return new Promise((resolve, reject) => {
    signal.throwIfAborted();
    const startedAt = world.now();
    let cancel = () => {};
    const stop = () => {
      cancel();
      signal.removeEventListener("abort", abort);
    };
    const abort = () => {
      stop();
      reject(signal.reason);
    };
    const end = (reach: Reach) => {
      stop();
      resolve(reach);
    };
    const look = () => {
      const elapsed = world.now() - startedAt;
      const silentMs = world.silentMs(node);
      if (silentMs !== undefined && silentMs < elapsed) return end("reached");
      const left = withinMs - elapsed;
      if (left <= 0) return end("silent");
      world.ping(node, left).then(() => end("reached"), () => {});
      cancel = world.after(Math.min(PING_AGAIN_MS, left), look);
    };
    signal.addEventListener("abort", abort, { once: true });
    world.refuses(node, withinMs).then((refused) => refused && end("refused"), () => {});
    look();
  });
}

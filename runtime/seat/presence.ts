/**
 * A node's presence in the registry: its lease, and the entry `members/NODE` that vanishes with it.
 *
 * @module
 */
import { getLogger } from "@logtape/logtape";
import { setTimeout as sleep } from "node:timers/promises";
import {
  type Clock,
  type Member,
  type NodeHold,
  NodeLease,
  type Registry,
  toOrreryError,
} from "../../actors/mod.ts";
import { memberKey } from "./cluster_contents.ts";

const log = getLogger(["orrery", "coordinator"]);

/** Pause before the entry is written again, milliseconds. */
const RETRY_MS = 500;

/** Milliseconds between two looks at whether the entry is there. */
const LOOK_MS = 20;

/** Longest wait for the registry at the end, milliseconds. */
const CLOSE_MS = 1_000;

/** Options of a {@linkcode Presence}. */
export interface PresenceOptions {
  registry: Registry;
  /** This node, as others reach it. */
  member: Member;
  clock: Clock;
  /** Uniform in [0, 1). */
  random: () => number;
  /** Milliseconds without a sign of life after which the node counts as gone. */
  ttlMs: number;
}

/** See the module's text. */
export class Presence {
  /** The node's lease. */
  readonly lease: NodeLease;
  readonly #options: PresenceOptions;

  /** Nothing is written until {@linkcode Presence.start}. */
  constructor(options: PresenceOptions) {
    const { registry, member, clock, random, ttlMs } = options;
    this.#options = options;
    const onFailure = (error: Error) =>
      log.debug("no lease of the registry yet: {message}", { message: error.message });
    this.lease = new NodeLease({
      ...{ registry, clock, random, ttlMs, onFailure },
      node: member.node,
    });
    this.lease.listen({ held: (hold) => void this.#write(hold) });
  }

  /** Resolves once the node stands in the registry with its lease. */
  async listed({ signal }: { signal: AbortSignal }): Promise<void> {
    const { registry, member: { node } } = this.#options;
    for (;;) {
      const { id } = await this.lease.held({ signal });
      if ((await registry.get(memberKey(node), { signal }))?.lease === id) return;
      await sleep(LOOK_MS, undefined, { signal });
    }
  }

  /** Takes a lease, now and whenever it lapses. */
  start(): void {
    this.lease.start();
  }

  /** Gives the lease back; the entry is gone then. A registry that does not answer is not waited for. */
  async close(): Promise<void> {
    await Promise.race([this.lease.close(), sleep(CLOSE_MS, undefined, { ref: false })]);
  }

  async #write({ id, key, version, signal }: NodeHold): Promise<void> {
    const { registry, member } = this.#options;
    const value = new TextEncoder().encode(JSON.stringify(member));
    while (!signal.aborted) {
      try {
        await registry.transact({
          checks: [{ key, version }],
          sets: [{ key: memberKey(member.node), value, lease: id }],
        }, { signal });
        return;
      } catch (error) {
        if (signal.aborted) return;
        log.debug("this node is not in the registry yet: {message}", {
          message: toOrreryError(error).message,
        });
      }
      await sleep(RETRY_MS, undefined, { signal }).catch(() => {});
    }
  }
}

/**
 * Whose lease is whose: a member may use the leases that it took itself, and no other.
 *
 * What was granted is remembered in memory. After the coordinator was restarted, or another node is
 * the coordinator, the registry itself tells: the key `owners/node/NODE` carries the node's lease,
 * and that node alone may write it.
 *
 * @module
 */
import type { Clock, NodeId } from "../system/mod.ts";
import type { LeaseGrant, Registry } from "./contract.ts";
import { registryError } from "./errors.ts";

/** Most leases that a node may hold: it needs one, and a former one may not have lapsed yet. */
const MOST_LEASES = 16;
/** Lengths of a lease after which it has lapsed for certain, and is forgotten here. */
const LAPSED = 3;
/** Length of a lease that was found in the registry, where it is not said: milliseconds. */
const FOUND_TTL_MS = 60_000;

/** Key of a node's record, which vanishes with its lease. */
export const leaseKey = (node: NodeId): string => `owners/node/${node}`;

/** See the module's text. */
export class MemberLeases {
  readonly #registry: Pick<Registry, "get">;
  readonly #clock: Pick<Clock, "now">;
  readonly #leases = new Map<NodeId, Map<string, { ttlMs: number; until: number }>>();

  /** Nobody has a lease yet, as far as is known here. */
  constructor(registry: Pick<Registry, "get">, clock: Pick<Clock, "now">) {
    this.#registry = registry;
    this.#clock = clock;
  }

  /** Throws `refused` (group `registry`) for a node that has as many leases as it may have. */
  checkRoom(node: NodeId): void {
    const { size } = this.#of(node);
    if (size < MOST_LEASES) return;
    throw registryError("refused", `node ${node} holds ${size} leases, and may hold no more`, {
      node,
    });
  }

  /** A lease was granted to a node. */
  granted(node: NodeId, { id, ttlMs }: LeaseGrant): void {
    this.#of(node).set(id, { ttlMs, until: this.#clock.now() + LAPSED * ttlMs });
  }

  /** Whether the node took this lease, which is then in use. */
  async has(node: NodeId, lease: string): Promise<boolean> {
    const known = this.#of(node).get(lease);
    if (known) known.until = this.#clock.now() + LAPSED * known.ttlMs;
    else if ((await this.#registry.get(leaseKey(node)))?.lease !== lease) return false;
    else this.granted(node, { id: lease, ttlMs: FOUND_TTL_MS });
    return true;
  }

  /** A lease was ended. */
  ended(node: NodeId, lease: string): void {
    this.#leases.get(node)?.delete(lease);
  }

  /** The leases of a node that may still be held. */
  #of(node: NodeId) {
    const now = this.#clock.now();
    for (const [other, leases] of this.#leases) {
      for (const [lease, { until }] of leases) if (until < now) leases.delete(lease);
      if (leases.size === 0) this.#leases.delete(other);
    }
    let own = this.#leases.get(node);
    if (!own) this.#leases.set(node, own = new Map());
    return own;
  }
}

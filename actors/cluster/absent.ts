/**
 * Members that fell silent and have not come back: somebody may miss them.
 *
 * @module
 */
import type { Member } from "./deployment.ts";

/** So many are remembered; the oldest is forgotten for a further one. */
const MOST_ABSENT = 64;

/** See the module's text. */
export class Absent {
  readonly #gone = new Map<string, { member: Member; why: string }>();

  /** Notes that a member is gone, and why it counts as gone. */
  add(member: Member, why: string): void {
    this.#gone.delete(member.node);
    this.#gone.set(member.node, { member, why });
    if (this.#gone.size <= MOST_ABSENT) return;
    const [oldest] = this.#gone.keys();
    this.#gone.delete(oldest);
  }

  /** A node joins: whoever was at its address before is not missed any more. */
  back({ node, host, port }: Member): void {
    this.#gone.delete(node);
    for (const [old, { member }] of this.#gone) {
      if (member.host === host && member.port === port) this.#gone.delete(old);
    }
  }

  /** Nobody misses this node: it was removed. */
  forget(node: string): void {
    this.#gone.delete(node);
  }

  /** The absent nodes, oldest first, and why each counts as gone. */
  list(): { node: string; why: string }[] {
    return [...this.#gone].map(([node, { why }]) => ({ node, why }));
  }
}

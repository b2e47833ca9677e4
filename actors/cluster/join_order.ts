/**
 * The order of the members: that in which they joined first. A node that comes back, or one that comes
 * to the address of another, takes the place of the one before. So layers that are dealt out in this
 * order (`--layers`, `--placement even`) come to the same nodes again.
 *
 * @module
 */
import type { Member } from "./deployment.ts";

/** Places of nodes that are gone are forgotten beyond so many remembered names. */
const MOST_NAMES = 1024;

/** See the module's text. */
export class JoinOrder {
  readonly #identity: (node: string) => string | undefined;
  /** Place of each node, by its id, by what is the same in all of its lives, and by its address. */
  readonly #places = new Map<string, number>();
  #next = 0;

  /** `identity`: what is the same in all lives of a node; undefined: it is not known. */
  constructor(identity: (node: string) => string | undefined) {
    this.#identity = identity;
  }

  /** A node has joined. Whoever is a member among `members` keeps its own place. */
  joined(member: Member, members: Iterable<Member>): void {
    const taken = new Set<number | undefined>();
    for (const { node } of members) {
      if (node !== member.node) taken.add(this.#places.get(`node ${node}`));
    }
    const names = this.#names(member);
    const before = names.map((name) => this.#places.get(name))
      .find((place) => place !== undefined && !taken.has(place));
    const place = before ?? this.#next++;
    for (const name of names) {
      this.#places.delete(name);
      this.#places.set(name, place);
    }
    for (const name of this.#places.keys()) {
      if (this.#places.size <= MOST_NAMES) break;
      this.#places.delete(name); // of those that joined longest ago
    }
  }

  /** These members in their order. */
  sorted(members: Iterable<Member>): Member[] {
    const place = ({ node }: Member) => this.#places.get(`node ${node}`) ?? -1;
    return [...members].sort((a, b) => place(a) - place(b));
  }

  #names({ node, host, port }: Member): string[] {
    const identity = this.#identity(node);
    return [
      `node ${node}`,
      ...(identity === undefined ? [] : [`identity ${identity}`]),
      `address ${host}:${port}`,
    ];
  }
}

/**
 * The nodes that the cluster took in, by the SHA-256 of their public key: which of them were removed,
 * and who has which node id.
 *
 * @module
 */
import { z } from "zod";
import type { NodeId } from "../../actors/system/mod.ts";
import { trustError } from "./errors.ts";
import type { RecordStore } from "./record_store.ts";

/** Schema of a node that was taken in. */
export const knownIdentitySchema = z.object({
  /** SHA-256 of the public key (SPKI, DER), hexadecimal. */
  identity: z.string(),
  /** Id of its last life. */
  node: z.string(),
  /** Ids that it has certificates for, and until when, in milliseconds since 1970. */
  lives: z.array(z.object({ node: z.string(), until_ms: z.number() })),
  admitted_ms: z.number(),
  /** Id of the token with which it came; the first node has none. */
  token: z.string().optional(),
  /** When it left; undefined: it has not, or has come back since. */
  left_ms: z.number().optional(),
  /** When it was removed. It stays in the list for ever, so that it never counts again. */
  removed_ms: z.number().optional(),
});
/** A node that was taken in; times are milliseconds since 1970. */
export type KnownIdentity = z.infer<typeof knownIdentitySchema>;

/** A node that was removed. */
export type RemovedIdentity = Pick<KnownIdentity, "identity" | "node">;

/** What a node asks for when it joins or renews its certificates. */
export interface Claim {
  /** SHA-256 of its public key. */
  identity: string;
  /** The id that it wants certificates for. */
  node: NodeId;
  /** Until when they would be valid, milliseconds since 1970. */
  untilMs: number;
  /** Takes a node in that is not known, and returns the id of its token. Throws to refuse it. */
  admit: () => Promise<string | undefined>;
}

/** See the module's text. */
export class Identities {
  readonly #store: Pick<RecordStore<KnownIdentity[]>, "read" | "update">;
  readonly #now: () => number;

  /** `now` tells milliseconds since 1970. */
  constructor(
    store: Pick<RecordStore<KnownIdentity[]>, "read" | "update">,
    now: () => number = Date.now,
  ) {
    this.#store = store;
    this.#now = now;
  }

  /** All nodes that were ever taken in. */
  list(): Promise<KnownIdentity[]> {
    return this.#store.read();
  }

  /** SHA-256 of the public keys of the nodes that were removed. */
  async revoked(): Promise<string[]> {
    return (await this.#store.read()).filter((i) => i.removed_ms !== undefined)
      .map((i) => i.identity);
  }

  /**
   * Notes that an identity gets certificates for a node id. Throws `revoked` and `node_taken` (group
   * `trust`), and what `admit` throws.
   */
  claim({ identity, node, untilMs, admit }: Claim): Promise<void> {
    const now = this.#now();
    let admitted: Promise<string | undefined> | undefined;
    return this.#store.update(async (all) => {
      let known = all.find((i) => i.identity === identity);
      if (known?.removed_ms !== undefined) {
        const at = new Date(known.removed_ms).toISOString();
        throw trustError(
          "revoked",
          `this node was removed from the cluster at ${at}; to let this machine join as a new node, ` +
            "remove its key (trust/nodes in its --data folder) and join with a token",
          { identity },
        );
      }
      const holder = all.find((i) =>
        i.identity !== identity && i.lives.some((l) => l.node === node && l.until_ms > now)
      );
      if (holder) {
        throw trustError("node_taken", `node id ${node} belongs to another node; start again`, {
          node,
        });
      }
      if (!known) {
        // Where the change is made anew, the token was used already.
        const token = await (admitted ??= admit());
        known = { identity, node, lives: [], admitted_ms: now, token };
        all.push(known);
      }
      known.node = node;
      delete known.left_ms;
      known.lives = known.lives.filter((l) => l.until_ms > now && l.node !== node);
      known.lives.push({ node, until_ms: untilMs });
    });
  }

  /** Notes that the node with this id has left: it is known, but no member until it comes back. */
  left(node: NodeId): Promise<void> {
    return this.#store.update((all) => {
      const known = all.find((i) => i.node === node);
      if (known) known.left_ms = this.#now();
    });
  }

  /**
   * Removes a node for good. It is named by its name, `name:port`, its whole id, or the first 8 or
   * more digits of its identity. `coordinator`: id of the node that coordinates, which is not removed.
   * Throws `unknown_node`, `ambiguous_node` and `first_node` (group `trust`).
   */
  remove(name: string, coordinator?: NodeId): Promise<RemovedIdentity> {
    return this.#store.update((all) => {
      const hits = all.filter((i) => i.removed_ms === undefined && isCalled(i, name));
      if (hits.length === 0) {
        throw trustError(
          "unknown_node",
          `no member is called ${JSON.stringify(name)}; \`deno task nodes\` lists them`,
          { name },
        );
      }
      if (hits.length > 1) {
        const ids = hits.map((i) => `${i.node} (${i.identity.slice(0, 12)})`).join(", ");
        throw trustError(
          "ambiguous_node",
          `several nodes are called ${name}: ${ids}; name one by its id or identity`,
          { name },
        );
      }
      const [{ identity, node }] = hits;
      if (node === coordinator) {
        const message = `${node} is the first node of this cluster; stop it instead`;
        throw trustError("first_node", message, { node });
      }
      hits[0].removed_ms = this.#now();
      return { identity, node };
    });
  }
}

/** Does a person mean this node by the name? */
function isCalled({ node, identity }: KnownIdentity, name: string): boolean {
  const [first, port] = node.split(":");
  return [node, first, `${first}:${port}`].includes(name) ||
    (name.length >= 8 && identity.startsWith(name));
}

/**
 * The gate of a node: which messages of other nodes reach its actors. Before anything of a message
 * is parsed, it makes sure that the receiver lives here, that the sender lives where the message
 * comes from, and that the receiver's kind lets such a sender send it (`callers.ts`).
 *
 * @module
 */
import { type CallerRule, thisNode } from "./callers.ts";
import type { Directory } from "./directory.ts";
import type { NodeId } from "./envelope.ts";
import type { MessageEnvelope } from "./outbound.ts";
import { forgedSender, notAllowed, notHere, unknownEpoch } from "./refusals.ts";

/** See the module's text. */
export class Gate {
  readonly #node: NodeId;
  readonly #directory: Directory;
  readonly #nodeOf = (address: string) => this.nodeOf(address);

  constructor(node: NodeId, directory: Directory) {
    this.#node = node;
    this.#directory = directory;
  }

  /** The node of an address; undefined: it is not known here, or not without waiting. */
  nodeOf(address: string): NodeId | undefined {
    const { nodeOf } = this.#directory;
    if (nodeOf) return nodeOf.call(this.#directory, address);
    try {
      const owner = this.#directory.resolve(address);
      if (!(owner instanceof Promise)) return owner.node;
      owner.catch(() => {}); // whoever sends to it asks again, and is told
    } catch {
      // no_owner, or no address
    }
    return undefined;
  }

  /**
   * Lets a message of node `peer` pass, and returns its sender's address as handlers may trust it;
   * "" where that cannot be told. Throws `not_here`, `forged_sender`, `not_allowed`, and
   * `unknown_epoch`: a newer epoch ends an activation, so only this node's directory may say it.
   */
  pass(peer: NodeId, envelope: MessageEnvelope, rule: CallerRule = thisNode): string {
    const { to, type, body, epoch = 1 } = envelope;
    const home = this.nodeOf(to);
    if (home !== this.#node) throw notHere(this.#node, to, type, home);
    if (epoch > 1 && epoch > this.#epochOf(to)) throw unknownEpoch(this.#node, to, type, epoch);
    const from = this.#sender(peer, envelope);
    if (rule.allows({ peer, from, to, type, body, nodeOf: this.#nodeOf })) return from;
    throw notAllowed({ peer, to, type }, rule.who);
  }

  /** Epoch of an address, as it is known here now; 0: it is not. */
  #epochOf(address: string): number {
    try {
      const owner = this.#directory.resolve(address);
      if (!(owner instanceof Promise)) return owner.epoch;
      owner.catch(() => {});
    } catch {
      // no_owner
    }
    return 0;
  }

  #sender(peer: NodeId, { from, to, type }: MessageEnvelope): string {
    if (from === "") return "";
    const node = this.nodeOf(from);
    if (node === undefined) return "";
    if (node === peer) return from;
    throw forgedSender({ peer, from, to, type }, node);
  }
}

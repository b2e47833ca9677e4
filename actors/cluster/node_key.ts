/**
 * Keys that name their node: an actor with such a key lives where the key says, so any node finds
 * it without asking another.
 *
 * @module
 */
import { type Address, address, type NodeId, parseAddress } from "../system/mod.ts";

/** Separates the node from the rest of a key. Ids of nodes do not contain it. */
const SEPARATOR = "~";

/** The key that names `node` and has `id` as its rest. */
export const keyAt = (node: NodeId, id: string): string => `${node}${SEPARATOR}${id}`;

/** A new address of this kind at `node`; each call returns another one. */
export function freshAddress(node: NodeId, kind: string): Address {
  return address("default", kind, keyAt(node, crypto.randomUUID()));
}

/** The node and the rest of an address's key; undefined when its key names no node. */
export function nodeKey(to: string): { node: NodeId; id: string } | undefined {
  const { key } = parseAddress(to);
  const at = key.lastIndexOf(SEPARATOR);
  return at > 0 ? { node: key.slice(0, at), id: key.slice(at + 1) } : undefined;
}

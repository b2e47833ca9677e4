/**
 * The errors of ownership, all of group `actor`.
 *
 * @module
 */
import { type NodeId, OrreryError } from "../system/mod.ts";
import type { Term } from "./records.ts";

/** This node may not act for the address: it has no ownership, or is not certain of it. */
export function fenced(address: string, why: string, epoch?: number): OrreryError {
  return new OrreryError({
    group: "actor",
    code: "fenced",
    message: `this node does not act for ${address}: ${why}; resolve the address again`,
    metadata: { address, ...(epoch !== undefined && { epoch }) },
  });
}

/** Another node owns the address, and its lease lives. */
export function alreadyOwned(address: string, owner: NodeId, epoch: number): OrreryError {
  return new OrreryError({
    group: "actor",
    code: "already_owned",
    message: `${address} belongs to node ${owner} (epoch ${epoch}), whose lease lives; ` +
      `send to that node, or wait until it releases the address or is gone`,
    metadata: { address, node: owner, epoch },
  });
}

/** Somebody else owned the address, or what was written before, since this ownership began. */
export function overtaken(address: string, epoch: number): OrreryError {
  return new OrreryError({
    group: "actor",
    code: "stale_epoch",
    message:
      `this node's ownership of ${address} (epoch ${epoch}) is over: a later one is in the ` +
      `registry; claim the address again`,
    metadata: { address, epoch },
  });
}

/** The coordinator gave its term up. */
export function resigned({ node, epoch }: Term): OrreryError {
  return new OrreryError({
    group: "actor",
    code: "released",
    message: `node ${node} ended its term ${epoch} as coordinator itself`,
    metadata: { node, epoch },
  });
}

/** Somebody else removed the coordinator's key. */
export function deposed({ node, epoch }: Term): OrreryError {
  return new OrreryError({
    group: "actor",
    code: "stale_epoch",
    message: `term ${epoch} of coordinator ${node} is over: the registry names another, or none`,
    metadata: { node, epoch },
  });
}

/** The owner gave the address up. */
export function released(address: string, epoch: number): OrreryError {
  return new OrreryError({
    group: "actor",
    code: "released",
    message: `this node released ${address} (epoch ${epoch})`,
    metadata: { address, epoch },
  });
}

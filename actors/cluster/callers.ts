/**
 * Who on other nodes may send what to the actors of the cluster itself.
 *
 * @module
 */
import { type Address, address, type CallerRule, fieldOf } from "../system/mod.ts";
import { SYSTEM } from "./deployment.ts";

/** Address of the cluster actor. */
export const CLUSTER: Address = address(SYSTEM, "cluster", "main");

/** The node with the cluster actor: it alone places layers and says who serves. */
export const firstNode: CallerRule = {
  who: "the first node",
  allows: ({ peer, nodeOf }) => nodeOf(CLUSTER) === peer,
};

/** The node that the message is about: a node joins and leaves for itself alone. */
export const namedNode: CallerRule = {
  who: "the node that it names",
  allows: ({ peer, body }) => fieldOf(body, "node") === peer,
};

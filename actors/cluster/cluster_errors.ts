/**
 * Errors of the cluster actor.
 *
 * @module
 */
import { OrreryError } from "../system/mod.ts";
import type { Member } from "./deployment.ts";

/** A node joins at the address of another member that answers. */
export const addressTaken = ({ node, host, port }: Member, by: string): OrreryError =>
  new OrreryError({
    group: "cluster",
    code: "address_taken",
    message: `node ${node} joins at ${host}:${port}, where node ${by} is a member and answers; ` +
      "start it with another --mailbox-port or --host",
    metadata: { node, host, port, taken_by: by },
  });

/** A node joins of which a later life has joined. */
export const superseded = (node: string): OrreryError =>
  new OrreryError({
    group: "cluster",
    code: "superseded",
    message:
      `node ${node} joins, but a process that started later has joined with its key; where ` +
      "two machines have copies of one --data folder, delete trust/nodes in one of them, and join " +
      "with a token",
    metadata: { node },
  });

/** A node that loads layers will not answer. */
export const nodeLost = (node: string, why: string): OrreryError =>
  new OrreryError({
    group: "cluster",
    code: "node_lost",
    message: `node ${node}, which was to load its layers, is gone: ${why}`,
    metadata: { node },
  });

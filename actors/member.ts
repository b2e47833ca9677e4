/**
 * Member: a node as the cluster sees it. It prepares stages, adopts deployments and lets go of old ones.
 *
 * @module
 */
import { z } from "zod";
import { type Address, address } from "./address.ts";
import { defineActor } from "./define.ts";
import { type Deployment, deploymentSchema } from "./deployment.ts";

/** Resource `host` of a member actor: what the node does when told. */
export interface MemberHost {
  /** Fetches what is missing and loads this node's stages. */
  prepare(deployment: Deployment, signal: AbortSignal): Promise<void>;
  /** New requests use this deployment from now on; none: nothing can be answered, and why. */
  adopt(deployment: Deployment | undefined, reason: string): void;
  /** The deployment's stages may go once their requests are over. */
  retire(id: string): void;
  /** A node is gone: requests that run through it fail now. */
  nodeLost(node: string): void;
}

/** Address of a node's member actor. */
export const memberAddress = (node: string): Address => address("orrery", "member", node);

/** See the module's text. */
export const memberActor = defineActor({
  kind: "member",
  config: z.object({}),
  messages: {
    prepare: z.object({ deployment: deploymentSchema }),
    adopt: z.object({ deployment: deploymentSchema.optional(), reason: z.string() }),
    retire: z.object({ id: z.string() }),
    node_lost: z.object({ node: z.string() }),
    ping: z.object({}),
  },
  urgent: ["ping", "node_lost"],
  concurrent: ["prepare"], // fetching weights may take minutes; the node must hear of losses meanwhile
  create(ctx) {
    const host = ctx.resource<MemberHost>("host");
    const onPing = ctx.resource<() => void>("onPing");
    return {
      prepare: ({ deployment }, meta) => host.prepare(deployment, meta.signal),
      adopt: ({ deployment, reason }) => host.adopt(deployment, reason),
      retire: ({ id }) => host.retire(id),
      node_lost: ({ node }) => host.nodeLost(node),
      ping: () => onPing(),
    };
  },
});

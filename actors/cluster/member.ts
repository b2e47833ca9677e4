/**
 * Member: a node as the cluster sees it. It prepares stages, adopts deployments and lets go of old
 * ones, and tells how fast it and its links are.
 *
 * @module
 */
import { z } from "zod";
import { type Address, address, defineActor } from "../system/mod.ts";
import {
  type Deployment,
  deploymentSchema,
  type Member,
  memberSchema,
  SYSTEM,
} from "./deployment.ts";

/** Resource `host` of a member actor: what the node does when told. */
export interface MemberDuties {
  /** Fetches what is missing and loads this node's stages. */
  prepare(deployment: Deployment, signal: AbortSignal): Promise<void>;
  /** New requests use this deployment from now on; none: nothing can be answered, and why. */
  adopt(deployment: Deployment | undefined, reason: string): void;
  /** The deployment's stages may go once their requests are over. */
  retire(id: string): void;
  /** A node is gone: requests that run through it fail now. */
  nodeLost(node: string): void;
}

/** Which model a node's speed is asked for. */
export const profileRequestSchema = z.object({
  /** Name in the store of `source`. */
  model: z.string(),
  source: z.string(),
  /** Answer with what is known already, and with nothing if that is nothing. @default false */
  known_only: z.boolean().default(false),
});

/** See {@linkcode profileRequestSchema}. */
export type ProfileRequest = z.infer<typeof profileRequestSchema>;

/** A link as it was measured from one of its ends. */
export const linkReportSchema = z.object({
  /** Latency of a message one way. */
  seconds: z.number().nonnegative(),
  /** To the peer, and back from it. */
  bytes_per_s: z.number().positive(),
  bytes_per_s_back: z.number().positive(),
});

/** See {@linkcode linkReportSchema}. */
export type LinkReport = z.infer<typeof linkReportSchema>;

/**
 * Resource `profiler` of a member actor: what the node measures of itself and its links when asked.
 */
export interface MemberProfiler {
  /** How fast this node runs a model, as plain data; measured now unless it is known. */
  profile(request: ProfileRequest, signal: AbortSignal): Promise<Record<string, unknown> | null>;
  /** The link to another member. */
  probe(peer: Member, signal: AbortSignal): Promise<LinkReport>;
}

/** Most bytes of an `echo`, each way. */
export const ECHO_BYTES: number = 1024 * 1024;

/** Address of a node's member actor. */
export const memberAddress = (node: string): Address => address(SYSTEM, "member", node);

/** See the module's text. */
export const memberActor = defineActor({
  kind: "member",
  deployment: SYSTEM,
  config: z.object({}),
  messages: {
    prepare: z.object({ deployment: deploymentSchema }),
    adopt: z.object({ deployment: deploymentSchema.optional(), reason: z.string() }),
    retire: z.object({ id: z.string() }),
    node_lost: z.object({ node: z.string() }),
    ping: z.object({}),
    profile: profileRequestSchema,
    probe: z.object({ peer: memberSchema }),
    /** Takes bytes and gives bytes back: what probes a link. */
    echo: z.object({
      data: z.instanceof(Uint8Array).refine((d) => d.length <= ECHO_BYTES, "too long for an echo")
        .optional(),
      reply_bytes: z.number().int().nonnegative().max(ECHO_BYTES).default(0),
    }),
  },
  urgent: ["ping", "node_lost"],
  // Fetching weights and measuring may take minutes; the node must hear of losses meanwhile.
  concurrent: ["prepare", "profile", "probe"],
  create(ctx) {
    const host = ctx.resource<MemberDuties>("host");
    const onPing = ctx.resource<() => void>("onPing");
    return {
      prepare: ({ deployment }, meta) => host.prepare(deployment, meta.signal),
      adopt: ({ deployment, reason }) => host.adopt(deployment, reason),
      retire: ({ id }) => host.retire(id),
      node_lost: ({ node }) => host.nodeLost(node),
      ping: () => onPing(),
      profile: (request, meta) =>
        ctx.resource<MemberProfiler>("profiler").profile(request, meta.signal),
      probe: ({ peer }, meta) => ctx.resource<MemberProfiler>("profiler").probe(peer, meta.signal),
      echo: ({ reply_bytes }) => new Uint8Array(reply_bytes),
    };
  },
});

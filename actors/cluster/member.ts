/**
 * Member: the actor by which the cluster reaches a node. It prepares stages, adopts deployments and
 * retires old ones, and tells how fast the node and its links are.
 *
 * @module
 */
import { z } from "zod";
import {
  type Address,
  address,
  anyNode,
  defineActor,
  type NodeId,
  parseAddress,
} from "../system/mod.ts";
import { firstNode } from "./callers.ts";
import type { NodeView, Reach } from "./health.ts";
import { reachNode } from "./reach.ts";
import {
  type Deployment,
  deploymentSchema,
  type Member,
  memberSchema,
  SYSTEM,
} from "./deployment.ts";
import { type Examiner, examineSchema } from "./examination.ts";
import type { NodeLinks } from "./links.ts";
import { type LogPage, type LogQuery, logQuerySchema } from "./log_page.ts";
import type { NodeVitals } from "./vitals.ts";

/** Which deployment a node's requests use from now on. */
export const adoptedSchema = z.object({
  /** Undefined: none. */
  deployment: deploymentSchema.optional(),
  /** Why there is none, or what is special; "": nothing. */
  reason: z.string(),
  /** Name of what is deployed, and number of the copy. @default "default", 0 */
  name: z.string().optional(),
  copy: z.number().int().nonnegative().optional(),
  /** The model, where nothing is loaded until a request comes: nodes `wake` it then. */
  asleep: z.object({
    model: deploymentSchema.shape.model,
    source: deploymentSchema.shape.source,
    manifest_sha256: deploymentSchema.shape.manifest_sha256,
    /** Ids of the members, any of which may have the model. */
    members: z.array(z.string()),
  }).optional(),
  /** Whether it could not be loaded: requests need not wait for it. */
  failed: z.boolean().optional(),
  /** Whether there is no such copy any more. */
  gone: z.boolean().optional(),
});

/** See {@linkcode adoptedSchema}. */
export type Adopted = z.infer<typeof adoptedSchema>;

/** What a node's requests are at, by name of the deployment. */
export const nodeActivitySchema = z.array(z.object({
  name: z.string(),
  /** Requests that run, and that wait for their turn. */
  running: z.number().int().nonnegative(),
  waiting: z.number().int().nonnegative(),
  /** Milliseconds since the last one ended; undefined: there was none. */
  idle_ms: z.number().nonnegative().optional(),
}));

/** See {@linkcode nodeActivitySchema}. */
export type NameActivity = z.infer<typeof nodeActivitySchema>[number];

/** How many positions of requests the stages of a deployment have memory for at a node. */
export const kvRoomSchema = z.object({
  /** KV rows, of all requests together; that of the stage with the fewest. */
  rows: z.number().int().nonnegative(),
  /** Bytes of memory for them. */
  bytes: z.number().nonnegative(),
});

/** See {@linkcode kvRoomSchema}. */
export type KvRoom = z.infer<typeof kvRoomSchema>;

/** Which parts of a deployment a node is the backup of. */
export const standBySchema = z.object({
  /** Id of the deployment, which serves. */
  id: z.string(),
  /** Indices of its stages, and of the shards of its LM head. */
  stages: z.array(z.number().int().nonnegative()),
  head: z.array(z.number().int().nonnegative()),
});

/** See {@linkcode standBySchema}. */
export type StandBy = z.infer<typeof standBySchema>;

/** Resource `host` of a member actor: what the node does when the cluster tells it. */
export interface MemberDuties {
  /** Fetches the weights that are missing and loads this node's stages of the deployment. */
  prepare(deployment: Deployment, signal: AbortSignal): Promise<void>;
  /**
   * Fetches and loads what comes to this node in another revision of a deployment that serves; it
   * begins when that revision is prepared.
   */
  loadAhead(deployment: Deployment, signal: AbortSignal): Promise<void>;
  /**
   * Loads the engines of these parts of a deployment, and no others of it, so that they are there
   * when this node takes them over. What has no room is left out.
   */
  standBy(parts: StandBy, signal: AbortSignal): Promise<void>;
  /**
   * New requests use this deployment from now on. Undefined: none can be answered, and `reason`
   * says why. `told`: of which name and copy that is said.
   */
  adopt(deployment: Deployment | undefined, reason: string, told: Adopted): void;
  /** Resolves once a prompt of one token was answered by a deployment that is prepared here. */
  prove(id: string, signal: AbortSignal): Promise<void>;
  /** What this node's requests are at, by name of the deployment. */
  activity(): NameActivity[];
  /**
   * Resolves once no request of this node's API runs through the deployment with this id, and none
   * will. Rejects with the signal's reason.
   */
  release(id: string, signal: AbortSignal): Promise<void>;
  /**
   * Frees this node's stages of the deployment with this id, which every node has released.
   * Resolves once their memory is free. Rejects with the signal's reason.
   */
  retire(id: string, signal: AbortSignal): Promise<void>;
  /**
   * What this node's stages of the deployment with this id have memory for; undefined: it has none that
   * is loaded. @default not known
   */
  kvRoom?(id: string): KvRoom | undefined;
  /** Whether this node can load its stages of the deployment with this id, or has. */
  holds(id: string): boolean;
  /** The node with this id is gone: requests that run through it fail now. */
  nodeLost(node: string): void;
}

/** Asks how fast a node runs a model. */
export const profileRequestSchema = z.object({
  /** Name of the model in the store of `source`. */
  model: z.string(),
  /** Node whose store has the model. */
  source: z.string(),
  /** Answer only with a profile that the node has already, otherwise with null. @default false */
  known_only: z.boolean().default(false),
});

/** See {@linkcode profileRequestSchema}. */
export type ProfileRequest = z.infer<typeof profileRequestSchema>;

/** A link as one of its two nodes has measured it. */
export const linkReportSchema = z.object({
  /** Latency of a message one way, in seconds. */
  seconds: z.number().nonnegative(),
  /** Bandwidth to the peer, bytes a second. */
  bytes_per_s: z.number().positive(),
  /** Bandwidth from the peer, bytes a second. */
  bytes_per_s_back: z.number().positive(),
});

/** See {@linkcode linkReportSchema}. */
export type LinkReport = z.infer<typeof linkReportSchema>;

/** Resource `profiler` of a member actor: measures the node and its links. */
export interface MemberProfiler {
  /**
   * How fast this node runs a model, as plain data. It is measured now unless it is known already;
   * null: it is not known and `known_only` was asked for.
   */
  profile(request: ProfileRequest, signal: AbortSignal): Promise<Record<string, unknown> | null>;
  /** Measures the link to another member. */
  probe(peer: Member, signal: AbortSignal): Promise<LinkReport>;
  /** What the traffic of this node shows of its links. */
  links(): NodeLinks;
  /** Empties the processor's caches in a moment, so that the next echo finds them as frames do. */
  soonCold(): void;
}

/** Most bytes of an `echo` in either direction. */
export const ECHO_BYTES: number = 1024 * 1024;

/** Address of a node's member actor. */
export const memberAddress = (node: string): Address => address(SYSTEM, "member", node);

/** The member actor; see the module's text. Its key is the node's id. */
export const memberActor = defineActor({
  kind: "member",
  deployment: SYSTEM,
  config: z.object({}),
  messages: {
    /** See {@linkcode MemberDuties.prepare}. */
    prepare: z.object({ deployment: deploymentSchema }),
    /** See {@linkcode MemberDuties.loadAhead}. */
    load_ahead: z.object({ deployment: deploymentSchema }),
    /** See {@linkcode MemberDuties.standBy}. Answers when it is done. */
    stand_by: standBySchema,
    /** See {@linkcode MemberDuties.adopt}. */
    adopt: adoptedSchema,
    /** See {@linkcode MemberDuties.prove}. */
    prove: z.object({ id: z.string() }),
    /** See {@linkcode MemberDuties.activity}; answers with {@linkcode nodeActivitySchema}. */
    activity: z.object({}),
    /** See {@linkcode MemberDuties.release}. Answers when it is done. */
    release: z.object({ id: z.string() }),
    /** See {@linkcode MemberDuties.retire}. Answers when it is done. */
    retire: z.object({ id: z.string() }),
    /** See {@linkcode MemberDuties.holds}. */
    holds: z.object({ id: z.string() }),
    /** See {@linkcode MemberDuties.kvRoom}; answers with a {@linkcode KvRoom}, or null. */
    kv_room: z.object({ id: z.string() }),
    /** See {@linkcode MemberDuties.nodeLost}. */
    node_lost: z.object({ node: z.string() }),
    /** The node finishes its requests, hands its layers back and ends; answers when it begins. */
    drain: z.object({}),
    /** Answers: the node lives. */
    ping: z.object({}),
    /** Answers with a {@linkcode Reach}: whether this node reaches another one, within this time. */
    reach: z.object({ node: z.string(), within_ms: z.number().positive().max(10_000) }),
    /** See {@linkcode MemberProfiler.profile}. */
    profile: profileRequestSchema,
    /** See {@linkcode MemberProfiler.probe}. */
    probe: z.object({ peer: memberSchema }),
    /** See {@linkcode MemberProfiler.links}. */
    links: z.object({}),
    /** See {@linkcode Examiner.examine}. */
    examine: examineSchema,
    /** What the node is at; answers with a {@linkcode NodeVitals}. */
    vitals: z.object({}),
    /** The newest records of this node's log; answers with a {@linkcode LogPage}. */
    logs: logQuerySchema,
    /** Answers with what this node's clock shows, milliseconds since 1970. */
    clock: z.object({}),
    /**
     * Takes bytes and answers with `reply_bytes` zeros: other nodes measure the link by it. With
     * `cold` the node empties its caches once it has answered.
     */
    echo: z.object({
      data: z.instanceof(Uint8Array).refine((d) => d.length <= ECHO_BYTES, "too long for an echo")
        .optional(),
      reply_bytes: z.number().int().nonnegative().max(ECHO_BYTES).default(0),
      cold: z.boolean().default(false),
    }),
  },
  callers: {
    prepare: firstNode,
    load_ahead: firstNode,
    stand_by: firstNode,
    adopt: firstNode,
    prove: firstNode,
    activity: firstNode,
    release: firstNode,
    retire: firstNode,
    holds: firstNode,
    node_lost: firstNode,
    drain: firstNode,
    kv_room: anyNode, // requests come in at any node
    ping: anyNode,
    reach: anyNode,
    profile: firstNode,
    probe: firstNode,
    links: firstNode,
    examine: firstNode,
    vitals: anyNode,
    logs: anyNode,
    clock: anyNode,
    echo: anyNode,
  },
  urgent: ["ping", "reach", "node_lost", "clock"],
  // Fetching weights, measuring and the end of requests may take minutes. The node must learn of
  // lost nodes meanwhile.
  concurrent: [
    "prepare",
    "load_ahead",
    "stand_by",
    "prove",
    "release",
    "retire",
    "profile",
    "probe",
    "reach",
    "examine",
  ],
  create(ctx) {
    const host = ctx.resource<MemberDuties>("host");
    const self = parseAddress(ctx.self).key;
    const onPing = ctx.resource<(by: NodeId) => void>("onPing");
    const view = ctx.resource<NodeView>("nodes");

    const reach = (node: string, withinMs: number, signal: AbortSignal): Promise<Reach> =>
      reachNode({
        now: () => ctx.now(),
        after: (ms, fn) => ctx.after(ms, fn),
        silentMs: (node) => view.silentMs(node),
        refuses: (node, deadlineMs) => view.refuses(node, deadlineMs),
        ping: (node, deadlineMs) => ctx.get(memberActor, node).ping({}, { deadlineMs, signal }),
      }, { node, withinMs, signal });

    return {
      prepare: ({ deployment }, meta) => host.prepare(deployment, meta.signal),
      load_ahead: ({ deployment }, meta) => host.loadAhead(deployment, meta.signal),
      stand_by: (parts, meta) => host.standBy(parts, meta.signal),
      adopt: (told) => host.adopt(told.deployment, told.reason, told),
      prove: ({ id }, meta) => host.prove(id, meta.signal),
      activity: () => host.activity(),
      release: ({ id }, meta) => host.release(id, meta.signal),
      retire: ({ id }, meta) => host.retire(id, meta.signal),
      holds: ({ id }) => host.holds(id),
      kv_room: ({ id }) => host.kvRoom?.(id) ?? null,
      node_lost: ({ node }) => host.nodeLost(node),
      drain: () => ctx.resource<() => void>("onDrain")(),
      ping: (_, { peer = self }) => onPing(peer),
      reach: ({ node, within_ms }, { signal }) => reach(node, within_ms, signal),
      profile: (request, meta) =>
        ctx.resource<MemberProfiler>("profiler").profile(request, meta.signal),
      probe: ({ peer }, meta) => ctx.resource<MemberProfiler>("profiler").probe(peer, meta.signal),
      links: () => ctx.resource<MemberProfiler>("profiler").links(),
      examine: ({ peers }, meta) => ctx.resource<Examiner>("examiner").examine(peers, meta.signal),
      vitals: () => ctx.resource<() => NodeVitals>("vitals")(),
      logs: (query) => ctx.resource<(query: LogQuery) => LogPage>("logs")(query),
      clock: () => ctx.resource<() => number>("clock")(),
      echo({ reply_bytes, cold }) {
        if (cold) ctx.resource<MemberProfiler>("profiler").soonCold();
        return new Uint8Array(reply_bytes);
      },
    };
  },
});

/**
 * Cluster: keeps the members, and decides which deployment serves. There is one cluster actor, on
 * the node that coordinates. What outlives it is in its resource `memory`: where another node takes
 * over, the deployment that served goes on, if all nodes live that have its layers.
 *
 * Whenever the members change, it makes a new deployment for them, has every node prepare its
 * stages, and only then lets the nodes adopt it; until then requests use the old one. A node that
 * leaves or is dead (`node_watch.ts`) is taken out in the same way. One that others reach and this
 * node does not stays a member, but after a while nothing is placed on it.
 *
 * @module
 */
import { z } from "zod";
import { anyNode, defineActor, MAX_MESSAGE_CHARS, thisNode } from "../system/mod.ts";
import { namedNode } from "./callers.ts";
import { checkUp, type CheckupReport } from "./checkup.ts";
import {
  type Deployment,
  deploymentSchema,
  type Member,
  memberSchema,
  SYSTEM,
} from "./deployment.ts";
import { fetchReportSchema } from "./fetches.ts";
import type { NodeHealth } from "./health.ts";
import type { MembersView } from "./member_watch.ts";
import type { ClusterMemory } from "./memory.ts";
import { NamedDeployment } from "./named_deployment.ts";
import type { PlaceDeployment } from "./placement.ts";
import { Replans } from "./replans.ts";
import { Roster } from "./roster.ts";
import { Takeover } from "./takeover.ts";

/** How reports of the first node are told from those of others. */
const FIRST = "(first)";

/** Answer to `status`. */
export interface ClusterStatus {
  /** The members, in the order in which they joined. */
  members: Member[];
  /** The deployment that serves; undefined: none does. */
  deployment: Deployment | undefined;
  /** Why no deployment serves, or what the cluster is doing; "": nothing special. */
  reason: string;
  /** How the members are, but for the node with this actor. */
  health: NodeHealth[];
  /** Why the last placement failed; undefined: it did not. Nodes of earlier versions leave it out. */
  failed?: { group: string; code: string };
}

/** The cluster actor; see the module's text. */
export const clusterActor = defineActor({
  kind: "cluster",
  deployment: SYSTEM,
  config: z.object({
    /** Number of members to wait for before the first placement. */
    nodes: z.number().int().positive(),
    /** Name of the model that is served. */
    model: z.string(),
    /** Id of the node whose store has the model. */
    source: z.string(),
    /** SHA-256 of the model's manifest, for those who get it from others. @default not stated */
    manifest_sha256: deploymentSchema.shape.manifest_sha256,
    /** Milliseconds in which a member must answer, and after which it is asked again. */
    answerMs: z.number().positive().default(10_000),
    retryMs: z.number().positive().default(2_000),
    /**
     * Milliseconds for which the link to a member must have been bad before nothing is placed on
     * it, and good before it counts again.
     */
    badLinkMs: z.number().positive().default(5_000),
    goodLinkMs: z.number().positive().default(10_000),
    /** Milliseconds that a node may take to fetch and load its stages. */
    prepareMs: z.number().positive().default(1_800_000),
  }),
  messages: {
    /** A node joins; answers with all members, and the ids of all deployments that are known. */
    join: memberSchema,
    /** A node leaves, and serves until the others have taken over. */
    leave: z.object({ node: z.string() }),
    /**
     * A node is gone for certain: it said goodbye, or was removed; `for_good`: it was removed, so
     * nobody misses it.
     */
    lost: z.object({ node: z.string(), for_good: z.boolean().default(false) }),
    /** The connection to a node broke: it is looked into. */
    broke: z.object({ node: z.string() }),
    /** Answers whether a node is a member. */
    listed: z.object({ node: z.string() }),
    /** Answers with a {@linkcode ClusterStatus}. */
    status: z.object({}),
    /**
     * Makes a new placement for the same members: something was measured, `why` says what. What a
     * member asks for is heard once in a while (`replans.ts`).
     */
    replan: z.object({ why: z.string().max(MAX_MESSAGE_CHARS) }),
    /** The deployment with this id answers no prompt at the sender's node. */
    broken: z.object({ deployment: z.string(), why: z.string().max(MAX_MESSAGE_CHARS) }),
    /** How far the sender is with the weights that its layers need. */
    fetching: fetchReportSchema,
    /** Examines every member and every link; answers with a {@linkcode CheckupReport}. */
    check_up: z.object({}),
  },
  callers: {
    join: namedNode,
    leave: namedNode,
    // Whether a node is gone is decided here: other nodes only answer whether they reach it.
    lost: thisNode,
    broke: thisNode,
    listed: namedNode,
    status: anyNode,
    replan: anyNode, // a member is heard once in a while
    broken: anyNode, // looked into, and not believed at once
    fetching: namedNode,
    check_up: anyNode, // one at a time, however many ask
  },
  concurrent: ["check_up"], // it waits for all members
  policy: { mailbox: 256 },

  create(ctx, config) {
    const { model, source, manifest_sha256, nodes, answerMs, retryMs, prepareMs } = config;
    const place = ctx.resource<PlaceDeployment>("place");
    const memory = ctx.resource<ClusterMemory>("memory");
    const { past } = memory;
    const roster = new Roster(ctx, {
      view: ctx.resource<MembersView>("nodes"),
      self: source,
      past: past.members,
      ...{ badLinkMs: config.badLinkMs, goodLinkMs: config.goodLinkMs, answerMs },
    }, {
      givenUp: (node, why) => served.giveUpOn(node, why),
      forgotten(node) {
        served.forget(node);
        takeover.cross(node);
      },
      gone: (node, why) => served.gone(node, why),
      rejoined: (node) => served.serving.rejoined(node),
      changed: () => void served.replace(),
    });
    /** Ids of all deployments that this actor has made or was left. */
    const known = new Set([...past.others, ...past.serving ? [past.serving] : []].map((d) => d.id));
    let deployments = 0;
    // A new activation of this actor numbers its deployments from 1 again. The random part of their
    // ids tells them from those of an earlier activation, whose stages may still live.
    const incarnation = `d${Math.floor(ctx.random() * 0x100000000).toString(16).padStart(8, "0")}`;
    const newId = () => {
      const id = `${incarnation}-${++deployments}`;
      known.add(id);
      return id;
    };
    const served: NamedDeployment = new NamedDeployment(ctx, {
      ...{ nodes, roster, memory, past, place, newId, answerMs, retryMs, prepareMs },
      model: { model, source, manifest_sha256 },
      waits: () => takeover.open,
    });
    const replans = new Replans(ctx, () => void served.replace());
    /** The checkup that runs: whoever asks meanwhile gets its report. */
    let checkup: Promise<CheckupReport> | undefined;
    const takeover: Takeover = new Takeover(ctx, {
      ...{ memory, serving: served.serving, doubts: served.doubts, members: roster.members },
      remove: (node, why) => roster.remove(node, why),
      forget: (node) => void roster.forget(node),
      replace: () => void served.replace(),
      beginAnew: () => served.beginAnew(),
    });

    return {
      async join(member) {
        const { node } = member;
        await roster.join(member);
        const awaited = takeover.awaits(node);
        takeover.cross(node);
        if (!awaited) void served.replace(); // else that is decided once all have come
        return { members: roster.all, deployments: [...known] };
      },
      leave({ node }) {
        if (roster.forget(node)) void served.replace();
      },
      lost({ node, for_good }) {
        roster.remove(node, `node ${node} is gone`);
        if (for_good) roster.notMissed(node);
      },
      broke: ({ node }) => roster.broke(node),
      listed: ({ node }) => roster.listed(node),
      replan(_, { peer }) {
        if (peer === undefined) void served.replace();
        else if (roster.members.has(peer)) replans.ask(roster.lasting(peer));
      },
      broken({ deployment, why }, { peer }) {
        const key = peer && roster.lasting(peer);
        void served.doubt(deployment, { by: peer ?? FIRST, key, why });
      },
      fetching(report) {
        if (roster.members.has(report.node)) served.fetching(report);
      },
      check_up: () =>
        checkup ??= checkUp(ctx, roster.all, roster.absent).finally(() => checkup = undefined),
      status: (): ClusterStatus => ({
        members: roster.all,
        deployment: served.serving.current,
        reason: served.serving.reason,
        health: roster.health,
        failed: served.failure && { group: served.failure.group, code: served.failure.code },
      }),
    };
  },
});

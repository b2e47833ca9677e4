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
import { deploymentNameSchema } from "./copy_name.ts";
import {
  type Deployment,
  deploymentSchema,
  type Member,
  memberSchema,
  SYSTEM,
} from "./deployment.ts";
import type { DeploymentCopy } from "./deployment_copy.ts";
import { askedDeploymentSchema, type DeploymentSources } from "./deployment_source.ts";
import { DeploymentIds } from "./deployment_ids.ts";
import { Deployments } from "./deployments.ts";
import { fetchReportSchema } from "./fetches.ts";
import type { NodeHealth } from "./health.ts";
import type { MembersView } from "./member_watch.ts";
import type { ClusterMemory } from "./memory.ts";
import type { PlaceDeployment } from "./placement.ts";
import { Replans } from "./replans.ts";
import { Roster } from "./roster.ts";
import { Takeover } from "./takeover.ts";

/** How reports of the first node are told from those of others. */
const FIRST = "(first)";

/** Answer to `status`. */
export interface ClusterStatus {
  /** The members, in the order in which they joined first; one that comes back keeps its place. */
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
    /** Deploys a graph file under a name; answers with a {@linkcode DeploymentView} at once. */
    apply: askedDeploymentSchema,
    /** Answers with the {@linkcode DeploymentPlacement} that `apply` would lead to. */
    plan: askedDeploymentSchema,
    /** Ends what is deployed under a name; answers with its last {@linkcode DeploymentView}. */
    delete: z.object({ name: deploymentNameSchema }),
    /** Answers with the {@linkcode DeploymentView}s, or the one of a name. */
    deployments: z.object({ name: deploymentNameSchema.optional() }),
    /** A request waits for a deployment that sleeps. */
    wake: z.object({ name: deploymentNameSchema }),
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
    // Any node has an API, whose keys say who may ask.
    apply: anyNode,
    plan: anyNode,
    delete: anyNode,
    deployments: anyNode,
    wake: anyNode,
  },
  concurrent: ["check_up", "apply", "plan"], // they wait for members, or for a disk
  policy: { mailbox: 256 },

  create(ctx, config) {
    const { model, source, manifest_sha256, nodes, answerMs, retryMs, prepareMs } = config;
    const place = ctx.resource<PlaceDeployment>("place");
    const memory = ctx.resource<ClusterMemory>("memory");
    const sources = ctx.resource<DeploymentSources>("sources");
    const { past } = memory;
    const roster = new Roster(ctx, {
      view: ctx.resource<MembersView>("nodes"),
      self: source,
      past: past.members,
      badLinkMs: config.badLinkMs,
      goodLinkMs: config.goodLinkMs,
      answerMs,
    }, {
      givenUp: (node, why) => each((copy) => copy.giveUpOn(node, why)),
      forgotten(node) {
        each((copy) => copy.forget(node));
        takeover.cross(node);
      },
      gone: (node, why) => each((copy) => copy.gone(node, why)),
      silent: (node, why) =>
        deployments.copies.filter((copy) => copy.standIn([node], why)).length > 0,
      needed: () => deployments.copies.flatMap((copy) => copy.needed),
      replaceable: (node) => deployments.copies.some((copy) => copy.without([node])),
      back: (node) => each((copy) => copy.back(node)),
      rejoined: (node) => each((copy) => copy.serving.rejoined(node)),
      changed: () => deployments.replace(),
    });
    const left = [...past.others, ...past.named ?? [], ...past.serving ? [past.serving] : []];
    const ids = new DeploymentIds(ctx.random(), left.map(({ id }) => id));
    const deployments: Deployments = new Deployments(ctx, {
      nodes,
      roster,
      memory,
      newId: () => ids.next(),
      sources,
      answerMs,
      retryMs,
      prepareMs,
      main: {
        ...sources.main,
        model: { model, source, manifest_sha256 },
        content: "",
        place,
        close() {},
      },
      waits: () => takeover.open,
    });
    const [main] = deployments.main.copies;
    const each = (what: (copy: DeploymentCopy) => void) => deployments.copies.forEach(what);
    const replans = new Replans(ctx, () => deployments.replace());
    /** The checkup that runs: whoever asks meanwhile gets its report. */
    let checkup: Promise<CheckupReport> | undefined;
    /** What was applied in the term before has been looked for. */
    const restored = Promise.withResolvers<void>();
    const takeover: Takeover = new Takeover(ctx, {
      memory,
      members: roster.members,
      copies: () => deployments.copies,
      remove: (node, why) => roster.remove(node, why),
      forget: (node) => void roster.forget(node),
      suspend: (node) => roster.suspend(node),
      restored: restored.promise,
      begin: () => deployments.begin(),
    });
    void deployments.restore(past.applied ?? []).then(() => {
      restored.resolve();
      if (takeover.open) return; // what goes on is decided once all have come
      deployments.begin();
    });

    return {
      async join(member) {
        const { node } = member;
        await roster.join(member);
        const awaited = takeover.awaits(node);
        takeover.cross(node);
        if (!awaited) deployments.replace(); // else that is decided once all have come
        return { members: roster.all, deployments: ids.all };
      },
      leave({ node }) {
        if (roster.leave(node)) deployments.replace();
      },
      lost({ node, for_good }) {
        roster.remove(node, `node ${node} is gone`);
        if (for_good) roster.notMissed(node);
      },
      broke: ({ node }) => roster.broke(node),
      listed: ({ node }) => roster.listed(node),
      replan(_, { peer }) {
        if (peer === undefined) deployments.replace();
        else if (roster.members.has(peer)) replans.ask(roster.lasting(peer));
      },
      broken({ deployment, why }, { peer }) {
        const key = peer && roster.lasting(peer);
        each((copy) => void copy.doubt(deployment, { by: peer ?? FIRST, key, why }));
      },
      fetching(report) {
        if (roster.members.has(report.node)) each((copy) => copy.fetching(report));
      },
      check_up: () =>
        checkup ??= checkUp(ctx, roster.all, roster.absent).finally(() => checkup = undefined),
      status: (): ClusterStatus => ({
        members: roster.all,
        deployment: main.serving.current,
        reason: main.serving.reason,
        health: roster.health,
        failed: main.failure && { group: main.failure.group, code: main.failure.code },
      }),
      apply: (asked, { signal }) => deployments.apply(asked, signal),
      plan: (asked, { signal }) => deployments.plan(asked, signal),
      delete: ({ name }) => deployments.delete(name),
      deployments: ({ name }) => name === undefined ? deployments.views : [deployments.view(name)],
      wake: ({ name }) => deployments.wake(name),
    };
  },
});

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
import {
  anyNode,
  defineActor,
  hasCode,
  MAX_MESSAGE_CHARS,
  OrreryError,
  thisNode,
  toOrreryError,
} from "../system/mod.ts";
import { shapeSchema } from "../pipeline/mod.ts";
import { Absent } from "./absent.ts";
import {
  type Deployment,
  deploymentSchema,
  type Member,
  memberSchema,
  servingNodes,
  SYSTEM,
} from "./deployment.ts";
import { Adoption } from "./adoption.ts";
import { namedNode } from "./callers.ts";
import { checkUp, type CheckupReport } from "./checkup.ts";
import { type DoubtReport, Doubts } from "./doubts.ts";
import { Fetches, fetchReportSchema } from "./fetches.ts";
import { memberActor } from "./member.ts";
import { type MembersView, memberWatch } from "./member_watch.ts";
import type { HealthChange, NodeHealth } from "./health.ts";
import type { ClusterMemory } from "./memory.ts";
import { Replans } from "./replans.ts";
import { Takeover } from "./takeover.ts";

/**
 * Which layers go to which member, and how requests run on them: the part of a deployment that is
 * planned.
 */
export type DeploymentPlacement =
  & Pick<Deployment, "stages" | "head" | "solo" | "draft" | "plan" | "flow">
  & Partial<Pick<Deployment, "shape">>;

/**
 * Resource `place` of the cluster actor: makes a placement for these members. Throws where it
 * cannot. It may take long, because nodes and links are measured; `say` reports what it is doing.
 * The signal fires when the actor stops.
 */
export type PlaceDeployment = (
  members: Member[],
  options: { signal: AbortSignal; say(reason: string): void },
) => DeploymentPlacement | Promise<DeploymentPlacement>;

/**
 * How often a new deployment is tried again after the old one has made room. Nodes give memory back
 * a little later than the requests are over.
 */
const ROOM_ATTEMPTS = 30;
/** Milliseconds between two of these attempts. */
const ROOM_WAIT_MS = 1_000;
/**
 * Milliseconds in which a member must answer a ping when another node joins at its address, else it
 * is taken to have been restarted.
 */
const RESTART_MS = 1_000;

/** Codes of errors after which a placement is tried again, and the milliseconds until then. */
const PASSING = ["peer_lost", "unknown_peer", "deadline_exceeded", "cancelled"];
const PLACE_AGAIN_MS = 5_000;
/** The same after any other error, while nothing serves: memory may be free by then, or a disk. */
const MENDED_MS = 60_000;
/** Milliseconds between two looks at which members layers may be placed on. */
const REVIEW_MS = 1_000;

const isGood = (state: string | undefined) => state === "alive" || state === "back";

const addressTaken = ({ node, host, port }: Member, by: string) =>
  new OrreryError({
    group: "cluster",
    code: "address_taken",
    message: `node ${node} joins at ${host}:${port}, where node ${by} is a member and answers; ` +
      "start it with another --mailbox-port or --host",
    metadata: { node, host, port, taken_by: by },
  });

const superseded = (node: string) =>
  new OrreryError({
    group: "cluster",
    code: "superseded",
    message:
      `node ${node} joins, but a process that started later has joined with its key; where ` +
      "two machines have copies of one --data folder, delete trust/nodes in one of them, and join " +
      "with a token",
    metadata: { node },
  });

const nodeLost = (node: string, why: string) =>
  new OrreryError({
    group: "cluster",
    code: "node_lost",
    message: `node ${node}, which was to load its layers, is gone: ${why}`,
    metadata: { node },
  });

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
    const place = ctx.resource<PlaceDeployment>("place");
    const view = ctx.resource<MembersView>("nodes");
    const memory = ctx.resource<ClusterMemory>("memory");
    const { past } = memory;
    const members = new Map(past.members.map((member) => [member.node, member]));
    /** The members on which layers may be placed: those to which the link is not bad. */
    const usable = new Map(members);
    const serving = new Adoption(ctx, {
      members: usable,
      memory,
      reason: `waiting for ${config.nodes} node(s), none has joined`,
      retryMs: config.retryMs,
      deadlineMs: config.answerMs,
    });
    const watch = memberWatch(ctx, { view, members, self: config.source, changed });
    const doubts = new Doubts(ctx);
    const replans = new Replans(ctx, () => void replace());
    /** What is the same in all lives of a member. */
    const lasting = (node: string) => view.identity(node) ?? node;
    const fetches = new Fetches();
    /** Which nodes load layers now; undefined: none does. */
    let loading: string | undefined;
    const absent = new Absent();
    /** The deployment that serves and must be replaced, even by the same placement; "": none. */
    let condemned = "";
    /** The nodes that have prepared the deployment that serves. */
    let prepared = new Set(past.serving?.members.map(({ node }) => node));
    /** Ends what the nodes are asked to prepare; undefined: nothing is prepared. */
    let preparing: { nodes: string[]; abort: AbortController } | undefined;
    /** The checkup that runs: whoever asks meanwhile gets its report. */
    let checkup: Promise<CheckupReport> | undefined;
    let changes = 0;
    let placing = false;
    /** Why the last placement failed; undefined: it did not. */
    let failure: OrreryError | undefined;
    let deployments = 0;
    // A new activation of this actor numbers its deployments from 1 again. The random part of their
    // ids tells them from those of an earlier activation, whose stages may still live.
    const incarnation = `d${Math.floor(ctx.random() * 0x100000000).toString(16).padStart(8, "0")}`;
    /** The placement that served last; undefined: none has served in this actor's life. */
    let lastPlacement: DeploymentPlacement | undefined = past.serving;
    /** Ids of all deployments that this actor has made or was left. */
    const known = new Set([...past.others, ...past.serving ? [past.serving] : []].map((d) => d.id));
    /** Whether nodes of an earlier life of the cluster may be here: it does not wait for others. */
    let continues = past.serving !== undefined || past.others.length > 0;
    if (past.serving) serving.resume(past.serving);
    /** Whether a member has been taken for dead in this time of the cluster, by its id. */
    const buried = new Set<string>();

    /** A member's health changed. */
    function changed({ node, to, why }: HealthChange): void {
      if (to !== "dead") return;
      buried.add(node);
      remove(node, `node ${node} is gone: ${why}`);
    }

    /** Takes members behind a bad link out of the placement, and in again once it is good. */
    function review(): void {
      let moved = false;
      for (const [node, member] of members) {
        const state = watch.health(node)?.state;
        const ms = watch.stateMs(node);
        if (state === "bad_link" && ms >= config.badLinkMs && usable.delete(node)) {
          giveUpOn(node, "its link is bad");
          moved = true;
        } else if (!usable.has(node) && isGood(state) && ms >= config.goodLinkMs) {
          usable.set(node, member);
          serving.rejoined(node);
          moved = true;
        }
      }
      if (moved) void replace();
      ctx.after(REVIEW_MS, review);
    }
    ctx.after(REVIEW_MS, review);

    const takeover = new Takeover(ctx, {
      ...{ memory, serving, doubts, members, remove, forget },
      replace: () => void replace(),
      beginAnew() {
        continues = false;
        lastPlacement = undefined;
      },
    });

    /** A node will not answer: the others need not go on to load for a deployment with it. */
    function giveUpOn(node: string, why: string): void {
      if (preparing?.nodes.includes(node)) preparing.abort.abort(nodeLost(node, why));
    }

    /** A node leaves: it serves until the others have taken over. */
    function leave(node: string): void {
      if (!forget(node)) return;
      void replace();
    }

    /** The usable members, in the order in which they joined. */
    const able = () => [...members.values()].filter(({ node }) => usable.has(node));

    /** Takes a node out of the members; false: it is none. */
    function forget(node: string): boolean {
      watch.forget(node);
      usable.delete(node);
      prepared.delete(node);
      const was = members.delete(node);
      takeover.cross(node);
      return was;
    }

    /** A node is gone: takes it out of the members, and places anew. */
    function remove(node: string, why: string): void {
      const member = members.get(node);
      if (!member || !forget(node)) return;
      absent.add(member, why);
      giveUpOn(node, why);
      for (const other of members.keys()) {
        void ctx.get(memberActor, other).tell.node_lost({ node }, { deadlineMs: config.answerMs })
          .catch(() => {}); // this member is gone too
      }
      if (serving.current && servingNodes(serving.current).includes(node)) {
        serving.adopt(undefined, why);
      }
      void replace();
    }

    /**
     * A node that joins is one of the members under a new id: takes that one out. Throws
     * `superseded` for a former life of a node, and `address_taken` where another node that answers
     * is a member at the same host and port.
     */
    async function displace(by: Member): Promise<void> {
      if (view.isFormer(by.node)) throw superseded(by.node);
      const identity = view.identity(by.node);
      for (const { node, host, port } of [...members.values()]) {
        if (node === by.node) continue;
        // One key is one node: whatever its former life still sends is of the past.
        if (identity !== undefined && view.identity(node) === identity) {
          remove(node, `node ${node} was restarted as ${by.node}`);
        } else if (host === by.host && port === by.port) {
          const there = await ctx.get(memberActor, node).ping({}, { deadlineMs: RESTART_MS })
            .then(() => true, () => false);
          if (there) throw addressTaken(by, node);
          remove(node, `node ${node} is gone: node ${by.node} has its address`);
        }
      }
    }

    /** Makes new placements until one was made for the members as they are now. */
    async function replace(): Promise<void> {
      changes++;
      if (takeover.open) return; // it is called again once the members have come
      if (placing) return; // the loop that runs already sees the change
      placing = true;
      try {
        for (let seen = -1; seen !== changes;) {
          seen = changes;
          await placeOnce(() => seen === changes);
        }
      } finally {
        placing = false;
      }
    }

    /** One placement. `valid`: whether the members are still those that it is made for. */
    async function placeOnce(valid: () => boolean): Promise<void> {
      // A cluster that has served continues with the members that are left.
      if (!lastPlacement && !continues && usable.size < config.nodes) {
        return serving.adopt(
          undefined,
          `waiting for ${config.nodes} nodes, ${usable.size} joined`,
        );
      }
      if (usable.size === 0) return serving.adopt(undefined, "no node is left");
      try {
        const placement = await place(able(), { signal: ctx.signal, say });
        if (!valid()) return;
        await deploy(placement, valid);
        failure = undefined;
      } catch (caught) {
        if (!valid()) return; // the members changed meanwhile: the next round places for them
        failure = toOrreryError(caught);
        const why = `placement failed: ${failure.message}`;
        // A node was out of reach while it was asked: nothing else may ever change, so try again.
        const passing = PASSING.some((code) => hasCode(caught, code));
        if (passing || !serving.current) {
          ctx.after(passing ? PLACE_AGAIN_MS : MENDED_MS, () => valid() && void replace());
        }
        if (serving.current) return void (serving.reason = why);
        serving.adopt(undefined, why);
        // The old deployment has made room in vain. Its placement still fits, so it is deployed
        // again.
        const before = lastPlacement;
        if (!before || !servingNodes(before).every((node) => usable.has(node))) return;
        await deploy(before, valid).catch((error) =>
          serving.adopt(undefined, `${why}; ${toOrreryError(error).message}`)
        );
        if (serving.current) serving.reason = why;
      }
    }

    /**
     * Reports what the cluster is doing: to every node while nothing serves, otherwise only in
     * `status`.
     */
    const say = (what: string) => {
      serving.reason = what;
      if (!serving.current) serving.adopt(undefined, what);
    };

    /**
     * Makes a deployment of this placement and lets it serve. Where that fails, the stages that it
     * loaded are retired.
     */
    async function deploy(placement: DeploymentPlacement, valid: () => boolean): Promise<void> {
      const all = [...members.values()];
      const nodes = able().map((m) => m.node);
      const { stages, head, solo, draft, plan, flow, shape = shapeSchema.parse({}) } = placement;
      const loads = ({ stages, head, solo, draft }: DeploymentPlacement) =>
        JSON.stringify([stages, head, solo, draft]);
      const sound = serving.current && serving.current.id !== condemned;
      if (serving.current && sound && loads(serving.current) === loads(placement)) {
        // The stages stay where they are. Members that joined since then compute nothing, but
        // answer prompts and must know the deployment.
        const same: Deployment = { ...serving.current, members: all, shape, plan, flow };
        await prepare(same, valid, nodes.filter((n) => !prepared.has(n)));
        await memory.serves(same);
        if (!valid()) return;
        for (const node of nodes) prepared.add(node);
        lastPlacement = placement;
        return serving.adopt(same, "");
      }
      const { model, source, manifest_sha256 } = config;
      const id = `${incarnation}-${++deployments}`;
      known.add(id);
      const made: Deployment = {
        id,
        model,
        source,
        manifest_sha256,
        stages,
        head,
        solo,
        members: all,
        draft,
        shape,
        plan,
        flow,
      };
      serving.reason = `nodes ${servingNodes(placement).join(", ")} load their layers`;
      if (!serving.current) serving.adopt(undefined, serving.reason);
      loading = serving.reason;
      try {
        await memory.planned(made);
        await prepare(made, valid, nodes);
        // Before anybody adopts it: whoever takes over must not go on with the one before.
        if (valid()) await memory.serves(made);
      } catch (error) {
        serving.letGo(made);
        throw error;
      } finally {
        loading = undefined;
        fetches.clear();
      }
      if (!valid()) return serving.letGo(made);
      prepared = new Set(nodes);
      lastPlacement = placement;
      serving.adopt(made, "");
    }

    /**
     * Has these nodes load their stages. Where both deployments do not fit into memory side by
     * side, the old one is retired first, once its requests are over.
     */
    async function prepare(
      deployment: Deployment,
      valid: () => boolean,
      nodes: string[],
    ): Promise<void> {
      for (let attempt = 0;; attempt++) {
        const failed = new AbortController();
        preparing = { nodes, abort: failed };
        const within = { deadlineMs: config.prepareMs, signal: failed.signal };
        try {
          return void await Promise.all(
            nodes.map((n) => ctx.get(memberActor, n).prepare({ deployment }, within)),
          );
        } catch (error) {
          failed.abort(error); // stops the other nodes: what they still load is not needed
          // no old deployment could make room
          const hopeless = !serving.current && serving.parting === 0 && attempt === 0;
          if (!hasCode(error, "not_enough_memory") || hopeless || attempt === ROOM_ATTEMPTS) {
            throw error;
          }
          if (serving.current && valid()) {
            serving.adopt(undefined, "the layers move: nodes make room for them");
          }
          do {
            await new Promise<void>((resolve) => ctx.after(ROOM_WAIT_MS, resolve));
          } while (serving.parting > 0 && valid());
          if (!valid()) throw error;
        }
      }
    }

    /** A node says that the deployment answers no prompt. */
    async function doubt(id: string, report: DoubtReport): Promise<void> {
      const { current } = serving;
      if (current?.id !== id) return;
      if (id !== condemned) {
        const why = await doubts.report(current, report);
        if (why === undefined || serving.current?.id !== id) return;
        condemned = id;
        serving.reason = `layers are placed anew: ${why}`;
      }
      if (!placing) await replace();
    }

    return {
      async join(member) {
        const { node } = member;
        await displace(member);
        const awaited = takeover.awaits(node);
        members.set(node, member);
        usable.set(node, member);
        absent.back(member);
        if (node !== config.source) watch.add(node, { back: buried.delete(node) });
        serving.rejoined(node);
        takeover.cross(node);
        if (!awaited) void replace(); // else that is decided once all have come
        return { members: [...members.values()], deployments: [...known] };
      },
      leave: ({ node }) => leave(node),
      lost: ({ node, for_good }) => {
        remove(node, `node ${node} is gone`);
        if (for_good) absent.forget(node);
      },
      broke: ({ node }) => watch.broke(node),
      listed: ({ node }) => {
        if (members.has(node)) watch.add(node);
        return members.has(node);
      },
      replan(_, { peer }) {
        if (peer === undefined) void replace();
        else if (members.has(peer)) replans.ask(lasting(peer));
      },
      broken: ({ deployment, why }, { peer }) =>
        void doubt(deployment, { by: peer ?? FIRST, key: peer && lasting(peer), why }),
      fetching(report) {
        if (loading === undefined || !members.has(report.node)) return;
        fetches.note(report);
        serving.reason = loading + fetches.text;
      },
      check_up: () =>
        checkup ??= checkUp(ctx, [...members.values()], absent.list())
          .finally(() => checkup = undefined),
      status: (): ClusterStatus => ({
        members: [...members.values()],
        deployment: serving.current,
        reason: serving.reason,
        health: [...members.keys()].flatMap((node) => watch.health(node) ?? []),
        failed: failure && { group: failure.group, code: failure.code },
      }),
    };
  },
});

/**
 * Cluster: keeps the members, and decides which deployment serves. There is one cluster actor, on
 * the first node.
 *
 * Whenever the members change, it makes a new deployment for them, has every node prepare its
 * stages, and only then lets the nodes adopt it; until then requests use the old one. A node that
 * leaves or falls silent is taken out in the same way.
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
import { Doubts } from "./doubts.ts";
import { memberActor } from "./member.ts";
import { Silence } from "./silence.ts";

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
    /** Milliseconds between two checks of the members. */
    pingMs: z.number().positive().default(2_000),
    /**
     * Milliseconds without an answer to a ping after which a member is gone. Also the milliseconds
     * that an answer may take.
     */
    silenceMs: z.number().positive().default(10_000),
    /** Milliseconds that a node may take to fetch and load its stages. */
    prepareMs: z.number().positive().default(1_800_000),
  }),
  messages: {
    /** A node joins; answers with all members. */
    join: memberSchema,
    /** A node leaves, and serves until the others have taken over. */
    leave: z.object({ node: z.string() }),
    /** A node is gone; `for_good`: it was removed, so nobody misses it. */
    lost: z.object({ node: z.string(), for_good: z.boolean().default(false) }),
    /** Answers with a {@linkcode ClusterStatus}. */
    status: z.object({}),
    /** Makes a new placement for the same members: something was measured, `why` says what. */
    replan: z.object({ why: z.string() }),
    /** The deployment with this id answers no prompt at the sender's node. */
    broken: z.object({ deployment: z.string(), why: z.string().max(MAX_MESSAGE_CHARS) }),
    /** Examines every member and every link; answers with a {@linkcode CheckupReport}. */
    check_up: z.object({}),
  },
  callers: {
    join: namedNode,
    leave: namedNode,
    // Whether a node is gone is decided here, by pings: what other nodes say of it does not count.
    lost: thisNode,
    status: anyNode,
    replan: thisNode,
    broken: anyNode, // looked into, and not believed at once
    check_up: anyNode, // one at a time, however many ask
  },
  concurrent: ["check_up"], // it waits for all members
  policy: { mailbox: 256 },

  create(ctx, config) {
    const place = ctx.resource<PlaceDeployment>("place");
    const members = new Map<string, Member>();
    const serving = new Adoption(ctx, {
      members,
      reason: `waiting for ${config.nodes} node(s), none has joined`,
      retryMs: config.pingMs,
      deadlineMs: config.silenceMs,
    });
    const doubts = new Doubts(ctx);
    const absent = new Absent();
    /** The deployment that serves and must be replaced, even by the same placement; "": none. */
    let condemned = "";
    const silence = new Silence(config, { now: ctx.now() });
    /** Ends what the nodes are asked to prepare; undefined: nothing is prepared. */
    let preparing: { nodes: string[]; abort: AbortController } | undefined;
    /** The checkup that runs: whoever asks meanwhile gets its report. */
    let checkup: Promise<CheckupReport> | undefined;
    let changes = 0;
    let placing = false;
    let deployments = 0;
    // A new activation of this actor numbers its deployments from 1 again. The random part of their
    // ids tells them from those of an earlier activation, whose stages may still live.
    const incarnation = `d${Math.floor(ctx.random() * 0x100000000).toString(16).padStart(8, "0")}`;
    /** The placement that served last; undefined: none has served. */
    let lastPlacement: DeploymentPlacement | undefined;

    /** A node leaves: it serves until the others have taken over. */
    function leave(node: string): void {
      if (!members.delete(node)) return;
      silence.forget(node);
      void replace();
    }

    /** A node is gone: takes it out of the members, and places anew. */
    function remove(node: string, why: string): void {
      const member = members.get(node);
      if (!member) return;
      members.delete(node);
      absent.add(member, why);
      silence.forget(node);
      // It will not answer, and the other nodes need not go on for a deployment with it.
      if (preparing?.nodes.includes(node)) preparing.abort.abort(nodeLost(node, why));
      for (const other of members.keys()) {
        void ctx.get(memberActor, other).tell.node_lost({ node }, { deadlineMs: config.silenceMs })
          .catch(() => {}); // this member is gone too
      }
      if (serving.current && servingNodes(serving.current).includes(node)) {
        serving.adopt(undefined, why);
      }
      void replace();
    }

    /**
     * A restarted node joins with a new id at its old host and port: then the old node is gone. One
     * that still answers is there, and the new one may not take its place: throws `address_taken`.
     */
    async function displace({ node, host, port }: Member, by: Member): Promise<void> {
      const there = await ctx.get(memberActor, node).ping({}, { deadlineMs: RESTART_MS })
        .then(() => true, () => false);
      if (!there) return remove(node, `node ${node} was restarted`);
      throw new OrreryError({
        group: "cluster",
        code: "address_taken",
        message:
          `node ${by.node} joins at ${host}:${port}, where node ${node} is a member and answers; ` +
          "start it with another --mailbox-port or --host",
        metadata: { node: by.node, host, port, taken_by: node },
      });
    }

    /** Makes new placements until one was made for the members as they are now. */
    async function replace(): Promise<void> {
      changes++;
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
      if (!lastPlacement && members.size < config.nodes) {
        return serving.adopt(
          undefined,
          `waiting for ${config.nodes} nodes, ${members.size} joined`,
        );
      }
      if (members.size === 0) return serving.adopt(undefined, "no node is left");
      try {
        const placement = await place([...members.values()], { signal: ctx.signal, say });
        if (!valid()) return;
        await deploy(placement, valid);
      } catch (caught) {
        if (!valid()) return; // the members changed meanwhile: the next round places for them
        const why = `placement failed: ${toOrreryError(caught).message}`;
        if (serving.current) return void (serving.reason = why);
        serving.adopt(undefined, why);
        // The old deployment has made room in vain. Its placement still fits, so it is deployed
        // again.
        const before = lastPlacement;
        if (!before || !servingNodes(before).every((node) => members.has(node))) return;
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
      const { stages, head, solo, draft, plan, flow, shape = shapeSchema.parse({}) } = placement;
      const loads = ({ stages, head, solo, draft }: DeploymentPlacement) =>
        JSON.stringify([stages, head, solo, draft]);
      const sound = serving.current && serving.current.id !== condemned;
      if (serving.current && sound && loads(serving.current) === loads(placement)) {
        // The stages stay where they are. Members that joined since then compute nothing, but
        // answer prompts and must know the deployment.
        const known = new Set(serving.current.members.map((m) => m.node));
        const same: Deployment = { ...serving.current, members: all, shape, plan, flow };
        await prepare(same, valid, all.map((m) => m.node).filter((n) => !known.has(n)));
        if (!valid()) return;
        lastPlacement = placement;
        return serving.adopt(same, "");
      }
      const { model, source, manifest_sha256 } = config;
      const id = `${incarnation}-${++deployments}`;
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
      try {
        await prepare(made, valid);
      } catch (error) {
        serving.letGo(made);
        throw error;
      }
      if (!valid()) return serving.letGo(made);
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
      nodes = deployment.members.map((m) => m.node),
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
    async function doubt(id: string, report: { by: string; why: string }): Promise<void> {
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

    /** Pings a member. A slow answer counts whenever it comes: the member is not silent. */
    async function ping(node: string): Promise<void> {
      if (!silence.ask(node)) return;
      try {
        await ctx.get(memberActor, node).ping({}, { deadlineMs: config.silenceMs });
        if (members.has(node)) return silence.heard(node, ctx.now());
      } catch {
        // No answer: the member is as silent as before.
      }
      silence.unheard(node);
    }
    /** Removes members that were silent for too long, and pings the others. */
    const watch = () => {
      for (const [node, ms] of silence.check(ctx.now())) {
        remove(node, `node ${node} has not answered for ${Math.round(ms / 1000)} s`);
      }
      for (const node of members.keys()) void ping(node);
      ctx.after(config.pingMs, watch);
    };
    ctx.after(config.pingMs, watch);

    return {
      async join(member) {
        for (const m of [...members.values()]) {
          if (m.host === member.host && m.port === member.port && m.node !== member.node) {
            await displace(m, member);
          }
        }
        members.set(member.node, member);
        absent.back(member);
        silence.heard(member.node, ctx.now());
        serving.rejoined(member.node);
        void replace();
        return { members: [...members.values()] };
      },
      leave: ({ node }) => leave(node),
      lost: ({ node, for_good }) => {
        remove(node, `node ${node} is gone`);
        if (for_good) absent.forget(node);
      },
      replan: () => void replace(),
      broken: ({ deployment, why }, { peer }) => void doubt(deployment, { by: peer ?? FIRST, why }),
      check_up: () =>
        checkup ??= checkUp(ctx, [...members.values()], absent.list())
          .finally(() => checkup = undefined),
      status: (): ClusterStatus => ({
        members: [...members.values()],
        deployment: serving.current,
        reason: serving.reason,
      }),
    };
  },
});

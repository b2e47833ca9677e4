/**
 * Routes by which whoever runs a cluster sees its nodes, drains, removes and promotes them. Unlike the other
 * routes they change something that a web page must never reach: a browser sends simple requests of
 * any page, though the page cannot read the answer. So a page of another origin is refused here.
 *
 * @module
 */
import type { Context, Hono, MiddlewareHandler } from "hono";
import { z } from "zod";
import { apiError } from "./errors.ts";
import { parseQuery } from "./page.ts";

/**
 * What a node does at present:
 *
 * - `serving`: it is a member and has layers
 * - `idle`: it is a member without layers
 * - `draining`: it was told to hand its layers back and to leave
 * - `away`: the cluster knows it, but it is no member now
 * - `removed`: it never counts again
 */
export type NodeState = "serving" | "idle" | "draining" | "away" | "removed";

/**
 * How well the first node reaches a member:
 *
 * - `alive`: it answers
 * - `suspect`: it has been silent for longer than is usual for it
 * - `bad_link`: the first node does not reach it, another member does
 * - `back`: it was suspect or was taken for dead in the last minute, and answers
 */
export type NodeReach = "alive" | "suspect" | "bad_link" | "back";

/** A node as the first node knows it. */
export interface NodeRow {
  /** The first part of its id. */
  name: string;
  /** Id of its last life. */
  node: string;
  /** SHA-256 of its public key, hexadecimal; it is the same in all its lives. */
  identity: string;
  /** What it does at present. */
  state: NodeState;
  /** How well the first node reaches it; null: it is no member now. */
  health: NodeReach | null;
  /** Why its health is not `alive`; null: it is, or it is no member now. */
  why: string | null;
  /** Whether it is the first node. */
  first: boolean;
  /** Where its mailbox listens; null: it is no member now. */
  address: string | null;
  /** First and last layer of each of its stages. */
  layers: [first: number, last: number][];
  /** When the cluster took it in, ISO 8601. */
  since: string;
  /** Seconds until its certificates end; null: it has none that is valid. */
  certificate_s: number | null;
  /** Its links to other members, as the placement knows them now; empty: nothing is planned by them. */
  links: NodeRowLink[];
}

/** A link from one member to another, as its traffic and the last measurement show it. */
export interface NodeRowLink {
  /** Id of the other member. */
  to: string;
  /** Latency of a message, milliseconds. */
  latency_ms: number;
  /** Bandwidth to the other member, megabits a second. */
  mbit_per_s: number;
}

/** What the routes do, on the first node. `name` is a node's name, id or first digits of identity. */
export interface NodesAdmin {
  /** All nodes that the cluster ever took in. Throws `ask_first_node` elsewhere. */
  list(): Promise<NodeRow[]>;
  /**
   * Tells a member to hand its layers back and to end. Throws `ask_first_node`, `node_not_found`,
   * `node_ambiguous`, `node_is_first`, `node_away`.
   */
  drain(name: string): Promise<NodeRow>;
  /**
   * Removes a node for ever. Throws `ask_first_node`, `node_not_found`, `node_ambiguous`,
   * `node_is_first`.
   */
  remove(name: string): Promise<NodeRow>;
  /**
   * Makes this node the first one, as the first node is gone for good: waits for `waitMs`
   * milliseconds at most until the members have missed it for long enough. Throws `not_promoted`.
   */
  promote(waitMs: number): Promise<Promoted>;
}

/** A node that has become the first one. */
export interface Promoted {
  /** Its id. */
  node: string;
  /** Epoch of the cluster, which grows with each first node that was followed by another. */
  epoch: number;
}

/** Longest wait of a promotion, milliseconds. */
const MAX_WAIT_MS = 10 * 60_000;

const WAIT = `expected milliseconds from 0 to ${MAX_WAIT_MS}`;

/** The query of a promotion. */
export const promoteQuery = z.object({
  wait_ms: z.coerce.number(WAIT).min(0, WAIT).max(MAX_WAIT_MS, WAIT).default(0)
    .describe("milliseconds to wait until the members have missed the first node for long enough"),
});

/**
 * Adds `GET /api/nodes`, `POST /api/nodes/{name}/drain` (202: it has begun),
 * `POST /api/nodes/promote` and `DELETE /api/nodes/{name}` to an app.
 */
// deno-lint-ignore no-explicit-any -- whatever the app's environment is
export function nodeRoutes(app: Hono<any>, admin: NodesAdmin, origins: readonly string[]): void {
  const own = ownPagesOnly(origins);
  app.get("/api/nodes", own, async (c) => c.json({ nodes: await admin.list() }));
  app.post("/api/nodes/:name/drain", own, async (c) => {
    return c.json(await admin.drain(c.req.param("name")), 202);
  });
  app.post("/api/nodes/promote", own, async (c) => {
    const { wait_ms } = parseQuery(promoteQuery, c.req.query());
    return c.json(await admin.promote(wait_ms));
  });
  app.delete("/api/nodes/:name", own, async (c) => {
    return c.json(await admin.remove(c.req.param("name")));
  });
}

/** Refuses what a browser sends for a page of an origin that is neither this API's nor allowed. */
export function ownPagesOnly(
  origins: readonly string[],
  what = "see or change the nodes of this cluster",
): MiddlewareHandler {
  return async (c: Context, next) => {
    const origin = c.req.header("origin");
    const host = c.req.header("host");
    const own = host !== undefined && (origin === `http://${host}` || origin === `https://${host}`);
    if (origin !== undefined && !own && !origins.includes(origin)) {
      throw apiError(
        "origin_not_allowed",
        `a web page of ${JSON.stringify(origin.slice(0, 256))} may not ${what}: start the node ` +
          "with --cors ORIGIN if it should",
      );
    }
    await next();
  };
}

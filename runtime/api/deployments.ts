/**
 * Routes by which whoever runs a cluster deploys models: any node takes them, and asks the coordinator.
 *
 * @module
 */
import type { Hono } from "hono";
import { z } from "zod";
import {
  type ActorSystem,
  type AskedDeployment,
  CLUSTER,
  clusterActor,
  deploymentNameSchema,
  type DeploymentPlacement,
  type DeploymentView,
  OrreryError,
} from "../../actors/mod.ts";
import { type BodyLimits, readJson } from "./body.ts";
import { apiError } from "./errors.ts";
import { wrongMethod } from "./failures.ts";
import { ownPagesOnly } from "./nodes.ts";
import { parseQuery } from "./page.ts";
import { parseBody } from "./parse_body.ts";

/** Milliseconds in which the coordinator must answer, and in which it must plan. */
const ANSWER_MS = 30_000;
const PLAN_MS = 300_000;

/** The body of `PUT /api/deployments/{name}`. */
export const applySchema = z.object({
  graph: z.string().min(1).max(1 << 18).describe("Text of the graph file, YAML or JSON"),
  file: z.string().max(1024).default("graph").describe("Name of the file, for errors"),
  modules: z.record(
    z.string().max(128),
    z.object({
      sha256: z.string().regex(/^[0-9a-f]{64}$/).describe("SHA-256 of the bytes, hexadecimal"),
      data: z.base64().max(8 << 20).describe("The bytes, base 64"),
    }),
  ).default({}).describe(
    "Packed modules of its custom actors, by the actors' names, as `deno task apply` makes them",
  ),
});

/** The query of `PUT /api/deployments/{name}`. */
export const applyQuery = z.object({
  dry_run: z.enum(["true", "false"], "expected true or false").default("false").describe(
    "Plan, and change nothing",
  ),
});

/** What the routes do. */
export interface DeploymentsAdmin {
  /** All deployments, the default one first. */
  list(): Promise<DeploymentView[]>;
  /** Throws `deployment_not_found`. */
  get(name: string): Promise<DeploymentView>;
  /** Begins to deploy. Throws what the cluster's `apply` throws. */
  apply(asked: AskedDeployment): Promise<DeploymentView>;
  /** Where it would be placed. Throws as `apply`, and what the planner throws. */
  plan(asked: AskedDeployment): Promise<DeploymentPlacement>;
  /** Throws `deployment_not_found`, `default_deployment`. */
  delete(name: string): Promise<DeploymentView>;
}

/** The deployments of the cluster of this actor system. */
export function deploymentsAdmin(system: Pick<ActorSystem, "at">): DeploymentsAdmin {
  const cluster = () => system.at(clusterActor, CLUSTER);
  const within = { deadlineMs: ANSWER_MS };
  return {
    list: () => cluster().deployments({}, within),
    get: async (name) => (await cluster().deployments({ name }, within))[0],
    apply: (asked) => cluster().apply(asked, within),
    plan: (asked) => cluster().plan(asked, { deadlineMs: PLAN_MS }),
    delete: (name) => cluster().delete({ name }, within),
  };
}

/** Adds `GET /api/deployments` and `GET`, `PUT`, `DELETE` of `/api/deployments/{name}` to an app. */
export function deploymentRoutes(
  // deno-lint-ignore no-explicit-any -- whatever the app's environment is
  app: Hono<any>,
  admin: DeploymentsAdmin,
  { limits, origins }: { limits: BodyLimits; origins: readonly string[] },
): void {
  const own = ownPagesOnly(origins, "see or change the deployments of this cluster");
  app.get("/api/deployments", own, async (c) => c.json({ deployments: await admin.list() }));
  app.get("/api/deployments/:name", own, async (c) => {
    return c.json(await admin.get(named(c.req.param("name"))));
  });
  app.put("/api/deployments/:name", own, async (c) => {
    const name = named(c.req.param("name"));
    const { dry_run } = parseQuery(applyQuery, c.req.query());
    const asked = { name, ...parseBody(applySchema, await readJson(c.req.raw, limits)) };
    try {
      if (dry_run === "false") return c.json(await admin.apply(asked), 202);
      const { stages, plan = null } = await admin.plan(asked);
      return c.json({ name, stages, plan });
    } catch (error) {
      throw ofGraph(error);
    }
  });
  app.delete("/api/deployments/:name", own, async (c) => {
    return c.json(await admin.delete(named(c.req.param("name"))));
  });
  app.all("/api/deployments", wrongMethod("GET, HEAD"));
  app.all("/api/deployments/:name", wrongMethod("GET, HEAD, PUT, DELETE"));
}

/** The name in a path. Throws `invalid_value`. */
function named(name: string): string {
  const parsed = deploymentNameSchema.safeParse(name);
  if (parsed.success) return parsed.data;
  const shown = JSON.stringify(name.slice(0, 64));
  throw apiError(
    "invalid_value",
    `name: ${parsed.error.issues[0].message}, found ${shown}`,
    "name",
  );
}

/** What is wrong with the graph, its model or its plan is the request's own fault. */
function ofGraph(error: unknown): unknown {
  if (!(error instanceof OrreryError)) return error;
  if (!["graph", "model", "planner"].includes(error.group)) return error;
  return apiError("invalid_value", error.message, "graph");
}

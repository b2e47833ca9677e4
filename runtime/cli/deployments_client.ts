/**
 * What the commands for deployments ask of a node, and how they show it.
 *
 * @module
 */
import { z } from "zod";
import { type ApiCall, readApi } from "./api_call.ts";
import { PROGRAM } from "./program_name.ts";
import { table } from "./table.ts";

/** Milliseconds in which the node must answer. */
const ANSWER_MS = 35_000;

const stageSchema = z.object({ node: z.string(), first: z.number(), last: z.number() });

const copySchema = z.object({
  copy: z.number(),
  id: z.string().optional(),
  state: z.string(),
  reason: z.string(),
  stages: z.array(stageSchema),
  loaded_ms: z.number().optional(),
});

/** A deployment, as `GET /api/deployments/{name}` gives it. */
export const deploymentRowSchema = z.object({
  name: z.string(),
  model: z.string(),
  draft: z.string().optional(),
  policy: z.object({
    min: z.number(),
    max: z.number(),
    keep_warm: z.number(),
    idle: z.number(),
    journal: z.boolean(),
  }),
  copies: z.array(copySchema),
  rolled_back: z.string().optional(),
  rolling: z.boolean(),
  graph: z.string().optional(),
  actors: z.array(
    z.object({ actor: z.string(), host: z.string().nullable(), why: z.string() }),
  ).optional(),
});

/** See {@linkcode deploymentRowSchema}. */
export type DeploymentRow = z.infer<typeof deploymentRowSchema>;

/** A node to ask. */
export type DeploymentTarget = Pick<ApiCall, "url" | "key">;

const LATE = `its coordinator may be starting or gone: see \`${PROGRAM} doctor\``;

/** All deployments of the cluster. Throws what {@linkcode readApi} throws. */
export async function readDeployments(target: DeploymentTarget): Promise<DeploymentRow[]> {
  const schema = z.object({ deployments: z.array(deploymentRowSchema) });
  const answer = await readApi({ ...target, path: "/api/deployments" }, {
    ...{ schema, what: "deployments", withinMs: ANSWER_MS, late: LATE },
  });
  return answer.deployments;
}

/** What a node answers about the deployment of a name. Throws what {@linkcode readApi} throws. */
export async function askDeployment(
  target: DeploymentTarget,
  name: string,
  asked: { method?: string; body?: unknown } = {},
): Promise<DeploymentRow> {
  return await readApi({ ...target, path: pathOf(name), ...asked }, {
    ...{ schema: deploymentRowSchema, what: "a deployment", withinMs: ANSWER_MS, late: LATE },
  });
}

/** Where a graph would be placed. */
export const dryRunSchema = z.object({
  name: z.string(),
  stages: z.array(stageSchema),
  plan: z.looseObject({
    predicted: z.object({ ttft_s: z.number(), tokens_per_s: z.number() }),
  }).nullable(),
});

/** Asks where a graph would be placed. Throws what {@linkcode readApi} throws. */
export async function planDeployment(
  target: DeploymentTarget,
  name: string,
  { body, withinMs }: { body: unknown; withinMs: number },
): Promise<z.infer<typeof dryRunSchema>> {
  return await readApi(
    { ...target, path: `${pathOf(name)}?dry_run=true`, method: "PUT", body },
    { schema: dryRunSchema, what: "a plan", withinMs, late: LATE },
  );
}

const pathOf = (name: string) => `/api/deployments/${encodeURIComponent(name)}`;

/** Layers of stages as text: `desk:8421:3f2a 0-5, attic:8421:77c1 6-11`. */
export const stagesText = (stages: DeploymentRow["copies"][number]["stages"]): string =>
  stages.map(({ node, first, last }) => `${node} ${first === last ? first : `${first}-${last}`}`)
    .join(", ") || "-";

/** The deployments as a table, a line for each copy. */
export function deploymentsTable(rows: readonly DeploymentRow[]): string {
  const head = ["NAME", "MODEL", "COPY", "STATE", "LOADED IN", "LAYERS"];
  const lines = rows.flatMap(({ name, model, copies, rolling }) =>
    copies.map(({ copy, state, stages, loaded_ms }) => [
      name,
      model,
      String(copy),
      rolling ? `${state}, rolling out` : state,
      loaded_ms === undefined ? "-" : `${(loaded_ms / 1000).toFixed(2)} s`,
      stagesText(stages),
    ])
  );
  const notes = rows.flatMap(({ name, copies, rolled_back, actors = [] }) => [
    ...actors.map(({ actor, host, why }) =>
      `${name}, actor ${actor}: ${host === null ? "" : `at ${host}, `}${why}`
    ),
    ...(rolled_back === undefined ? [] : [`${name} was rolled back: ${rolled_back}`]),
    ...copies.filter(({ reason }) => reason !== "").map(({ copy, reason }) =>
      `${name}, copy ${copy}: ${reason}`
    ),
  ]);
  return [table([head, ...lines]), ...notes].join("\n");
}

/**
 * How the requests of a deployment go through it from a node: the arbiter's pipeline, and what a
 * generation is told of it.
 *
 * @module
 */
import {
  arbiterAddress,
  type Deployment,
  drafterAddress,
  headAddresses,
  keyAt,
  MOST_CONTEXTS,
  parseAddress,
  type PipelineRoute,
  servingNodes,
  shapeSchema,
  shardStages,
  SOLO,
  stageAddress,
  stageAddresses,
  type Start,
} from "../../actors/mod.ts";
import type { Served } from "./running_requests.ts";

/** How requests run where nothing is planned. */
const USUAL = shapeSchema.parse({});

/** Key of the arbiter at `node` whose only stage has the whole model. */
export const soloKey = (node: string): string => keyAt(node, SOLO);

/**
 * The pipeline of the arbiter at address `to`, at `node`. `most`: generations that run at the same
 * time at most; `idleMs`: for how long it stays without a request.
 */
export function pipelineRoute(
  to: string,
  { model, deployment }: Served,
  { node, most, idleMs }: {
    node: string;
    most: number;
    idleMs: (key: string) => number | undefined;
  },
): PipelineRoute {
  const { deployment: id, key } = parseAddress(to);
  // The plan's KV rows are what is reserved. Requests may ask for more; the stages then refuse
  // what their memory does not hold.
  const rows = model.card.context * Math.max(MOST_CONTEXTS, most);
  // Pieces and shared frames of the plan are the pipeline's. Where nothing overlaps, fine pieces
  // gain nothing, and lanes go together.
  const solo = deployment.solo && key === soloKey(node);
  return {
    stages: solo ? [stageAddress(id, SOLO)] : stageAddresses(deployment),
    // A stage with the whole model has the head.
    heads: solo ? [] : headAddresses(deployment),
    shardStages: solo ? [] : shardStages(deployment),
    shape: solo
      ? { ...deployment.shape, pieces: [], rows_per_frame: USUAL.rows_per_frame }
      : deployment.shape,
    capacity_rows: Math.max(deployment.shape.kv_rows ?? 0, rows),
    ...(model.window !== undefined && { windowed: { window: model.window } }),
    idle_ms: solo ? undefined : idleMs(key),
  };
}

/**
 * The fields of a start message that the deployment decides, for a request at `node` that runs at the
 * arbiter with this key.
 */
export function requestPath(
  { id, stages, head, solo, draft, shape }: Deployment,
  { node, key }: { node: string; key: string },
): Pick<Start, "arbiter" | "solo" | "stages" | "nodes" | "shape" | "drafter"> {
  const nodes = [...servingNodes({ stages, head }), ...(draft ? [draft.node] : [])];
  return {
    arbiter: arbiterAddress(id, key),
    ...(solo && {
      solo: {
        arbiter: arbiterAddress(id, soloKey(node)),
        stage: stageAddress(id, SOLO),
        nodes: draft && draft.node !== solo.node ? 2 : 1,
        shared: stages.some((s) => s.node === solo.node),
      },
    }),
    stages: stages.length,
    nodes: new Set(nodes).size,
    // The arbiter cuts prompts, not the generation; with a context of 2^20 rows the pieces are
    // thousands of numbers, which each request would carry.
    shape: { ...shape, pieces: [] },
    ...(draft && { drafter: drafterAddress(id) }),
  };
}

/**
 * From measurements to the planner and back: profiles and members in, a placement out. Pure.
 *
 * @module
 */
import {
  type Graph,
  type Member,
  type Placement,
  type RequestPolicy,
  type Shape,
  shapeSchema,
} from "../../actors/mod.ts";
import { cacheDim, type Manifest, type Precision } from "../../models/mod.ts";
import {
  type Links,
  type ModelShape,
  type Plan,
  plan,
  type PlanInput,
  planInputOf,
  tableSeconds,
} from "../../planner/mod.ts";
import { deviceOf, type NodeProfile, type Profile } from "../profile/mod.ts";

/**
 * Private bytes that a session makes of a stored byte: f16 is widened (see
 * `models/graph/stage.ts`).
 */
const MEMORY_FACTOR: Record<Precision, number> = { q4: 1, q8: 1, f16: 1.7, f32: 1 };
/**
 * A stage may not take more than this share of what its node may use: while it loads, its weights
 * are there twice.
 */
export const LOADED_SHARE = 0.5;
/** Rows in the middle of the default workload: what a draft token's time is taken at. */
const DRAFT_PAST = 512;

/** The model as the planner sees it: sizes in memory, per layer. */
export function modelShape(manifest: Manifest): ModelShape {
  const { geometry, embedding, layers, head, precision, name } = manifest;
  const bytes = (group: { bytes: number }) => Math.ceil(group.bytes * MEMORY_FACTOR[precision]);
  const macs = Object.values(layers[0].tensors)
    .filter(({ shape }) => shape.length === 2)
    .reduce((sum, { shape }) => sum + shape[0] * shape[1], 0);
  return {
    name,
    layers: geometry.layers,
    hidden: geometry.hidden,
    vocab: geometry.vocab,
    context: geometry.context,
    layerBytes: layers.map(bytes),
    embedBytes: embedding.bytes, // stays mapped as it is
    headBytes: bytes(head),
    tied: false, // the store has them as two blobs, in different layouts
    kvBytesPerRow: 2 * geometry.kv_heads * cacheDim(geometry.head_dim) * 4,
    macsPerRow: macs,
    macsPerPastRow: 2 * geometry.heads * geometry.head_dim,
  };
}

/** Does this name mean this node? Names are node ids, or a node id's part before its port. */
export const meansNode = (host: string, node: string): boolean =>
  node === host || node.startsWith(`${host}:`);

/** A node of a plan to be made. */
export interface PlannedNode extends NodeProfile {
  node: string;
  /** Profile of the draft model. */
  draft?: Profile;
}

/**
 * Everything that the planner is told. Throws group `graph`, code `unknown_host` where the graph
 * names a host that is no member.
 */
export function planInput(options: {
  manifest: Manifest;
  nodes: PlannedNode[];
  links: Links;
  coordinator: string;
  /**
   * Workload, objective, constraints, decode policy; its hosts are node ids, or names before the
   * port in them.
   */
  graph: Graph;
  /** The draft model, profiled on every node that may run it. */
  draft?: Manifest;
  /** Chance that a drafted token is accepted, where the graph does not say. */
  acceptance?: number;
}): PlanInput {
  const { manifest, nodes, links, coordinator, draft, acceptance } = options;
  const graph = withNodes(options.graph, nodes.map(({ node }) => node));
  const model = modelShape(manifest);
  const untrusted = graph.devices === "measured" ? [] : graph.devices.filter((d) => !d.trusted);
  const devices = nodes.map(({ node, profile, memory_bytes }) =>
    deviceOf(profile, {
      name: node,
      memoryBytes: memory_bytes * LOADED_SHARE,
      trusted: !untrusted.some(({ name }) => meansNode(name, node)),
    })
  );
  const workload = fitting({ ...options.graph.workload }, model.context);
  const input = planInputOf({ ...graph, workload }, {
    model,
    devices,
    links,
    // A first node that is to do nothing still hands requests on; whoever is planned for is
    // another.
    coordinator: graph.constraints.exclude.includes(coordinator) ? undefined : coordinator,
    draft: draft && {
      name: draft.name,
      bytes: draftBytes(draft, workload),
      secondsPerToken: nodes.map((node) =>
        node.draft ? secondsPerToken(draft, node.draft) : Infinity
      ),
    },
  });
  return withDefaults(input, { precision: manifest.precision, acceptance });
}

/**
 * What holds where the graph does not say, for a plan that is served and for one that is only
 * looked at: drafts of a draft model are accepted as its choice says, and hidden states travel as
 * exactly as the weights are.
 */
export function withDefaults(
  input: PlanInput,
  { precision, acceptance }: { precision: Precision; acceptance?: number },
): PlanInput {
  return {
    ...input,
    workload: {
      ...input.workload,
      acceptance: input.workload.acceptance ?? (input.draft && acceptance),
    },
    wire: input.wire ?? (precision === "f32" ? "f32" : undefined),
  };
}

/**
 * Plans, and says of the exact wire that nobody asked for why it is taken. Throws what the planner
 * throws.
 */
export function planAs(input: PlanInput, { decode }: Graph): Plan {
  const made = plan(input);
  if (input.wire === "f32" && decode.wire === "auto") {
    made.wire.why = "the weights are f32, and so a split changes no bit";
  }
  return made;
}

/**
 * The graph with node ids for the names of hosts; a name that means no node stays, for the planner
 * to refuse.
 */
function withNodes(graph: Graph, nodes: string[]): Graph {
  const all = (host: string) => {
    const found = nodes.filter((node) => meansNode(host, node));
    return found.length > 0 ? found : [host];
  };
  const { actors: { stages, drafter }, constraints } = graph;
  const first = <T extends { host: string }>(entry: T): T => ({
    ...entry,
    host: all(entry.host)[0],
  });
  return {
    ...graph,
    actors: {
      ...graph.actors,
      stages: stages === "auto" ? stages : stages.map(first),
      drafter: typeof drafter === "string" || drafter.host === undefined
        ? drafter
        : { ...drafter, host: all(drafter.host)[0] },
    },
    constraints: {
      ...constraints,
      pin: constraints.pin.map(first),
      exclude: constraints.exclude.flatMap(all),
      memory: constraints.memory.flatMap((cap) => all(cap.host).map((host) => ({ ...cap, host }))),
    },
  };
}

/**
 * A plan as a placement; a draft model that is there goes to the plan's host, or to the
 * coordinator's.
 */
export function placementOf(
  plan: Plan,
  { draft, lanes, maxBranches }: {
    draft?: { model: string; source: string };
    /** Branches of a request times requests at once, as the plan was made for. */
    lanes: number;
    /** As the user says. */
    maxBranches?: number;
  },
): Placement {
  const { branches } = plan;
  const usual = shapeSchema.parse({});
  return {
    stages: plan.stages.map(({ host, first_layer, last_layer }) => ({
      node: host,
      first: first_layer,
      last: last_layer,
    })),
    draft: draft && { node: plan.draft.host ?? plan.coordinator, ...draft },
    shape: {
      pieces: plan.piece_buckets,
      draft_length: plan.draft.length,
      // A plan for one lane says nothing about requests with more.
      max_branches: maxBranches ?? (lanes > 1 ? branches.in_flight : usual.max_branches),
      rows_per_frame: lanes > 1 ? branches.rows_per_frame : usual.rows_per_frame,
      wire: plan.wire.format,
      kv_rows: plan.kv_rows,
    },
    plan: plan as unknown as Record<string, unknown>,
  };
}

/**
 * How requests run where nothing was planned: as the graph says, else as exact as the weights are.
 */
export function unplannedShape(precision: Precision, graph: Graph): Shape {
  const { wire } = graph.decode;
  return shapeSchema.parse({
    wire: wire !== "auto" ? wire : precision === "f32" ? "f32" : "f16",
    max_branches: mostBranches(graph),
  });
}

/** Branches at once as the graph limits them; undefined: it does not. */
export function mostBranches({ actors, decode }: Graph): number | undefined {
  const limits = [decode.max_branches, actors.outline?.max_branches].filter((n) => n !== undefined);
  return limits.length > 0 ? Math.min(...limits) : undefined;
}

/** What the graph says of requests that do not say; undefined: nothing. */
export function policyOf({ actors: { outline }, decode }: Graph): RequestPolicy | undefined {
  const { mode, draft_length } = decode;
  const policy: RequestPolicy = {
    ...(mode !== "auto" && { mode }),
    ...(draft_length !== undefined && { draft_length }),
    ...(outline?.templates && { templates: outline.templates }),
    ...(outline && outline.router !== true && { router: outline.router }),
  };
  return Object.keys(policy).length > 0 ? policy : undefined;
}

/**
 * Links between all members from what was measured, pair by pair; a pair that was not is as slow as
 * the slowest that was.
 */
export function linkMatrix(
  members: Pick<Member, "node">[],
  measured: (from: string, to: string) => { seconds: number; bytesPerS: number } | undefined,
): Links {
  const pairs = members.map((from) => members.map((to) => measured(from.node, to.node)));
  const known = pairs.flat().filter((link) => link !== undefined);
  const worst = {
    seconds: Math.max(0.001, ...known.map((link) => link.seconds)),
    bytesPerS: Math.min(12.5e6, ...known.map((link) => link.bytesPerS)),
  };
  const matrix = (of: "seconds" | "bytesPerS", same: number) =>
    pairs.map((row, i) => row.map((link, j) => i === j ? same : (link ?? worst)[of]));
  return { seconds: matrix("seconds", 0), bytesPerS: matrix("bytesPerS", Infinity) };
}

/** A workload no longer than the model's context (in rows). */
export function fitting(workload: Graph["workload"], context: number): Graph["workload"] {
  const output_tokens = Math.min(workload.output_tokens, Math.floor(context / 2));
  const prompt_tokens = Math.min(workload.prompt_tokens, context - output_tokens);
  return { ...workload, output_tokens, prompt_tokens };
}

function draftBytes(
  draft: Manifest,
  { prompt_tokens, output_tokens, concurrent }: Graph["workload"],
): number {
  const { layerBytes, embedBytes, headBytes, kvBytesPerRow, layers } = modelShape(draft);
  const weights = layerBytes.reduce((a, b) => a + b, 0) + embedBytes + headBytes;
  return weights + concurrent * (prompt_tokens + output_tokens) * layers * kvBytesPerRow;
}

/** Seconds of a token of a draft model, on its own profile. */
export function secondsPerToken(draft: Manifest, { layer, embed, head, frame_s }: Profile): number {
  const past = Math.min(DRAFT_PAST, draft.geometry.context - 1);
  return frame_s + tableSeconds(embed, 1, 0) + tableSeconds(head, 1, 0) +
    draft.geometry.layers * tableSeconds(layer, 1, past);
}

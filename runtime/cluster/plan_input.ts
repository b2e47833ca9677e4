/**
 * Turns profiles and members into the planner's input, and its plan into a placement. Pure
 * functions.
 *
 * @module
 */
import {
  type DeploymentPlacement,
  type Graph,
  type Member,
  type RequestPolicy,
  type Shape,
  shapeSchema,
  STATES_KEPT,
} from "../../actors/mod.ts";
import {
  type Geometry,
  hasAttention,
  headBytes,
  type Manifest,
  oneStateBytes,
  type Precision,
  rowBytes,
  rowCaches,
  stateCaches,
  windowOf,
} from "../../models/mod.ts";
import {
  allRows,
  type DraftModel,
  kvBytes,
  kvNeedOf,
  type Links,
  type ModelShape,
  type Plan,
  type PlanInput,
  planInputOf,
  tableSeconds,
} from "../../planner/mod.ts";
import { deviceOf, type NodeProfile, type Profile } from "../profile/mod.ts";

/**
 * Bytes of memory that the engine takes for each stored byte of weights: f16 is widened (see
 * `models/graph/stage.ts`).
 */
const MEMORY_FACTOR: Record<Precision, number> = { q4: 1, q4m: 1, q8: 1, f16: 1.7, f32: 1 };
/**
 * Largest share of its node's memory that a stage may take, 0 to 1: while the stage loads, its
 * weights are in memory twice.
 */
export const LOADED_SHARE = 0.5;
/**
 * Past rows at which a draft token's time is taken: about the middle of the default workload.
 */
const DRAFT_PAST = 512;
/** The fastest that an unmeasured link is taken for: a latency of 1 ms, and 100 Mbit/s. */
const USUAL_LINK = { seconds: 0.001, bytesPerS: 12.5e6 };

/** The model as the planner takes it: bytes in memory, and multiplications a row. */
export function modelShape(manifest: Manifest): ModelShape {
  const { geometry, embedding, layers, precision, name } = manifest;
  const bytes = (group: { bytes: number }) => Math.ceil(group.bytes * MEMORY_FACTOR[precision]);
  const matrices = layers.flatMap(({ tensors }) =>
    Object.entries(tensors).filter(([, { shape }]) => shape.length === 2)
  );
  const ofExperts = (key: string) => key.startsWith("mlp.experts.");
  const { experts } = geometry;
  const macs = matrices.reduce((sum, [key, { shape }]) => {
    const share = experts && ofExperts(key) ? experts.active / experts.count : 1;
    return sum + shape[0] * shape[1] * share;
  }, 0) / geometry.layers;
  const kvLayerBytes = layers.map((_, layer) => rowBytes(rowCaches(geometry, layer)));
  const window = windowOf(geometry);
  const alike = kvLayerBytes.every((bytes) => bytes === kvLayerBytes[0]);
  const attending = layers.filter((_, layer) => hasAttention(geometry, layer)).length;
  return {
    name,
    layers: geometry.layers,
    hidden: geometry.hidden,
    vocab: geometry.vocab,
    context: geometry.context,
    layerBytes: layers.map(bytes),
    embedBytes: embedding.bytes, // stays mapped as it is
    headBytes: bytes({ bytes: headBytes(manifest) }),
    tied: false, // the store has them as two blobs, in different layouts
    kvBytesPerRow: meanKvBytes(geometry),
    ...(!alike && { kvLayerBytes }),
    ...(window !== undefined && { windowed: { window, layers: geometry.local!.layers } }),
    ...(geometry.recurrence && {
      states: {
        layerBytes: layers.map((_, layer) => oneStateBytes(stateCaches(geometry, layer))),
        ...STATES_KEPT,
      },
    }),
    macsPerRow: macs + stateMacs(geometry),
    macsPerPastRow: geometry.heads * attendedOf(geometry) * attending / geometry.layers,
    ...(experts && {
      experts: {
        count: experts.count,
        active: experts.active,
        bytes: bytes({
          bytes: matrices.filter(([key]) => ofExperts(key)).reduce(
            (sum, [, { data, scales, zeros }]) =>
              sum + data.bytes + (scales?.bytes ?? 0) + (zeros?.bytes ?? 0),
            0,
          ) / geometry.layers,
        }),
      },
    }),
  };
}

/** Elements of a key and a value with which each head of a row attends to another row. */
const attendedOf = ({ attention, head_dim, rope }: Geometry): number =>
  2 * (attention?.latent ? attention.latent.rank + rope.dims! : head_dim);

/** Multiplications of a row with recurrent states, in the mean of the layers: decay, write, read. */
function stateMacs({ recurrence, layers }: Geometry): number {
  if (!recurrence) return 0;
  const { rule, heads, state, head_dim } = recurrence;
  return (rule === "delta" ? 4 : 3) * heads * state * head_dim * recurrence.layers.length / layers;
}

/** Tells whether `host` of a graph file means this node: its id, or a part before a colon in it. */
export const meansNode = (host: string, node: string): boolean =>
  node === host || node.startsWith(`${host}:`);

/** Bytes that the engine allocates for one row in one layer; of layers that differ, the mean. */
export function meanKvBytes(geometry: Geometry): number {
  const { layers } = geometry;
  const all = Array.from({ length: layers }, (_, layer) => rowBytes(rowCaches(geometry, layer)));
  return all.reduce((a, b) => a + b, 0) / layers;
}

/** Bytes of the KV cache of one request as long as the context, in all layers. */
export function contextKvBytes(manifest: Manifest): number {
  const model = modelShape(manifest);
  const { context: kvRows, layers } = model;
  const request = { promptTokens: kvRows, outputTokens: 0, branches: 1, concurrent: 1, kvRows };
  return kvBytes(model, { first: 0, last: layers - 1 }, kvNeedOf(request, model));
}

/** A node that the planner may place stages on. */
export interface PlannedNode extends NodeProfile {
  /** The node's id. */
  node: string;
  /** Profile of the draft model there; undefined: not measured, so no drafter runs there. */
  draft?: Profile;
}

/**
 * The planner's input for measured nodes. Throws group `graph`, code `unknown_host` where the graph
 * names a host that is no member.
 */
export function planInput(options: {
  /** The model to place. */
  manifest: Manifest;
  /** The members, measured. */
  nodes: PlannedNode[];
  /** Links between the nodes, in the order of `nodes`. */
  links: Links;
  /** Id of the node where requests enter. */
  coordinator: string;
  /**
   * Workload, objective, constraints and decode policy; its hosts are node ids, or the part of an
   * id before the port.
   */
  graph: Graph;
  /** The draft model; undefined: there is none. */
  draft?: Manifest;
  /** Acceptance rate of drafts, 0 to 1, where the graph has none. */
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
    // A first node that the graph excludes still passes requests on, but the plan is made for
    // requests that enter elsewhere.
    coordinator: graph.constraints.exclude.includes(coordinator) ? undefined : coordinator,
    draft: draft && draftModel(draft, { workload, profiles: nodes.map((node) => node.draft) }),
  });
  const made = withDefaults(input, { precision: manifest.precision, acceptance });
  // A head that is stored whole cannot be shared, whatever the graph says.
  return manifest.head_parts ? made : { ...made, decode: { ...made.decode, headShares: 1 } };
}

/**
 * Fills in what the graph left out, the same for plans that are served and plans that are only
 * printed: the acceptance rate of the chosen draft model, and hidden states sent in f32 where the
 * weights are f32.
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
 * The graph with node ids in place of host names. A name that means no node stays as it is: the
 * planner then refuses it.
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
    // a device that has not joined sends nothing over an uplink
    uplinks: graph.uplinks.map((uplink) => ({
      ...uplink,
      devices: uplink.devices.flatMap((host) => nodes.filter((node) => meansNode(host, node))),
    })),
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
 * The placement of a plan. The drafter runs where the plan says, or else where requests enter.
 */
export function placementOf(
  plan: Plan,
  { draft, maxBranches }: {
    /**
     * The draft model, the node that has it, and the tokens of its head where the graph says how
     * many; undefined: there is none.
     */
    draft?: Omit<NonNullable<DeploymentPlacement["draft"]>, "node">;
    /** The user's limit of outline branches; undefined: 32, or the plan's if more. */
    maxBranches?: number;
  },
): DeploymentPlacement {
  const { branches, solo } = plan;
  const usual = shapeSchema.parse({});
  return {
    stages: plan.stages.map(({ host, first_layer, last_layer }) => ({
      node: host,
      first: first_layer,
      last: last_layer,
    })),
    ...(plan.head && {
      head: plan.head.map(({ device, first_part, last_part }) => ({
        node: device,
        first_part,
        last_part,
      })),
    }),
    ...(solo && solo.host !== null && {
      solo: { node: solo.host, warm: solo.load === "at once" },
    }),
    draft: draft && {
      node: plan.draft.host ?? plan.coordinator,
      ...draft,
      ...(plan.draft.vocabulary !== undefined && { vocabulary: plan.draft.vocabulary }),
    },
    shape: {
      pieces: plan.piece_buckets.map((bucket) => ({ ...bucket, rows: [...bucket.rows] })),
      draft_length: plan.draft.length,
      // A request may have more branches, and a node more requests, than the plan was made for. The
      // arbiter shares frames among them by measured times, so the plan's numbers are no limits.
      max_branches: maxBranches ?? Math.max(branches.in_flight, usual.max_branches),
      rows_per_frame: usual.rows_per_frame,
      wire: plan.wire.format,
      kv_rows: plan.kv_rows,
      ...(plan.window_rows !== undefined && { window_rows: plan.window_rows }),
      ...(solo?.figures && { routes: structuredClone(solo.figures) as Shape["routes"] }),
    },
    plan: { ...plan },
  };
}

/**
 * How requests run where nothing was planned: as the graph says, else with defaults, and hidden
 * states in f32 where the weights are f32.
 */
export function unplannedShape(precision: Precision, graph: Graph): Shape {
  const { wire } = graph.decode;
  return shapeSchema.parse({
    wire: wire !== "auto" ? wire : precision === "f32" ? "f32" : "f16",
    max_branches: mostBranches(graph),
  });
}

/** The graph's limit of outline branches that run at once; undefined: it has none. */
export function mostBranches({ actors, decode }: Graph): number | undefined {
  const limits = [decode.max_branches, actors.outline?.max_branches].filter((n) => n !== undefined);
  return limits.length > 0 ? Math.min(...limits) : undefined;
}

/** The tokens of the draft model's head, for a deployment, where the graph says how many. */
export function askedVocabulary({ actors: { drafter } }: Graph): { vocabulary?: number } {
  const asked = typeof drafter === "object" ? drafter.vocabulary : undefined;
  return typeof asked === "number" ? { vocabulary: asked } : {};
}

/** The graph's defaults for requests that leave a field out; undefined: it has none. */
export function policyOf({ actors: { outline }, decode }: Graph): RequestPolicy | undefined {
  const { mode, route, draft_length } = decode;
  const policy: RequestPolicy = {
    ...(mode !== "auto" && { mode }),
    ...(route !== "auto" && { route }),
    ...(draft_length !== undefined && { draft_length }),
    ...(outline?.templates && { templates: outline.templates }),
    ...(outline && outline.router !== true && { router: outline.router }),
  };
  return Object.keys(policy).length > 0 ? policy : undefined;
}

/**
 * The graph's limits of requests at a node, and whether they are journalled where it says no, for a
 * deployment's shape; empty: it says nothing.
 */
export function limitsOf(
  { admission, deployment: { journal } }: Pick<Graph, "admission" | "deployment">,
): Pick<Shape, "admission" | "journal"> {
  const limited = Object.values(admission).some((limit) => limit !== undefined);
  return { ...(limited && { admission }), ...(!journal && { journal }) };
}

/**
 * Links between all members. A pair that was not measured is taken to be as slow as the slowest
 * measured one, and no faster than {@linkcode USUAL_LINK}.
 */
export function linkMatrix(
  members: Pick<Member, "node">[],
  measured: (from: string, to: string) => { seconds: number; bytesPerS: number } | undefined,
): Links {
  const pairs = members.map((from) => members.map((to) => measured(from.node, to.node)));
  const known = pairs.flat().filter((link) => link !== undefined);
  const worst = {
    seconds: Math.max(USUAL_LINK.seconds, ...known.map((link) => link.seconds)),
    bytesPerS: Math.min(USUAL_LINK.bytesPerS, ...known.map((link) => link.bytesPerS)),
  };
  const matrix = (of: "seconds" | "bytesPerS", same: number) =>
    pairs.map((row, i) => row.map((link, j) => i === j ? same : (link ?? worst)[of]));
  return { seconds: matrix("seconds", 0), bytesPerS: matrix("bytesPerS", Infinity) };
}

/** The workload, shortened where its rows exceed the model's `context` (rows). */
export function fitting(workload: Graph["workload"], context: number): Graph["workload"] {
  const output_tokens = Math.min(workload.output_tokens, Math.floor(context / 2));
  const prompt_tokens = Math.min(workload.prompt_tokens, context - output_tokens);
  return { ...workload, output_tokens, prompt_tokens };
}

/**
 * A draft model for the planner, from its profile on each device; undefined: it was not measured
 * there.
 */
function draftModel(
  draft: Manifest,
  { workload, profiles }: { workload: Graph["workload"]; profiles: (Profile | undefined)[] },
): DraftModel {
  const model = modelShape(draft);
  const { layerBytes, embedBytes, headBytes, layers, vocab } = model;
  const weights = layerBytes.reduce((a, b) => a + b, 0) + embedBytes + headBytes;
  const rows = workload.concurrent * (workload.prompt_tokens + workload.output_tokens);
  const times = profiles.map((profile) => profile && draftSeconds(draft, profile));
  return {
    name: draft.name,
    bytes: weights + kvBytes(model, { first: 0, last: layers - 1 }, allRows(rows)),
    secondsPerToken: times.map((time) => time?.token ?? Infinity),
    head: { vocab, bytes: headBytes, seconds: times.map((time) => time?.head ?? Infinity) },
  };
}

/**
 * Seconds that a draft model takes for one token, by its profile, and how many of them its LM head
 * takes.
 */
export function draftSeconds(
  draft: Manifest,
  { layer, embed, head, frame_s }: Profile,
): { token: number; head: number } {
  const past = Math.min(DRAFT_PAST, draft.geometry.context - 1);
  const ends = { embed: tableSeconds(embed, 1, 0), head: tableSeconds(head, 1, 0) };
  const layers = draft.geometry.layers * tableSeconds(layer, 1, past);
  return { token: frame_s + ends.embed + ends.head + layers, head: ends.head };
}

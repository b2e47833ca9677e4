/**
 * The REST API of a node, put together from its parts.
 *
 * @module
 */
import { join } from "node:path";
import type { ModelStore } from "../models/mod.ts";
import type { ApiAddress, NodeAccess } from "./access/mod.ts";
import {
  type ApiServer,
  createApi,
  deploymentsAdmin,
  lineAnswerer,
  ResponseFiles,
  ResponseStore,
  serveApi,
} from "./api/mod.ts";
import { clusterLogs, noLogs } from "./cluster_logs.ts";
import { Batches } from "./batches/mod.ts";
import { askExposedActor, FlowGenerator } from "./custom/mod.ts";
import { clusterReporter } from "./cluster_report.ts";
import { clusterDoctor, type NodeExaminer } from "./doctor/mod.ts";
import { LagMeter } from "./lag_meter.ts";
import { nodeLoad } from "./node_load.ts";
import type { NodeJournal } from "./node_journal.ts";
import type { NodeNetwork } from "./node_network.ts";
import type { NodeOptions } from "./node_options.ts";
import type { NodeOrigin } from "./node_origin.ts";
import type { NodePart } from "./node_part.ts";
import { nodeSample } from "./node_sample.ts";
import type { NodeWork } from "./node_work.ts";
import { askFirstNode, nodesAdmin } from "./nodes_admin.ts";
import { PageFiles } from "./page/mod.ts";
import type { Promotion } from "./promotion.ts";
import { Adder, ModelPuller, ModelUploads } from "./pull/mod.ts";
import { storedModels } from "./stored_models.ts";
import { VERSION } from "./version.ts";

/** What the API asks. */
export interface NodeApiParts {
  /** The node's options. */
  options: Pick<
    NodeOptions,
    "asCalled" | "data" | "hub" | "logs" | "memoryBytes" | "uploadBytes"
  >;
  /** Where it listens. */
  address: ApiAddress;
  port: number;
  /** Who may ask. */
  access: Omit<NodeAccess, "address">;
  store: ModelStore;
  origin: NodeOrigin;
  network: NodeNetwork;
  work: NodeWork;
  part: NodePart;
  examiner: NodeExaminer;
  /** How this node may become the first one; undefined: the nodes elect who coordinates. */
  promotion: Promotion | undefined;
  /** Keeps its requests. */
  journal: NodeJournal;
}

/** Serves it until `undo` is disposed of; gives its base URL. Throws group `api` (`port_in_use`). */
export async function openApi(parts: NodeApiParts, undo: AsyncDisposableStack): Promise<string> {
  const { options, address, port, access, origin, work, part, examiner, promotion } = parts;
  const { system, telemetry } = parts.network;
  const { metrics } = telemetry;
  const { asCalled, memoryBytes, uploadBytes: mostBytes } = options;
  const { trust } = origin;
  const { membership } = part;
  const promote = () => {
    const elects = part.server?.alone === false; // it may have become a server of a registry
    return elects || !promotion ? undefined : (waitMs: number) => promotion.promote(waitMs);
  };
  const { gateway } = work;
  const flow = (model: string, signal: AbortSignal) => gateway.flowOf(model, signal);
  const generator = new FlowGenerator({ inner: gateway, system, flow });
  const files = undo.use(await ResponseFiles.open(join(options.data, "responses")));
  const responses = new ResponseStore({ files });
  const batches = new Batches({
    folder: join(options.data, "batches"),
    answer: lineAnswerer(generator, { responses }),
  });
  undo.use(batches);
  await batches.resume();
  const adder = new Adder(parts.store.dir);
  const uploads = new ModelUploads({ store: parts.store, adder, mostBytes, asCalled });
  await uploads.sweep();
  const lag = new LagMeter();
  undo.defer(() => lag.close());
  let bodies: ApiServer["bodies"] = { held: 0, limit: 0 };
  const app = createApi(generator, {
    access,
    journal: parts.journal.answers(generator),
    version: VERSION,
    page: new PageFiles(),
    batches,
    responses,
    pull: new ModelPuller({ ...options.hub, store: parts.store, adder, asCalled }),
    uploads,
    storedModels: storedModels({
      adding: () => adder.running,
      store: parts.store,
      served: () => [...part.seat?.models ?? [], ...work.host.models],
    }),
    removeModel: (model) => parts.store.remove(model),
    serving: () => work.serving,
    metrics: async () => ({
      type: metrics.contentType,
      text: await metrics.text(await nodeSample({ ...parts, lag, bodies, memoryBytes })),
    }),
    tracer: telemetry,
    onAnswered: (request) => metrics.requested(request),
    load: () => nodeLoad({ ...work, lag, bodies, memoryBytes }),
    // The coordinator knows the actors of its graph before they serve requests.
    askActor: askExposedActor({
      system,
      flows: () => [...part.seat ? [part.seat.flow] : [], ...gateway.flows],
    }),
    whatIf: (changes, signal) => {
      if (part.seat) return part.seat.whatIf(changes, signal);
      throw askFirstNode("plans", membership.coordinator);
    },
    cluster: clusterReporter({ system, membership }),
    nodes: nodesAdmin({
      ...{ system, trust, membership, promote },
      links: () => part.seat?.links ?? [],
    }),
    deployments: deploymentsAdmin(system),
    logs: clusterLogs({ system, membership, own: options.logs ?? noLogs }),
    doctor: clusterDoctor({
      ...{ system, examiner },
      known: () => work.serving.deployment?.members ?? [],
    }),
  });
  const drained = new AbortController();
  const api = await serveApi({ app, host: address.host, port, signal: drained.signal });
  bodies = api.bodies;
  undo.defer(() => {
    drained.abort();
    return api.finished;
  });
  return api.url;
}

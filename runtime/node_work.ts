/**
 * What a node does for prompts: it takes requests, has the stages that a deployment gives it,
 * fetches their weights, and measures itself.
 *
 * @module
 */
import { systemClock } from "../actors/mod.ts";
import type { ModelStore } from "../models/mod.ts";
import type { Serving } from "./api/mod.ts";
import { DeploymentHost, EngineLoader, fetchReports, modelsFrom } from "./cluster/mod.ts";
import type { NodeNetwork } from "./node_network.ts";
import type { NodeOptions } from "./node_options.ts";
import { NodeProfiler } from "./profile/mod.ts";
import { Admission, Gateway } from "./serve/mod.ts";
import { Activity, NodeWeights } from "./weights/mod.ts";

/** See the module's text. */
export interface NodeWork {
  gateway: Gateway;
  /** Limits the requests that run and that wait. */
  admission: Admission;
  profiler: NodeProfiler;
  /** Whether requests run here. */
  activity: Activity;
  loader: EngineLoader;
  host: DeploymentHost;
  weights: NodeWeights;
  /** What is served now, or why nothing is. */
  readonly serving: Serving;
}

/** Makes these parts; `undo` closes them. Nothing is served yet. */
export function openWork(
  { options, store, network }: { options: NodeOptions; store: ModelStore; network: NodeNetwork },
  undo: AsyncDisposableStack,
): NodeWork {
  const { system, mailbox, directory, later, telemetry } = network;
  const { metrics } = telemetry;
  const { data, threads, spinning, memoryBytes } = options;
  const admission = new Admission(options.admission);
  const activity = new Activity(systemClock);
  const gateway = later.gateway = new Gateway({
    ...{ system, admission, counts: metrics, tracer: telemetry },
    silentMs: (node) => mailbox.silentMs(node),
    onBroken: (deployment, why) => later.membership?.broken(deployment, why),
    onWake: (name) => later.membership?.wake(name),
    onProgress: () => activity.progressed(),
  });
  const profiler = new NodeProfiler({
    ...{ system, store, mailbox, data, threads, spinning, memoryBytes },
  });
  undo.defer(() => profiler.close());
  const weights = new NodeWeights({
    ...{ system, store, running: () => activity.running },
    onProgress: fetchReports({ system, gateway, show: options.onFetch }),
  });
  undo.defer(() => weights.close());
  const loader = new EngineLoader(system, {
    ...{ threads, spinning, memoryBytes },
    held: () => host.spares,
  });
  let serving: Serving = { reason: "the node has just started" };
  const host: DeploymentHost = new DeploymentHost({
    ...{ system, directory, store, mailbox, gateway, loader },
    models: modelsFrom(weights, store),
    onServe(deployment, reason) {
      if (deployment?.id !== serving.deployment?.id) metrics.deploymentChanged();
      serving = { deployment, reason };
      if (deployment) later.promotion?.members(deployment.members);
      if (deployment) later.journal?.members(deployment.members.map(({ node }) => node));
      options.onServe?.(deployment, reason);
    },
    onNodeLost: (node) => later.journal?.lost(node),
  });
  undo.defer(() => host.close());
  return {
    ...{ gateway, admission, profiler, activity, loader, host, weights },
    get serving() {
      return serving;
    },
  };
}

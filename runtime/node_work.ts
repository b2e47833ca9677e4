/**
 * What a node does for prompts: it takes requests, has the stages that a deployment gives it,
 * fetches their weights, and measures itself.
 *
 * @module
 */
import { getLogger } from "@logtape/logtape";
import { type Deployment, systemClock } from "../actors/mod.ts";
import type { ModelStore } from "../models/mod.ts";
import type { Serving } from "./api/mod.ts";
import { DeploymentHost, EngineLoader, fetchReports, modelsFrom } from "./cluster/mod.ts";
import type { NodeLinks } from "./node_links.ts";
import type { NodeOptions } from "./node_options.ts";
import { NodeProfiler } from "./profile/mod.ts";
import { Admission, Gateway } from "./serve/mod.ts";
import { Activity, NodeWeights } from "./weights/mod.ts";

const log = getLogger(["orrery", "node"]);

/** See the module's text. */
export interface NodeWork {
  gateway: Gateway;
  profiler: NodeProfiler;
  /** Whether requests run here. */
  activity: Activity;
  loader: EngineLoader;
  host: DeploymentHost;
  /** What is served now, or why nothing is. */
  readonly serving: Serving;
}

/** Makes these parts; `undo` closes them. Nothing is served yet. */
export function openWork(
  { options, store, links }: { options: NodeOptions; store: ModelStore; links: NodeLinks },
  undo: AsyncDisposableStack,
): NodeWork {
  const { system, mailbox, directory, later } = links;
  const { data, threads, spinning, memoryBytes } = options;
  const gateway = later.gateway = new Gateway({
    system,
    admission: new Admission(options.admission),
    onBroken: (deployment, why) => later.membership?.broken(deployment, why),
  });
  const profiler = new NodeProfiler({
    ...{ system, store, mailbox, data, threads, spinning, memoryBytes },
  });
  undo.defer(() => profiler.close());
  const activity = new Activity({ clock: systemClock, requests: () => gateway.running });
  const weights = new NodeWeights({
    ...{ system, store, running: () => activity.running },
    onProgress: fetchReports({ system, gateway, show: options.onFetch }),
  });
  undo.defer(() => weights.close());
  const loader = new EngineLoader(system, { threads, spinning, memoryBytes });
  const served = new ServedHere(links, options);
  const host = new DeploymentHost({
    ...{ system, directory, store, mailbox, gateway, loader },
    models: modelsFrom(weights),
    onServe: (deployment, reason) => served.note(deployment, reason),
  });
  undo.defer(() => host.close());
  return {
    ...{ gateway, profiler, activity, loader, host },
    get serving() {
      return served.now;
    },
  };
}

/** What is served at this node, told to whoever must know. */
class ServedHere {
  now: Serving = { reason: "the node has just started" };
  readonly #links: NodeLinks;
  readonly #options: NodeOptions;

  constructor(links: NodeLinks, options: NodeOptions) {
    this.#links = links;
    this.#options = options;
  }

  note(deployment: Deployment | undefined, reason: string): void {
    if (reason.startsWith("placement failed") && reason !== this.now.reason) {
      log.warn("{reason}", { reason });
    }
    this.now = { deployment, reason };
    if (deployment) this.#links.later.promotion?.members(deployment.members);
    this.#options.onServe?.(deployment, reason);
  }
}

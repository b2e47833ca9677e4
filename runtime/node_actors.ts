/**
 * The actors that every node has.
 *
 * @module
 */
import {
  type ActorSystem,
  drafterActor,
  headActor,
  memberActor,
  type NodeId,
  parseAddress,
  stageActor,
  weightsActor,
} from "../actors/mod.ts";
import type { ModelStore } from "../models/mod.ts";
import type { DeploymentHost, Membership } from "./cluster/mod.ts";
import { type ActorHome, homeActor, modelActor } from "./custom/mod.ts";
import type { NodeExaminer } from "./doctor/mod.ts";
import type { MailboxTransport } from "./mailbox/mod.ts";
import type { NodeProfiler } from "./profile/mod.ts";
import { nodeVitals, type NodeVitalsParts } from "./node_vitals.ts";
import { noLogs } from "./cluster_logs.ts";
import type { NodeOptions } from "./node_options.ts";
import type { Gateway } from "./serve/mod.ts";
import { type Activity, weightStore } from "./weights/mod.ts";

/** What the actors of a node work with. */
export interface NodeParts extends Omit<NodeVitalsParts, "mailbox"> {
  system: ActorSystem;
  store: ModelStore;
  /** Names of the models that this node's term serves: members ask for them before a deployment. */
  models: () => readonly string[];
  mailbox: MailboxTransport;
  gateway: Gateway;
  host: DeploymentHost;
  membership: Membership;
  profiler: NodeProfiler;
  examiner: NodeExaminer;
  activity: Activity;
  onDrain: () => void;
  /** The newest records of the log. */
  logs: NodeOptions["logs"];
  /** The custom actors that this node hosts. */
  home: ActorHome;
}

/** Registers the actors that every node has. */
export function registerActors(parts: NodeParts): void {
  const {
    system,
    store,
    models,
    mailbox,
    gateway,
    host,
    membership,
    profiler,
    examiner,
    activity,
    onDrain,
    home,
  } = parts;
  system.register(stageActor, {
    config: stageActor.config.parse({}),
    resources: (to) => ({
      engine: async () => activity.watched(profiler.watched(await host.loadStage(to))),
    }),
  });
  system.register(headActor, {
    config: headActor.config.parse({}),
    resources: (to) => ({ engine: async () => activity.watched(await host.loadHead(to)) }),
  });
  system.register(drafterActor, {
    config: drafterActor.config.parse({}),
    resources: (to) => ({
      engine: async () => {
        const loaded = await host.loadDraft(to);
        return { ...loaded, engine: activity.watched(loaded.engine) };
      },
    }),
  });
  gateway.register();
  system.register(homeActor, { config: {}, resources: () => ({ home }) });
  system.register(modelActor, {
    config: {},
    resources: () => ({
      generator: gateway,
      modelFor: (from: string) => home.deploymentOf(parseAddress(from).kind),
    }),
  });
  system.register(memberActor, {
    config: {},
    resources: () => ({
      ...{ host, profiler, examiner, onDrain, clock: Date.now, nodes: mailbox },
      vitals: () => nodeVitals(parts),
      logs: parts.logs ?? noLogs,
      onPing: (by: NodeId) => membership.pinged(by),
    }),
  });
  const served = weightStore({
    store,
    served: () => [...models(), ...host.models],
    running: () => activity.running,
  });
  system.register(weightsActor, { config: {}, resources: () => ({ store: served }) });
}

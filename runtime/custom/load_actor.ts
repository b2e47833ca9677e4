/**
 * Loads the module of a custom actor at a host, in a worker with the permissions of its entry.
 *
 * @module
 */
import { pathToFileURL } from "node:url";
import { hasCode, OrreryError } from "../../actors/mod.ts";
import type { ActorOrder } from "./actor_order.ts";
import type { LoadedActor } from "./definition.ts";
import { graphProblem } from "./graph_problem.ts";
import type { ModuleBundle } from "./module_bundle.ts";
import { SpareWorker } from "./spare_worker.ts";
import { stageModule } from "./staged_modules.ts";
import { type LinkOptions, WorkerLink } from "./worker_link.ts";

/** A loaded actor with a worker that waits for an activation. */
export interface SparedActor extends LoadedActor {
  /** Keeps a loaded worker ready for the next activation. */
  spare: SpareWorker;
  /** What it was loaded for. */
  order: ActorOrder;
}

/** What an actor is loaded from. */
export interface LoadParts {
  bundle: ModuleBundle;
  /** Folder in which the files of modules lie at this host. */
  modules: string;
}

/**
 * Loads an actor and checks its config. Throws group `graph`: `bad_module`, `bad_config`, and
 * `bad_actor` where this node may not give the permissions of the entry.
 */
export async function loadActor(
  order: ActorOrder,
  { bundle, modules }: LoadParts,
): Promise<SparedActor> {
  const { sha256, label } = order;
  const staged = await stageModule({ bundle, sha256 }, modules);
  const options = linkOptions(order, staged);
  let link: WorkerLink | undefined;
  try {
    link = await WorkerLink.open(options);
    await link.call({ op: "config", config: order.config });
    const { description } = link;
    return {
      ...loaded(order, description),
      link: options,
      spare: new SpareWorker(options, link),
      order,
    };
  } catch (error) {
    link?.kill();
    if (error instanceof Deno.errors.NotCapable) {
      throw graphProblem(
        "bad_actor",
        `${label}: this node has not itself the permissions that its entry asks for: ${error.message}`,
      );
    }
    if (hasCode(error, "bad_config")) {
      throw graphProblem("bad_config", `${label}: ${error.message}`);
    }
    throw error instanceof OrreryError
      ? error
      : graphProblem("bad_module", `${label}: ${(error as Error).message}`);
  }
}

function loaded(
  { name, config, messages, open, filters, state_bytes, alarms, limits }: ActorOrder,
  description: LoadedActor["description"],
): Omit<LoadedActor, "link"> {
  return {
    ...{ name, description, config, open, filters, alarms },
    messages,
    messageBytes: limits.message_bytes,
    stateBytes: state_bytes,
  };
}

function linkOptions(
  { label, module, folder, permissions, limits }: ActorOrder,
  staged: { url: string; folder: string },
): LinkOptions {
  return {
    label,
    module: staged.url,
    shown: module,
    places: { from: staged.folder, to: pathToFileURL(folder).href.replace(/\/$/, "") },
    permissions,
    computeMs: 1000 * limits.compute_seconds,
    answerMs: 1000 * limits.answer_seconds,
    memoryBytes: limits.memory_bytes,
  };
}

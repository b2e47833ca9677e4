/**
 * The custom actors of a graph file that was applied. Their modules came with the file, packed where
 * `deno task apply` ran, or are in the registry.
 *
 * @module
 */
import {
  type AskedDeployment,
  type DeploymentPlacement,
  type Graph,
  type Member,
  type Registry,
} from "../../actors/mod.ts";
import type { Plan } from "../../planner/mod.ts";
import { CustomActors, moduleKey } from "../custom/mod.ts";
import type { GraphActors } from "./graph_actors.ts";

/** What {@linkcode AppliedActors} works with. */
export interface AppliedActorsOptions {
  registry: Pick<Registry, "get">;
  /** Folder in which the files of modules lie. */
  modules: string;
  actors: Pick<GraphActors, "put" | "place" | "placedOf">;
}

/** See the module's text. */
export class AppliedActors {
  readonly #asked: AskedDeployment;
  readonly #graph: Graph;
  readonly #options: AppliedActorsOptions;
  readonly #flow: CustomActors["flow"];
  /** Loaded and not begun with; undefined: what begins now is loaded again. */
  #loaded?: CustomActors;

  private constructor(
    asked: AskedDeployment,
    graph: Graph,
    options: AppliedActorsOptions,
    loaded: CustomActors,
  ) {
    this.#asked = asked;
    this.#graph = graph;
    this.#options = options;
    this.#flow = loaded.flow;
    this.#loaded = loaded;
  }

  /**
   * Loads the modules once, and checks them against the graph's entries; undefined: it has none.
   * Throws group `graph`: `bad_module`, `bad_config`, `bad_actor`.
   */
  static async load(
    asked: AskedDeployment,
    graph: Graph,
    options: AppliedActorsOptions,
  ): Promise<AppliedActors | undefined> {
    if (graph.actors.custom.length === 0) return undefined;
    return new AppliedActors(asked, graph, options, await loadActors(asked, graph, options));
  }

  /** Has them run, in place of those of the graph that was applied before. Throws as `put`. */
  async begin(signal: AbortSignal): Promise<void> {
    const loaded = this.#loaded ?? await loadActors(this.#asked, this.#graph, this.#options);
    this.#loaded = undefined;
    try {
      signal.throwIfAborted();
      const { actors } = loaded;
      await this.#options.actors.put(this.#asked.name, { graph: this.#graph, actors });
    } catch (error) {
      await loaded.close();
      throw error;
    }
  }

  /** A placement of layers with the actors beside them, which may move for it. */
  placed(
    members: readonly Member[],
    placement: DeploymentPlacement,
    { dry = false }: { dry?: boolean },
  ): DeploymentPlacement {
    const { actors } = this.#options;
    const { name } = this.#asked;
    const plan = placement.plan as unknown as Plan | undefined;
    if (!dry) actors.place(members, plan, name);
    return {
      ...placement,
      ...(plan && { plan: { ...plan, actors: actors.placedOf(name) } }),
      flow: this.#flow,
    };
  }

  /** Ends the workers of what was loaded and not begun with. */
  close(): void {
    void this.#loaded?.close();
    this.#loaded = undefined;
  }
}

async function loadActors(
  asked: AskedDeployment,
  graph: Graph,
  { registry, modules }: AppliedActorsOptions,
): Promise<CustomActors> {
  const { name: deployment, file } = asked;
  return await CustomActors.load(graph, {
    ...{ file, modules, deployment },
    travelled: true,
    async packed(actor) {
      if (!Object.hasOwn(asked.modules, actor)) return undefined;
      const { sha256, data } = asked.modules[actor];
      if (data !== undefined) return { bytes: Uint8Array.fromBase64(data), sha256 };
      const entry = await registry.get(moduleKey(sha256));
      return entry && { bytes: entry.value, sha256 };
    },
  });
}

/**
 * The custom actors of a graph file: loads their modules, checks them, makes them known to the
 * actor system.
 *
 * @module
 */
import { dirname, resolve } from "node:path";
import { pathToFileURL } from "node:url";
import {
  type ActorSystem,
  type CustomActor,
  type Flow,
  type Graph,
  type GraphPaths,
  graphPaths,
  hasCode,
  OrreryError,
} from "../../actors/mod.ts";
import { customDefinition, type LoadedActor } from "./definition.ts";
import { Spare } from "./spare.ts";
import { type LinkOptions, WorkerLink } from "./worker_link.ts";

/** Workers of one node at once. */
const WORKERS = 32;

/** Where a graph came from, and who loads it. */
export interface LoadOptions {
  /** The graph file; modules and paths are relative to it. */
  file: string;
  /** Name of this node in graph files. */
  host: string;
}

interface Loaded extends LoadedActor {
  spare: Spare;
}

/** See the module's text. */
export class CustomActors {
  /** What other nodes must know. */
  readonly flow: Flow;
  readonly #actors: Loaded[];
  #workers = 0;

  private constructor(actors: Loaded[], flow: Flow) {
    this.#actors = actors;
    this.flow = flow;
  }

  /**
   * Loads every module once, each in a worker of its own with the permissions of its entry. Throws
   * group `graph`: `bad_module`, `bad_config`, `bad_actor` (messages that the path or the entry
   * needs, a host that is not this one), each naming the entry.
   */
  static async load(graph: Graph, { file, host }: LoadOptions): Promise<CustomActors> {
    const paths = graphPaths(graph);
    const actors: Loaded[] = [];
    await using undo = new AsyncDisposableStack();
    for (const [i, entry] of graph.actors.custom.entries()) {
      const label = `${file}: actors.custom[${i}] (${entry.name})`;
      if (entry.host !== undefined && entry.host !== host) {
        throw problem(
          "bad_actor",
          `${label}: host ${entry.host} is not this node (${host}); custom actors run at the first node, so leave host out`,
        );
      }
      const actor = await loadActor(entry, { label, folder: dirname(resolve(file)), paths });
      undo.defer(() => actor.spare.close());
      actors.push(actor);
    }
    undo.move();
    const exposed = graph.actors.custom.filter((a) => a.expose).map((a) => a.name);
    return new CustomActors(actors, { ...paths, exposed });
  }

  /** Registers each as a kind of its own. */
  register(system: ActorSystem): void {
    for (const actor of this.#actors) {
      const { name, spare, filters } = actor;
      const take = async () => {
        const link = await spare.take();
        // An actor of one activation has no use for another worker; one for each answer has.
        if (filters) spare.refill();
        return link;
      };
      const enter = () => this.#enter(name);
      system.register(customDefinition(actor, { enter, take }), { config: undefined });
    }
  }

  /** Ends the workers in waiting; the others end with their activations. */
  async close(): Promise<void> {
    await Promise.all(this.#actors.map(({ spare }) => spare.close()));
  }

  #enter(name: string): () => void {
    if (this.#workers >= WORKERS) {
      throw new OrreryError({
        group: "actor",
        code: "too_many_workers",
        message:
          `actor ${name} finds no place: ${WORKERS} activations of custom actors run at this node already`,
        metadata: { limit: WORKERS },
      });
    }
    this.#workers++;
    return () => void this.#workers--;
  }
}

async function loadActor(
  entry: CustomActor,
  { label, folder, paths }: { label: string; folder: string; paths: GraphPaths },
): Promise<Loaded> {
  const options = linkOptions(entry, { label, folder });
  const link = await WorkerLink.open(options);
  try {
    await link.call({ op: "config", config: entry.config });
    const actor = checked(entry, { label, paths, description: link.description });
    return { ...actor, link: options, spare: new Spare(options, link) };
  } catch (error) {
    link.kill();
    if (hasCode(error, "bad_config")) throw problem("bad_config", `${label}: ${error.message}`);
    throw error instanceof OrreryError
      ? error
      : problem("bad_module", `${label}: ${(error as Error).message}`);
  }
}

/** Has the module what the entry and the paths need of it? */
function checked(
  { name, config, limits, messages = [] }: CustomActor,
  { label, paths, description }: {
    label: string;
    paths: GraphPaths;
    description: LoadedActor["description"];
  },
): Omit<LoadedActor, "link"> {
  const filters = paths.delta.includes(name);
  const listed = messages.length > 0 ? messages : description.messages;
  const need = (message: string, why: string) => {
    if (description.messages.includes(message)) return;
    const has = description.messages.join(", ");
    throw problem(
      "bad_actor",
      `${label}: ${why} message ${message}, and its module has none; it has ${has}`,
    );
  };
  for (const message of listed) need(message, "its entry lists");
  const onPath = (message: string, why: string) => {
    need(message, why);
    if (listed.includes(message)) return;
    throw problem(
      "bad_actor",
      `${label}: ${why} message ${message}, and its entry's messages leave it out`,
    );
  };
  if (paths.request.includes(name)) {
    onPath("request", "it stands between api and generation, which takes");
  }
  if (filters) onPath("delta", "it stands between generation and api, which takes");
  const ends = filters && description.messages.includes("end") && !listed.includes("end");
  return {
    name,
    description,
    config,
    messages: ends ? [...listed, "end"] : listed,
    messageBytes: limits.message_bytes,
    filters,
  };
}

function linkOptions(
  { module, permissions: { net, read, env }, limits }: CustomActor,
  { label, folder }: { label: string; folder: string },
): LinkOptions {
  if (/^[a-z][a-z+.-]+:/i.test(module) && !/^[a-z]:[\\/]/i.test(module)) {
    throw problem("bad_module", `${label}: module ${module} must be a file; fetch it first`);
  }
  return {
    label,
    module: pathToFileURL(resolve(folder, module)).href,
    permissions: {
      net,
      env,
      read: read.map((path) => {
        const absolute = resolve(folder, path);
        if (dirname(absolute) !== absolute) return absolute;
        throw problem(
          "bad_actor",
          `${label}: permissions.read: ${path} is the whole machine, which cannot be granted`,
        );
      }),
    },
    computeMs: 1000 * limits.compute_seconds,
    answerMs: 1000 * limits.answer_seconds,
    memoryBytes: limits.memory_bytes,
  };
}

const problem = (code: string, message: string) =>
  new OrreryError({ group: "graph", code, message });

/**
 * The custom actors that a node hosts, and the actor by which the coordinator says which.
 *
 * @module
 */
import { z } from "zod";
import {
  defineActor,
  firstNode,
  MAX_MESSAGE_CHARS,
  OrreryError,
  SYSTEM,
} from "../../actors/mod.ts";
import { type ActorOrder, actorOrderSchema } from "./actor_order.ts";
import { HostedActor, type HostParts } from "./hosted_actor.ts";
import { loadActor, type SparedActor } from "./load_actor.ts";
import { unpackModule } from "./module_bundle.ts";
import { WorkerSlots } from "./worker_slots.ts";

/** Key in the registry of a packed module with this SHA-256. */
export const moduleKey = (sha256: string): string => `modules/${sha256}`;

/** Options of an {@linkcode ActorHome}. */
export interface ActorHomeOptions extends Omit<HostParts, "slots"> {
  /** Folder in which the files of modules lie. */
  modules: string;
}

/** An order to host an actor. */
export interface HostRequest {
  order: ActorOrder;
  /** Number of the coordinator's term: no epoch of the actor is smaller. */
  term: number;
}

/** See the module's text. */
export class ActorHome {
  readonly #options: ActorHomeOptions;
  readonly #parts: HostParts;
  readonly #hosted = new Map<string, HostedActor>();
  /** What is under way for each name: one thing after the other. */
  readonly #turns = new Map<string, Promise<unknown>>();

  /** Hosts nothing yet. */
  constructor(options: ActorHomeOptions) {
    this.#options = options;
    this.#parts = { ...options, slots: new WorkerSlots() };
  }

  /** Names of the actors that are hosted here, or about to be. */
  get names(): string[] {
    return [...this.#hosted.keys()];
  }

  /** Name of the deployment whose graph an actor is of; "default" where it is not hosted here. */
  deploymentOf(name: string): string {
    return this.#hosted.get(name)?.actor.order.deployment ?? "default";
  }

  /**
   * Hosts an actor, or another version of one that is hosted. Resolves to the epoch under which this
   * node owns it. `loaded`: the actor, where it was loaded here already. Throws what
   * {@linkcode loadActor} throws, `bad_module` where the registry has not the module, and the
   * signal's reason where another node owns it until then.
   */
  host(
    { order, term }: HostRequest,
    { signal, loaded }: { signal: AbortSignal; loaded?: SparedActor },
  ): Promise<number> {
    return this.#inTurn(order.name, async () => {
      const before = this.#hosted.get(order.name);
      if (before && isSame(before.actor.order, order)) {
        if (loaded && loaded !== before.actor) void loaded.spare.close();
        return await before.owned(signal);
      }
      const actor = loaded ?? await this.#load(order, signal);
      if (before) before.swap(actor);
      else this.#hosted.set(order.name, new HostedActor(this.#parts, actor, term));
      return await this.#hosted.get(order.name)!.owned(signal);
    });
  }

  /** Gives an actor up, if it is hosted here; resolves when another node may have it. */
  leave(name: string, { signal }: { signal: AbortSignal }): Promise<void> {
    return this.#inTurn(name, async () => {
      const hosted = this.#hosted.get(name);
      this.#hosted.delete(name);
      await hosted?.leave(signal);
    });
  }

  /** Gives up all actors but these. */
  async keep(names: readonly string[], options: { signal: AbortSignal }): Promise<void> {
    const others = this.names.filter((name) => !names.includes(name));
    await Promise.all(others.map((name) => this.leave(name, options)));
  }

  async #load(order: ActorOrder, signal: AbortSignal): Promise<SparedActor> {
    const { registry, modules } = this.#options;
    const { sha256, label } = order;
    const entry = await registry().get(moduleKey(sha256), { signal });
    if (!entry) {
      throw new OrreryError({
        group: "graph",
        code: "bad_module",
        message: `${label}: the registry has no module with SHA-256 ${sha256}`,
        metadata: { sha256 },
      });
    }
    return await loadActor(order, { bundle: await unpackModule(entry.value, sha256), modules });
  }

  #inTurn<T>(name: string, act: () => Promise<T>): Promise<T> {
    const turn = (this.#turns.get(name) ?? Promise.resolve()).then(act, act);
    this.#turns.set(name, turn);
    const done = () => {
      if (this.#turns.get(name) === turn) this.#turns.delete(name);
    };
    turn.then(done, done);
    return turn;
  }
}

const isSame = (a: ActorOrder, b: ActorOrder) => JSON.stringify(a) === JSON.stringify(b);

/** The actor by which the coordinator reaches a node's home; its key is the node's id. */
export const homeActor = defineActor({
  kind: "actor_home",
  deployment: SYSTEM,
  config: z.object({}),
  messages: {
    /** See {@linkcode ActorHome.host}. Answers with `{epoch}`. */
    host: z.object({ order: actorOrderSchema, term: z.int().positive() }),
    /** See {@linkcode ActorHome.leave}. Answers when it is done. */
    leave: z.object({ name: z.string().max(128), why: z.string().max(MAX_MESSAGE_CHARS) }),
    /** See {@linkcode ActorHome.keep}. Answers when it is done. */
    keep: z.object({ names: z.array(z.string().max(128)).max(1_024) }),
  },
  callers: { host: firstNode, leave: firstNode, keep: firstNode },
  concurrent: ["host", "leave", "keep"],
  create(ctx) {
    const home = ctx.resource<ActorHome>("home");
    return {
      host: async (request, { signal }) => ({ epoch: await home.host(request, { signal }) }),
      leave: ({ name }, { signal }) => home.leave(name, { signal }),
      keep: ({ names }, { signal }) => home.keep(names, { signal }),
    };
  },
});

/**
 * Which nodes host the custom actors of a graph, as far as this node knows. All actors of one name
 * live on one node, under one ownership (`owners/graph/NAME/main` in the registry).
 *
 * A send to an actor whose host is not known now waits: its host may be gone, and another one about
 * to take over.
 *
 * @module
 */
import { type NodeId, OrreryError, type Owner } from "../../actors/mod.ts";

/** Milliseconds for which a send waits for a host. */
const WAIT_MS = 20_000;

/** Milliseconds for which nothing is sent to an owner that has refused a message. */
const DOUBT_MS = 250;

interface Home {
  /** The owner; undefined: none is known now. */
  owner?: Owner;
  /** Epoch of the last owner that was known. */
  last: number;
  /** Epoch of the last owner that has left: only a later one counts. */
  left: number;
  /** The node that is to become the owner; it may write what owners write. */
  assigned?: NodeId;
  /** Resolves when an owner is known. */
  waiting?: PromiseWithResolvers<void>;
}

/** See the module's text. */
export class ActorHomes {
  readonly #homes = new Map<string, Home>();
  /** Names of the graphs' actors by deployment; those of others are not waited for. */
  readonly #names = new Map<string, ReadonlySet<string>>();

  /** The graph of this deployment has actors of these names. */
  expect(deployment: string, names: Iterable<string>): void {
    this.#names.set(deployment, new Set(names));
  }

  /** A node owns the actors of this name under this epoch. */
  owned(name: string, owner: Owner): void {
    const home = this.#home(name);
    if (owner.epoch < home.last || owner.epoch <= home.left) return;
    home.owner = owner;
    home.last = owner.epoch;
    if (home.assigned === owner.node) home.assigned = undefined;
    home.waiting?.resolve();
    home.waiting = undefined;
  }

  /** The owner with this epoch, or an earlier one, does not host these actors any more. */
  vacant(name: string, epoch: number): void {
    const home = this.#home(name);
    if (epoch < home.last) return;
    home.last = home.left = epoch;
    home.owner = undefined;
  }

  /**
   * The owner with this epoch has refused a message, as one does that leaves, or that has not quite
   * taken up what it owns: sends wait for a moment, or for the next owner.
   */
  doubt(name: string, epoch: number): void {
    const home = this.#home(name);
    const { owner } = home;
    if (owner?.epoch !== epoch) return;
    home.owner = undefined;
    setTimeout(() => {
      if (!home.owner) this.owned(name, owner);
    }, DOUBT_MS);
  }

  /** This node is to become the owner. */
  assign(name: string, node: NodeId): void {
    this.#home(name).assigned = node;
  }

  /** A node is gone: what it hosted will be hosted elsewhere. */
  lost(node: NodeId): void {
    for (const home of this.#homes.values()) {
      if (home.owner?.node === node) home.owner = undefined;
    }
  }

  /** The node that owns the actors of this name, or is about to; undefined: none is known. */
  nodeOf(name: string): NodeId | undefined {
    const home = this.#homes.get(name);
    return home?.assigned ?? home?.owner?.node;
  }

  /** Epoch of the owner; 1 where none is known. */
  epochOf(name: string): number {
    return this.#homes.get(name)?.owner?.epoch ?? 1;
  }

  /**
   * The owner of the actors of this name. Throws group `actor`, code `no_owner`, where the graph has
   * no such actor, or none hosts it within 20 s; rejects with the signal's reason.
   */
  resolve(name: string, to: string, signal?: AbortSignal): Owner | Promise<Owner> {
    const home = this.#homes.get(name);
    if (home?.owner) return home.owner;
    if (!home && !this.#names.values().some((names) => names.has(name))) {
      throw noHome(to, "the graph has no such actor");
    }
    return this.#wait(name, to, signal);
  }

  async #wait(name: string, to: string, signal?: AbortSignal): Promise<Owner> {
    const home = this.#home(name);
    home.waiting ??= Promise.withResolvers();
    const over = Promise.withResolvers<never>();
    over.promise.catch(() => {});
    const abort = () => over.reject(signal!.reason);
    signal?.addEventListener("abort", abort);
    const timer = setTimeout(
      () => over.reject(noHome(to, `no node has taken it up within ${WAIT_MS / 1_000} s`)),
      WAIT_MS,
    );
    try {
      signal?.throwIfAborted();
      while (!home.owner) {
        home.waiting ??= Promise.withResolvers();
        await Promise.race([home.waiting.promise, over.promise]);
      }
      return home.owner;
    } finally {
      clearTimeout(timer);
      signal?.removeEventListener("abort", abort);
    }
  }

  #home(name: string): Home {
    let home = this.#homes.get(name);
    if (!home) this.#homes.set(name, home = { last: 0, left: 0 });
    return home;
  }
}

const noHome = (to: string, why: string) =>
  new OrreryError({
    group: "actor",
    code: "no_owner",
    message: `nobody hosts ${to}: ${why}`,
    metadata: { to },
  });

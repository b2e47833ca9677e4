/**
 * Has the members load a new deployment, and tells how far they are.
 *
 * @module
 */
import { type ActorContext, hasCode, toOrreryError } from "../system/mod.ts";
import type { Adoption } from "./adoption.ts";
import type { CopyName } from "./copy_name.ts";
import { type Deployment, servingNodes } from "./deployment.ts";
import { Fetches, type FetchReport } from "./fetches.ts";
import { memberActor } from "./member.ts";
import type { ClusterMemory } from "./memory.ts";
import { Preparation } from "./preparation.ts";
import { movedParts } from "./repair.ts";

/** Milliseconds in which what is loaded must answer a prompt of one token. */
const PROVE_MS = 60_000;

/** Milliseconds in which a node that need not load any more must take that in. */
const TELL_MS = 10_000;

/** Options of {@linkcode CopyLoading.run}. */
export interface CopyLoadingRun {
  /** Ids of the nodes that prepare it. */
  nodes: string[];
  /** Whether it is still wanted. */
  valid: () => boolean;
  /** Must it answer a prompt before it counts as loaded? */
  proves: boolean;
}

/** See the module's text. */
export class CopyLoading {
  readonly preparation: Preparation;
  readonly #ctx: ActorContext;
  readonly #options: { serving: Adoption; memory: ClusterMemory; of: CopyName };
  readonly #fetches = new Fetches();
  /** The deployment that is being loaded, and which nodes load it, in words. */
  #now?: { made: Deployment; what: string };

  /** `prepareMs`: milliseconds that a node may take to fetch and load its stages. */
  constructor(
    ctx: ActorContext,
    { prepareMs, ...options }: {
      serving: Adoption;
      memory: ClusterMemory;
      of: CopyName;
      prepareMs: number;
    },
  ) {
    this.#ctx = ctx;
    this.#options = options;
    this.preparation = new Preparation(ctx, options.serving, prepareMs);
  }

  /** The deployment that is being loaded; undefined: none is. */
  get made(): Deployment | undefined {
    return this.#now?.made;
  }

  /** A node will not answer: the others need not go on to load for a deployment with it. */
  giveUpOn(node: string, why: string): void {
    this.preparation.giveUpOn(node, why);
  }

  /** A node says how far it is with the weights that its layers need. */
  fetching(report: FetchReport): void {
    if (!this.#now) return;
    this.#fetches.note(report);
    this.#options.serving.reason = this.#now.what + this.#fetches.text;
  }

  /**
   * Resolves when the nodes have loaded it, and it is noted as what serves. Where that fails, it is
   * let go.
   */
  async run(made: Deployment, { nodes, valid, proves }: CopyLoadingRun): Promise<void> {
    const { serving, memory, of } = this.#options;
    const what = `nodes ${servingNodes(made).join(", ")} load their layers`;
    serving.reason = what;
    if (!serving.current) serving.adopt(undefined, what);
    this.#now = { made, what };
    try {
      await memory.planned(made);
      await this.preparation.run(made, valid, nodes);
      if (proves && valid()) await this.#prove(made);
      // Before anybody adopts it: whoever takes over must not go on with the one before.
      if (valid()) await memory.serves(made, of);
    } catch (error) {
      serving.letGo(made);
      throw error;
    } finally {
      this.#now = undefined;
      this.#fetches.clear();
    }
  }

  /** Has these nodes know what serves, whose members have changed, and notes it. */
  async extend(
    same: Deployment,
    { nodes, valid }: Pick<CopyLoadingRun, "nodes" | "valid">,
  ): Promise<void> {
    const { memory, of } = this.#options;
    await this.preparation.run(same, valid, nodes);
    await memory.serves(same, of);
  }

  /**
   * Resolves to another revision of the deployment that serves, once the nodes have loaded what it
   * gives them and it is noted as what serves. Nobody makes room for it: where a node has no memory
   * for its part, another revision is made without that node.
   *
   * Undefined: no revision can be made any more. Rejects where a node does not load its part.
   *
   * @param make The revision where the nodes in `full` can take nothing over; undefined: there is none.
   */
  async repair(
    make: (full: ReadonlySet<string>) => Deployment | undefined,
    { before, nodes, valid }: Pick<CopyLoadingRun, "nodes" | "valid"> & { before: Deployment },
  ): Promise<Deployment | undefined> {
    const { serving, memory, of } = this.#options;
    const full = new Set<string>();
    try {
      for (;;) {
        const made = make(full);
        if (!made) return undefined;
        const what = `nodes ${servingNodes(made).join(", ")} load layers of nodes that are gone`;
        serving.reason = what;
        this.#now = { made, what };
        const without = await this.#loadAhead(made, before);
        if (!valid()) return made;
        if (without !== undefined && !full.has(without)) {
          full.add(without);
          continue;
        }
        // Before any node knows it: whoever takes over must not go on with an earlier revision.
        await memory.serves(made, of);
        if (valid()) await this.preparation.once(made, nodes);
        return made;
      }
    } finally {
      this.#now = undefined;
      this.#fetches.clear();
    }
  }

  /**
   * Has nodes load what comes to them in `made`, before any node knows of it. Resolves to a node that
   * has no memory for its part; then nothing has changed. Undefined: there is none, or it will show when
   * the nodes prepare `made`.
   */
  async #loadAhead(made: Deployment, before: Deployment): Promise<string | undefined> {
    const coming = servingNodes(movedOf(before, made));
    try {
      await this.preparation.ahead(made, coming);
    } catch (error) {
      if (!hasCode(error, "not_enough_memory")) return undefined;
      this.#tell(coming, before); // what they have loaded does not come
      const { metadata } = toOrreryError(error);
      return coming.find((node) => node === metadata?.node) ?? coming[0];
    }
  }

  /**
   * Lets layers go to other nodes while requests run: `made` is another revision of the deployment
   * that serves.
   *
   * 1. The new nodes load what comes to them. Where that fails, it rejects, and nothing has changed.
   * 2. All nodes are told where the layers are now; those that had them end them. From here on
   *    requests stand still, until `made` is adopted and the arbiters have rebuilt what has moved.
   *
   * `stale`: it is not wanted any more, and nothing has changed. `told`: `made` must be adopted; with
   * `error`, a node does not know it yet, or cannot run its part.
   */
  async move(
    made: Deployment,
    { before, nodes, unprepared, leaving, valid }: {
      /** What serves. */
      before: Deployment;
      /** Ids of the members that are to know it; of those, who does not know the deployment. */
      nodes: string[];
      unprepared: string[];
      /** Ids of nodes that are no members any more and still run their layers. */
      leaving: string[];
      valid: () => boolean;
    },
  ): Promise<{ state: "stale" } | { state: "told"; error?: unknown }> {
    const { serving, memory, of } = this.#options;
    const { preparation } = this;
    const coming = servingNodes(movedOf(before, made));
    const what = `nodes ${coming.join(", ")} take layers over`;
    serving.reason = what;
    this.#now = { made, what };
    let wanted = false;
    try {
      await preparation.once({ ...before, members: made.members }, unprepared);
      if (valid()) await preparation.ahead(made, coming);
      if (!valid()) return { state: "stale" };
      // Before any node lets layers go: whoever takes over must know where they are.
      await memory.serves(made, of);
      if (!valid()) return { state: "stale" };
      wanted = true;
      for (const node of leaving) serving.handedOver(node, made);
      try {
        await preparation.once(made, nodes);
        return { state: "told" };
      } catch (error) {
        return { state: "told", error };
      }
    } finally {
      if (!wanted) this.#tell(coming, before); // what they have loaded does not come
      this.#now = undefined;
      this.#fetches.clear();
    }
  }

  /** Tells nodes, of which some may be gone, which revision of a deployment counts. */
  #tell(nodes: readonly string[], deployment: Deployment): void {
    for (const node of nodes) {
      void this.#ctx.get(memberActor, node).prepare({ deployment }, { deadlineMs: TELL_MS })
        .catch(() => {}); // it is gone: what it has loaded is too
    }
  }

  /** Has the node with the first layers run a prompt through it. */
  async #prove({ id, stages }: Deployment): Promise<void> {
    await this.#ctx.get(memberActor, stages[0].node).prove({ id }, {
      deadlineMs: PROVE_MS,
      signal: this.#ctx.signal,
    });
  }
}

/** The stages and shards of `after` that are elsewhere in `before`, another revision of it. */
function movedOf(before: Deployment, after: Deployment): Pick<Deployment, "stages" | "head"> {
  const moved = movedParts(before, after);
  return {
    stages: moved.stages.map((i) => after.stages[i]),
    head: moved.heads.map((i) => after.head![i]),
  };
}

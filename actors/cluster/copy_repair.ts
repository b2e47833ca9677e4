/**
 * Repairs what a copy of a deployment serves, where nodes of it are gone or do not answer: others take
 * their layers over (`repair.ts`). A backup may be a slow place for layers, so they are placed anew a
 * while later.
 *
 * @module
 */
import { type ActorContext, toOrreryError } from "../system/mod.ts";
import type { Adoption } from "./adoption.ts";
import { BACK_MS, REPAIRED_MS } from "./copy_delays.ts";
import type { CopyLoading } from "./copy_loading.ts";
import type { CopySource } from "./copy_source.ts";
import type { Deployment } from "./deployment.ts";
import { MissingNodes } from "./missing_nodes.ts";
import { repaired, type RepairedOptions } from "./repair.ts";
import type { Roster } from "./roster.ts";

/** Options of a {@linkcode CopyRepair}. */
export interface CopyRepairOptions {
  serving: Adoption;
  loading: CopyLoading;
  roster: Roster;
  /** What the copy is made from. */
  source: () => CopySource;
  /** Whether what serves must be replaced: it is not repaired. */
  condemned: (deployment: Deployment) => boolean;
  /** These nodes know the deployment `made` as it is adopted next. */
  told: (made: Deployment, nodes: string[]) => void;
  /** Layers are to be placed anew. */
  replace: () => void;
}

/** See the module's text. */
export class CopyRepair {
  readonly missing = new MissingNodes();
  readonly #ctx: ActorContext;
  readonly #o: CopyRepairOptions;
  /** What serves after a repair, whose layers are placed anew later; undefined: nothing is. */
  #unplanned?: Deployment;

  /** Nothing is missing. */
  constructor(ctx: ActorContext, options: CopyRepairOptions) {
    this.#ctx = ctx;
    this.#o = options;
  }

  /** What serves without these nodes; undefined: nothing serves, or nobody can take their layers. */
  spare(nodes: readonly string[]): Deployment | undefined {
    const { current } = this.#o.serving;
    if (!current || this.#o.condemned(current)) return undefined;
    return this.#make(current, { away: new Set([...this.missing.away, ...nodes]) });
  }

  #make(current: Deployment, options: Pick<RepairedOptions, "away" | "full">) {
    const { roster, source } = this.#o;
    const { all: members, able } = roster;
    const { bytesAt } = source();
    return repaired(current, { ...options, members, able, bytesAt });
  }

  /**
   * Repairs what serves, if nodes of it are gone: meanwhile it serves on, and its requests are held.
   * - `repaired`: others have the layers now.
   * - `waits`: nobody can take them over, and all nodes that are missing may answer again.
   * - `none`: there was nothing to repair, what served was given up since it could not be repaired, or
   *   the repair is not wanted any more.
   *
   * @param valid Whether the members are still those that it is for.
   */
  async run(valid: () => boolean): Promise<"repaired" | "waits" | "none"> {
    const { serving, loading, roster, condemned, told } = this.#o;
    const { missing } = this;
    const { current } = serving;
    if (!current || !missing.hit(current)) return "none";
    const away = new Set(missing.away);
    const nodes = roster.able.map(({ node }) => node).filter((node) => !away.has(node));
    const sound = !condemned(current);
    const make = (full: ReadonlySet<string>) =>
      sound ? this.#make(current, { away, full }) : undefined;
    let made: Deployment | undefined;
    let error = "";
    try {
      made = await loading.repair(make, { before: current, nodes, valid });
    } catch (caught) {
      error = `; ${toOrreryError(caught).message}`;
    }
    if (!valid()) return "none";
    if (!made) {
      if (sound && missing.onlyAway) {
        missing.waitFor();
        return "waits"; // until the node is back, or is taken for dead and the repair is tried again
      }
      if (serving.current === current) serving.adopt(undefined, missing.why + error);
      return "none";
    }
    told(made, nodes);
    missing.replaced(away);
    serving.adopt(made, "");
    return "repaired";
  }

  /**
   * A member answers again in whose place others stood in. Layers that no plan has placed go back to
   * it after a while.
   */
  back(node: string): void {
    const { serving, replace } = this.#o;
    this.#ctx.after(BACK_MS, () => {
      const { current } = serving;
      if (current && !current.plan && this.missing.stoodIn(node)) replace();
    });
  }

  /** The layers of what serves are placed anew after a while. */
  laterAnew(made: Deployment): void {
    const { serving, replace } = this.#o;
    this.#unplanned = made;
    this.#ctx.after(REPAIRED_MS, () => {
      const { current } = serving;
      const same = current?.id === made.id && current.revision === made.revision;
      if (same && current === this.#unplanned) replace();
    });
  }

  /** `now` serves in place of `before`, with the same layers at the same nodes and other members. */
  carryOver(before: Deployment, now: Deployment | undefined): void {
    if (this.#unplanned === before) this.#unplanned = now;
  }
}

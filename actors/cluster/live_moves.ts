/**
 * Layers of the deployment that serves go to other nodes while requests run: those of a node that
 * leaves go to its backups, and those of another placement with the same cuts go where that has them.
 * Where a placement has them where they are, they stay.
 *
 * @module
 */
import { shapeSchema } from "../pipeline/mod.ts";
import { hasCode } from "../system/mod.ts";
import type { Adoption } from "./adoption.ts";
import type { CopyLoading } from "./copy_loading.ts";
import { type Deployment, servingNodes } from "./deployment.ts";
import { type DeploymentPlacement, isModel } from "./placement.ts";
import { movedTo, repaired } from "./repair.ts";
import type { Roster } from "./roster.ts";

/** Codes of errors after which layers do not move, but another deployment is made. */
const UNMOVABLE = ["not_enough_memory", "unknown_message", "retired"];

/** Options of {@linkcode LiveMoves}. */
export interface LiveMovesOptions {
  serving: Adoption;
  loading: CopyLoading;
  roster: Roster;
  /** Whether this node has prepared what serves. */
  knows: (node: string) => boolean;
  /** These nodes know the deployment `made` as it is adopted next. */
  told: (made: Deployment, nodes: string[]) => void;
  /** The deployment with this id must be replaced: a part of it does not run. */
  condemn: (id: string) => void;
}

/** See the module's text. */
export class LiveMoves {
  readonly #o: LiveMovesOptions;

  constructor(options: LiveMovesOptions) {
    this.#o = options;
  }

  /**
   * Has the backups (`backups.ts`) take over the layers of nodes that leave, which serve until
   * then. undefined: none leaves, or nobody can take over so.
   *
   * @param valid Whether the members are still those that it is for.
   */
  async handOver(current: Deployment, valid: () => boolean): Promise<Deployment | undefined> {
    const { roster } = this.#o;
    if (servingNodes(current).every((node) => roster.members.has(node))) return undefined;
    const made = repaired(current, { members: roster.all, able: roster.able });
    try {
      return made && await this.#move(current, made, valid) ? made : undefined;
    } catch {
      return undefined; // layers are placed anew, which says what is wrong
    }
  }

  /**
   * Moves layers to where another placement of a model has them, if that cuts them at the same
   * places. False: another deployment must be made, or it is not wanted any more.
   */
  async inPlace(
    current: Deployment,
    { model, placement, valid }: {
      model: Pick<Deployment, "model" | "manifest_sha256">;
      placement: DeploymentPlacement;
      valid: () => boolean;
    },
  ): Promise<boolean> {
    const made = isModel(current, model)
      ? movedTo(current, placement, this.#o.roster.all)
      : undefined;
    if (!made) return false;
    try {
      return await this.#move(current, made, valid);
    } catch (error) {
      // A node cannot load beside what serves, or is of an earlier version.
      if (valid() && UNMOVABLE.some((code) => hasCode(error, code))) return false;
      throw error;
    }
  }

  /**
   * The stages stay where they are. Members that joined since then compute nothing, but answer prompts
   * and must know the deployment. False: it is not wanted any more.
   */
  async stay(
    current: Deployment,
    placement: DeploymentPlacement,
    valid: () => boolean,
  ): Promise<boolean> {
    const { serving, loading, roster, knows, told } = this.#o;
    const { plan, flow, shape = shapeSchema.parse({}) } = placement;
    const same: Deployment = { ...current, members: roster.all, shape, plan, flow };
    const nodes = roster.able.map(({ node }) => node);
    await loading.extend(same, { nodes: nodes.filter((node) => !knows(node)), valid });
    if (!valid()) return false;
    told(same, nodes);
    serving.adopt(same, "");
    return true;
  }

  /**
   * Members that joined since then learn what serves, and answer prompts: no placement could be made
   * for them.
   */
  async welcome(current: Deployment, valid: () => boolean): Promise<void> {
    const { roster, knows } = this.#o;
    if (!valid() || roster.able.every(({ node }) => knows(node))) return;
    if (!servingNodes(current).every((node) => roster.members.has(node))) return;
    await this.stay(current, current, valid).catch(() => {}); // the next placement is for them
  }

  /**
   * A node that has no layers is no member any more: the others learn that, and nobody is waited for.
   * False: it is not wanted any more.
   */
  async withoutMember(current: Deployment, valid: () => boolean): Promise<boolean> {
    const { serving, loading, roster } = this.#o;
    const same: Deployment = { ...current, members: roster.all };
    await loading.extend(same, { nodes: [], valid });
    if (!valid() || serving.current !== current) return false;
    serving.adopt(same, "");
    return true;
  }

  /**
   * See `CopyLoading.move`. False: it is not wanted any more. Rejects where it cannot be; what serves
   * goes on, or is to be placed anew.
   */
  async #move(before: Deployment, made: Deployment, valid: () => boolean): Promise<boolean> {
    const { serving, loading, roster, knows, told, condemn } = this.#o;
    const nodes = roster.able.map(({ node }) => node);
    const unprepared = nodes.filter((node) => !knows(node));
    const leaving = servingNodes(before).filter((node) => !roster.members.has(node));
    const moved = await loading.move(made, { before, nodes, unprepared, leaving, valid });
    if (moved.state === "stale" || serving.current !== before) return false;
    told(made, nodes);
    serving.adopt(made, "");
    if (moved.error === undefined || !valid()) return true;
    condemn(made.id);
    throw moved.error;
  }
}

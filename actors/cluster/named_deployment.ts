/**
 * What a cluster serves under one name: one deployment after the other, each a placement of the same
 * model. Whenever the members change, it makes a new deployment for them, has every node prepare its
 * stages, and only then lets the nodes adopt it; until then requests use the old one.
 *
 * @module
 */
import { type ActorContext, hasCode, type OrreryError, toOrreryError } from "../system/mod.ts";
import { shapeSchema } from "../pipeline/mod.ts";
import { Adoption } from "./adoption.ts";
import { type Deployment, type Member, servingNodes } from "./deployment.ts";
import { type DoubtReport, Doubts } from "./doubts.ts";
import { Fetches, type FetchReport } from "./fetches.ts";
import type { ClusterMemory } from "./memory.ts";
import type { DeploymentPlacement, PlaceDeployment } from "./placement.ts";
import { Preparation } from "./preparation.ts";
import { repaired } from "./repair.ts";
import type { Roster } from "./roster.ts";

/** Codes of errors after which a placement is tried again, and the milliseconds until then. */
const PASSING = ["peer_lost", "unknown_peer", "deadline_exceeded", "cancelled"];
const PLACE_AGAIN_MS = 5_000;
/** The same after any other error, while nothing serves: memory may be free by then, or a disk. */
const MENDED_MS = 60_000;
/**
 * Milliseconds after which layers are placed anew where a deployment was repaired: the backup may be
 * a slow place for them.
 */
const REPAIRED_MS = 60_000;

/** Options of a {@linkcode NamedDeployment}. */
export interface NamedDeploymentOptions {
  /** Number of members to wait for before the first placement. */
  nodes: number;
  /** The model that is served, and where it comes from. */
  model: Pick<Deployment, "model" | "source" | "manifest_sha256">;
  /** The members of the cluster. */
  roster: Roster;
  /** What outlives the actor. */
  memory: ClusterMemory;
  /** What the term before has left of it. */
  past: { serving?: Deployment; others: readonly Deployment[] };
  place: PlaceDeployment;
  /** Whether members of the term before are still waited for: nothing is placed until then. */
  waits: () => boolean;
  /** Makes the id of a new deployment, which no other has or had. */
  newId: () => string;
  /** Milliseconds in which a member must answer, and after which it is asked again. */
  answerMs: number;
  retryMs: number;
  /** Milliseconds that a node may take to fetch and load its stages. */
  prepareMs: number;
}

/** See the module's text. */
export class NamedDeployment {
  /** What serves, and what the nodes are told of it. */
  readonly serving: Adoption;
  /** What nodes say against what serves. */
  readonly doubts: Doubts;
  /** Why the last placement failed; undefined: it did not. */
  failure?: OrreryError;
  readonly #ctx: ActorContext;
  readonly #options: NamedDeploymentOptions;
  readonly #preparation: Preparation;
  readonly #fetches = new Fetches();
  /** Which nodes load layers now; undefined: none does. */
  #loading?: string;
  /** The deployment that serves and must be replaced, even by the same placement; "": none. */
  #condemned = "";
  /** Nodes that are gone of the deployment that serves, and why the last of them is. */
  readonly #gone = new Set<string>();
  #why = "";
  /** The nodes that have prepared the deployment that serves. */
  #prepared: Set<string>;
  #changes = 0;
  #placing = false;
  /** The placement that served last; undefined: none has served in this actor's life. */
  #last?: DeploymentPlacement;
  /** Whether nodes of an earlier life of the cluster may be here: it does not wait for others. */
  #continues: boolean;

  /** Asks in the name of the actor of `ctx`, and ends with it. */
  constructor(ctx: ActorContext, options: NamedDeploymentOptions) {
    const { nodes, roster, memory, past, retryMs, answerMs, prepareMs } = options;
    this.#ctx = ctx;
    this.#options = options;
    this.serving = new Adoption(ctx, {
      members: roster.usable,
      memory,
      reason: `waiting for ${nodes} node(s), none has joined`,
      retryMs,
      deadlineMs: answerMs,
    });
    this.doubts = new Doubts(ctx);
    this.#preparation = new Preparation(ctx, this.serving, prepareMs);
    this.#prepared = new Set(past.serving?.members.map(({ node }) => node));
    this.#last = past.serving;
    this.#continues = past.serving !== undefined || past.others.length > 0;
    if (past.serving) this.serving.resume(past.serving);
  }

  /** No node of the term before is here: the first placement waits for nodes again. */
  beginAnew(): void {
    this.#continues = false;
    this.#last = undefined;
  }

  /** A node will not answer: the others need not go on to load for a deployment with it. */
  giveUpOn(node: string, why: string): void {
    this.#preparation.giveUpOn(node, why);
  }

  /** A node is no member any more. */
  forget(node: string): void {
    this.#prepared.delete(node);
  }

  /** A member is gone: what serves is repaired, or else layers are placed without it. */
  gone(node: string, why: string): void {
    const { current } = this.serving;
    if (current && servingNodes(current).includes(node)) {
      this.#gone.add(node);
      this.#why = why;
    }
    void this.replace();
  }

  /** A node says how far it is with the weights that its layers need. */
  fetching(report: FetchReport): void {
    if (this.#loading === undefined) return;
    this.#fetches.note(report);
    this.serving.reason = this.#loading + this.#fetches.text;
  }

  /** A node says that the deployment with this id answers no prompt. */
  async doubt(id: string, report: DoubtReport): Promise<void> {
    const { serving } = this;
    if (serving.current?.id !== id) return;
    if (id !== this.#condemned) {
      const why = await this.doubts.report(serving.current, report);
      if (why === undefined || serving.current?.id !== id) return;
      this.#condemned = id;
      serving.reason = `layers are placed anew: ${why}`;
    }
    if (!this.#placing) await this.replace();
  }

  /** Makes new placements until one was made for the members as they are now. */
  async replace(): Promise<void> {
    this.#changes++;
    if (this.#options.waits()) return; // it is called again once the members have come
    if (this.#placing) return; // the loop that runs already sees the change
    this.#placing = true;
    try {
      for (let seen = -1; seen !== this.#changes;) {
        seen = this.#changes;
        await this.#placeOnce(() => seen === this.#changes);
      }
    } finally {
      this.#placing = false;
    }
  }

  /** One placement. `valid`: whether the members are still those that it is made for. */
  async #placeOnce(valid: () => boolean): Promise<void> {
    const { serving } = this;
    const { nodes, place, roster } = this.#options;
    const { usable } = roster;
    if (await this.#repaired(valid)) return;
    if (!valid()) return;
    // A cluster that has served continues with the members that are left.
    if (!this.#last && !this.#continues && usable.size < nodes) {
      return serving.adopt(undefined, `waiting for ${nodes} nodes, ${usable.size} joined`);
    }
    if (usable.size === 0) return serving.adopt(undefined, "no node is left");
    try {
      const say = (what: string) => this.#say(what);
      const placement = await place(roster.able, { signal: this.#ctx.signal, say });
      if (!valid()) return;
      await this.#deploy(placement, valid);
      this.failure = undefined;
    } catch (caught) {
      if (!valid()) return; // the members changed meanwhile: the next round places for them
      await this.#failed(caught, valid);
    }
  }

  /**
   * Repairs the deployment that serves where nodes of it are gone, see `repair.ts`: meanwhile it
   * serves on, and its requests are held. False: it needs none, or is given up since it cannot be.
   */
  async #repaired(valid: () => boolean): Promise<boolean> {
    const { serving } = this;
    const { roster } = this.#options;
    const { current } = serving;
    if (!current || !servingNodes(current).some((node) => this.#gone.has(node))) return false;
    const { all: members, able } = roster;
    const made = current.id === this.#condemned ? undefined : repaired(current, { members, able });
    const nodes = able.map(({ node }) => node);
    try {
      if (made) await this.#repair(made, nodes, valid);
      if (!valid()) return false;
    } catch (caught) {
      if (!valid()) return false;
      this.#why = `${this.#why}; ${toOrreryError(caught).message}`;
      if (serving.current === current) serving.adopt(undefined, this.#why);
      return false;
    }
    if (!made) {
      serving.adopt(undefined, this.#why);
      return false;
    }
    this.#prepared = new Set(nodes);
    this.#last = made;
    this.failure = undefined;
    this.#gone.clear();
    serving.adopt(made, "");
    this.#ctx.after(REPAIRED_MS, () => serving.current === made && void this.replace());
    return true;
  }

  /**
   * Resolves when the nodes have loaded what another revision of the deployment that serves gives
   * them, and it is noted as what serves. Nobody makes room for it.
   */
  async #repair(made: Deployment, nodes: string[], valid: () => boolean): Promise<void> {
    const what = `nodes ${servingNodes(made).join(", ")} load layers of nodes that are gone`;
    this.#loading = this.serving.reason = what;
    try {
      await this.#preparation.once(made, nodes);
      if (valid()) await this.#options.memory.serves(made);
    } finally {
      this.#loading = undefined;
      this.#fetches.clear();
    }
  }

  /** A placement has failed: the one before goes on, or serves again. */
  async #failed(caught: unknown, valid: () => boolean): Promise<void> {
    const { serving } = this;
    this.failure = toOrreryError(caught);
    const why = `placement failed: ${this.failure.message}`;
    // A node was out of reach while it was asked: nothing else may ever change, so try again.
    const passing = PASSING.some((code) => hasCode(caught, code));
    if (passing || !serving.current) {
      const again = () => valid() && void this.replace();
      this.#ctx.after(passing ? PLACE_AGAIN_MS : MENDED_MS, again);
    }
    if (serving.current) return void (serving.reason = why);
    serving.adopt(undefined, why);
    // The old deployment has made room in vain. Its placement still fits, so it is deployed again.
    const before = this.#last;
    const { usable } = this.#options.roster;
    if (!before || !servingNodes(before).every((node) => usable.has(node))) return;
    await this.#deploy(before, valid).catch((error) =>
      serving.adopt(undefined, `${why}; ${toOrreryError(error).message}`)
    );
    if (serving.current) serving.reason = why;
  }

  /**
   * Reports what the cluster is doing: to every node while nothing serves, otherwise only in
   * `status`.
   */
  #say(what: string): void {
    this.serving.reason = what;
    if (!this.serving.current) this.serving.adopt(undefined, what);
  }

  /**
   * Makes a deployment of this placement and lets it serve. Where that fails, the stages that it
   * loaded are retired.
   */
  async #deploy(placement: DeploymentPlacement, valid: () => boolean): Promise<void> {
    const { roster, model, newId } = this.#options;
    const { current } = this.serving;
    const members = roster.all;
    const nodes = roster.able.map((m) => m.node);
    if (current && current.id !== this.#condemned && loads(current) === loads(placement)) {
      return await this.#keep(current, placement, { members, nodes, valid });
    }
    const { stages, head, solo, draft, plan, flow, shape = shapeSchema.parse({}) } = placement;
    const id = newId();
    const made: Deployment = {
      id,
      ...model,
      stages,
      head,
      solo,
      members,
      draft,
      shape,
      plan,
      flow,
    };
    await this.#load(made, nodes, valid);
    if (!valid()) return this.serving.letGo(made);
    this.#prepared = new Set(nodes);
    this.#last = placement;
    this.#gone.clear();
    this.serving.adopt(made, "");
  }

  /**
   * The stages stay where they are. Members that joined since then compute nothing, but answer
   * prompts and must know the deployment.
   */
  async #keep(
    current: Deployment,
    placement: DeploymentPlacement,
    { members, nodes, valid }: { members: Member[]; nodes: string[]; valid: () => boolean },
  ): Promise<void> {
    const { plan, flow, shape = shapeSchema.parse({}) } = placement;
    const same: Deployment = { ...current, members, shape, plan, flow };
    await this.#preparation.run(same, valid, nodes.filter((n) => !this.#prepared.has(n)));
    await this.#options.memory.serves(same);
    if (!valid()) return;
    for (const node of nodes) this.#prepared.add(node);
    this.#last = placement;
    this.serving.adopt(same, "");
  }

  /** Has the nodes load a new deployment. Where that fails, it is let go. */
  async #load(made: Deployment, nodes: string[], valid: () => boolean): Promise<void> {
    const { serving } = this;
    const { memory } = this.#options;
    serving.reason = `nodes ${servingNodes(made).join(", ")} load their layers`;
    if (!serving.current) serving.adopt(undefined, serving.reason);
    this.#loading = serving.reason;
    try {
      await memory.planned(made);
      await this.#preparation.run(made, valid, nodes);
      // Before anybody adopts it: whoever takes over must not go on with the one before.
      if (valid()) await memory.serves(made);
    } catch (error) {
      serving.letGo(made);
      throw error;
    } finally {
      this.#loading = undefined;
      this.#fetches.clear();
    }
  }
}

/** What is loaded where, as text, to compare placements. */
const loads = ({ stages, head, solo, draft }: DeploymentPlacement): string =>
  JSON.stringify([stages, head, solo, draft]);

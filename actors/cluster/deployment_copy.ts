/**
 * A copy of a deployment: one placement after the other of the same model. Whenever the members
 * change, it makes a new one for them, has every node prepare its stages, and only then lets the nodes
 * adopt it; until then requests use the old one. What is applied anew under its name is rolled out in
 * the same way, and given up where it does not answer. A copy that nobody asks sleeps: its layers are
 * unloaded, and loaded again with the next request.
 *
 * @module
 */
import { type ActorContext, hasCode, type OrreryError, toOrreryError } from "../system/mod.ts";
import { shapeSchema } from "../pipeline/mod.ts";
import { Adoption } from "./adoption.ts";
import { MENDED_MS, PASSING, PLACE_AGAIN_MS } from "./copy_delays.ts";
import { CopyLoading } from "./copy_loading.ts";
import { copyFields } from "./copy_name.ts";
import { CopyRepair } from "./copy_repair.ts";
import type { CopySource, CopyState, DeploymentCopyOptions } from "./copy_source.ts";
import { LiveMoves } from "./live_moves.ts";
import { type Deployment, servingNodes } from "./deployment.ts";
import { type DoubtReport, Doubts } from "./doubts.ts";
import type { FetchReport } from "./fetches.ts";
import { type DeploymentPlacement, isModel, loads } from "./placement.ts";
import { WarmBackups } from "./warm_backups.ts";

/** See the module's text. */
export class DeploymentCopy {
  /** What serves, and what the nodes are told of it. */
  readonly serving: Adoption;
  /** What nodes say against what serves. */
  readonly doubts: Doubts;
  /** Why the last placement failed; undefined: it did not. */
  failure?: OrreryError;
  /** Why what was applied last was rolled back; undefined: it was not. */
  rolledBack?: string;
  /** Milliseconds from the last wish to load it until it served; undefined: it never was loaded. */
  loadedMs?: number;
  readonly #ctx: ActorContext;
  readonly #options: DeploymentCopyOptions;
  readonly #loading: CopyLoading;
  readonly #moves: LiveMoves;
  readonly #repairs: CopyRepair;
  readonly #warm: WarmBackups;
  #source: CopySource;
  /** What is rolled out, and becomes the source once it serves; undefined: nothing is. */
  #next?: { source: CopySource; done: (rolledOut: boolean) => void };
  /** The deployment that serves and must be replaced, even by the same placement; "": none. */
  #condemned = "";
  /** The nodes that have prepared the deployment that serves. */
  #prepared: Set<string>;
  #changes = 0;
  /** Whether layers are to be placed anew, even where what serves was repaired meanwhile. */
  #anew = false;
  #placing = false;
  #asleep = false;
  /** Whether it was asleep, and the placement before may do: that is quicker than to plan. */
  #waking = false;
  #closed = false;
  /** The placement that served last; undefined: none has served in this actor's life. */
  #last?: DeploymentPlacement;
  /** Whether nodes of an earlier life of the cluster may be here: it does not wait for others. */
  #continues: boolean;

  /** Asks in the name of the actor of `ctx`, and ends with it. */
  constructor(ctx: ActorContext, options: DeploymentCopyOptions) {
    const { of, nodes, source, roster, memory, past, retryMs, answerMs, prepareMs } = options;
    this.#ctx = ctx;
    this.#options = options;
    this.#source = source;
    this.serving = new Adoption(ctx, {
      members: roster.usable,
      leaves: (node: string) => roster.leaves(node),
      memory,
      of,
      reason: `waiting for ${nodes} node(s), none has joined`,
      retryMs,
      deadlineMs: answerMs,
    });
    this.doubts = new Doubts(ctx);
    this.#loading = new CopyLoading(ctx, { serving: this.serving, memory, of, prepareMs });
    const parts = {
      serving: this.serving,
      loading: this.#loading,
      roster,
      told: (made: Deployment, nodes: string[]) => {
        this.#prepared = new Set(nodes);
        this.#last = made;
      },
    };
    this.#moves = new LiveMoves({
      ...parts,
      knows: (node) => this.#prepared.has(node),
      condemn: (id) => void (this.#condemned = id),
    });
    this.#repairs = new CopyRepair(ctx, {
      ...parts,
      source: () => this.#source,
      condemned: ({ id }) => id === this.#condemned,
      replace: () => void this.replace(),
    });
    this.#warm = new WarmBackups(ctx, {
      current: () => this.#placing ? undefined : this.serving.current,
      spare: (nodes) => this.spare(nodes),
    });
    this.#prepared = new Set(past.serving?.members.map(({ node }) => node));
    this.#last = past.serving;
    this.#continues = past.serving !== undefined || past.others.length > 0;
    if (past.serving) this.serving.resume(past.serving);
  }

  /** How it is. */
  get state(): CopyState {
    if (this.serving.current) return "serving";
    if (this.#asleep) return "asleep";
    if (this.#placing) return "loading";
    return this.failure ? "failed" : "waiting";
  }

  /** Whether a changed source is being rolled out. */
  get rolling(): boolean {
    return this.#next !== undefined;
  }

  /** What it has loaded, or is about to load. */
  get placements(): DeploymentPlacement[] {
    return [this.serving.current, this.#loading.made].filter((placed) => placed !== undefined);
  }

  /** No node of the term before is here: the first placement waits for nodes again. */
  beginAnew(): void {
    this.#continues = false;
    this.#last = undefined;
  }

  /** A node will not answer: the others need not go on to load for a deployment with it. */
  giveUpOn(node: string, why: string): void {
    this.#loading.giveUpOn(node, why);
  }

  /** A node is no member any more. */
  forget(node: string): void {
    this.#prepared.delete(node);
  }

  /** A member is gone: what serves is repaired, or else layers are placed without it. */
  gone(node: string, why: string): void {
    // What is being loaded may serve before this is looked at.
    if (this.placements.some((placed) => servingNodes(placed).includes(node))) {
      this.#repairs.missing.lost(node, why);
      return void this.replace({ anew: false });
    }
    // Others have its layers, and those are placed anew later (REPAIRED_MS): until then nodes learn
    // only that it is no member any more.
    const later = this.#repairs.missing.lostLater(node) && this.serving.current !== undefined;
    void this.replace({ anew: !later });
  }

  /** The nodes without which what serves cannot answer; none while layers are being placed. */
  get needed(): string[] {
    const { current } = this.serving;
    return !current || this.#placing || this.#options.waits() ? [] : servingNodes(current);
  }

  /** What serves with the layers of nodes at backups; undefined: they have none, or no backups. */
  without(nodes: readonly string[]): Deployment | undefined {
    const { needed } = this;
    return nodes.some((node) => needed.includes(node)) ? this.spare(nodes) : undefined;
  }

  /** What serves without these nodes; undefined: nothing serves, or nobody can take their layers. */
  spare(nodes: readonly string[]): Deployment | undefined {
    return this.#repairs.spare(nodes);
  }

  /**
   * Members have fallen silent: backups take their layers over. They stay members, and get layers
   * again when they are placed anew. False: nobody can, or they have none.
   */
  standIn(nodes: readonly string[], why: string): boolean {
    if (!this.without(nodes)) return false;
    this.#repairs.missing.silent(nodes, why);
    void this.replace({ anew: false });
    return true;
  }

  /** A member answers again in whose place others stood in. */
  back(node: string): void {
    this.#repairs.back(node);
  }

  /** A node says how far it is with the weights that its layers need. */
  fetching(report: FetchReport): void {
    this.#loading.fetching(report);
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

  /**
   * Unloads its layers; the next request wakes it. A copy that is asleep already tells members that
   * are new.
   */
  sleep(): void {
    if (this.#closed) return;
    const { roster } = this.#options;
    this.#asleep = true;
    this.#changes++; // ends what is being placed
    const members = roster.all.map(({ node }) => node);
    const asleep = { ...this.#source.model, members };
    this.serving.adopt(undefined, "it sleeps until a request comes", { asleep });
  }

  /** Loads its layers, where it sleeps. */
  wake(): void {
    if (!this.#asleep || this.#closed) return;
    this.#asleep = false;
    this.#waking = true;
    void this.replace();
  }

  /**
   * Puts another source in place of its own, beside which it serves until the new one answers.
   * Resolves to whether it does; else the old one goes on.
   */
  roll(source: CopySource): Promise<boolean> {
    this.#next?.done(false);
    this.rolledBack = undefined;
    if (this.#asleep) {
      this.#source = source;
      this.#last = undefined;
      this.sleep();
      return Promise.resolve(true);
    }
    const { promise, resolve } = Promise.withResolvers<boolean>();
    this.#next = { source, done: resolve };
    void this.replace();
    return promise;
  }

  /** Plans by this source from now on. What serves is the same under it, and goes on. */
  use(source: CopySource): void {
    this.#source = source;
  }

  /** Unloads its layers for good: nodes forget it. */
  close(why: string): void {
    if (this.#closed) return;
    this.#closed = true;
    this.#warm.stop();
    this.#changes++;
    this.#next?.done(false);
    this.#next = undefined;
    this.serving.adopt(undefined, why, { gone: true });
  }

  /**
   * Makes new placements until one was made for the members as they are now. `anew` false: it will do
   * if what serves is repaired, or needs no repair.
   */
  async replace({ anew = true }: { anew?: boolean } = {}): Promise<void> {
    this.#changes++;
    if (anew) this.#anew = true;
    if (this.#asleep) return this.sleep();
    if (this.#options.waits()) return; // it is called again once the members have come
    if (this.#placing || this.#closed) return; // the loop that runs already sees the change
    this.#placing = true;
    const began = this.#ctx.now();
    const { current } = this.serving;
    try {
      for (let seen = -1; seen !== this.#changes && !this.#asleep && !this.#closed;) {
        seen = this.#changes;
        await this.#placeOnce(() => seen === this.#changes);
      }
    } finally {
      this.#placing = false;
    }
    if (this.serving.current && this.serving.current.id !== current?.id) {
      this.loadedMs = this.#ctx.now() - began;
    }
  }

  /** One placement. `valid`: whether the members are still those that it is made for. */
  async #placeOnce(valid: () => boolean): Promise<void> {
    const { serving } = this;
    const { nodes, roster } = this.#options;
    const { usable } = roster;
    if (await this.#repaired(valid) || !valid()) return;
    if (await this.#handedOver(valid) || !valid()) return;
    if (await this.#stayed(valid) || !valid()) return;
    // A cluster that has served continues with the members that are left.
    if (!this.#last && !this.#continues && usable.size < nodes) {
      return serving.adopt(undefined, `waiting for ${nodes} nodes, ${usable.size} joined`);
    }
    if (usable.size === 0) return serving.adopt(undefined, "no node is left");
    const next = this.#next;
    const source = next?.source ?? this.#source;
    this.#anew = false;
    try {
      if (!next && await this.#woken(valid)) return;
      const say = (what: string) => this.#say(what);
      const placement = await source.place(roster.able, {
        signal: this.#ctx.signal,
        say,
        quick: !serving.current,
      });
      if (!valid() || !await this.#deploy(source, placement, valid)) {
        this.#anew = true; // the placement that was owed has not been made
        return;
      }
      this.failure = undefined;
      if (next && this.#next === next) this.#rolledOut(next);
    } catch (caught) {
      if (!valid()) {
        this.#anew = true; // the members changed meanwhile: the next round places for them
        return;
      }
      if (next && this.#next === next && this.#last) return await this.#rollBack(caught, valid);
      await this.#failed(caught, valid);
    }
  }

  /** Repairs what serves. False: it needs none, or is given up since it cannot be repaired. */
  async #repaired(valid: () => boolean): Promise<boolean> {
    const state = await this.#repairs.run(valid);
    if (state !== "repaired") return state === "waits";
    this.failure = undefined;
    if (this.#anew) this.#changes++; // a node has joined meanwhile: one more round
    else this.#repairs.laterAnew(this.serving.current!);
    return true;
  }

  /** What serves and may move; undefined: nothing does, or it is to be replaced. */
  get #movable(): Deployment | undefined {
    const { current } = this.serving;
    return this.#next || current?.id === this.#condemned ? undefined : current;
  }

  /** Backups take over from nodes that leave. False: layers are placed anew. */
  async #handedOver(valid: () => boolean): Promise<boolean> {
    const [current, owed] = [this.#movable, this.#anew];
    this.#anew = false; // a node that joins meanwhile is owed a placement of its own
    const made = current && await this.#moves.handOver(current, valid);
    if (made) this.#repairs.laterAnew(made);
    else this.#anew ||= owed;
    return made !== undefined;
  }

  /**
   * What serves needs no repair, and layers need not be placed anew now: nodes learn who its members
   * are. False: layers are placed anew.
   */
  async #stayed(valid: () => boolean): Promise<boolean> {
    const current = this.#movable;
    if (!current || this.#anew) return false;
    const here = new Set(this.#options.roster.all.map(({ node }) => node));
    // After a start, nodes of the deployment before may be gone without ever having been members.
    if (!servingNodes(current).every((node) => here.has(node))) return false;
    try {
      if (!await this.#moves.withoutMember(current, valid)) return false;
    } catch {
      return false; // it could not be noted: to place layers anew says what is wrong
    }
    this.#repairs.carryOver(current, this.serving.current);
    return true;
  }

  /** Loads the placement that served before it slept. False: it does not serve. */
  async #woken(valid: () => boolean): Promise<boolean> {
    const last = this.#last;
    const { roster } = this.#options;
    if (!this.#waking || !last || this.serving.current) return false;
    this.#waking = false;
    if (!servingNodes(last).every((node) => roster.usable.has(node))) return false;
    try {
      if (await this.#deploy(this.#source, last, valid)) this.failure = undefined;
      return true;
    } catch {
      return !valid(); // it has no place any more: another one is planned
    }
  }

  #rolledOut(next: { source: CopySource; done: (rolledOut: boolean) => void }): void {
    this.#source = next.source;
    this.#next = undefined;
    next.done(true);
  }

  /** What was to be rolled out does not answer: the one before goes on, or serves again. */
  async #rollBack(caught: unknown, valid: () => boolean): Promise<void> {
    const { serving } = this;
    const next = this.#next!;
    this.#next = undefined;
    this.rolledBack = toOrreryError(caught).message;
    const before = this.#last!;
    if (!serving.current) {
      await this.#deploy(this.#source, before, valid).catch((error) => this.#failed(error, valid));
    }
    if (serving.current) serving.reason = "";
    next.done(false);
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
    if (this.#movable) await this.#moves.welcome(this.#movable, valid);
    if (serving.current) return void (serving.reason = why);
    serving.adopt(undefined, why, { failed: true });
    // The old deployment has made room in vain. Its placement still fits, so it is deployed again.
    const before = this.#last;
    const { usable } = this.#options.roster;
    if (!before || !servingNodes(before).every((node) => usable.has(node))) return;
    await this.#deploy(this.#source, before, valid).catch((error) =>
      serving.adopt(undefined, `${why}; ${toOrreryError(error).message}`, { failed: true })
    );
    if (serving.current) serving.reason = why;
  }

  /**
   * Reports what the cluster is doing: to every node while nothing serves, otherwise only in
   * `status`.
   */
  #say(what: string): void {
    if (this.#asleep || this.#closed) return;
    this.serving.reason = what;
    if (!this.serving.current) this.serving.adopt(undefined, what);
  }

  /**
   * Makes a deployment of this placement and lets it serve. False: it is not wanted any more. Where it
   * fails, the stages that it loaded are retired.
   */
  async #deploy(
    { model }: CopySource,
    placement: DeploymentPlacement,
    valid: () => boolean,
  ): Promise<boolean> {
    const { of, roster, newId } = this.#options;
    const { current } = this.serving;
    const next = this.#next;
    const members = roster.all;
    const nodes = roster.able.map((m) => m.node);
    const same = current && current.id !== this.#condemned && isModel(current, model) &&
      loads(current) === loads(placement);
    if (same) return await this.#moves.stay(current, placement, valid);
    const { stages, head, solo, draft, plan, flow, shape = shapeSchema.parse({}) } = placement;
    const moves = this.#movable && { model, placement, valid };
    if (moves && await this.#moves.inPlace(this.#movable!, moves)) return true;
    if (!valid()) return false;
    const id = newId();
    const made: Deployment = {
      id,
      ...copyFields(of),
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
    const wanted = () => valid() || (this.#next === next && this.#answersFirst(placement));
    await this.#loading.run(made, { nodes, valid: wanted, proves: next !== undefined });
    if (!wanted()) {
      this.serving.letGo(made);
      return false;
    }
    this.#prepared = new Set(nodes);
    this.#last = placement;
    this.#repairs.missing.clear();
    this.serving.adopt(made, "");
    return true;
  }

  /**
   * Whether a placement is to serve though members or links have changed since it was made: nothing
   * serves, and requests are held. The next placement is made after it. Else changes that come faster
   * than layers are loaded would keep requests waiting for ever.
   */
  #answersFirst(placement: DeploymentPlacement): boolean {
    if (this.serving.current || !this.#last || this.#asleep || this.#closed) return false;
    return servingNodes(placement).every((node) => this.#options.roster.usable.has(node));
  }
}

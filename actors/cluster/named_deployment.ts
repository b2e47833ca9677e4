/**
 * What a cluster serves under one name: a source, and as many copies of it as its policy and its
 * requests ask for.
 *
 * @module
 */
import { type ActorContext, toOrreryError } from "../system/mod.ts";
import { CopiesWatch, copyLimits, wantedCopies } from "./copies_policy.ts";
import { type CopyName, DEFAULT_DEPLOYMENT } from "./copy_name.ts";
import type { CopySource, CopyState, DeploymentCopyOptions } from "./copy_source.ts";
import { DeploymentCopy } from "./deployment_copy.ts";
import { type Deployment, servingNodes } from "./deployment.ts";
import type { DeploymentSource, HostedActorView } from "./deployment_source.ts";
import type { PlaceDeployment } from "./placement.ts";

/** Milliseconds after which a copy for which there was no room is tried again. */
const ROOM_AGAIN_MS = 60_000;

/** A deployment as it is shown. */
export interface DeploymentView {
  /** Name by which requests ask for it. */
  name: string;
  /** Name of the model in the stores. */
  model: string;
  /** Draft model; undefined: there is none. */
  draft?: string;
  /** Least, most and warm copies, and idle time in seconds. */
  policy: { min: number; max: number; keep_warm: number; idle: number; journal: boolean };
  /** Its copies, in their order. */
  copies: CopyView[];
  /** Why what was applied last was rolled back; undefined: it was not. */
  rolled_back?: string;
  /** Whether a changed file is being rolled out. */
  rolling: boolean;
  /** Its custom actors; undefined: it has none. */
  actors?: readonly HostedActorView[];
  /** Text of the graph file that was applied; undefined: nodes were started with it. */
  graph?: string;
}

/** A copy of a deployment as it is shown. */
export interface CopyView {
  /** Its number, from 0. */
  copy: number;
  /** Id of the placement that serves; undefined: none does. */
  id?: string;
  /** What it is at. */
  state: CopyState;
  /** Why it does not serve, or what it is doing; "": nothing special. */
  reason: string;
  /** Which layers are where; empty: it does not serve. */
  stages: Deployment["stages"];
  /** Milliseconds that it took to load last; undefined: it was loaded by another coordinator. */
  loaded_ms?: number;
}

/** Options of a {@linkcode NamedDeployment}. */
export interface NamedDeploymentOptions
  extends Omit<DeploymentCopyOptions, "of" | "source" | "past"> {
  name: string;
  source: DeploymentSource;
  /** What the term before has left of it. */
  past: { serving: readonly Deployment[]; others: readonly Deployment[] };
  /** Places a copy, beside everything else that the cluster has loaded. */
  place: (
    copy: DeploymentCopy,
    source: DeploymentSource,
    ...given: Parameters<PlaceDeployment>
  ) => ReturnType<PlaceDeployment>;
}

/** See the module's text. */
export class NamedDeployment {
  readonly name: string;
  readonly #ctx: ActorContext;
  readonly #options: NamedDeploymentOptions;
  readonly #copies: DeploymentCopy[] = [];
  readonly #watch: CopiesWatch;
  #source: DeploymentSource;
  /** The source that is being rolled out. */
  #next?: DeploymentSource;
  /** Why custom actors that were rolled out last were rolled back; undefined: they were not. */
  #rolledBack?: string;
  /** When there was no room for a further copy. */
  #fullAt = -Infinity;

  /** Its copies load nothing until they are told to. */
  constructor(ctx: ActorContext, options: NamedDeploymentOptions) {
    this.#ctx = ctx;
    this.#options = options;
    this.name = options.name;
    this.#source = options.source;
    this.#watch = new CopiesWatch(ctx.now());
    const { past: { serving } } = options;
    const { least } = copyLimits(options.source.policy);
    const copies = Math.max(least, ...serving.map(({ copy = 0 }) => copy + 1));
    for (let copy = 0; copy < copies; copy++) this.#add(copy);
  }

  /** Its copies, in their order. */
  get copies(): readonly DeploymentCopy[] {
    return this.#copies;
  }

  /** What is deployed. */
  get source(): DeploymentSource {
    return this.#source;
  }

  /** The names of its models. */
  get models(): string[] {
    const sources = [this.#source, ...this.#next ? [this.#next] : []];
    return sources.flatMap(({ model, draft }) => [model.model, ...(draft ? [draft] : [])]);
  }

  /** Whether its requests must be watched: its number of copies can change. */
  get scales(): boolean {
    const { least, most, warm } = copyLimits(this.#source.policy);
    return most > least || warm < least || this.#copies.length > most;
  }

  /** As it is shown. */
  get view(): DeploymentView {
    const { model, draft, policy } = this.#source;
    const { least, most, warm } = copyLimits(policy);
    return {
      name: this.name,
      model: model.model,
      draft,
      policy: {
        min: least,
        max: most,
        keep_warm: warm,
        idle: policy.idle,
        journal: policy.journal,
      },
      copies: this.#copies.map((copy, i) => ({
        copy: i,
        id: copy.serving.current?.id,
        state: copy.state,
        reason: copy.serving.reason,
        stages: copy.serving.current?.stages ?? [],
        loaded_ms: copy.loadedMs,
      })),
      rolled_back: this.#rolledBack ??
        this.#copies.map((copy) => copy.rolledBack).find((why) => why !== undefined),
      rolling: this.#next !== undefined,
      actors: this.#source.actors?.(),
      graph: this.#source.asked?.graph,
    };
  }

  /**
   * Loads what does not serve. `restored`: it was applied in an earlier term, so that copies that need
   * not stay loaded sleep at once.
   */
  begin({ restored }: { restored: boolean }): void {
    this.#beginActors(this.#source);
    const { warm } = copyLimits(this.#source.policy);
    for (const [i, copy] of this.#copies.entries()) {
      if (copy.serving.current) continue;
      if (restored && i >= warm && this.name !== DEFAULT_DEPLOYMENT) copy.sleep();
      else void copy.replace();
    }
  }

  /** A request waits for it at some node. */
  wake(): void {
    this.#watch.used(this.#ctx.now());
    const { least } = copyLimits(this.#source.policy);
    for (const copy of this.#copies.slice(0, least)) copy.wake();
  }

  /**
   * Rolls a changed source out, copy by copy. Resolves to whether it answers; where it does not, all
   * keep the old one.
   */
  async roll(source: DeploymentSource): Promise<boolean> {
    const before = this.#source;
    this.#next?.close();
    this.#next = source;
    this.#rolledBack = undefined;
    try {
      await source.begin?.(this.#ctx.signal);
    } catch (error) {
      if (this.#next !== source) return false;
      this.#rolledBack = toOrreryError(error).message;
      return this.#rollBack(before);
    }
    if (this.#next !== source) return false;
    for (const copy of [...this.#copies]) {
      const rolledOut = await copy.roll(this.#sourceOf(() => copy, source));
      if (this.#next !== source) return false; // a later one came, which has closed it
      if (rolledOut) continue;
      this.#rollBack(before);
      for (const other of this.#copies.slice(0, this.#copies.indexOf(copy))) {
        await other.roll(this.#sourceOf(() => other, before));
      }
      return false;
    }
    this.#next = undefined;
    this.#source = source;
    before.close();
    this.#applyLimits();
    return true;
  }

  /** What was rolled out is given up: the custom actors of the source before go on. */
  #rollBack(before: DeploymentSource): false {
    this.#next?.close();
    this.#next = undefined;
    this.#beginActors(before);
    return false;
  }

  /** Has custom actors run, however long it takes: meanwhile it is shown why they do not. */
  #beginActors(source: DeploymentSource): void {
    void source.begin?.(this.#ctx.signal).catch(() => {});
  }

  /** Whether this source differs from what is deployed in its policy alone. */
  differsInPolicy({ content }: DeploymentSource): boolean {
    return !this.#next && content !== "" && content === this.#source.content;
  }

  /** What serves was asked for again: what was rolled back before does not matter any more. */
  forgetRollback(): void {
    this.#rolledBack = undefined;
    for (const copy of this.#copies) copy.rolledBack = undefined;
  }

  /** Takes over the policy of such a source: what serves goes on as it is. */
  adjust(source: DeploymentSource): void {
    this.forgetRollback();
    const before = this.#source;
    this.#source = source;
    source.inherit?.();
    for (const copy of this.#copies) {
      copy.use(this.#sourceOf(() => copy, source));
    }
    before.close();
    this.#applyLimits();
  }

  /** Ends copies beyond the most, loads those that are missing, and wakes those that stay loaded. */
  #applyLimits(): void {
    const { least, most, warm } = copyLimits(this.#source.policy);
    this.#trim(most);
    for (const copy of this.#copies.slice(0, warm)) copy.wake();
    while (this.#copies.length < least) void this.#add(this.#copies.length).replace();
  }

  /** Ends it: its layers are unloaded everywhere. */
  close(): void {
    for (const copy of this.#copies) copy.close(`deployment ${this.name} was deleted`);
    this.#next?.close();
    this.#source.end?.();
    this.#source.close();
  }

  /**
   * So many requests run or wait at all nodes, and the last one was there `idleMs` ago: adds or
   * takes away copies by its policy.
   */
  saw({ requests, idleMs }: { requests: number; idleMs: number }): void {
    if (this.#next) return;
    const loaded = this.#copies.filter(({ state }) => state !== "asleep").length;
    const now = this.#ctx.now();
    const seen = this.#watch.saw(now, {
      requests,
      idleMs,
      copies: loaded,
      concurrent: this.#source.concurrent,
    });
    const wanted = wantedCopies(this.#source.policy, seen);
    const { least } = copyLimits(this.#source.policy);
    if (wanted > loaded) this.#grow(wanted);
    else if (wanted < loaded) {
      this.#trim(Math.max(wanted, least));
      for (const copy of this.#copies.slice(wanted)) {
        if (copy.state !== "asleep") copy.sleep();
      }
    }
  }

  /** The cluster has other members: there may be room for further copies. */
  changed(): void {
    this.#fullAt = -Infinity;
  }

  #grow(wanted: number): void {
    const { least } = copyLimits(this.#source.policy);
    if (this.#copies.length <= least && this.#copies.some(({ state }) => state === "asleep")) {
      return this.wake();
    }
    if (this.#ctx.now() - this.#fullAt < ROOM_AGAIN_MS) return;
    while (this.#copies.length < wanted) {
      const copy = this.#add(this.#copies.length);
      void copy.replace().then(() => {
        if (copy.serving.current || !this.#copies.includes(copy)) return;
        // There is no room for it, and those that serve go on.
        this.#fullAt = this.#ctx.now();
        this.#trim(this.#copies.indexOf(copy));
      });
    }
  }

  /** Ends the copies from this number on. */
  #trim(from: number): void {
    for (const copy of this.#copies.splice(from)) copy.close("it is not needed any more");
  }

  #add(copy: number): DeploymentCopy {
    const { name, source: _, past, place: _place, ...options } = this.#options;
    const of: CopyName = { name, copy };
    const source = this.#source;
    let made: DeploymentCopy | undefined = undefined;
    made = new DeploymentCopy(this.#ctx, {
      ...options,
      of,
      source: this.#sourceOf(() => made!, source),
      past: {
        serving: past.serving.find((d) => (d.copy ?? 0) === copy),
        others: past.others,
      },
    });
    this.#copies.push(made);
    return made;
  }

  #sourceOf(copy: () => DeploymentCopy, source: DeploymentSource): CopySource {
    return {
      model: source.model,
      bytesAt: (placement) => source.bytesAt(placement),
      place: (...given) => this.#options.place(copy(), source, ...given),
    };
  }

  /** Nodes that another copy than this one has layers on. */
  nodesOfOthers(copy: DeploymentCopy): Set<string> {
    const others = this.#copies.filter((other) => other !== copy);
    return new Set(others.flatMap(({ placements }) => placements.flatMap(servingNodes)));
  }
}

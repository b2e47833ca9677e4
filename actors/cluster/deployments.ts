/**
 * All that a cluster serves, by name: what it was started with, and what was applied since. They share
 * the memory of the members by plan: one placement is made at a time, and each gets what the others
 * have taken.
 *
 * @module
 */
import { type ActorContext, OrreryError } from "../system/mod.ts";
import { DEFAULT_DEPLOYMENT, nameOf } from "./copy_name.ts";
import type { DeploymentCopy } from "./deployment_copy.ts";
import type { AskedDeployment, DeploymentSource, DeploymentSources } from "./deployment_source.ts";
import { memberActor, type NameActivity, nodeActivitySchema } from "./member.ts";
import {
  type DeploymentView,
  NamedDeployment,
  type NamedDeploymentOptions,
} from "./named_deployment.ts";
import type { DeploymentPlacement, PlaceOptions } from "./placement.ts";
import type { Member } from "./deployment.ts";

/** Milliseconds between two looks at what requests are at, where that decides about copies. */
const LOOK_MS = 1_000;
/** Milliseconds in which the model of what was applied must be found again. */
const RESTORE_MS = 10_000;

/** Options of {@linkcode Deployments}. */
export interface DeploymentsOptions
  extends Omit<NamedDeploymentOptions, "name" | "source" | "past" | "place"> {
  /** What the cluster was started with. */
  main: DeploymentSource;
  sources: DeploymentSources;
}

/** See the module's text. */
export class Deployments {
  readonly #ctx: ActorContext;
  readonly #options: DeploymentsOptions;
  readonly #named = new Map<string, NamedDeployment>();
  /** Placements are made one after the other. */
  #turn: Promise<unknown> = Promise.resolve();
  /** What was placed last for a copy, which may not have begun to load yet. */
  readonly #reserved = new WeakMap<DeploymentCopy, ReadonlyMap<string, number>>();
  /** Whether a look at requests is planned or under way. */
  #watching = false;

  /** Nothing is placed until it is told to. */
  constructor(ctx: ActorContext, options: DeploymentsOptions) {
    this.#ctx = ctx;
    this.#options = options;
    this.#add(DEFAULT_DEPLOYMENT, options.main);
  }

  /** What the cluster was started with. */
  get main(): NamedDeployment {
    return this.#named.get(DEFAULT_DEPLOYMENT)!;
  }

  /** All copies, those of the main deployment first. */
  get copies(): DeploymentCopy[] {
    return [...this.#named.values()].flatMap(({ copies }) => copies);
  }

  /** As they are shown. */
  get views(): DeploymentView[] {
    return [...this.#named.values()].map(({ view }) => view);
  }

  /** One as it is shown. Throws `deployment_not_found`. */
  view(name: string): DeploymentView {
    return this.#find(name).view;
  }

  /** Places everything anew, for members that have changed or links that were measured. */
  replace(): void {
    for (const named of this.#named.values()) {
      named.changed();
      for (const copy of named.copies) void copy.replace();
    }
  }

  /** Loads what does not serve and should. */
  begin(): void {
    for (const named of this.#named.values()) {
      named.begin({ restored: true });
    }
  }

  /** Finds what the coordinator before had applied. Resolves when all were tried. */
  async restore(asked: readonly AskedDeployment[]): Promise<void> {
    for (const one of asked) {
      if (this.#named.has(one.name)) continue;
      try {
        const signal = this.#within(RESTORE_MS);
        this.#add(one.name, await this.#options.sources.open(one, signal));
      } catch {
        // This node lacks the model: another coordinator may have it. What served is let go.
        const { past } = this.#options.memory;
        for (const served of past.named ?? []) {
          if (nameOf(served) === one.name) this.main.copies[0].serving.letGo(served);
        }
      }
    }
  }

  /**
   * Deploys something under a name, or rolls a change out; answers when that has begun. Where only
   * numbers of copies and times have changed, nothing is planned or loaded. Throws what
   * `open` throws, `default_deployment`, `deployment_name_taken`.
   */
  async apply(asked: AskedDeployment, signal: AbortSignal): Promise<DeploymentView> {
    const { memory } = this.#options;
    const { name } = asked;
    this.#checkName(name);
    const before = this.#named.get(name);
    if (before && isSame(before.source.asked, asked) && !before.view.rolling) {
      before.forgetRollback();
      return before.view;
    }
    const source = await this.#options.sources.open(asked, signal);
    const now = this.#named.get(name);
    if (now?.differsInPolicy(source)) {
      now.adjust(source);
      this.#watch();
      await memory.applied(asked);
      return now.view;
    }
    if (now) {
      // The next coordinator goes on with it only once it has answered.
      void now.roll(source).then((rolledOut) => {
        this.#watch(); // its policy may be another one
        return rolledOut ? memory.applied(asked) : undefined;
      })
        .catch(() => {}); // the term is over
      return now.view;
    }
    await memory.applied(asked);
    const made = this.#add(name, source);
    made.begin({ restored: false });
    return made.view;
  }

  /** The placement that applying would lead to. Changes nothing. Throws as `apply`, and as `place`. */
  async plan(asked: AskedDeployment, signal: AbortSignal): Promise<DeploymentPlacement> {
    this.#checkName(asked.name);
    const source = await this.#options.sources.open(asked, signal);
    try {
      const own = this.#named.get(asked.name)?.copies ?? [];
      const taken = this.#taken((copy) => own.includes(copy));
      const options = { signal, say: () => {}, taken, dry: true };
      return await source.place(this.#options.roster.able, options);
    } finally {
      source.close();
    }
  }

  /** Ends a deployment. Throws `deployment_not_found`, `default_deployment`. */
  async delete(name: string): Promise<DeploymentView> {
    const named = this.#find(name);
    if (name === DEFAULT_DEPLOYMENT) throw isDefault("deleted");
    this.#named.delete(name);
    named.close();
    await this.#options.memory.deleted(name);
    return named.view;
  }

  /** A request waits for a deployment that sleeps. */
  wake(name: string): void {
    this.#named.get(name)?.wake();
  }

  /** A signal that fires after so many milliseconds, and when the actor stops. */
  #within(ms: number): AbortSignal {
    const late = new AbortController();
    this.#ctx.after(ms, () => late.abort(new Error(`not done within ${ms / 1000} s`)));
    return AbortSignal.any([this.#ctx.signal, late.signal]);
  }

  #find(name: string): NamedDeployment {
    const found = this.#named.get(name);
    if (found) return found;
    const names = [...this.#named.keys()].join(", ");
    throw new OrreryError({
      group: "cluster",
      code: "deployment_not_found",
      message: `no deployment is called ${JSON.stringify(name)}; there are ${names}`,
      metadata: { deployment: name },
    });
  }

  #checkName(name: string): void {
    if (name === DEFAULT_DEPLOYMENT) throw isDefault("applied");
    const { model } = this.main.source.model;
    if (name !== model) return;
    throw new OrreryError({
      group: "cluster",
      code: "deployment_name_taken",
      message: `requests for ${name} go to the default deployment, whose model is called so; ` +
        "give the deployment another --name",
      metadata: { deployment: name },
    });
  }

  #add(name: string, source: DeploymentSource): NamedDeployment {
    const { past } = this.#options.memory;
    const { main: _main, sources: _sources, ...options } = this.#options;
    const serving = [...past.serving ? [past.serving] : [], ...past.named ?? []];
    const named = new NamedDeployment(this.#ctx, {
      ...options,
      name,
      source,
      nodes: name === DEFAULT_DEPLOYMENT ? options.nodes : 1,
      past: {
        serving: serving.filter((d) => nameOf(d) === name),
        others: name === DEFAULT_DEPLOYMENT ? past.others : [],
      },
      place: (...given) => this.#place(...given),
    });
    this.#named.set(name, named);
    this.#watch();
    return named;
  }

  /** Makes one placement, once those before it are made. */
  async #place(
    copy: DeploymentCopy,
    source: DeploymentSource,
    members: Member[],
    options: PlaceOptions,
  ): Promise<DeploymentPlacement> {
    const alone = this.#named.size === 1 && this.main.copies.length === 1;
    if (alone) return await source.place(members, options);
    const made = this.#turn.then(async () => {
      options.signal.throwIfAborted();
      const taken = this.#taken((other) => other === copy);
      const others = [...this.#named.values()].find((n) => n.copies.includes(copy));
      for (const node of others?.nodesOfOthers(copy) ?? []) taken.set(node, Infinity);
      const placement = await source.place(members, { ...options, taken });
      this.#reserved.set(copy, source.bytesAt(placement));
      return placement;
    });
    this.#turn = made.catch(() => {});
    return await made;
  }

  /** Bytes that all copies but these have taken, by node. */
  #taken(but: (copy: DeploymentCopy) => boolean): Map<string, number> {
    const taken = new Map<string, number>();
    for (const { source, copies } of this.#named.values()) {
      for (const copy of copies) {
        if (but(copy)) continue;
        for (const [node, bytes] of this.#bytesOf(copy, source)) {
          taken.set(node, (taken.get(node) ?? 0) + bytes);
        }
      }
    }
    return taken;
  }

  /** Bytes that a copy has taken at each node, loaded or about to be. */
  #bytesOf(copy: DeploymentCopy, source: DeploymentSource): Map<string, number> {
    const bytes = new Map<string, number>();
    for (const placement of copy.placements) {
      for (const [node, more] of source.bytesAt(placement)) {
        bytes.set(node, (bytes.get(node) ?? 0) + more);
      }
    }
    if (!["serving", "loading"].includes(copy.state)) return bytes;
    for (const [node, reserved] of this.#reserved.get(copy) ?? []) {
      bytes.set(node, Math.max(bytes.get(node) ?? 0, reserved));
    }
    return bytes;
  }

  /** The deployments whose number of copies can change. */
  get #scaled(): NamedDeployment[] {
    return [...this.#named.values()].filter(({ scales }) => scales);
  }

  /** Looks at requests from now on, as long as a number of copies can change. */
  #watch(): void {
    if (this.#watching || this.#scaled.length === 0) return;
    this.#watching = true;
    this.#ctx.after(LOOK_MS, async () => {
      if (!this.#options.waits()) await this.#askAll(this.#scaled);
      this.#watching = false;
      this.#watch();
    });
  }

  /** Asks every member what its requests are at. Where one does not answer, nothing is decided. */
  async #askAll(scaled: readonly NamedDeployment[]): Promise<void> {
    const { roster, answerMs } = this.#options;
    const nodes = roster.able.map(({ node }) => node);
    if (nodes.length === 0) return;
    const asked = nodes.map(async (node) =>
      nodeActivitySchema.parse(
        await this.#ctx.get(memberActor, node).activity({}, { deadlineMs: answerMs }),
      )
    );
    let all: NameActivity[];
    try {
      all = (await Promise.all(asked)).flat();
    } catch {
      return; // a member that is gone is taken out soon
    }
    for (const named of scaled) {
      const own = all.filter(({ name }) => name === named.name);
      named.saw({
        requests: own.reduce((sum, { running, waiting }) => sum + running + waiting, 0),
        idleMs: Math.min(...own.map(({ idle_ms = Infinity }) => idle_ms)),
      });
    }
  }
}

/** Whether both ask for the same: graph and modules. */
const isSame = (before: AskedDeployment | undefined, asked: AskedDeployment): boolean => {
  const hashes = ({ modules = {} }: AskedDeployment) =>
    Object.entries(modules).map(([name, { sha256 }]) => `${name} ${sha256}`).sort().join();
  return before?.graph === asked.graph && hashes(before) === hashes(asked);
};

const isDefault = (what: string): OrreryError =>
  new OrreryError({
    group: "cluster",
    code: "default_deployment",
    message:
      `the default deployment is what the first node was started with, and is not ${what}: ` +
      "start the node with another model or graph, or use another name",
    metadata: { deployment: DEFAULT_DEPLOYMENT },
  });

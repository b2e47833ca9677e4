/**
 * Engines that are loaded before anybody needs them: those of stages and shards of which this node is
 * the backup. When one comes to this node, since the node that had it is gone, it need not be read
 * from the disk any more, which takes seconds for a large model.
 *
 * They take memory that nothing else wants: they are loaded only where as much again stays free, and
 * unloaded before anything else is loaded. The coordinator asks for them again after a while
 * (`actors/cluster/warm_backups.ts`).
 *
 * @module
 */
import { getLogger } from "@logtape/logtape";
import type { HeadEngine, HeadShard, KvRoom, StageEngine } from "../../actors/mod.ts";
import type { StoredModel } from "../../models/mod.ts";
import type { EngineToLoad } from "./engines_to_load.ts";
import type { LoadedLayers, StageLoader } from "./stage_loader.ts";

const log = getLogger(["orrery", "cluster"]);

type Engine = StageEngine | HeadEngine;

/** An engine without an actor. */
interface Spare {
  wanted: string;
  engine: Promise<Engine>;
}

/** See the module's text. */
export class WarmEngines implements StageLoader {
  readonly #loader: StageLoader;
  readonly #spares = new Map<string, Spare>();
  /** Ends when the last spare is loaded, or has failed: one is loaded after the other. */
  #loading: Promise<unknown> = Promise.resolve();

  constructor(loader: StageLoader) {
    this.#loader = loader;
  }

  /** Addresses of the stages and shards whose engines are loaded, or being loaded, ahead. */
  get addresses(): string[] {
    return [...this.#spares.keys()];
  }

  async load(to: string, stored: StoredModel, layers: LoadedLayers): Promise<StageEngine> {
    const wanted: EngineToLoad = { kind: "stage", stored, layers };
    return await this.#taken(to, wanted) as StageEngine | undefined ??
      await this.#loader.load(to, stored, layers);
  }

  async loadHead(to: string, stored: StoredModel, parts: HeadShard): Promise<HeadEngine> {
    const wanted: EngineToLoad = { kind: "head", stored, parts };
    return await this.#taken(to, wanted) as HeadEngine | undefined ??
      await this.#loader.loadHead(to, stored, parts);
  }

  kvRoom(to: string): KvRoom | undefined {
    return this.#loader.kvRoom?.(to);
  }

  /**
   * Loads these engines of a deployment, and unloads its others. Resolves when that is done. Where
   * there is no room, or a file cannot be read, one is left out: it is loaded when it is needed.
   *
   * @param deployment Its id: the part of an address before the first slash.
   */
  async keep(deployment: string, { all, valid }: {
    /** By address. */
    all: ReadonlyMap<string, EngineToLoad>;
    /** Whether they are still wanted. */
    valid: () => boolean;
  }): Promise<void> {
    await this.drop(deployment, (to, spare) => {
      const wanted = all.get(to);
      return wanted !== undefined && textOf(wanted) === spare.wanted;
    });
    if (!valid()) return;
    const added = [...all].filter(([to]) => !this.#spares.has(to));
    await Promise.all(added.map(([to, wanted]) => this.#add(to, wanted)));
  }

  /** Unloads the engines of a deployment, but those that `keeps` names. @default keeps none */
  async drop(
    deployment: string,
    keeps: (to: string, spare: Spare) => boolean = () => false,
  ): Promise<void> {
    const gone = [...this.#spares].filter(([to, spare]) =>
      to.startsWith(`${deployment}/`) && !keeps(to, spare)
    );
    await Promise.all(gone.map(([to]) => this.#dispose(to)));
  }

  /** Unloads all of them. */
  async close(): Promise<void> {
    await Promise.all([...this.#spares.keys()].map((to) => this.#dispose(to)));
  }

  /** The engine for this address, which is the caller's from now on; undefined: it must be loaded. */
  async #taken(to: string, wanted: EngineToLoad): Promise<Engine | undefined> {
    const spare = this.#spares.get(to);
    if (spare?.wanted !== textOf(wanted)) {
      await this.close(); // what is needed now comes first
      return undefined;
    }
    this.#spares.delete(to);
    const engine = await spare.engine.catch(() => undefined);
    if (engine) log.info("{to} takes the engine that was loaded ahead", { to });
    return engine;
  }

  #add(to: string, wanted: EngineToLoad): Promise<void> {
    const spare: Spare = {
      wanted: textOf(wanted),
      engine: this.#loading.then(() => {
        if (this.#spares.get(to) !== spare) throw new Error(`${to} is not wanted any more`);
        return this.#loadSpare(to, wanted);
      }),
    };
    this.#spares.set(to, spare);
    this.#loading = spare.engine.catch(() => {});
    return spare.engine.then(() => {}, (error) => {
      log.debug("{to} is not loaded ahead: {error}", { to, error });
      if (this.#spares.get(to) === spare) this.#spares.delete(to);
    });
  }

  #loadSpare(to: string, wanted: EngineToLoad): Promise<Engine> {
    const { kind, stored } = wanted;
    return kind === "stage"
      ? this.#loader.load(to, stored, { ...wanted.layers, spare: true })
      : this.#loader.loadHead(to, stored, wanted.parts, { spare: true });
  }

  async #dispose(to: string): Promise<void> {
    const spare = this.#spares.get(to);
    this.#spares.delete(to);
    const engine = await spare?.engine.catch(() => undefined);
    try {
      await engine?.dispose();
    } catch (error) {
      log.warn("the engine of {to}, loaded ahead, cannot be unloaded: {error}", { to, error });
    }
  }
}

/** An engine is handed over only where this is equal: a model's folder and manifest, and which of it is loaded. */
function textOf(wanted: EngineToLoad): string {
  const { kind, stored: { dir, manifest } } = wanted;
  const what = kind === "stage" ? wanted.layers : wanted.parts;
  return JSON.stringify([kind, dir, manifest, what]);
}

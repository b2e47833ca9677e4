/**
 * Loads layers of a stored model into an engine, within the memory that the node has left.
 *
 * @module
 */
import { getLogger } from "@logtape/logtape";
import {
  type ActorSystem,
  type HeadEngine,
  type HeadShard,
  type HeadTokens,
  type KvRoom,
  OrreryError,
  type StageEngine,
} from "../../actors/mod.ts";
import {
  buildHeadGraph,
  buildSplitStage,
  type Manifest,
  type StoredModel,
  type TokenRange,
} from "../../models/mod.ts";
import { availableMemory } from "../available_memory.ts";
import { roomOf } from "./room_of.ts";
import { loadEngine, loadHead, usualThreads } from "../engine/mod.ts";

const log = getLogger(["orrery", "cluster"]);

/** Share of the free memory that the arenas of a stage may take, 0 to 1. */
const ARENA_SHARE = 0.25;
/**
 * Memory that loading a stage takes, in multiples of its weights: they are mapped once, and at most
 * once more while the engine packs them.
 */
const LOAD_FACTOR = 2;

/** Bytes of weights for each of which a stage has a session. */
const SESSION_BYTES = 256 * 2 ** 20;

/** Layers at a node, both ends inclusive. */
export interface LayersAtNode {
  node: string;
  first: number;
  last: number;
}

/** Layers to load, and what is known of the LM head. */
export interface LoadedLayers extends LayersAtNode {
  /** The shards that have the LM head, where the stage with the last layer does not have it. */
  head?: HeadTokens[];
  /** Tokens that have logits. @default all */
  tokens?: readonly TokenRange[];
  /** See {@linkcode SpareLoad}. @default false */
  spare?: boolean;
}

/** How an engine is loaded that nobody needs yet. */
export interface SpareLoad {
  /** Whether it is loaded only where half of the free memory stays free. @default false */
  spare?: boolean;
}

/** Loads engines for the actors at address `to`. */
export interface StageLoader {
  /**
   * Loads layers for a stage or a drafter. Throws group `cluster`, code `not_enough_memory`, where
   * the weights do not fit.
   */
  load(to: string, stored: StoredModel, layers: LoadedLayers): Promise<StageEngine>;
  /** Loads parts of the LM head for a head actor. Throws as `load`. */
  loadHead(
    to: string,
    stored: StoredModel,
    parts: HeadShard,
    how?: SpareLoad,
  ): Promise<HeadEngine>;
  /** What a stage that was loaded has memory for; undefined: none was. @default not known */
  kvRoom?(to: string): KvRoom | undefined;
}

/** How a node's engines are loaded. */
export interface EngineLoaderOptions {
  /** Threads of a stage's engine. @default by the bytes of the stage's weights */
  threads?: number;
  /** Do engine threads without work spin? @default false */
  spinning?: boolean;
  /** Bytes that all stages together may use. @default the free memory */
  memoryBytes?: number;
  /** Addresses of engines that are loaded and have no actor. @default there are none */
  held?: () => Iterable<string>;
}

/** Loads engines beside those of the actors that are active in `system`. */
export class EngineLoader implements StageLoader {
  readonly #system: Pick<ActorSystem, "status">;
  readonly #options: EngineLoaderOptions;
  /** Bytes reserved for each loaded stage or drafter (weights and arenas), by address. */
  readonly #loadedBytes = new Map<string, number>();
  /** What the arenas of each of them hold, by address. */
  readonly #rooms = new Map<string, KvRoom>();

  constructor(system: Pick<ActorSystem, "status">, options: EngineLoaderOptions = {}) {
    this.#system = system;
    this.#options = options;
  }

  async load(
    to: string,
    { manifest, blobsDir }: StoredModel,
    stage: LoadedLayers,
  ): Promise<StageEngine> {
    const graph = await buildSplitStage(manifest, {
      firstLayer: stage.first,
      lastLayer: stage.last,
      blobDir: blobsDir,
      head: stage.head === undefined,
      tokens: stage.tokens,
    }, this.#sessions(manifest, stage));
    const memory = this.#memoryLeft();
    const arenaBudgetBytes = stageBudget({
      weightBytes: graph.weightBytes,
      memory,
      node: stage.node,
      what: `layers ${stage.first}-${stage.last}`,
      model: manifest.name,
      spare: stage.spare,
    });
    log.info("{to} loads layers {first}-{last}", { to, first: stage.first, last: stage.last });
    this.#loadedBytes.set(to, graph.weightBytes + arenaBudgetBytes);
    this.#rooms.set(to, roomOf(graph, arenaBudgetBytes));
    return await loadEngine({
      graph,
      geometry: manifest.geometry,
      head: stage.head,
      spinning: this.#options.spinning,
      threads: this.#options.threads ?? usualThreads(graph.weightBytes),
      arenaBudgetBytes,
    });
  }

  async loadHead(
    to: string,
    { manifest, blobsDir }: StoredModel,
    { node, first_part: firstPart, last_part: lastPart }: HeadShard,
    { spare }: SpareLoad = {},
  ): Promise<HeadEngine> {
    const { geometry, name: model } = manifest;
    const graph = await buildHeadGraph(manifest, { firstPart, lastPart, blobDir: blobsDir });
    const { weightBytes } = graph;
    const what = `parts ${firstPart}-${lastPart} of the LM head`;
    stageBudget({ weightBytes, memory: this.#memoryLeft(), node, what, model, spare });
    log.info("{to} loads {what}", { to, what });
    this.#loadedBytes.set(to, weightBytes);
    const { spinning, threads = usualThreads(weightBytes) } = this.#options;
    return await loadHead({ graph, geometry, spinning, threads });
  }

  kvRoom(to: string): KvRoom | undefined {
    return this.#rooms.get(to);
  }

  /** Bytes that the loaded stages, shards and drafters were given: weights and arenas. */
  loadedBytes(): number {
    const active = new Set([
      ...this.#system.status().map((a) => a.address as string),
      ...this.#options.held?.() ?? [],
    ]);
    let loaded = 0;
    for (const [to, bytes] of this.#loadedBytes) {
      if (active.has(to)) loaded += bytes;
      else {
        this.#loadedBytes.delete(to);
        this.#rooms.delete(to);
      }
    }
    return loaded;
  }

  /**
   * Sessions that share the layers of a stage: they are made at the same time, each on a thread of its
   * own, so a large stage loads sooner. More than there are cores would keep the node from answering.
   */
  #sessions({ layers }: Manifest, { first, last }: LayersAtNode): number {
    const bytes = layers.slice(first, last + 1).reduce((sum, group) => sum + group.bytes, 0);
    const most = this.#options.threads ?? navigator.hardwareConcurrency;
    return Math.min(most, Math.ceil(bytes / SESSION_BYTES));
  }

  /** Bytes that one more stage may use: the free memory, or what is left of the user's limit. */
  #memoryLeft(): number {
    const available = availableMemory();
    const { memoryBytes = available } = this.#options;
    return Math.min(available, memoryBytes - this.loadedBytes());
  }
}

/**
 * Bytes that a stage's arenas may take beside its weights. Throws group `cluster`, code
 * `not_enough_memory` (metadata: `node`, `needed_bytes`, `available_bytes`) where the weights do
 * not fit.
 */
export function stageBudget(options: {
  /** Bytes of the stage's weights. */
  weightBytes: number;
  /** Bytes that the node may still use. */
  memory: number;
  /** The node, for the error. */
  node: string;
  /** What is loaded, for the error: `layers 0-5`. */
  what: string;
  /** Name of the model, for the error. */
  model: string;
  /** See {@linkcode SpareLoad}. @default false */
  spare?: boolean;
}): number {
  const { weightBytes, memory, node, what, model, spare = false } = options;
  const needed = weightBytes * LOAD_FACTOR * (spare ? 2 : 1);
  if (needed > memory) {
    throw new OrreryError({
      group: "cluster",
      code: "not_enough_memory",
      message: `${what} of ${model} need ${mib(needed)} MiB to load, ` +
        `node ${node} may use ${mib(memory)} MiB; use a smaller precision or more nodes`,
      metadata: { node, needed_bytes: needed, available_bytes: memory },
    });
  }
  return Math.floor((memory - weightBytes) * ARENA_SHARE);
}

const mib = (bytes: number) => Math.ceil(bytes / 2 ** 20);

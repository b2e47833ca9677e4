/**
 * What a node tells of itself when the cluster asks: its profile for a model, its link to another
 * member. And a look at whether what runs here still fits the profile.
 *
 * @module
 */
import { getLogger } from "@logtape/logtape";
import { setTimeout as delay } from "node:timers/promises";
import {
  type ActorSystem,
  CLUSTER,
  clusterActor,
  type LinkReport,
  type Member,
  memberActor,
  type MemberProfiler,
  type ProfileRequest,
  type StageEngine,
  type StageInfo,
  weightsActor,
} from "../../actors/mod.ts";
import { type Manifest, manifestSchema, type ModelStore } from "../../models/mod.ts";
import { tableSeconds } from "../../planner/mod.ts";
import type { MailboxTransport } from "../mailbox/mod.ts";
import { ProfileCache } from "./cache.ts";
import { DriftWatch, type ObservedFrame } from "./drift.ts";
import { watchEngine } from "./watch_engine.ts";
import { probeLink } from "./links.ts";
import { measureCpuShare } from "./machine.ts";
import { usualThreads } from "../engine/mod.ts";
import type { Profile } from "./profile.ts";
import { profileKey, profileModel } from "./profiler.ts";

const log = getLogger(["orrery", "profile"]);

/** A share of a core is measured again after so long. Milliseconds. */
const SHARE_MS = 60_000;
/**
 * A machine that drifts is measured again no more often than this: what disturbs it may stay.
 * Milliseconds.
 */
const COOLDOWN_MS = 600_000;
/** A node that has run no frame for so long is at leisure to measure. */
const IDLE_MS = 2_000;
/** It is measured at work after all when it finds none for so long, or was disturbed so often. */
const BUSY_MS = 60_000;
const DISTURBED = 2;
/** What nobody waits for waits for as much quiet at most. */
const LONGEST_QUIET_MS = 60_000;
/**
 * With a limit on processor time, frames below this may fit in what was saved up: that they are
 * quick says nothing. Seconds.
 */
const TELLING_S = 0.03;
const MANIFEST_DEADLINE_MS = 30_000;
const ECHO_DEADLINE_MS = 20_000;

/** Options of a {@linkcode NodeProfiler}. */
export interface NodeProfilerOptions {
  system: ActorSystem;
  store: ModelStore;
  mailbox: Pick<MailboxTransport, "addPeer" | "peers">;
  /** Folder of the store; profiles are kept in it. */
  data: string;
  /** Of engines. @default by the size of the model */
  threads?: number;
  /** @default false */
  spinning?: boolean;
  /** Bytes that stages may use in all. @default what is free */
  memoryBytes?: number;
}

interface Current {
  profile: Profile;
  manifest: Manifest;
}

/** Tells models apart by what both a manifest and an engine know of them. */
const shapeOf = (
  { layers, hidden, vocab }: Pick<StageInfo, "layers" | "hidden" | "vocab">,
): string => `${layers} ${hidden} ${vocab}`;

/** See the module's text. */
export class NodeProfiler implements MemberProfiler {
  readonly #options: NodeProfilerOptions;
  readonly #cache: ProfileCache;
  readonly #abort = new AbortController();
  /** Measurements that run or wait, by model. */
  readonly #running = new Map<string, Promise<Profile>>();
  #queue: Promise<unknown> = Promise.resolve();
  /** Profiles that plans rest on now, with their models, by what an engine tells of its model. */
  readonly #current = new Map<string, Current>();
  #share?: { value: number; at: number };
  #remeasured = -Infinity;
  /** Frames that stages here have run, and when the last one ended. */
  #frames = 0;
  #lastFrame = -Infinity;
  #onFrame?: () => void;

  constructor(options: NodeProfilerOptions) {
    this.#options = options;
    this.#cache = new ProfileCache(options.data);
  }

  async profile(
    { model, source, known_only }: ProfileRequest,
    signal: AbortSignal,
  ): Promise<Record<string, unknown> | null> {
    const manifest = await this.#manifest(model, source, signal);
    const profile = await this.#known(manifest) ??
      (known_only ? undefined : await this.#measure(manifest));
    if (!profile) return null;
    this.#current.set(shapeOf(manifest.geometry), { profile, manifest });
    return { profile, memory_bytes: this.#memory() };
  }

  async probe(peer: Member, signal: AbortSignal): Promise<LinkReport> {
    const { system, mailbox } = this.#options;
    if (!mailbox.peers().some(({ node }) => node === peer.node)) {
      mailbox.addPeer(peer.node, peer.host, peer.port);
    }
    return await probeLink(async ({ bytes, replyBytes }) => {
      const data = bytes > 0 ? { data: new Uint8Array(bytes) } : {};
      await system.get(memberActor, peer.node).echo({ ...data, reply_bytes: replyBytes }, {
        deadlineMs: ECHO_DEADLINE_MS,
        signal,
      });
    });
  }

  /**
   * The same engine, its frames compared with the profile of its model, as soon as there is one.
   * When they take 20 % more or less than that says, it is marked stale and measured again, and the
   * cluster plans anew.
   */
  watched(engine: StageEngine): StageEngine {
    const { firstLayer: first, lastLayer: last } = engine.info;
    let seen: { profile: Profile; watch: DriftWatch } | undefined;
    return watchEngine(engine, (frame) => {
      this.#frames++;
      this.#lastFrame = performance.now();
      this.#onFrame?.();
      const current = this.#current.get(shapeOf(engine.info));
      if (!current) return; // never measured: nothing rests on it
      const { profile, manifest } = current;
      if (seen?.profile !== profile) {
        const watch = new DriftWatch({
          predict: (frame) => stageSeconds(profile, manifest, { first, last }, frame),
        });
        seen = { profile, watch };
      }
      const predicted = stageSeconds(profile, manifest, { first, last }, frame);
      const savings = profile.cpu_share < 1 && predicted < TELLING_S;
      const seconds = savings ? Math.max(predicted, frame.seconds) : frame.seconds;
      const verdict = seen.watch.observe({ ...frame, seconds });
      if (verdict.state !== "drifted") return;
      const percent = Math.round(100 * (verdict.ratio - 1));
      const sign = percent > 0 ? "+" : "";
      this.#drifted(
        current,
        `frames of layers ${first}-${last} take ${sign}${percent} % of what was measured`,
      );
    });
  }

  /** Ends what is being measured. */
  async close(): Promise<void> {
    this.#abort.abort();
    await Promise.allSettled(this.#running.values());
  }

  #drifted({ profile, manifest }: Current, what: string): void {
    if (performance.now() - this.#remeasured < COOLDOWN_MS) {
      return log.debug("{what}; measured a short while ago, so the profile stays", { what });
    }
    this.#remeasured = performance.now();
    this.#current.delete(shapeOf(manifest.geometry));
    log.info("{what}: the profile is stale and is measured again", { what });
    const again = async () => {
      await this.#cache.markStale(profile, what);
      this.#share = undefined;
      await this.#measureAtLeisure(manifest);
      await this.#options.system.at(clusterActor, CLUSTER).tell.replan({ why: what }, {
        deadlineMs: 10_000,
      });
    };
    void again().catch((error) => {
      if (!this.#abort.signal.aborted) log.warn("cannot measure again: {error}", { error });
    });
  }

  async #manifest(model: string, source: string, signal: AbortSignal): Promise<Manifest> {
    const { system, store } = this.#options;
    if (source === system.node) return (await store.get(model)).manifest;
    const text = await system.get(weightsActor, source).manifest({ model }, {
      deadlineMs: MANIFEST_DEADLINE_MS,
      signal,
    });
    return manifestSchema.parse(JSON.parse(text));
  }

  #key(manifest: Manifest) {
    const { threads, spinning } = this.#options;
    const bytes = manifest.layers.reduce((sum, group) => sum + group.bytes, 0);
    return profileKey(manifest, {
      threads: threads ?? usualThreads(bytes),
      spinning,
    });
  }

  async #known(manifest: Manifest): Promise<Profile | undefined> {
    const key = this.#key(manifest);
    // What was measured in this life of the node holds until its frames say otherwise.
    const current = this.#current.get(shapeOf(manifest.geometry))?.profile;
    if (current?.key.geometry === key.geometry && current.key.precision === key.precision) {
      return current;
    }
    return await this.#cache.has(key)
      ? await this.#cache.get(key, await this.#cpuShare())
      : undefined;
  }

  /**
   * Nobody waits for this one: it gives way to the first frame that comes, and waits longer for the
   * next chance.
   */
  async #measureAtLeisure(manifest: Manifest): Promise<void> {
    for (let quiet = IDLE_MS;; quiet = Math.min(2 * quiet, LONGEST_QUIET_MS)) {
      for (let left; (left = this.#lastFrame + quiet - performance.now()) > 0;) {
        await delay(left, undefined, { signal: this.#abort.signal });
      }
      const disturbed = new AbortController();
      this.#onFrame = () => disturbed.abort();
      try {
        return void await this.#measure(manifest, disturbed.signal);
      } catch (error) {
        if (this.#abort.signal.aborted || !disturbed.signal.aborted) throw error;
      } finally {
        this.#onFrame = undefined;
      }
    }
  }

  /** One measurement at a time; two that want the same one share it. `disturbed` ends it. */
  #measure(manifest: Manifest, disturbed?: AbortSignal): Promise<Profile> {
    const key = this.#key(manifest);
    const running = this.#running.get(key.geometry);
    if (running) return running;
    const { store, data } = this.#options;
    const measured = this.#queue.then(async () => {
      log.info("measuring how fast {model} runs here", { model: manifest.name });
      const { threads, spinning } = key;
      const signal = AbortSignal.any([this.#abort.signal, ...(disturbed ? [disturbed] : [])]);
      signal.throwIfAborted();
      const profile = await this.#undisturbed(async () =>
        await profileModel({
          ...{ manifest, store, data, threads, spinning, signal },
          quick: true,
          cpuShare: await this.#cpuShare(),
        })
      );
      await this.#cache.put(profile);
      this.#current.set(shapeOf(manifest.geometry), { profile, manifest });
      return profile;
    });
    this.#queue = measured.catch(() => {});
    this.#running.set(key.geometry, measured);
    void this.#queue.then(() => this.#running.delete(key.geometry));
    return measured;
  }

  /**
   * Measures while no stage of this node has work: beside one, half of the machine would be
   * measured.
   */
  async #undisturbed<T>(measure: () => Promise<T>): Promise<T> {
    const until = performance.now() + BUSY_MS;
    for (let tries = 0;; tries++) {
      for (let now; (now = performance.now()) < Math.min(until, this.#lastFrame + IDLE_MS);) {
        const left = Math.min(until, this.#lastFrame + IDLE_MS) - now;
        await new Promise((resolve) => setTimeout(resolve, left));
        this.#abort.signal.throwIfAborted();
      }
      const before = this.#frames;
      const measured = await measure();
      if (this.#frames === before || tries >= DISTURBED || performance.now() > until) {
        return measured;
      }
      log.info("requests came while this node measured itself: it measures again");
    }
  }

  async #cpuShare(): Promise<number> {
    if (!this.#share || performance.now() - this.#share.at > SHARE_MS) {
      this.#share = { value: await measureCpuShare(), at: performance.now() };
    }
    return this.#share.value;
  }

  /** What stages may use in all: what is free, and what this process holds already. */
  #memory(): number {
    const { available } = Deno.systemMemoryInfo();
    return Math.min(this.#options.memoryBytes ?? Infinity, available + Deno.memoryUsage().rss);
  }
}

/** Computing seconds of a frame at a stage, as the profile says. */
export function stageSeconds(
  { layer, embed, head }: Profile,
  { geometry }: Pick<Manifest, "geometry">,
  { first, last }: { first: number; last: number },
  { rows, past, wanted }: Omit<ObservedFrame, "seconds">,
): number {
  return (last - first + 1) * tableSeconds(layer, rows, past) +
    (first === 0 ? tableSeconds(embed, rows, 0) : 0) +
    (last === geometry.layers - 1 ? tableSeconds(head, wanted, 0) : 0);
}

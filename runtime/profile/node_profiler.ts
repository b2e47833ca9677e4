/**
 * What a node answers when the cluster asks how fast it is: its profile for a model, and its link
 * to another node. It also watches whether the frames that run here still take as long as the
 * profile says.
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
  MOST_LINKS,
  type NodeLinks,
  OrreryError,
  type ProfileRequest,
  type StageEngine,
  type StageInfo,
  weightsActor,
} from "../../actors/mod.ts";
import { type Manifest, manifestSchema, type ModelStore } from "../../models/mod.ts";
import { availableMemory } from "../available_memory.ts";
import { usualThreads } from "../engine/mod.ts";
import type { MailboxTransport } from "../mailbox/mod.ts";
import { measureUntilAgreed } from "./agreement.ts";
import { ProfileCache } from "./cache.ts";
import { soonCold } from "./cold_caches.ts";
import { DriftWatch } from "./drift.ts";
import { probeLink } from "./links.ts";
import { measureCpuShare } from "./machine.ts";
import type { Profile } from "./profile.ts";
import { profileKey, profileModel } from "./profiler.ts";
import { stageSeconds } from "./stage_seconds.ts";
import { watchEngine } from "./watch_engine.ts";

const log = getLogger(["orrery", "profile"]);

/** The share of a core is measured again after this time. Milliseconds. */
const SHARE_MS = 60_000;
/**
 * Least time between two measurements because of drift, since whatever disturbs the machine may
 * stay. Milliseconds.
 */
const COOLDOWN_MS = 600_000;
/** A node that has run no frame for this time counts as idle. Milliseconds. */
const IDLE_MS = 2_000;
/** A measurement waits no longer than this for an idle node; then it runs beside the frames. Ms. */
const BUSY_MS = 60_000;
/** A measurement that frames disturbed is repeated at most this often. */
const MOST_REPEATS = 2;
/** Longest idle time that a measurement for which nobody waits demands. Milliseconds. */
const LONGEST_QUIET_MS = 60_000;
/**
 * With a limit on CPU time, a frame shorter than this may run on a quota that was saved up, so it
 * proves nothing if it is faster than predicted. Seconds.
 */
const TELLING_S = 0.03;
/** Deadlines of asking for a manifest and for an echo. Milliseconds. */
const MANIFEST_DEADLINE_MS = 30_000;
const ECHO_DEADLINE_MS = 20_000;
const REPLAN_DEADLINE_MS = 10_000;

/** Options of a {@linkcode NodeProfiler}. */
export interface NodeProfilerOptions {
  system: ActorSystem;
  store: ModelStore;
  mailbox: Pick<MailboxTransport, "addPeer" | "peers">;
  /** Path of the data folder, which profiles are kept in. */
  data: string;
  /** Threads of an engine. @default by the size of the model */
  threads?: number;
  /** true: threads of an engine without work spin; false: they sleep. @default false */
  spinning?: boolean;
  /** Most bytes that the stages of this node may use in all. @default the free memory */
  memoryBytes?: number;
}

/** A profile that plans rest on now, and its model. */
interface CurrentProfile {
  profile: Profile;
  manifest: Manifest;
}

/** A text that tells models apart by the facts that both a manifest and an engine have of them. */
const shapeOf = (
  { layers, hidden, vocab }: Pick<StageInfo, "layers" | "hidden" | "vocab">,
): string => `${layers} ${hidden} ${vocab}`;

/** Ends a measurement for which nobody waits: the node has work to do. */
class Disturbed extends Error {
  override readonly name = "Disturbed";
}

/** See the module's text. */
export class NodeProfiler implements MemberProfiler {
  readonly #options: NodeProfilerOptions;
  readonly #cache: ProfileCache;
  readonly #abort = new AbortController();
  /** Measurements that run or wait, by the geometry in their keys. */
  readonly #running = new Map<string, Promise<Profile>>();
  /** Resolves when the measurements so far are done: one runs at a time. */
  #queue: Promise<unknown> = Promise.resolve();
  /** Profiles that plans rest on now, by {@linkcode shapeOf} the model. */
  readonly #current = new Map<string, CurrentProfile>();
  /** Share of a core that was measured last, 0 to 1, and `performance.now()` then. */
  #share?: { value: number; at: number };
  /** `performance.now()` when drift last caused a measurement. */
  #remeasured = -Infinity;
  /** Frames that stages here have run, and `performance.now()` when the last one ended. */
  #frames = 0;
  #lastFrame = -Infinity;
  /** Called with each frame while a measurement for which nobody waits is running. */
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
      (known_only ? undefined : await this.#wanted(manifest));
    if (!profile) return null;
    this.#current.set(shapeOf(manifest.geometry), { profile, manifest });
    return { profile, memory_bytes: this.#memory() };
  }

  async probe(peer: Member, signal: AbortSignal): Promise<LinkReport> {
    const { system, mailbox } = this.#options;
    if (!mailbox.peers().some(({ node }) => node === peer.node)) {
      mailbox.addPeer(peer.node, peer.host, peer.port);
    }
    return await probeLink(async ({ bytes, replyBytes, cold }) => {
      const data = bytes > 0 ? { data: new Uint8Array(bytes) } : {};
      await system.get(memberActor, peer.node).echo({ ...data, reply_bytes: replyBytes, cold }, {
        deadlineMs: ECHO_DEADLINE_MS,
        signal,
      });
    });
  }

  links(): NodeLinks {
    const { mailbox } = this.#options;
    const peers = mailbox.peers().filter(({ state }) => state === "up").slice(0, MOST_LINKS);
    const now = performance.now(); // since the process began
    return {
      quiet_ms: Math.min(now, now - this.#lastFrame, ...peers.map(({ link }) => link.quietMs)),
      links: peers.map(({ node, link: { roundTripMs, bytesPerS, ageMs } }) => ({
        node,
        round_trip_ms: roundTripMs ?? null,
        bytes_per_s: bytesPerS ?? null,
        age_ms: ageMs ?? null,
      })),
    };
  }

  soonCold(): void {
    soonCold();
  }

  /**
   * The same engine, whose frames are compared with the profile of its model as soon as there is
   * one. When they take 20 % more or less than the profile says, the profile is marked stale, the
   * model is measured again, and the cluster makes a new plan.
   */
  watched(engine: StageEngine): StageEngine {
    const { firstLayer: first, lastLayer: last } = engine.info;
    let seen: { profile: Profile; watch: DriftWatch } | undefined;
    return watchEngine(engine, (frame) => {
      this.#frames++;
      this.#lastFrame = performance.now();
      this.#onFrame?.();
      const current = this.#current.get(shapeOf(engine.info));
      if (!current) return; // never measured, so no plan rests on a profile
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

  /** Ends the measurements that run or wait: whoever waits for one is told `closed`. */
  async close(): Promise<void> {
    const message = `node ${this.#options.system.node} is stopping and measures nothing`;
    this.#abort.abort(new OrreryError({ group: "actor", code: "closed", message }));
    await Promise.allSettled(this.#running.values());
  }

  /**
   * Marks a profile stale and measures its model again, unless that happened a short while ago. Plans
   * rest on the old profile until then: that may take minutes, and a node that died must be replaced
   * at once.
   */
  #drifted({ profile, manifest }: CurrentProfile, what: string): void {
    if (performance.now() - this.#remeasured < COOLDOWN_MS) {
      return log.debug("{what}; measured a short while ago, so the profile stays", { what });
    }
    this.#remeasured = performance.now();
    log.info("{what}: the profile is stale and is measured again", { what });
    const again = async () => {
      await this.#cache.markStale(profile, what);
      this.#share = undefined;
      await this.#measureAtLeisure(manifest);
      await this.#options.system.at(clusterActor, CLUSTER).tell.replan({ why: what }, {
        deadlineMs: REPLAN_DEADLINE_MS,
      });
    };
    void again().catch((error) => {
      if (!this.#abort.signal.aborted) log.warn("cannot measure again: {error}", { error });
    });
  }

  /** The manifest of a model, from node `source`. */
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

  /** The valid profile of a model; undefined if there is none. */
  async #known(manifest: Manifest): Promise<Profile | undefined> {
    const key = this.#key(manifest);
    // A profile that was used in this life of the node holds until its frames say otherwise.
    const current = this.#current.get(shapeOf(manifest.geometry))?.profile;
    if (current?.key.geometry === key.geometry && current.key.precision === key.precision) {
      return current;
    }
    return await this.#cache.has(key)
      ? await this.#cache.get(key, await this.#cpuShare())
      : undefined;
  }

  /**
   * Measures a model when nobody waits for the result. The first frame that comes ends the
   * measurement; the next try waits for a longer idle time.
   */
  async #measureAtLeisure(manifest: Manifest): Promise<void> {
    for (let quiet = IDLE_MS;; quiet = Math.min(2 * quiet, LONGEST_QUIET_MS)) {
      for (let left; (left = this.#lastFrame + quiet - performance.now()) > 0;) {
        await delay(left, undefined, { signal: this.#abort.signal });
      }
      const disturbed = new AbortController();
      this.#onFrame = () => disturbed.abort(new Disturbed("a request came"));
      try {
        return void await this.#measure(manifest, disturbed.signal);
      } catch (error) {
        if (this.#abort.signal.aborted || !disturbed.signal.aborted) throw error;
      } finally {
        this.#onFrame = undefined;
      }
    }
  }

  /** Measures a model for somebody who waits, also where one that was under way is broken off. */
  async #wanted(manifest: Manifest): Promise<Profile> {
    for (;;) {
      try {
        return await this.#measure(manifest);
      } catch (error) {
        if (!(error instanceof Disturbed)) throw error;
      }
    }
  }

  /**
   * Measures a model after the measurements that wait already. Two calls for the same model share
   * one measurement. The signal `disturbed` ends it.
   */
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
      const run = (short: boolean) =>
        this.#undisturbed(async () => {
          const cpuShare = await this.#cpuShare(short);
          const options = { manifest, store, data, threads, spinning, signal, cpuShare };
          return await profileModel({ ...options, quick: true, short });
        });
      const profile = await measureUntilAgreed(manifest, {
        full: () => run(false),
        short: () => run(true),
      });
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
   * Measures while no stage of this node runs frames: beside a stage at work, only the rest of the
   * machine would be measured. Repeats the measurement if frames came meanwhile.
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
      if (this.#frames === before || tries >= MOST_REPEATS || performance.now() > until) {
        return measured;
      }
      log.info("requests came while this node measured itself: it measures again");
    }
  }

  /**
   * Share of a core that this process gets, 0 to 1; measured at most once a minute, unless it is
   * wanted `anew`.
   */
  async #cpuShare(anew = false): Promise<number> {
    if (anew || !this.#share || performance.now() - this.#share.at > SHARE_MS) {
      this.#share = { value: await measureCpuShare(), at: performance.now() };
    }
    return this.#share.value;
  }

  /** Bytes that the stages may use in all: free memory and what this process holds already. */
  #memory(): number {
    const all = availableMemory() + Deno.memoryUsage().rss;
    return Math.min(this.#options.memoryBytes ?? Infinity, all);
  }
}

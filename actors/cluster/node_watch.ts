/**
 * Watches nodes from one node: who is alive, who is suspect, who is dead.
 *
 *     alive --> suspect --> dead
 *       ^        |    ^
 *       |        v    v
 *      back <-- bad_link
 *
 * Whatever comes from a node counts as a heartbeat; where nothing comes, it is pinged. A silence that
 * the detector finds suspicious makes a node **suspect**, and other nodes are asked whether they
 * reach it (indirect probes, as in SWIM: Das, Gupta and Motivala, DSN 2002). One that another node
 * reaches is not dead: its link to here is bad (**bad_link**). One that nobody reaches is **dead**
 * once the detector gives it up. A vote that comes after its round still shows that the node lives;
 * a round that ended late, since this node stood still, shows nothing.
 *
 * Hard evidence is quicker. When a connection breaks (`broke`), this node and some others try to
 * connect anew. Where the machine refuses the connection here and at one of them, nobody listens
 * there any more: the node is dead at once. Where no other node answers, three refusals here within
 * half a second are needed.
 *
 * The cluster actor watches its members with it, and a member the node of its cluster actor.
 *
 * @module
 */
import { PhiDetector } from "./detector.ts";
import {
  type NodeHealth,
  type NodeHealthState,
  type Silence,
  WATCH_DEFAULTS,
  type WatchOptions,
  type WatchWorld,
} from "./health.ts";
import { askOthers } from "./votes.ts";

/** Most pings to one node that wait for their answers. */
const PINGS = 2;
/** How often, and milliseconds between, a broken connection is looked into. */
const BROKEN_ROUNDS = 5;
const BROKEN_WAIT_MS = 150;
/** Refusals here that are enough where no other node answers. */
const LONE_REFUSALS = 3;
/**
 * Where no other node answers either, this node's own link is the likeliest fault: a silence, and
 * the time since another node reached it, must be so many times as long.
 */
const ISOLATED = 2;

/** Why others are asked: the node is silent, or its connection broke. */
type RoundKind = "silent" | "broken";

interface WatchedNode {
  readonly node: string;
  state: NodeHealthState;
  why: string;
  /** When it came into this state. */
  since: number;
  /** Pings that wait for an answer, and when the last one was sent. */
  pings: number;
  pingedAt: number;
  /** Kinds of rounds of questions that are running. */
  readonly asking: Set<RoundKind>;
  /** When the last round about its silence began. */
  askedAt: number;
  /** Whether the last round about its silence found nobody who reaches it. */
  unreached: boolean;
  /** Whether none of the nodes that there are answered in it. */
  isolated: boolean;
  /** When another node last reached it. */
  reachedAt: number;
  /** Rounds that are left since its connection broke. */
  rounds: number;
  /** Refusals here in a row. */
  refusals: number;
}

/** See the module's text. */
export class NodeWatch {
  readonly #options: WatchOptions;
  readonly #world: WatchWorld;
  readonly #detector: PhiDetector;
  readonly #nodes = new Map<string, WatchedNode>();
  #cancel?: () => void;

  /** Watches nobody yet. */
  constructor(world: WatchWorld, options: Partial<WatchOptions> = {}) {
    this.#world = world;
    this.#options = { ...WATCH_DEFAULTS, ...options };
    this.#detector = new PhiDetector(this.#options, world.now());
  }

  /** Watches nobody any more, for good. */
  close(): void {
    this.#cancel?.();
    this.#nodes.clear();
  }

  /**
   * Watches this node from now on. One that is watched already has shown that it lives. `back`: it
   * was dead.
   */
  add(node: string, { back = false }: { back?: boolean } = {}): void {
    const now = this.#world.now();
    const known = this.#nodes.get(node);
    if (known) {
      this.#detector.heard(node, now);
      return this.#review(known, now);
    }
    if (this.#nodes.size === 0) this.#schedule();
    this.#detector.add(node, now);
    this.#nodes.set(node, {
      node,
      state: back ? "back" : "alive",
      why: back ? "it was taken for dead and joined again" : "",
      since: now,
      pings: 0,
      pingedAt: now,
      asking: new Set(),
      askedAt: -Infinity,
      unreached: false,
      isolated: false,
      reachedAt: -Infinity,
      rounds: 0,
      refusals: 0,
    });
  }

  /** No longer watches this node. */
  forget(node: string): void {
    this.#nodes.delete(node);
    this.#detector.forget(node);
  }

  /** The connection to this node broke: looks into it at once. */
  broke(node: string): void {
    const watched = this.#nodes.get(node);
    if (!watched) return;
    watched.rounds = BROKEN_ROUNDS;
    void this.#round(watched, "broken");
  }

  /** What is known of a node; undefined: it is not watched. */
  health(node: string): NodeHealth | undefined {
    const watched = this.#nodes.get(node);
    if (!watched) return undefined;
    const { state, why } = watched;
    return {
      node,
      state,
      why,
      silent_ms: Math.round(this.#detector.silence(node, this.#world.now())),
      ...(state === "bad_link" && { link: { from: this.#world.self, to: node } }),
    };
  }

  /** For how long a node has been silent; undefined: it is not watched. */
  silence(node: string): Silence | undefined {
    if (!this.#nodes.has(node)) return undefined;
    const now = this.#world.now();
    return {
      ms: this.#detector.silence(node, now),
      phi: this.#detector.phi(node, now),
      readingMs: this.#detector.readingMs,
    };
  }

  /** Milliseconds for which a node has had its present state; 0: it is not watched. */
  stateMs(node: string): number {
    const watched = this.#nodes.get(node);
    return watched ? this.#world.now() - watched.since : 0;
  }

  /** Looks at all nodes again and again, while there are any. */
  #schedule(): void {
    this.#cancel?.();
    this.#cancel = this.#world.after(this.#options.tickMs, () => {
      if (this.#nodes.size === 0) return;
      this.#schedule();
      this.#tick();
    });
  }

  #tick(): void {
    const now = this.#world.now();
    this.#detector.tick(now);
    for (const watched of [...this.#nodes.values()]) {
      const silent = this.#world.silentMs(watched.node);
      if (silent !== undefined) this.#detector.heard(watched.node, now - silent);
      this.#review(watched, now);
      if (this.#nodes.has(watched.node)) this.#ping(watched, now);
    }
    this.#world.looked?.();
  }

  /** Moves a node to the state that fits what is known of it. */
  #review(watched: WatchedNode, now: number): void {
    const { node, state } = watched;
    switch (state) {
      case "alive":
      case "back":
        if (this.#detector.suspects(node, now)) {
          const silence = (this.#detector.silence(node, now) / 1000).toFixed(1);
          this.#enter(watched, "suspect", `it has been silent for ${silence} s`);
          watched.unreached = false;
          void this.#round(watched, "silent");
        } else if (state === "back" && now - watched.since >= this.#options.backMs) {
          Object.assign(watched, { state: "alive", why: "", since: now });
        }
        return;
      case "suspect":
      case "bad_link":
        if (!this.#detector.isQuiet(node, now)) {
          const seconds = ((now - watched.since) / 1000).toFixed(1);
          return this.#enter(watched, "back", `it answers again, after ${seconds} s`);
        }
        if (state === "suspect" && this.#isDead(watched, now)) {
          const silence = (this.#detector.silence(node, now) / 1000).toFixed(1);
          return this.#bury(watched, `it has been silent for ${silence} s`);
        }
        if (now - watched.askedAt >= this.#options.roundMs) void this.#round(watched, "silent");
    }
  }

  /** Whether silence alone shows that a suspect is dead. */
  #isDead({ node, unreached, isolated, askedAt, reachedAt }: WatchedNode, now: number): boolean {
    const { deadMs, silentVoteMs, roundMs } = this.#options;
    // What others said before this node stood still for a while is out of date.
    const fresh = now - askedAt <= silentVoteMs + 2 * roundMs;
    if (!unreached || !fresh) return false;
    const leastMs = (isolated ? ISOLATED : 1) * deadMs;
    if (Math.min(now - reachedAt, this.#detector.silence(node, now)) < leastMs) return false;
    return this.#detector.givesUp(node, now);
  }

  /** Pings a node that sends nothing else, and every node now and then. */
  #ping(watched: WatchedNode, now: number): void {
    const { heartbeatMs, confirmMs, pingMs } = this.#options;
    const since = now - watched.pingedAt;
    const silent = this.#detector.silence(watched.node, now) >= heartbeatMs;
    if (since < (silent ? heartbeatMs : confirmMs) || watched.pings >= PINGS) return;
    watched.pings++;
    watched.pingedAt = now;
    const heard = () => this.#detector.heard(watched.node, this.#world.now());
    this.#world.ping(watched.node, pingMs)
      // The answer of a node that was forgotten meanwhile and watched anew says nothing of it now.
      .then(() => this.#nodes.get(watched.node) === watched && heard(), () => {})
      .finally(() => watched.pings--);
  }

  /** Asks other nodes about this one, and tries to connect to it. */
  async #round(watched: WatchedNode, kind: RoundKind): Promise<void> {
    if (watched.asking.has(kind)) return;
    watched.asking.add(kind);
    const { node } = watched;
    const startedAt = this.#world.now();
    if (kind === "silent") watched.askedAt = startedAt;
    const others = this.#world.voters(node);
    const voteMs = this.#options[kind === "silent" ? "silentVoteMs" : "voteMs"];
    const verdict = await askOthers(this.#world, {
      node,
      voters: this.#choose(others, kind),
      voteMs,
      again: kind === "silent",
      onLate: (by) => this.#nodes.get(node) === watched && this.#reached(watched, by),
    });
    watched.asking.delete(kind);
    if (this.#nodes.get(node) !== watched) return; // it was forgotten meanwhile
    const now = this.#world.now();
    const heardSince = now - this.#detector.silence(node, now) > startedAt;
    watched.refusals = verdict.refusedHere && !heardSince ? watched.refusals + 1 : 0;
    if (verdict.by !== undefined) return this.#reached(watched, verdict.by);
    if (heardSince) return void (watched.rounds = 0);
    const refused = `its machine refuses connections at its address, here and at node `;
    if (verdict.refusedAt !== undefined && verdict.refusedHere) {
      return this.#bury(watched, refused + verdict.refusedAt);
    }
    if (verdict.answers === 0 && watched.refusals >= LONE_REFUSALS) {
      return this.#bury(watched, "its machine refuses connections at its address");
    }
    const inTime = now - startedAt <= voteMs + this.#options.tickMs;
    if (kind === "silent" && (inTime || this.#isOverdue(watched, now))) {
      watched.unreached = true;
      watched.isolated = others.length > 0 && verdict.answers === 0;
      const known = watched.isolated && now - watched.reachedAt < this.#options.deadMs;
      if (watched.state === "bad_link" && !known) {
        this.#enter(watched, "suspect", "nobody reaches it now");
      }
    }
    if (watched.rounds === 0) return;
    watched.rounds--;
    this.#world.after(BROKEN_WAIT_MS, () => void this.#round(watched, "broken"));
  }

  /**
   * Whether a node has been silent for so long that a round counts though it ended late: a node that
   * is always late would never conclude otherwise.
   */
  #isOverdue({ node }: WatchedNode, now: number): boolean {
    return this.#detector.silence(node, now) >= this.#options.mostMs;
  }

  /** Another node reaches this one. */
  #reached(watched: WatchedNode, by: string): void {
    watched.reachedAt = this.#world.now();
    watched.unreached = false;
    watched.rounds = 0;
    if (watched.state !== "suspect") return;
    const why = `node ${this.#world.self} does not reach it, node ${by} does`;
    this.#enter(watched, "bad_link", why);
  }

  /**
   * Some of these nodes: those that are likely to answer come first. Where a connection broke only
   * these are asked, since a round must end soon.
   */
  #choose(voters: string[], kind: RoundKind): string[] {
    const chosen: string[] = [];
    const draw = (from: string[]) => {
      while (from.length > 0 && chosen.length < this.#options.voters) {
        chosen.push(...from.splice(Math.floor(this.#world.random() * from.length), 1));
      }
    };
    const likely = (voter: string) => {
      const known = this.#nodes.get(voter);
      return !known || (known.rounds === 0 && known.state !== "suspect");
    };
    draw(voters.filter(likely));
    if (kind === "silent") draw(voters.filter((voter) => !likely(voter)));
    return chosen;
  }

  #enter(watched: WatchedNode, to: "suspect" | "bad_link" | "back", why: string): void {
    const from = watched.state;
    Object.assign(watched, { state: to, why, since: this.#world.now() });
    this.#world.changed({ node: watched.node, from, to, why });
  }

  #bury(watched: WatchedNode, why: string): void {
    this.forget(watched.node);
    this.#world.changed({ node: watched.node, from: watched.state, to: "dead", why });
  }
}

/**
 * Knows the links between the members for the placer. Links of nodes that meet are measured before
 * they are planned with; from then on the nodes are asked every half a minute what their ordinary
 * traffic shows. Where that is no longer what the plan was made with, a new plan is asked for.
 *
 * @module
 */
import { getLogger } from "@logtape/logtape";
import {
  type ActorSystem,
  type Clock,
  linkReportSchema,
  type Member,
  memberActor,
  nodeLinksSchema,
  toOrreryError,
} from "../../actors/mod.ts";
import { unmeasuredLevel } from "./gather_profiles.ts";
import { type LinkChange, LinkDrift } from "./link_drift.ts";
import { type LinkNow, type LinkSpeed, LinkTable } from "./link_table.ts";

const log = getLogger(["orrery", "placement"]);

/** Milliseconds in which a node must measure one link. */
const PROBE_DEADLINE_MS = 20_000;
/** Milliseconds after which no further link is measured, in a large cluster. */
const PROBES_MS = 60_000;
/** Milliseconds in which a node must say what its traffic shows. */
const LINKS_DEADLINE_MS = 2_000;
/** Milliseconds between two looks at all links. */
export const LOOK_MS = 30_000;
/** Least milliseconds between two plans because of links, since a link may come and go. */
export const COOLDOWN_MS = 300_000;

/** Options of a {@linkcode LinkWatch}. */
export interface LinkWatchOptions {
  /** Reaches the members. */
  system: Pick<ActorSystem, "get" | "node">;
  clock: Clock;
  /** Asks for a new plan; `why` says which link has changed. */
  replan: (why: string) => void;
}

/** See the module's text. */
export class LinkWatch {
  readonly #options: LinkWatchOptions;
  readonly #table = new LinkTable();
  readonly #drift = new LinkDrift();
  readonly #closed = new AbortController();
  #members: readonly Member[] = [];
  #replannedAt = -Infinity;
  /** Ends the wait for the next look; undefined: nobody looks. */
  #cancel?: () => void;

  constructor(options: LinkWatchOptions) {
    this.#options = options;
  }

  /** The link from a node to another one as it is now; undefined: it is not known. */
  get(from: string, to: string): LinkSpeed | undefined {
    return this.#table.get(from, to);
  }

  /** All links that are known, as they are now. */
  list(): LinkNow[] {
    return this.#table.list();
  }

  /**
   * Measures the links that are not known yet, one after the other, so that no measurement disturbs
   * another. Forgets nodes that are no members.
   */
  async measure(members: readonly Member[], signal: AbortSignal): Promise<void> {
    const { clock } = this.#options;
    this.#table.keep(members.map(({ node }) => node));
    const until = clock.now() + PROBES_MS;
    for (const [i, from] of members.entries()) {
      for (const to of members.slice(i + 1)) {
        if (this.#table.has(from.node, to.node)) continue;
        if (clock.now() > until) {
          return log.warn(
            "not all links were measured in {s} s: the others are taken to be as slow as the slowest",
            { s: PROBES_MS / 1000 },
          );
        }
        await this.#probe(from.node, to, signal);
      }
    }
  }

  /** A plan was made for these members, and gives work to these nodes: watches the links. */
  watch(members: readonly Member[], used: Iterable<string>): void {
    this.#members = members;
    this.#drift.planned(this.#table.list(), used);
    if (members.length > 1 && !this.#cancel) this.#schedule();
  }

  /** Ends the watch. */
  close(): void {
    this.#closed.abort();
    this.#cancel?.();
  }

  #schedule(): void {
    if (this.#closed.signal.aborted) return;
    this.#cancel = this.#options.clock.after(LOOK_MS, () => {
      void this.#look().finally(() => this.#schedule());
    });
  }

  async #look(): Promise<void> {
    const { clock, replan } = this.#options;
    for (const { node } of this.#members) {
      await this.#ask(node);
      if (this.#closed.signal.aborted) return;
    }
    this.#table.keep(this.#members.map(({ node }) => node));
    const change = this.#drift.look(this.#table.list());
    if (change && clock.now() - this.#replannedAt >= COOLDOWN_MS) {
      this.#replannedAt = clock.now();
      const why = textOf(change);
      log.info("{why}: a new plan is made", { why });
      return replan(why);
    }
    const stale = this.#table.stale(clock.now());
    const peer = stale && this.#members.find(({ node }) => node === stale[1]);
    if (peer) await this.#probe(stale[0], peer, this.#closed.signal);
  }

  /** Asks a node what its traffic shows; what it said last stays where it does not answer. */
  async #ask(node: string): Promise<void> {
    const { system, clock } = this.#options;
    try {
      const answer = await system.get(memberActor, node).links({}, {
        deadlineMs: LINKS_DEADLINE_MS,
        signal: this.#closed.signal,
      });
      this.#table.reported(node, nodeLinksSchema.parse(answer), clock.now());
    } catch (error) {
      log.debug("node {node} does not tell of its links: {why}", {
        node,
        why: toOrreryError(error).message,
      });
    }
  }

  async #probe(from: string, to: Member, signal: AbortSignal): Promise<void> {
    const { system, clock } = this.#options;
    try {
      const answer = await system.get(memberActor, from).probe({ peer: to }, {
        deadlineMs: PROBE_DEADLINE_MS,
        signal,
      });
      this.#table.probed(from, to.node, linkReportSchema.parse(answer), clock.now());
    } catch (error) {
      log[unmeasuredLevel(error, signal)](
        "the link from {from} to {to} could not be measured: {why}",
        {
          from,
          to: to.node,
          why: toOrreryError(error).message,
        },
      );
    }
  }
}

/** What has changed, for people. */
function textOf({ from, to, bytes, beforeS, nowS }: LinkChange): string {
  const ms = (seconds: number) => (seconds * 1000).toFixed(1);
  return `${bytes / 1024} KiB from ${from} to ${to} take ${ms(nowS)} ms, and took ${
    ms(beforeS)
  } ms when layers were placed`;
}

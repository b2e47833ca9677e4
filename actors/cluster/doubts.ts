/**
 * Doubts about the deployment that serves: nodes report that it answers no prompt. Any node can say
 * so, a hostile one too, so a report is looked into and not believed.
 *
 * @module
 */
import type { ActorContext } from "../system/mod.ts";
import { type Deployment, servingNodes } from "./deployment.ts";
import { memberActor } from "./member.ts";
import { RateLimit } from "./rate_limit.ts";

/** Milliseconds in which a member must say whether it has its stages. */
const HOLDS_MS = 5_000;
/** Reports of one node, and the milliseconds between its first and its last, that count as proof. */
const REPORTS = 3;
const REPORTS_MS = 5_000;
/** Milliseconds after a new placement in which no reports count as proof. */
const PATIENCE_MS = 60_000;
/** Milliseconds in which one node's reports alone count as proof once. */
const PROOF_MS = 300_000;
/** How often within this time a node is believed that it has lost its stages. */
const LOST_TIMES = 3;

/** A report that a deployment answers no prompt. */
export interface DoubtReport {
  /** Who says so, for people. */
  by: string;
  /** What is the same in all lives of the node; undefined: it is this node, which is trusted. */
  key?: string;
  why: string;
}

/** See the module's text. */
export class Doubts {
  readonly #ctx: ActorContext;
  /** Reports about the deployment `#about`, by the node that made them. */
  readonly #reports = new Map<string, { since: number; count: number }>();
  #about = "";
  /** Whether members are being asked. */
  #asking = false;
  /** When a deployment was last given up by reports alone. */
  #givenUpAt = -Infinity;
  /** By the key of the node that reports. */
  readonly #proofs = new RateLimit({ times: 1, withinMs: PROOF_MS });
  /** By the node that says it has lost its stages. */
  readonly #losses = new RateLimit({ times: LOST_TIMES, withinMs: PROOF_MS });

  constructor(ctx: ActorContext) {
    this.#ctx = ctx;
  }

  /**
   * A node reports that the deployment answers no prompt. Resolves to why it must be replaced;
   * undefined: nothing shows that it must.
   *
   * It must where a member says that it has not got its stages, three times in five minutes at most.
   * Where all have them, the fault may lie between them: then a node that reports on and on is
   * believed, once in five minutes at most, and all nodes together once a minute.
   */
  async report(
    deployment: Deployment,
    { by, key, why }: DoubtReport,
  ): Promise<string | undefined> {
    if (deployment.id !== this.#about) {
      this.#about = deployment.id;
      this.#reports.clear();
    }
    const now = this.#ctx.now();
    const report = this.#reports.get(by) ?? { since: now, count: 0 };
    report.count++;
    this.#reports.set(by, report);
    if (this.#asking) return undefined;
    this.#asking = true;
    try {
      const without = await this.without(deployment);
      if (without !== undefined && this.#losses.take(without, this.#ctx.now())) {
        return `node ${without} has lost its stages`;
      }
    } finally {
      this.#asking = false;
    }
    const lasting = report.count >= REPORTS && now - report.since >= REPORTS_MS;
    if (!lasting || now - this.#givenUpAt < PATIENCE_MS) return undefined;
    if (key !== undefined && !this.#proofs.take(key, now)) return undefined;
    this.#givenUpAt = now;
    return `node ${by} gets no answers: ${why}`;
  }

  /** A member that has not got its stages; undefined: all that answer have them. */
  async without(deployment: Deployment): Promise<string | undefined> {
    const { id, draft } = deployment;
    const nodes = new Set([...servingNodes(deployment), ...(draft ? [draft.node] : [])]);
    const answers = await Promise.all([...nodes].map(async (node) => {
      // Whether a node that does not answer is lost is found out by pings.
      const holds = await this.#ctx.get(memberActor, node).holds({ id }, { deadlineMs: HOLDS_MS })
        .catch(() => true);
      return { node, holds };
    }));
    return answers.find(({ holds }) => !holds)?.node;
  }
}

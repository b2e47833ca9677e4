/**
 * New plans that members ask for, because they have measured something anew. Any member can ask, a
 * hostile one too, and a plan costs every node something: so each member is heard once in a while,
 * and what several ask for within a minute is one plan.
 *
 * @module
 */
import type { ActorContext } from "../system/mod.ts";
import { RateLimit } from "./rate_limit.ts";

/**
 * Milliseconds in which a member is heard once. A node measures itself again at most once in ten
 * minutes, so an honest one is always heard.
 */
export const REPLAN_MS = 300_000;
/** Least milliseconds between two plans that members ask for. */
export const GATHER_MS = 60_000;

/** See the module's text. */
export class Replans {
  readonly #ctx: Pick<ActorContext, "now" | "after">;
  readonly #replan: () => void;
  readonly #limit = new RateLimit({ times: 1, withinMs: REPLAN_MS });
  #lastAt = -Infinity;
  #waiting = false;

  /** @param replan Makes a new plan. */
  constructor(ctx: Pick<ActorContext, "now" | "after">, replan: () => void) {
    this.#ctx = ctx;
    this.#replan = replan;
  }

  /**
   * A member asks for a new plan. It is made now, or within {@linkcode GATHER_MS}; or not at all,
   * where this member was heard less than {@linkcode REPLAN_MS} ago.
   *
   * @param member What is the same in all lives of the member.
   */
  ask(member: string): void {
    const now = this.#ctx.now();
    if (!this.#limit.take(member, now) || this.#waiting) return;
    const waitMs = this.#lastAt + GATHER_MS - now;
    if (waitMs <= 0) return this.#make();
    this.#waiting = true;
    this.#ctx.after(waitMs, () => {
      this.#waiting = false;
      this.#make();
    });
  }

  #make(): void {
    this.#lastAt = this.#ctx.now();
    this.#replan();
  }
}

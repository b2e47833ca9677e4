/**
 * A round of questions about a node that may be dead: other nodes are asked at the same time whether
 * they reach it, and this node tries to connect to it.
 *
 * @module
 */
import type { WatchWorld } from "./health.ts";

/** Share of the time for a round that another node has for trying. */
const VOTER_SHARE = 0.6;

/** What a round of questions found. */
export interface Verdict {
  /** The node that reaches it; undefined: none does. */
  by?: string;
  /** Whether the machine refuses connections from here. */
  refusedHere: boolean;
  /** Another node that was refused. */
  refusedAt?: string;
  /** Number of other nodes that answered. */
  answers: number;
}

/** Whom a round is about, and who is asked. */
export interface RoundOptions {
  /** Id of the node. */
  node: string;
  /** Nodes that are asked, at the same time. */
  voters: readonly string[];
  /** Milliseconds after which what is known by then is the verdict. */
  voteMs: number;
}

/** Resolves as soon as the verdict is certain, and after `voteMs` at the latest. */
export function askOthers(
  world: Pick<WatchWorld, "after" | "refuses" | "reach">,
  { node, voters, voteMs }: RoundOptions,
): Promise<Verdict> {
  const verdict: Verdict = { refusedHere: false, answers: 0 };
  return new Promise((resolve) => {
    let open = voters.length + 1;
    const cancel = world.after(voteMs, () => resolve({ ...verdict }));
    const done = () => {
      const certain = verdict.by !== undefined ||
        (verdict.refusedHere && verdict.refusedAt !== undefined);
      if (--open > 0 && !certain) return;
      cancel();
      resolve({ ...verdict });
    };
    world.refuses(node, voteMs)
      .then((refused) => void (verdict.refusedHere = refused), () => {})
      .finally(done);
    for (const voter of voters) {
      // It must have said what it knows before this node stops waiting.
      world.reach(voter, node, voteMs * VOTER_SHARE).then((reach) => {
        verdict.answers++;
        if (reach === "reached") verdict.by ??= voter;
        if (reach === "refused") verdict.refusedAt ??= voter;
      }, () => {}).finally(done);
    }
  });
}

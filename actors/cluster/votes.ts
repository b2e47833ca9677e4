/**
 * A round of questions about a node that may be dead: other nodes are asked at the same time whether
 * they reach it, and this node tries to connect to it.
 *
 * @module
 */
import type { Reach, WatchWorld } from "./health.ts";

/**
 * Time of a round that is kept for the way of question and answer, milliseconds; the rest another
 * node has for trying.
 */
const WAY_MS = 600;
/** Pause before a node is asked once more, milliseconds. */
const AGAIN_MS = 200;

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
  /** Whether a node whose answer is lost is asked again while there is time. */
  again: boolean;
  /** Told of each node that says only after the verdict that it reaches the node. */
  onLate(by: string): void;
}

/** Resolves as soon as the verdict is certain, and after `voteMs` at the latest. */
export function askOthers(
  world: Pick<WatchWorld, "after" | "refuses" | "reach">,
  { node, voters, voteMs, again, onLate }: RoundOptions,
): Promise<Verdict> {
  const verdict: Verdict = { refusedHere: false, answers: 0 };
  return new Promise((resolve) => {
    let open = voters.length + 1;
    let over = false;
    const close = () => {
      over = true;
      cancel();
      resolve({ ...verdict });
    };
    const cancel = world.after(voteMs, close);
    const done = () => {
      const certain = verdict.by !== undefined ||
        (verdict.refusedHere && verdict.refusedAt !== undefined);
      if ((--open === 0 || certain) && !over) close();
    };
    const voted = (voter: string, reach: Reach) => {
      if (over) return reach === "reached" && onLate(voter);
      verdict.answers++;
      if (reach === "reached") verdict.by ??= voter;
      if (reach === "refused") verdict.refusedAt ??= voter;
    };
    // Each time with the same time for trying: after a shorter one, `silent` would show nothing.
    const ask = async (voter: string) => {
      do {
        try {
          return voted(voter, await world.reach(voter, node, voteMs - WAY_MS));
        } catch {
          if (again) await new Promise<void>((resume) => void world.after(AGAIN_MS, resume));
        }
      } while (again && !over);
    };
    world.refuses(node, voteMs)
      .then((refused) => void (verdict.refusedHere = refused), () => {})
      .finally(done);
    for (const voter of voters) void ask(voter).finally(done);
  });
}

/**
 * The votes that a node has cast, in a file beside its key: it must not vote for two nodes in one
 * epoch, whenever it was restarted.
 *
 * @module
 */
import { z } from "zod";
import { type NodeKey, RecordFile, sha256, trustError } from "../trust/mod.ts";
import type { Ballot } from "./record.ts";

/** Farthest that an epoch may be ahead of what a voter has seen: nobody can use all epochs up. */
const MAX_AHEAD = 16;

const pastVoteSchema = z.object({
  /** Epoch that was voted for. */
  epoch: z.int().positive(),
  /** SHA-256 of the new authority's certificate. */
  authority: z.string(),
  /** The candidate. */
  node: z.string(),
  identity: z.string(),
  /** When, milliseconds since 1970. */
  at_ms: z.number(),
});
/** The last vote of a node in a cluster. */
export type PastVote = z.infer<typeof pastVoteSchema>;

/** By the SHA-256 of the certificate of the authority that would be followed. */
const fileSchema = z.record(z.string(), pastVoteSchema);

/** See the module's text. */
export class PastVotes {
  readonly #file: RecordFile<Record<string, PastVote>>;
  readonly #againMs: number;
  readonly #now: () => number;

  /**
   * @param againMs Milliseconds after a vote until the node votes for another one, in a later epoch:
   * the one that it voted for needs them to tell everybody that it has won.
   * @param now Milliseconds since 1970.
   */
  constructor(key: Pick<NodeKey, "path">, againMs: number, now: () => number = Date.now) {
    this.#file = new RecordFile(key.path.replace(/\.json$/, ".votes.json"), fileSchema, () => ({}));
    this.#againMs = againMs;
    this.#now = now;
  }

  /** The last vote in the cluster with this authority; undefined: there was none. */
  async last(cluster: string): Promise<PastVote | undefined> {
    return (await this.#file.read())[cluster];
  }

  /** Keeps a vote on disk before it is cast. Throws `no_vote` (group `trust`) where it may not be. */
  async cast(
    { epoch, authority: der, roll, candidate: { node, identity } }: Ballot,
  ): Promise<void> {
    const authority = sha256(Buffer.from(der, "base64"));
    await this.#file.update((votes) => {
      const last = votes[roll.authority];
      if (last && last.epoch === epoch && last.authority === authority) return; // asked again
      if (last && epoch <= last.epoch) {
        throw trustError(
          "no_vote",
          `it has voted for ${last.node} in epoch ${last.epoch} of the cluster`,
          { epoch: last.epoch },
        );
      }
      // Clocks may be set back meanwhile.
      const agoMs = last ? Math.abs(this.#now() - last.at_ms) : Infinity;
      if (last && last.identity !== identity && agoMs < this.#againMs) {
        const leftS = Math.ceil((this.#againMs - agoMs) / 1000);
        throw trustError(
          "no_vote",
          `it has just voted for ${last.node}: promote that one, or try again in ${leftS} s`,
          { epoch: last.epoch },
        );
      }
      const limit = Math.max(roll.epoch, last?.epoch ?? 0) + MAX_AHEAD;
      if (epoch > limit) {
        throw trustError("no_vote", `epoch ${epoch} is too far ahead: it knows of none`, { limit });
      }
      votes[roll.authority] = { epoch, authority, node, identity, at_ms: this.#now() };
    });
  }
}

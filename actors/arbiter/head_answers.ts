/**
 * What the shards of the LM head have said of one frame so far, until each of its tokens is chosen.
 *
 * @module
 */
import {
  CANDIDATE_LIMITS,
  type CarriedFacts,
  type HeadPartial,
  mergePartials,
  NOTHING_LEFT,
  type PartialMessage,
  type RowFailure,
  type StageTrace,
  type TokenResult,
  unpackPartials,
} from "../pipeline/mod.ts";
import type { PendingRow } from "./request.ts";
import type { Row } from "./row_pool.ts";
import { busyOf } from "./usage.ts";

/** A row of a frame whose next token is wanted. */
interface HeadWanted {
  row: Row;
  pending: PendingRow;
}

/** A shard's next question: more candidates for these of the frame's wanted rows. */
export interface MoreCandidates {
  /** Index of the shard. */
  shard: number;
  /** Indices among the frame's wanted rows. */
  rows: Int32Array;
  /** Most candidates of each part. */
  limit: number;
}

/** A frame's answer, as the last stage gives it where it has the whole head. */
export interface MergedAnswer extends Pick<CarriedFacts, "trace" | "hidden_bytes"> {
  /** One for each wanted row, in order. */
  tokens: Omit<TokenResult, "slot">[];
}

/**
 * What {@linkcode HeadAnswers.add} leads to. `waits`: nothing yet. `more`: these shards are asked.
 * `broken`: what came cannot be an answer to this frame.
 */
export type HeadStep =
  | { kind: "waits" }
  | { kind: "more"; asked: MoreCandidates[] }
  | { kind: "done"; answer: MergedAnswer }
  | { kind: "broken"; why: string };

/** See the module's text. */
export class HeadAnswers {
  /** Rows of which shards say something: all wanted rows but those with hidden states. */
  readonly #wanted: readonly HeadWanted[];
  /** Of each wanted row, whether its hidden state is wanted. */
  readonly #stated: boolean[];
  readonly #shards: number;
  readonly #stages: number;
  /** For each shard, the partials of each wanted row, part by part; undefined: no answer yet. */
  readonly #partials: (HeadPartial[][] | undefined)[];
  /** Rows for which no token can be chosen, by their index. */
  readonly #failed = new Map<number, RowFailure>();
  /** Each shard's trace; a further round makes it longer. */
  readonly #traces: StageTrace[] = [];
  /** Tokens that are chosen, by the index of their row. */
  readonly #chosen = new Map<number, Omit<TokenResult, "slot">>();
  #carried?: CarriedFacts;
  #vocab = 0;
  /** Shards from which an answer is still to come. */
  readonly #open: Set<number>;
  /** Number of times that every shard was asked. */
  #round = 1;

  /** For a frame with these wanted rows, behind so many stages. */
  constructor(
    wanted: readonly HeadWanted[],
    { shards, stages }: { shards: number; stages: number },
  ) {
    this.#stated = wanted.map(({ pending }) => pending.request.open.hidden !== undefined);
    this.#wanted = wanted.filter((_, i) => !this.#stated[i]);
    this.#shards = shards;
    this.#stages = stages;
    this.#partials = new Array(shards).fill(undefined);
    this.#open = new Set(Array.from({ length: shards }, (_, shard) => shard));
  }

  /** Takes in a shard's answer. */
  add(message: PartialMessage): HeadStep {
    const { shard, parts, vocab, rows, failed, trace, carried } = message;
    if (!this.#open.has(shard)) return broken(`shard ${shard} was not asked`);
    const strange = [...rows, ...failed.map((f) => f.row)].find((row) =>
      row >= this.#wanted.length
    );
    if (strange !== undefined) {
      return broken(`row ${strange} of ${this.#wanted.length} wanted rows`);
    }
    if (this.#vocab !== 0 && vocab !== this.#vocab) {
      return broken(`vocabularies of ${this.#vocab} and ${vocab} tokens`);
    }
    const whole = this.#round > 1 || rows.length === this.#wanted.length;
    if (!whole) return broken(`${rows.length} rows of ${this.#wanted.length}`);
    for (const failure of failed) {
      const known = this.#failed.get(failure.row);
      if (!known) this.#failed.set(failure.row, failure);
    }
    const lost = new Set(failed.map((f) => f.row));
    const left = Array.from(rows).filter((row) => !lost.has(row));
    const partials = unpackPartials(message, { count: left.length * parts, vocab });
    if (typeof partials === "string") return broken(partials);
    this.#vocab = vocab;
    const own = this.#partials[shard] ??= Array.from(this.#wanted, () => []);
    for (const [i, row] of left.entries()) own[row] = partials.slice(i * parts, (i + 1) * parts);
    this.#note(shard, trace);
    this.#carried ??= carried;
    this.#open.delete(shard);
    return this.#open.size > 0 ? { kind: "waits" } : this.#merge();
  }

  /** Chooses the tokens, now that every shard that was asked has answered. */
  #merge(): HeadStep {
    if (!this.#carried) return broken("no shard passed on what the stages said");
    const stated = this.#stated.filter((is) => is).length;
    if ((this.#carried.states?.length ?? 0) !== stated) {
      return broken(`${this.#carried.states?.length ?? 0} hidden states of ${stated}`);
    }
    for (const failure of this.#carried.failed) this.#failed.set(failure.row, failure);
    const asked = Array.from({ length: this.#shards }, (): number[] => []);
    for (const [row, { row: own, pending }] of this.#wanted.entries()) {
      if (this.#chosen.has(row)) continue;
      if (pending.request.closed || own.freed) {
        this.#chosen.set(row, { token: 0 }); // nobody waits for it
        continue;
      }
      const failure = this.#failed.get(row);
      if (failure) {
        const { code, message } = failure;
        this.#chosen.set(row, { token: 0, failed: { code, message } });
        continue;
      }
      const shards = this.#partials.map((partials) => partials![row]);
      const merged = mergePartials(shards.flat(), {
        sampling: pending.request.open.sampling,
        vocab: this.#vocab,
        position: pending.position + 1,
      });
      if (merged.kind === "sampled") this.#chosen.set(row, merged.sampled);
      else if (merged.kind === "none") this.#chosen.set(row, { token: 0, failed: NOTHING_LEFT });
      else {
        const lacking = new Set(merged.parts);
        let first = 0;
        for (const [shard, { length }] of shards.entries()) {
          for (let part = first; part < first + length; part++) {
            if (!lacking.has(part)) continue;
            asked[shard].push(row);
            break;
          }
          first += length;
        }
      }
    }
    if (this.#chosen.size === this.#wanted.length) return { kind: "done", answer: this.#answer() };
    const limit = CANDIDATE_LIMITS[this.#round++];
    if (limit === undefined) return broken("a shard lists fewer candidates than it was asked for");
    const more = asked.flatMap((rows, shard) =>
      rows.length > 0 ? [{ shard, rows: Int32Array.from(rows), limit }] : []
    );
    for (const { shard } of more) this.#open.add(shard);
    return { kind: "more", asked: more };
  }

  #answer(): MergedAnswer {
    const { trace, hidden_bytes, states = [] } = this.#carried!;
    const traces = this.#traces.filter((t) => t !== undefined);
    let [row, state] = [0, 0];
    return {
      tokens: this.#stated.map((stated) => stated ? states[state++] : this.#chosen.get(row++)!),
      trace: [...trace, ...traces],
      hidden_bytes,
    };
  }

  /** Notes when a shard had the frame: from its first round to its last. */
  #note(shard: number, trace: PartialMessage["trace"]): void {
    const known = this.#traces[shard];
    this.#traces[shard] = known
      ? {
        ...known,
        ended: trace.ended,
        busy_ms: busyOf(known) + busyOf({ stage: this.#stages, ...trace }),
      }
      : { stage: this.#stages, shard, ...trace };
  }
}

const broken = (why: string): HeadStep => ({ kind: "broken", why });

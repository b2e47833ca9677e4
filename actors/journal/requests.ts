/**
 * Requests as clients see them: begun at this node, or found at whichever node goes on with them.
 *
 * @module
 */
import { type Clock, hasCode, type NodeId, OrreryError } from "../system/mod.ts";
import type { EntryHead } from "./entry.ts";
import { requestUndecided, requestUnknown } from "./errors.ts";
import type { RequestJournal } from "./journal.ts";
import type { IdempotencyKeys, IdempotencyRecord } from "./keys.ts";
import type { ReadAnswer } from "./messages.ts";

/** Milliseconds in which other nodes must say whether they know a request. */
const LOCATE_MS = 1_000;
/** Milliseconds for which a node waits for the next record before it answers that there is none. */
const READ_WAIT_MS = 5_000;
/** Milliseconds that its answer may take beyond that. */
const READ_SPARE_MS = 2_000;
/** Milliseconds until a search that found nothing is made again. */
const PAUSE_MS = 100;
/** Milliseconds for which a request is waited for that no node knows: news of it may be on the way. */
const UNKNOWN_MS = 1_500;
/** Milliseconds for which a request is waited for that nobody goes on with. */
const UNDECIDED_MS = 60_000;

/** What {@linkcode JournalledRequests} are made of, and how they ask other nodes. */
export interface JournalledRequestsOptions {
  /** The journal of this node. */
  journal: RequestJournal;
  /** Idempotency keys. */
  keys: IdempotencyKeys;
  /** The other nodes of the cluster, also those that do not answer now. */
  members(): NodeId[];
  /** Asks the journal of another node whether it knows a request. */
  locate(node: NodeId, id: string, deadlineMs: number): Promise<"own" | "held" | "unknown">;
  /** Asks it for records. */
  read(
    node: NodeId,
    message: { id: string; from: number; wait_ms: number },
    options: { deadlineMs: number; signal: AbortSignal },
  ): Promise<ReadAnswer>;
  /** Times the search. */
  clock: Clock;
}

/** What is asked under an idempotency key. */
export interface KeyedRequest {
  /** Hash of who asks and of the key. */
  name: string;
  /** Hash of what is asked. */
  asked: string;
}

/** A request that was begun or found. */
export interface OpenRequest {
  /** What was asked. */
  head: EntryHead;
  /** All of its records from the first one, each once it is certain. */
  records: AsyncGenerator<string, void>;
}

/** What one step of following gives. */
type FollowStep = { head: EntryHead } | { record: string };

/** See the module's text. */
export class JournalledRequests {
  readonly #options: JournalledRequestsOptions;

  /** Nothing is asked yet. */
  constructor(options: JournalledRequestsOptions) {
    this.#options = options;
  }

  /** Begins a request at this node. Throws what its run throws before the first record. */
  begin(head: EntryHead, signal: AbortSignal): OpenRequest {
    const { journal } = this.#options;
    return { head, records: journal.read(journal.begin(head), 0, signal) };
  }

  /**
   * Begins a request, or finds the one that stands for its key. `make`: what is begun, with this id
   * and the seed of its first choice. Throws what `begin` and `follow` throw; group `journal`:
   * `key_reused`, `keys_unavailable`.
   */
  async beginOnce(
    { name, asked }: KeyedRequest,
    { fresh, make }: {
      /** An id, and a seed for the case that the client gives none. */
      fresh(): { id: string; seed: number };
      make(record: { id: string; seed: number }): EntryHead;
    },
    signal: AbortSignal,
  ): Promise<OpenRequest> {
    const { keys } = this.#options;
    let instead: IdempotencyRecord | undefined;
    for (;;) {
      signal.throwIfAborted();
      const { id, seed } = fresh();
      // What is asked again since it was lost is answered as before: with the seed of before.
      const wanted = { id, asked, seed: instead?.seed ?? seed };
      const { taken, record } = await keys.take(name, wanted, instead);
      if (taken) {
        const open = this.begin(make(record), signal);
        return { ...open, records: this.#givingBack(open.records, name, record) };
      }
      try {
        return await this.follow(record.id, signal);
      } catch (error) {
        if (!hasCode(error, "request_unknown")) throw error;
        instead = record;
      }
    }
  }

  /** The records; the key is given back where there are none, as the request was refused. */
  async *#givingBack(
    records: AsyncGenerator<string, void>,
    name: string,
    record: IdempotencyRecord,
  ): AsyncGenerator<string, void> {
    let some = false;
    try {
      for await (const text of records) {
        some = true;
        yield text;
      }
    } catch (error) {
      if (!some) await this.#options.keys.giveBack(name, record);
      throw error;
    }
  }

  /**
   * Finds a request. It may move while it is followed: the records go on from the node that goes on
   * with it. Throws group `journal`: `request_unknown`, `request_undecided`; what ended its run; the
   * signal's reason.
   */
  async follow(id: string, signal: AbortSignal): Promise<OpenRequest> {
    const steps = this.#steps(id, signal);
    const first = await steps.next();
    if (first.done || !("head" in first.value)) throw requestUnknown(id);
    return { head: first.value.head, records: recordsOf(steps) };
  }

  async *#steps(id: string, signal: AbortSignal): AsyncGenerator<FollowStep, void> {
    const { journal, clock } = this.#options;
    let at = 0;
    let headed = false;
    /** Since when nothing was found; `held`: a node has a copy. */
    let since = clock.now();
    for (let held = false;;) {
      signal.throwIfAborted();
      const entry = journal.own(id);
      if (entry && !entry.refused) {
        if (!headed) yield { head: entry.head };
        headed = true;
        try {
          for await (const record of journal.read(entry, at, signal)) {
            at++;
            yield { record };
          }
          return;
        } catch (error) {
          if (!entry.refused) throw error;
          since = clock.now();
          held = true; // the node that goes on with it is found below
        }
      }
      const found = await this.#locate(id, signal);
      if (found.owner !== undefined) {
        const { owner } = found;
        const before = at;
        for await (const answer of this.#readAt(owner, id, () => at, signal)) {
          since = clock.now();
          if (!headed && answer.head) {
            yield { head: answer.head };
            headed = true;
          }
          for (const record of answer.records) {
            at++;
            yield { record };
          }
          if (answer.state === "ended") return;
          if (answer.state === "failed") throw OrreryError.fromWire(answer.error!);
        }
        held ||= at > before;
      }
      held ||= found.held;
      const waited = clock.now() - since;
      if (!held && waited >= UNKNOWN_MS) throw requestUnknown(id);
      if (waited >= UNDECIDED_MS) throw requestUndecided(id, waited);
      await new Promise<void>((resolve) => void clock.after(PAUSE_MS, resolve));
    }
  }

  /** Answers of a node until it is over, or until that node does not go on with it. */
  async *#readAt(
    node: NodeId,
    id: string,
    at: () => number,
    signal: AbortSignal,
  ): AsyncGenerator<ReadAnswer, void> {
    for (;;) {
      let answer: ReadAnswer;
      try {
        answer = await this.#options.read(node, { id, from: at(), wait_ms: READ_WAIT_MS }, {
          deadlineMs: READ_WAIT_MS + READ_SPARE_MS,
          signal,
        });
      } catch {
        signal.throwIfAborted();
        return; // it is gone, or does not answer: whoever goes on is looked for
      }
      if (answer.state === "gone") return;
      yield answer;
      if (answer.state !== "open") return;
    }
  }

  /** The node that goes on with a request, or whether some node has a copy of it, or may have. */
  async #locate(
    id: string,
    signal: AbortSignal,
  ): Promise<{ owner?: NodeId; held: boolean }> {
    const { journal, members, locate } = this.#options;
    const states = await Promise.all(
      members().map(async (node) => {
        // A node that does not answer may know it: only all of them together know that nobody does.
        const state = await locate(node, id, LOCATE_MS).catch(() => "held" as const);
        return { node, state };
      }),
    );
    signal.throwIfAborted();
    const owner = states.find(({ state }) => state === "own")?.node;
    const held = journal.locate(id) === "held" || states.some(({ state }) => state === "held");
    return { owner, held };
  }
}

async function* recordsOf(steps: AsyncGenerator<FollowStep, void>): AsyncGenerator<string, void> {
  for await (const step of steps) if ("record" in step) yield step.record;
}

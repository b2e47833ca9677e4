/**
 * A server's part in coordinating: it stands for election, and takes its seat for each term of its
 * own. A server is a node that opens the registry itself.
 *
 * @module
 */
import { getLogger } from "@logtape/logtape";
import { setTimeout as sleep } from "node:timers/promises";
import {
  type CandidateNode,
  type Clock,
  CLUSTER,
  COORDINATOR_KEY,
  decodeRecord,
  Election,
  type Fence,
  leaseKey,
  type NodeLease,
  type Registry,
  type Term,
  termSchema,
  toOrreryError,
} from "../../actors/mod.ts";
import type { Seat } from "./seat.ts";

const log = getLogger(["orrery", "coordinator"]);

/** Milliseconds between two tries to join a coordinator. */
const RETRY_MS = 300;

/** Options of a {@linkcode Coordination}. */
export interface CoordinationOptions {
  registry: Registry;
  /** This node's lease; it has been started. */
  lease: NodeLease;
  /** This node, as others reach it. */
  candidate: CandidateNode;
  clock: Clock;
  /** Uniform in [0, 1). */
  random: () => number;
  /**
   * Is the registry in a file of this node? Then nobody else can coordinate, and what a former life
   * of it has left there is void.
   */
  alone: boolean;
  /** Lets this node's actors act as the coordinator's, for as long as that is certain. */
  fence: Fence;
  /** Takes up the work of a term; it may fail. */
  begin: (term: Term, signal: AbortSignal) => Promise<Seat>;
  /** Told who coordinates; of this node's own term once its seat is taken. */
  onTerm: (term: Term) => Promise<void>;
  /** Told that nobody is known to coordinate any more; `why` says what happened. */
  onVacant: (why: string) => void;
}

/** See the module's text. */
export class Coordination {
  readonly #options: CoordinationOptions;
  readonly #election: Election;
  readonly #first = Promise.withResolvers<void>();
  /** This node's seat; undefined: it does not coordinate. */
  #seat?: Seat;
  /** The seats are taken and left one after the other. */
  #turn: Promise<unknown> = Promise.resolve();
  #began = false;
  #closing = false;
  /** Why this node could not coordinate when it was elected last; "": it could. */
  #unable = "";

  /** Nothing happens until {@linkcode Coordination.start}. */
  constructor(options: CoordinationOptions) {
    this.#options = options;
    const { registry, lease, candidate, clock, random } = options;
    this.#first.promise.catch(() => {}); // whoever waits for it is told
    this.#election = new Election({
      ...{ registry, lease, candidate, clock, random },
      address: CLUSTER,
      onTerm: (term) => this.#heard(term),
      onElected: (term, signal, ownership) => {
        options.fence.hold(COORDINATOR_KEY, ownership);
        this.#turn = this.#turn.then(() => this.#lead(term, signal));
      },
      onFailure: (error) =>
        log.debug("the registry does not answer: {message}", { message: error.message }),
    });
  }

  /** This node's seat; undefined: it does not coordinate. */
  get seat(): Seat | undefined {
    return this.#seat;
  }

  /**
   * Stands for election. Resolves once somebody coordinates and this node has come to it. Rejects
   * with what kept this node from taking up the work of its first term.
   */
  async start(): Promise<void> {
    const { registry, alone } = this.#options;
    if (alone) {
      const before = await registry.get(COORDINATOR_KEY);
      const former = before && decodeRecord(termSchema, before).node;
      // What a former life of this node owned may be claimed at once.
      await registry.transact({
        deletes: [COORDINATOR_KEY, ...former === undefined ? [] : [leaseKey(former)]],
      });
    }
    this.#election.start();
    await this.#first.promise;
  }

  /** Gives the term up, if it is this node's, and stands no more. */
  async close(): Promise<void> {
    this.#closing = true;
    await this.#election.close();
    await this.#turn;
  }

  #heard(term: Term | undefined): void {
    const { candidate, onVacant } = this.#options;
    if (this.#closing) return;
    if (!term) onVacant("the coordinator's lease has ended");
    else if (term.node !== candidate.node) void this.#follow(term);
  }

  /** Joins another node's cluster, as often as it takes. */
  async #follow(term: Term): Promise<void> {
    while (this.#election.current?.epoch === term.epoch && !this.#closing) {
      try {
        await this.#options.onTerm(term);
        return this.#begun();
      } catch (error) {
        log.info("cannot join the coordinator {node} yet: {message}", {
          node: term.node,
          message: toOrreryError(error).message,
        });
      }
      await sleep(RETRY_MS);
    }
  }

  /** One term of this node. */
  async #lead(term: Term, signal: AbortSignal): Promise<void> {
    if (signal.aborted) return;
    const { begin, onTerm } = this.#options;
    let failed = false;
    try {
      this.#seat = await begin(term, signal);
      signal.throwIfAborted();
      await onTerm(term);
      this.#unable = "";
      this.#begun();
      await ended(signal);
      log[this.#closing ? "info" : "warn"]("this node no longer coordinates: {message}", {
        message: toOrreryError(signal.reason).message,
      });
    } catch (error) {
      failed = !signal.aborted;
      if (failed) this.#cannot(error);
    }
    await this.#seat?.end();
    this.#seat = undefined;
    // Another node may be able to. This one stands again after a while.
    if (failed) await this.#election.resign();
  }

  /** Somebody coordinates, and this node has come to it. */
  #begun(): void {
    this.#began = true;
    this.#first.resolve();
  }

  /** This node was elected and cannot take up the work. */
  #cannot(error: unknown): void {
    if (this.#began) {
      const { message } = toOrreryError(error);
      // It is elected again and again where no other node is: once says it all.
      log[message === this.#unable ? "debug" : "error"]("this node cannot coordinate: {message}", {
        message,
      });
      this.#unable = message;
    } else {
      this.#closing = true; // whoever starts the node is told, and closes it
      this.#first.reject(error);
    }
  }
}

/** Resolves when the signal aborts. */
function ended(signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    if (signal.aborted) return resolve();
    signal.addEventListener("abort", () => resolve(), { once: true });
  });
}

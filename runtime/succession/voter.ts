/**
 * A node's side of being asked: whether it would vote, for its vote, and what it knows of
 * successions.
 *
 * @module
 */
import type { Http2Stream } from "../http2/mod.ts";
import { getLogger } from "@logtape/logtape";
import { X509Certificate } from "node:crypto";
import { type NodeId, OrreryError, toOrreryError } from "../../actors/mod.ts";
import { LineBudget, type OtherRequest } from "../mailbox/mod.ts";
import {
  fingerprintOf,
  identityOf,
  isSigned,
  nodeOf,
  readJson,
  sendJson,
  trustError,
} from "../trust/mod.ts";
import type { KnownRecords } from "./known_records.ts";
import type { PastVotes } from "./past_votes.ts";
import {
  MAX_BYTES,
  MAX_QUESTION_BYTES,
  PREFIX,
  questionSchema,
  questionText,
  type Standing,
  voteRequestSchema,
} from "./protocol.ts";
import {
  type Ballot,
  checkBallot,
  checkVote,
  type KnownCluster,
  recordSchema,
  type Signer,
  signVote,
  type Succession,
  type Vote,
} from "./record.ts";

const log = getLogger(["orrery", "succession"]);

/** Requests that wait at a time; further ones are refused. */
const MAX_WAITING = 64;

/** What a {@linkcode Voter} needs of its node. */
export interface VoterNode {
  node: NodeId;
  /** The cluster that it belongs to now; undefined: none. */
  known(): KnownCluster | undefined;
  signer(): Signer;
  votes: PastVotes;
  records: KnownRecords;
  /** Milliseconds for which it has not heard the first node; 0: it is the first node itself. */
  lostMs(): number;
  /** Milliseconds for which it must not have heard the first node before it votes. */
  neededMs: number;
  /** Another node is the first one now: called with each record that is new and holds. */
  onSuccession(succession: Succession): void;
}

/** See the module's text. */
export class Voter {
  readonly #self: VoterNode;
  readonly #lines = new LineBudget((line) => log.warn("{line}", { line }));
  /** Requests are answered one after the other: each costs signatures, and a vote is cast alone. */
  #last: Promise<unknown> = Promise.resolve();
  #waiting = 0;

  constructor(self: VoterNode) {
    this.#self = self;
  }

  /** Answers a request; false: its path is not one of this room. */
  answer({ stream, headers, remote }: OtherRequest): boolean {
    const path = String(headers[":path"]), method = headers[":method"];
    if (!path.startsWith(PREFIX)) return false;
    const what = path.slice(PREFIX.length);
    const [, authority] = /^record\/([0-9a-f]{64})$/.exec(what) ?? [];
    const handlers: Record<string, (() => Promise<unknown>) | undefined> = {
      "POST question": async () => {
        const { cluster, asker } = await readJson(stream, questionSchema, MAX_QUESTION_BYTES);
        return await this.#inTurn(() => this.#standing(cluster, asker));
      },
      "POST vote": async () => {
        const { ballot, own } = await readJson(stream, voteRequestSchema, MAX_QUESTION_BYTES);
        return { vote: await this.#inTurn(() => this.#vote(ballot, own)) };
      },
      "POST record": async () => {
        const record = await readJson(stream, recordSchema, MAX_BYTES);
        await this.#inTurn(() => this.heard(record));
        const last = this.#self.records.after(record.roll.authority);
        return { node: this.#self.node, newer: last?.epoch === record.epoch ? undefined : last };
      },
    };
    const handler = authority !== undefined && method === "GET"
      ? () => Promise.resolve({ record: this.#self.records.after(authority) ?? null })
      : handlers[`${method} ${what}`];
    void this.#respond(stream, remote, handler);
    return true;
  }

  /** Takes a record that came from anybody. Throws `bad_succession` (group `trust`). */
  async heard(value: unknown): Promise<void> {
    const { records, known, onSuccession } = this.#self;
    const record = recordSchema.safeParse(value);
    if (!record.success) throw trustError("bad_succession", "this is no succession record");
    const succession = await records.consider(record.data, known());
    if (succession) onSuccession(succession);
  }

  /** Ends the log's timer. */
  close(): void {
    this.#lines.close();
  }

  /** Casts this node's vote. Throws `no_vote` and `bad_succession` (group `trust`). */
  async vote(ballot: Ballot): Promise<Vote> {
    const { votes, signer } = this.#self;
    const known = this.#known(ballot.roll.authority);
    this.#refuseUnlessLost();
    await checkBallot(ballot, known);
    if (known.roll && known.roll.number > ballot.roll.number) {
      throw trustError("no_vote", "the candidate's list of members is older than this node's");
    }
    await votes.cast(ballot);
    return await signVote(ballot, signer());
  }

  async #vote(ballot: Ballot, own: Vote): Promise<Vote> {
    // What costs nothing is looked at first: strangers may ask too.
    const known = this.#known(ballot.roll.authority);
    this.#refuseUnlessLost();
    const candidate = await checkVote(ballot, own, new X509Certificate(known.authority));
    const { node, identity } = ballot.candidate;
    if (candidate.node !== node || candidate.identity !== identity) {
      throw trustError("no_vote", `${candidate.node} asks for votes for another node`);
    }
    const vote = await this.vote(ballot);
    log.warn(
      "the first node has been silent for {seconds} s: this node votes for {node} as the first one",
      { seconds: Math.round(this.#self.lostMs() / 1000), node },
    );
    return vote;
  }

  async #standing(cluster: string, { certificate, signature }: Vote): Promise<Standing> {
    const { votes, neededMs, node, lostMs } = this.#self;
    const known = this.#known(cluster);
    let from: X509Certificate | undefined;
    try {
      from = new X509Certificate(Buffer.from(certificate, "base64"));
      if (!from.verify(new X509Certificate(known.authority).publicKey)) from = undefined;
    } catch {
      // it is answered below
    }
    if (
      !from || nodeOf(from) === undefined || known.revoked.includes(identityOf(from)) ||
      !await isSigned(from, questionText(cluster), signature)
    ) throw trustError("no_vote", "only members are told who would vote");
    if (!known.roll) throw trustError("no_vote", "it was told no list of the members yet");
    const last = await votes.last(cluster);
    return {
      node,
      lost_ms: lostMs(),
      needed_ms: neededMs,
      voted: last && { epoch: last.epoch, node: last.node },
      roll: known.roll,
    };
  }

  /** What is known of the cluster, which must be this node's. Throws `no_vote`. */
  #known(cluster: string): KnownCluster {
    const known = this.#self.known();
    if (known && fingerprintOf(new X509Certificate(known.authority)) === cluster) return known;
    throw trustError("no_vote", "it belongs to another cluster, or to another epoch of this one");
  }

  #refuseUnlessLost(): void {
    const lostMs = this.#self.lostMs(), { neededMs } = this.#self;
    if (lostMs >= neededMs) return;
    throw trustError(
      "no_vote",
      `it heard the first node ${Math.round(lostMs / 1000)} s ago, and votes after ${
        neededMs / 1000
      } s of silence`,
    );
  }

  async #respond(
    stream: Http2Stream,
    remote: string,
    handler: (() => Promise<unknown>) | undefined,
  ): Promise<void> {
    try {
      if (!handler) throw trustError("bad_request", "there is no such path");
      sendJson(stream, 200, await handler());
    } catch (cause) {
      if (stream.destroyed) return;
      const error = cause instanceof OrreryError ? cause : toOrreryError(cause);
      this.#lines.say(`a request from ${remote} about the first node is refused: ${error.message}`);
      sendJson(stream, error.group === "trust" ? 403 : 500, { error: error.toWire() });
    }
  }

  async #inTurn<T>(work: () => Promise<T>): Promise<T> {
    if (this.#waiting >= MAX_WAITING) {
      throw trustError("bad_request", `${MAX_WAITING} requests wait already; try again`);
    }
    this.#waiting++;
    const mine = this.#last.then(work, work);
    this.#last = mine;
    try {
      return await mine;
    } finally {
      this.#waiting--;
    }
  }
}

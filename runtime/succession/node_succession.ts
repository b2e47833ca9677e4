/**
 * A node's part in successions: it votes, stands as a candidate, follows who was chosen, and tells
 * the others once it is the first node itself.
 *
 * @module
 */
import { getLogger } from "@logtape/logtape";
import { setTimeout as sleep } from "node:timers/promises";
import { hasCode, type NodeId } from "../../actors/mod.ts";
import type { OtherRequest } from "../mailbox/mod.ts";
import type { MailboxPlace, NodeTrust } from "../trust/mod.ts";
import { askAll, askRecord, tellRecord } from "./ask_members.ts";
import { standAsFirst, type TrustState } from "./candidacy.ts";
import { finishPromotion } from "./install.ts";
import { KnownRecords } from "./known_records.ts";
import { PastVotes } from "./past_votes.ts";
import { type NodePlace, Places } from "./places.ts";
import type { Succession } from "./record.ts";
import { Voter } from "./voter.ts";

const log = getLogger(["orrery", "succession"]);

/**
 * Milliseconds for which a member must not have heard the first node before it votes for another: a
 * restart of the first node's process takes far less.
 */
const NEEDED_MS = 60_000;
/** Milliseconds after which a member may vote for another candidate than before. */
const AGAIN_MS = 60_000;
/** Shortest and longest time between two rounds in which the others are told, milliseconds. */
const TELL_MS = { min: 1_000, max: 60_000 };

/** Longest time between two tries of a node that waits to be promoted, milliseconds. */
const LOOK_MS = 2_000;
/** So many nodes are asked at a time whether the first node was followed. */
const ASKED = 3;

/** Options of {@linkcode NodeSuccession.open}. */
export interface SuccessionOptions {
  /** Folder of the model store. */
  data: string;
  /** Id of this life of the node. */
  node: NodeId;
  trust: NodeTrust;
  /** Where this node's mailbox is reached. */
  address: MailboxPlace;
  /** Milliseconds for which this node has not heard the first node; 0 on the first node. */
  lostMs: () => number;
  /** Where the first node answers; undefined: it does not. */
  findFirst: (signal: AbortSignal) => Promise<string | undefined>;
  /** The last copy of what the first node knew; undefined: there is none. */
  state: () => Promise<TrustState | undefined>;
  /** Another node is the first one now. Called once for each, in the order of epochs. */
  onSuccession: (succession: Succession) => void;
  /** See {@linkcode NEEDED_MS}. @default 60000 */
  neededMs?: number;
  /** See {@linkcode AGAIN_MS}. @default 60000 */
  againMs?: number;
}

/** See the module's text. */
export class NodeSuccession {
  readonly #options: SuccessionOptions;
  readonly #records: KnownRecords;
  readonly #votes: PastVotes;
  readonly #places: Places;
  readonly #voter: Voter;
  readonly #neededMs: number;
  readonly #abort = new AbortController();
  #members: NodePlace[] = [];
  #promoting?: Promise<Succession>;

  private constructor(options: SuccessionOptions, records: KnownRecords, known: NodePlace[]) {
    const { trust, node, neededMs = NEEDED_MS, againMs = AGAIN_MS, data, lostMs } = options;
    this.#options = options;
    this.#records = records;
    this.#neededMs = neededMs;
    this.#members = known;
    this.#places = new Places(data);
    this.#votes = new PastVotes(trust.key, againMs);
    this.#voter = new Voter({
      node,
      known: () => trust.known,
      signer: () => this.#signer(),
      votes: this.#votes,
      records,
      lostMs,
      neededMs,
      onSuccession: (succession) => this.#followed(succession),
    });
    trust.serve((request: OtherRequest) => this.#voter.answer(request));
    if (trust.signs) this.announce();
  }

  /** Lets a node vote, stand and follow. Throws `file_broken` (group `trust`). */
  static async open(options: SuccessionOptions): Promise<NodeSuccession> {
    const records = await KnownRecords.open(options.data);
    return new NodeSuccession(options, records, await new Places(options.data).list());
  }

  /** Notes where the members of the cluster are, the first node included. */
  async members(places: readonly NodePlace[]): Promise<void> {
    await this.#places.seen(places);
    this.#members = await this.#places.list();
  }

  /**
   * Makes this node the first one of its cluster, in its folder: the node must go on as such. Throws
   * `not_promoted`, `no_vote` (group `trust`); then nothing has changed.
   *
   * @param waitMs So long it waits until the members have missed the first node for long enough,
   * milliseconds. @default 0
   */
  promote(waitMs = 0): Promise<Succession> {
    return this.#promoting ??= this.#patient(waitMs).finally(() => this.#promoting = undefined);
  }

  async #patient(waitMs: number): Promise<Succession> {
    const deadline = performance.now() + waitMs;
    for (;;) {
      try {
        return await this.#promote();
      } catch (error) {
        const wait = hasCode(error, "not_promoted") ? error.metadata?.wait_ms : undefined;
        if (typeof wait !== "number" || performance.now() + wait > deadline) throw error;
        // It looks again meanwhile: the first node may come back.
        await sleep(Math.min(wait + 10, LOOK_MS), undefined, { signal: this.#abort.signal });
      }
    }
  }

  /** Asks a few nodes whether the first node was followed: call it while it does not answer. */
  async look(): Promise<void> {
    const { authority } = this.#options.trust;
    const some = this.#others().sort(() => Math.random() - 0.5).slice(0, ASKED);
    for (const result of await askAll(some, (place) => askRecord(place, authority))) {
      const record = "answer" in result ? result.answer : undefined;
      if (record) await this.#voter.heard(record).catch(() => {}); // the next one may be better
    }
  }

  /** Tells all nodes by which votes this one is the first, until each has followed. */
  announce(): void {
    const succession = this.#records.before(this.#options.trust.authority);
    const record = succession && this.#records.after(succession.from);
    if (!record) return; // a cluster's first one has nothing to tell
    const { signal } = this.#abort;
    const told = new Set<string>();
    const name = ({ host, port }: MailboxPlace) => `${host} ${port}`;
    void (async () => {
      for (let wait = TELL_MS.min; !signal.aborted; wait = Math.min(2 * wait, TELL_MS.max)) {
        const left = this.#others().filter((place) => !told.has(name(place)));
        for (const result of await askAll(left, (place) => tellRecord(place, record, signal))) {
          if (!("answer" in result)) continue;
          told.add(name(result.place));
          if (result.answer) await this.#voter.heard(result.answer).catch(() => {});
        }
        await sleep(wait, undefined, { signal }).catch(() => {});
      }
    })();
  }

  /** Ends what goes on. */
  close(): void {
    this.#abort.abort();
    this.#voter.close();
  }

  async #promote(): Promise<Succession> {
    const { node, trust, address, state, findFirst, lostMs, data } = this.#options;
    const finish = () => finishPromotion(data, trust.key, this.#records, trust.known);
    const begun = await finish(); // by an attempt that failed after it had the votes
    if (begun) return begun;
    await standAsFirst({
      data,
      node,
      key: trust.key,
      known: () => trust.known,
      signer: () => this.#signer(),
      voter: this.#voter,
      address: { host: address.host, port: address.port },
      members: () => this.#others(),
      findFirst,
      state,
      lastEpoch: async (cluster) => (await this.#votes.last(cluster))?.epoch ?? 0,
      lostMs,
      neededMs: this.#neededMs,
    }, this.#abort.signal);
    const succession = await finish();
    log.warn("this node is the first one of its cluster now, in epoch {epoch}", {
      epoch: succession!.epoch,
    });
    return succession!;
  }

  #followed(succession: Succession): void {
    const { node, onSuccession } = this.#options;
    const { candidate, epoch } = succession;
    if (candidate.node !== node) {
      log.warn("node {first} is the first one of the cluster now, in epoch {epoch}", {
        first: candidate.node,
        epoch,
      });
    }
    onSuccession(succession);
  }

  /** The other nodes, as far as their places are known. */
  #others(): NodePlace[] {
    const { host, port } = this.#options.address;
    return this.#members.filter((place) => place.host !== host || place.port !== port);
  }

  #signer() {
    const { key, client } = this.#options.trust;
    return { key: key.key, certificate: client.cert };
  }
}

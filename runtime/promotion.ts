/**
 * A node's part in who is the first node, put together from its other parts: as a member it votes,
 * follows, and can be promoted; as the first node it hears that another one is first.
 *
 * @module
 */
import { join } from "node:path";
import { getLogger } from "@logtape/logtape";
import { setTimeout as sleep } from "node:timers/promises";
import { hasCode, type Member, toOrreryError } from "../actors/mod.ts";
import type { ModelStore } from "../models/mod.ts";
import { apiError, type Promoted } from "./api/mod.ts";
import { FirstSilence, type Membership } from "./cluster/mod.ts";
import { CustomActors } from "./custom/mod.ts";
import type { MailboxTransport } from "./mailbox/mod.ts";
import { identitiesOf, type KnownNodes, mainGraphOf, notedGraph } from "./seat/mod.ts";
import { NodeSuccession, type Succession, type TrustState } from "./succession/mod.ts";
import { askCoordinator, type NodeTrust, type Roll } from "./trust/mod.ts";

const log = getLogger(["orrery", "succession"]);

/** Milliseconds in which the first node must answer, else it is taken to be gone. */
const ANSWER_MS = 3_000;
/** Milliseconds between two looks at whether a silent first node was followed. */
const LOOK_MS = 10_000;
/** A first node asks at every so manieth look whether it was followed itself. */
const FIRST_LOOKS = 6;
/** Pause before certificates of a new first node are asked for again, milliseconds. */
const RETRY_MS = 1_000;

/** Options of {@linkcode Promotion.open}. */
export interface PromotionOptions {
  /** Folder of the model store. */
  data: string;
  /** This node, as others reach it. */
  member: Member;
  store: ModelStore;
  trust: NodeTrust;
  mailbox: Pick<MailboxTransport, "silentMs">;
  membership: Pick<Membership, "coordinator" | "moved">;
  known: Pick<KnownNodes, "entries">;
  /** Makes this node, whose folder is that of a first node now, one that coordinates. */
  lead: (succession: Succession) => Promise<void>;
  /** This node was the first one, and is no longer: it must be started again. */
  onFollowed: (why: string) => void;
  /** Milliseconds of silence of the first node after which members vote. @default 60000 */
  neededMs?: number;
}

/** See the module's text. */
export class Promotion {
  readonly #options: PromotionOptions;
  readonly #silence: FirstSilence;
  readonly #abort = new AbortController();
  #succession!: NodeSuccession;
  readonly #timer: ReturnType<typeof setInterval>;
  #looks = 0;
  /** The succession that this node follows; undefined: none was told since it started. */
  #following?: Succession;

  private constructor(options: PromotionOptions) {
    this.#options = options;
    const { mailbox, membership } = options;
    this.#silence = new FirstSilence(mailbox, () => membership.coordinator?.node);
    this.#timer = setInterval(() => this.#look(), LOOK_MS);
  }

  /** Lets the node vote and follow. Throws `file_broken` (group `trust`). */
  static async open(options: PromotionOptions): Promise<Promotion> {
    const promotion = new Promotion(options);
    const { data, member, trust, neededMs } = options;
    promotion.#succession = await NodeSuccession.open({
      data,
      node: member.node,
      trust,
      address: member,
      lostMs: () => trust.signs ? 0 : promotion.#silence.ms,
      findFirst: (signal) => promotion.#findFirst(signal),
      state: () => promotion.#state(),
      onSuccession: (succession) => promotion.#followed(succession),
      neededMs,
    });
    return promotion;
  }

  /** Notes the members of the cluster, which this node would ask for votes. */
  members(members: readonly Member[]): void {
    this.#succession.members(members).catch((error) =>
      log.warn("cannot store where the nodes are: {message}", { message: error.message })
    );
  }

  /** Makes this node the first one. Throws `not_promoted` (group `api`). */
  async promote(waitMs: number): Promise<Promoted> {
    const { member: { node }, lead, trust } = this.#options;
    if (trust.signs) {
      throw apiError("not_promoted", `${node} is the first node of its cluster already`);
    }
    let succession: Succession;
    try {
      succession = await this.#succession.promote(waitMs);
    } catch (error) {
      if (!hasCode(error, "not_promoted") && !hasCode(error, "no_vote")) throw error;
      throw apiError("not_promoted", (error as Error).message);
    }
    await lead(succession);
    this.#succession.announce();
    return { node, epoch: succession.epoch };
  }

  /** Ends what goes on. */
  close(): void {
    this.#abort.abort();
    clearInterval(this.#timer);
    this.#silence.close();
    this.#succession.close();
  }

  /** The new first node tells all others; whom it cannot reach, asks. */
  #look(): void {
    const { trust } = this.#options;
    const due = trust.signs ? this.#looks++ % FIRST_LOOKS === 0 : this.#silence.ms > LOOK_MS;
    if (due) void this.#succession.look().catch(() => {}); // nobody answers: it looks again
  }

  /** Where a node with the authority's key answers, which is the first one. */
  async #findFirst(signal: AbortSignal): Promise<string | undefined> {
    const { trust, membership } = this.#options;
    const places = [membership.coordinator, trust.first].filter((place) => place !== undefined);
    const within = AbortSignal.any([signal, AbortSignal.timeout(ANSWER_MS)]);
    const answers = await Promise.all(places.map(async ({ host, port }) => {
      const answer = askCoordinator({ host, port, tls: trust, signal: within });
      return await answer.then(() => `${host}:${port}`, () => undefined);
    }));
    return answers.find((place) => place !== undefined);
  }

  /** What a first node needs to go on, which is looked at before anybody votes. */
  async #state(): Promise<TrustState | undefined> {
    const { known: { entries }, store, data, trust } = this.#options;
    const main = mainGraphOf(entries);
    if (!main || !trust.roll) return undefined;
    try {
      const { graph } = await notedGraph(store, main);
      const modules = join(data, "modules");
      await (await CustomActors.load(graph, { file: main.file ?? "graph", modules })).close();
    } catch (error) {
      throw apiError(
        "not_promoted",
        `this node cannot serve what the cluster serves: ${toOrreryError(error).message}`,
      );
    }
    return { identities: identitiesOf(entries) ?? fromRoll(trust.roll) };
  }

  #followed(succession: Succession): void {
    const { member, trust, onFollowed } = this.#options;
    const { candidate: { node }, epoch } = succession;
    if (node === member.node) return;
    this.#following = succession;
    if (trust.signs) {
      return onFollowed(`node ${node} was made the first one (epoch ${epoch}): this node joins it`);
    }
    void this.#move(succession);
  }

  /** Gets certificates of the new first node, as often as it takes, and looks for it then. */
  async #move(succession: Succession): Promise<void> {
    const { trust, membership } = this.#options;
    const { signal } = this.#abort;
    const { authority, candidate } = succession;
    while (!signal.aborted && this.#following === succession) {
      try {
        await trust.move(authority, candidate);
        return membership.moved();
      } catch (error) {
        if (hasCode(error, "revoked")) {
          return void log.error("{message}", { message: error.message });
        }
        log.info("no certificates of the new first node yet: {message}", {
          message: toOrreryError(error).message,
        });
      }
      await sleep(RETRY_MS, undefined, { signal }).catch(() => {});
    }
  }
}

/** The members alone, where the first node's list of nodes was never copied. */
function fromRoll({ members, at_ms: admitted_ms }: Roll): TrustState["identities"] {
  return members.map((identity) => ({
    identity,
    node: "unknown:0:0000",
    lives: [],
    admitted_ms,
    token: "roll of members",
  }));
}

/**
 * One life of a node in a simulated world: its lease, its part in the election, its claim, and an
 * actor system with a fence.
 *
 * @module
 */
import {
  ActorSystem,
  type Address,
  type AddressClaim,
  Claims,
  decodeRecord,
  DurableStates,
  Election,
  Fence,
  NodeLease,
  OrreryError,
  overtaken,
  type Owner,
  ownerRecordKey,
  ownerRecordSchema,
  type Ownership,
  type Registry,
  type RegistryEntry,
} from "../../../actors/mod.ts";
import { durableLedger } from "./durable_ledger.ts";
import { type Book, ledgerActor, type LedgerOwnership } from "./ledger.ts";
import type { SimulatedProcess } from "./process.ts";
import { CLAIMED, COORDINATED, LEDGER_ADDRESSES, type LineState, TTL_MS } from "./setting.ts";
import type { OwnershipWorld } from "./world.ts";

/** Milliseconds of an ask. */
const ASK_MS = 150;
/** Milliseconds of an ask that is sent again under its key. */
const KEYED_MS = 1_200;
const forever = new AbortController().signal;

/** See the module's text. */
export class SimulatedNode {
  readonly line: LineState = { cut: false, lossy: 0, late: 0, lateMs: 0 };
  readonly lease: NodeLease;
  readonly election: Election;
  readonly system: ActorSystem;
  readonly #claims: Claims;
  readonly #fence: Fence;
  readonly #registry: Registry;
  /** Owners as this node has heard of them. */
  readonly #heard = new Map<string, Owner>();
  /** The claim of {@linkcode CLAIMED}, if it is this node's. */
  #claim?: AddressClaim;
  /** When each ledger last answered this node, in true time. */
  readonly #answered = new Map<string, number>();
  #asked = 0;

  constructor(
    readonly world: OwnershipWorld,
    readonly place: number,
    readonly name: string,
    readonly process: SimulatedProcess,
  ) {
    const { random, variant, network } = world;
    const timing = { clock: process.clock, random };
    const plain = world.lineOf(process, this.line);
    const registry = this.#registry = variant.registry?.(plain, this) ?? plain;
    this.lease = new NodeLease({ ...timing, registry, node: name, ttlMs: TTL_MS });
    this.lease.listen({ lost: () => void world.lapses++ });
    this.#claims = new Claims({ ...timing, registry, lease: this.lease });
    this.#fence = new Fence({
      ownershipName: (address) => LEDGER_ADDRESSES.includes(address) ? address : undefined,
      onLapse: () => {},
    });
    this.election = new Election({
      ...{ ...timing, registry, address: COORDINATED, lease: this.lease, lookMs: 200 },
      candidate: { node: name, host: "127.0.0.1", port: 1 },
      onElected: (_, __, ownership) => this.#owns(COORDINATED, ownership),
    });
    this.system = new ActorSystem({
      transport: network.connect(name),
      directory: {
        resolve: (to) => this.#ownerOf(to),
        nodeOf: (to) => this.#heard.get(to)?.node,
      },
      ...{ ...timing, fence: this.#fence, leaseEpoch: () => this.lease.epoch },
      date: () => world.time.now,
      schedule: (turn) => void world.time.after(0.05 * random(), () => process.run(turn)),
    });
    const book = this.#book(variant.ledgerRegistry?.(registry, this) ?? registry);
    const resources = () => ({ book });
    if (variant.durable) {
      const write = async (to: Address, ...given: Parameters<LedgerOwnership["write"]>) =>
        await (await book.owner(to)).write(...given);
      const store = new DurableStates({
        ...{ ...timing, registry: book.registry },
        ownerOf: (to) => ({
          write: (what, o) => write(to, what, { signal: forever, ...o, deadlineMs: ASK_MS }),
        }),
      });
      const durable = { store: variant.durable(store) };
      this.system.register(durableLedger, { config: {}, resources, durable });
    } else this.system.register(ledgerActor, { config: {}, resources });
  }

  /** Begins everything. */
  start(): void {
    this.lease.start();
    this.election.start();
    for (const address of LEDGER_ADDRESSES) {
      const entry = this.world.server.get(ownerRecordKey(address));
      if (entry) this.hears(address, entry);
      this.#ask(address);
    }
    this.#later(0, 100, () => this.#tryClaim());
  }

  /** It ends without a goodbye. */
  die(): void {
    if (!this.process.alive) return;
    this.process.die();
    this.world.network.crash(this.name);
  }

  /** Gives the term and the claim up. */
  giveUp(): void {
    void this.#claim?.release();
    if (this.world.random() < 0.5) void this.election.resign();
  }

  /** Learns who owns an address; what it knows already is newer at times. */
  hears(address: string, entry: RegistryEntry): void {
    const { node, epoch } = decodeRecord(ownerRecordSchema, entry);
    const known = this.#heard.get(address);
    if (known && known.epoch > epoch) return;
    if (node === null) this.#heard.delete(address);
    else this.#heard.set(address, { node, epoch });
  }

  /** Has this ledger answered since then? */
  answeredSince(address: string, time: number): boolean {
    return (this.#answered.get(address) ?? -1) > time;
  }

  /** This node owns a ledger from now on. */
  #owns(address: string, ownership: Ownership): void {
    const { variant } = this.world;
    this.world.owners++;
    this.#heard.set(address, { node: this.name, epoch: ownership.epoch });
    this.#fence.hold(address, variant.ownership?.(ownership) ?? ownership);
  }

  #ownerOf(to: string): Owner {
    const owner = this.#heard.get(to);
    if (owner) return owner;
    throw new OrreryError({ group: "actor", code: "no_owner", message: `nobody owns ${to}` });
  }

  /** Runs something after a time between two, by the node's clock. */
  #later(min: number, max: number, fn: () => void): void {
    this.process.clock.after(this.world.between(min, max), fn);
  }

  /** Claims the ledger whenever somebody may: now and then, or when its owner is gone. */
  #tryClaim(): void {
    const { clock } = this.process;
    const patience = new AbortController();
    const cancel = clock.after(this.world.between(20, TTL_MS), () => patience.abort(new Error()));
    const again = () => {
      cancel();
      this.#later(10, 120, () => this.#tryClaim());
    };
    this.#claims.claim(CLAIMED, { signal: patience.signal }).then((claim) => {
      cancel();
      this.#claim = claim;
      this.#owns(CLAIMED, claim);
      claim.signal.addEventListener("abort", again, { once: true });
      if (this.world.random() < 0.3) this.#later(50, 800, () => void claim.release());
    }, again);
  }

  /** Asks a ledger, again and again. */
  #ask(address: string): void {
    const { world } = this;
    const kind = world.random() < 0.5 ? "add" : "read";
    const told = world.history.asked(address, kind);
    const keyed = world.variant.durable && kind === "add" && world.random() < 0.5;
    const mark = `${this.name}-${++this.#asked}`;
    const options = keyed ? { deadlineMs: KEYED_MS, idempotencyKey: mark } : { deadlineMs: ASK_MS };
    this.system.ask(address, { type: kind, mark }, options).then((value) => {
      told(value as number);
      this.#answered.set(address, world.time.now);
    }, () => {}).finally(() => this.#later(5, 150, () => this.#ask(address)));
  }

  #book(registry: Registry): Book {
    const { world } = this;
    return {
      registry,
      owner: (address) =>
        address === CLAIMED
          ? Promise.resolve(this.#claimed(registry))
          : this.#coordinated(registry),
      epochOf: (ctx, { epoch }) =>
        world.variant.epochOf?.({ activation: ctx.epoch, owner: epoch }) ?? ctx.epoch,
      fail: (what) => world.history.fail(what),
      taken: (address, epoch) => {
        const entry = world.server.get(ownerRecordKey(address));
        const inForce = entry ? decodeRecord(ownerRecordSchema, entry).epoch : 0;
        world.history.taken(address, { node: this.name, epoch }, inForce);
      },
    };
  }

  #claimed(registry: Registry): LedgerOwnership {
    const claim = this.#claim;
    if (!claim) throw overtaken(CLAIMED, 0);
    if (registry === this.#registry) return claim;
    // A registry of the ledger's own: the same write, by that one.
    return writerOf(registry, CLAIMED, claim);
  }

  /** As a coordinator writes: it checks the version that the record had when its term began. */
  async #coordinated(registry: Registry): Promise<LedgerOwnership> {
    const { ownership } = this.election;
    const key = ownerRecordKey(COORDINATED);
    const entry = await registry.get(key, { deadlineMs: ASK_MS });
    const record = entry && decodeRecord(ownerRecordSchema, entry);
    if (!ownership || record?.epoch !== ownership.epoch) {
      throw overtaken(COORDINATED, ownership?.epoch ?? 0);
    }
    return writerOf(registry, COORDINATED, { epoch: ownership.epoch, version: entry!.version });
  }
}

/** Writes for the owner of an address as long as its record has this version. */
function writerOf(
  registry: Registry,
  address: string,
  { epoch, version }: { epoch: number; version: number },
): LedgerOwnership {
  return {
    epoch,
    async write(transaction, options) {
      const checks = [...transaction.checks ?? [], { key: ownerRecordKey(address), version }];
      const result = await registry.transact({ ...transaction, checks }, options);
      if (!result.ok) throw overtaken(address, epoch);
      return result;
    },
  };
}

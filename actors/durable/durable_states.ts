/**
 * Keeps what durable actors keep in a registry.
 *
 * An activation writes under a key with its epoch. Its first write checks that what it read is
 * still the newest, and deletes it; each further one checks its own version. All check that the
 * owner is still the owner. So whatever an earlier activation or owner sends late is refused, or
 * lands where nobody reads.
 *
 * @module
 */
import {
  type Address,
  type Clock,
  type DurableRecord,
  type DurableStore,
  hasCode,
  type KeptActor,
  notSaved,
  OrreryError,
} from "../system/mod.ts";
import type { Registry, RegistryEntry, RegistryTransaction } from "../registry/mod.ts";
import type { DurableOwner } from "./owner.ts";
import {
  ALARMS_DUE,
  checkAddress,
  decodeDue,
  decodeKept,
  encodeDue,
  encodeKept,
  recordKeys,
  STATES,
} from "./record.ts";

/** Milliseconds until reading is given up. */
const READ_MS = 5_000;
/** Milliseconds until one try to write is given up. */
const TRY_MS = 3_000;
/** Milliseconds until a write is given up whose outcome is not known. */
const WRITE_MS = 15_000;
/** Milliseconds between two tries. */
const PAUSE_MS = 50;
/** Most old keys that one write deletes; those left go with a later activation. */
const MOST_DELETED = 24;

/** Options of {@linkcode DurableStates}. */
export interface DurableStatesOptions {
  /** Keeps it. */
  registry: Registry;
  /** Writes for this actor. Throws where this node does not own it. */
  ownerOf(to: Address): DurableOwner;
  /** Alarms are looked for below this, as in `graph/counter/`. @default "": everywhere */
  alarmsBelow?: string;
  /** Times tries to write. */
  clock: Clock;
  /** Uniform in [0, 1); names writes. */
  random: () => number;
}

/** See the module's text. */
export class DurableStates implements DurableStore {
  readonly #options: DurableStatesOptions;

  /** Nothing is read or written yet. */
  constructor(options: DurableStatesOptions) {
    this.#options = options;
  }

  /**
   * See {@linkcode DurableStore.open}. Throws what `ownerOf` throws, `actor/invalid_address` for an
   * address that is too long, `actor/stale_epoch`, and what the registry throws.
   */
  async open(
    to: Address,
    { epoch, signal }: { epoch: number; signal: AbortSignal },
  ): Promise<DurableRecord> {
    checkAddress(to);
    const { registry, ownerOf } = this.#options;
    const owner = ownerOf(to);
    const limits = { deadlineMs: READ_MS, signal };
    const [states, alarms] = await Promise.all(
      [STATES, ALARMS_DUE].map((prefix) => registry.list(`${prefix}/${to}/`, limits)),
    );
    return new ActorRecord(this.#options, {
      to,
      owner,
      epoch,
      before: states.entries, // keys sort by epoch
      due: alarms.entries.map(({ key }) => key),
    });
  }

  /** See {@linkcode DurableStore.alarms}. */
  async alarms({ signal }: { signal: AbortSignal }): Promise<{ to: Address; at: number }[]> {
    const { registry, alarmsBelow = "" } = this.#options;
    const { entries } = await registry.list(`${ALARMS_DUE}/${alarmsBelow}`, {
      deadlineMs: READ_MS,
      signal,
    });
    const first = new Map<Address, number>();
    for (const entry of entries) {
      const due = decodeDue(entry);
      if (due) first.set(due.to, Math.min(due.at, first.get(due.to) ?? Infinity));
    }
    return [...first].map(([to, at]) => ({ to, at }));
  }
}

interface RecordInit {
  to: Address;
  owner: DurableOwner;
  epoch: number;
  /** What earlier activations have written. */
  before: RegistryEntry[];
  /** Keys of theirs that say when alarms are due. */
  due: string[];
}

/** The record of one activation. */
class ActorRecord implements DurableRecord {
  readonly kept: KeptActor | undefined;
  readonly #options: DurableStatesOptions;
  readonly #to: Address;
  readonly #owner: DurableOwner;
  readonly #keys: { state: string; alarms: string };
  /** Version of the own key; 0: nothing is written yet. */
  #version = 0;
  /** The entry that this activation goes on from, until its first write. */
  #from?: RegistryEntry;
  /** Keys of earlier activations, to be deleted. */
  #old: string[];
  /** When the own key of alarms says that the first is due; undefined: there is no such key. */
  #due?: number;

  constructor(options: DurableStatesOptions, { to, owner, epoch, before, due }: RecordInit) {
    this.#options = options;
    this.#to = to;
    this.#owner = owner;
    this.#keys = recordKeys(to, epoch);
    this.#from = before.at(-1);
    const newest = this.#from?.key ?? "";
    if (newest >= this.#keys.state) {
      throw new OrreryError({
        group: "actor",
        code: "stale_epoch",
        message: `an activation of ${to} with epoch ${epoch} begins after ${newest} was written`,
        metadata: { to, epoch },
      });
    }
    this.kept = this.#from && decodeKept(this.#from);
    this.#old = [...before.map(({ key }) => key), ...due];
  }

  async save(actor: KeptActor): Promise<void> {
    const { state, alarms } = this.#keys;
    const due = actor.alarms[0]?.at;
    const sets = [{ key: state, value: encodeKept(actor) }];
    const checks = [{ key: state, version: this.#version }];
    const from = this.#from;
    if (from) checks.push({ key: from.key, version: from.version });
    // The entry that is checked is the newest, so the last: it must go with the first write.
    const deletes = this.#old.slice(-MOST_DELETED).filter((key) => key !== from?.key);
    if (from) deletes.push(from.key);
    if (due !== this.#due) {
      if (due === undefined) deletes.push(alarms);
      else sets.push({ key: alarms, value: encodeDue(due) });
    }
    this.#version = await this.#write({ checks, sets, deletes });
    this.#from = undefined;
    this.#old = this.#old.filter((key) => !deletes.includes(key));
    this.#due = due;
  }

  /** Writes until it is known whether it has landed. Resolves to the revision. */
  async #write(transaction: RegistryTransaction): Promise<number> {
    const { clock, random } = this.#options;
    const word = () => Math.floor(random() * 2 ** 32).toString(16).padStart(8, "0");
    const id = `${word()}${word()}${word()}`;
    const until = clock.now() + WRITE_MS;
    for (;;) {
      try {
        const result = await this.#owner.write({ ...transaction, id }, { deadlineMs: TRY_MS });
        if (result.ok) return result.revision;
        throw notSaved(this.#to, `another activation has written ${result.conflicts[0].key}`);
      } catch (error) {
        const silent = hasCode(error, "unavailable") || hasCode(error, "outcome_unknown");
        if (!silent || clock.now() >= until) throw asNotSaved(this.#to, error);
      }
      await new Promise<void>((resolve) => void clock.after(PAUSE_MS, resolve));
    }
  }
}

function asNotSaved(to: Address, error: unknown): OrreryError {
  if (hasCode(error, "state_not_saved")) return error;
  return notSaved(to, error instanceof Error ? error.message : String(error), error);
}

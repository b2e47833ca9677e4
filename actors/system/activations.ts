/**
 * The actors that are active on a node: which one gets a message, and under which ownership.
 *
 * @module
 */
import { Activation, type ActivationHost } from "./activation.ts";
import type { Address } from "./address.ts";
import type { Delivery } from "./delivery.ts";
import type { Directory } from "./directory.ts";
import type { Clock, NodeId } from "./envelope.ts";
import { Epochs } from "./epochs.ts";
import { hasCode, type OrreryError, toOrreryError } from "./errors.ts";
import type { Kind, Kinds } from "./kinds.ts";
import type { MessageEnvelope } from "./outbound.ts";
import type { Ownership, OwnershipFence } from "./ownership.ts";
import { closed, fenced, movedOn, notActive, staleEpoch, tooManyActivations } from "./refusals.ts";

/** Most activations of a kind with a state at a node, where its policy does not say. */
const MOST_DURABLE = 1_024;

/** What {@linkcode Activations} needs of its system. */
export interface ActivationsOptions {
  node: NodeId;
  clock: Clock;
  directory: Directory;
  fence?: OwnershipFence;
  /** How many leases this node has taken; see `SystemOptions.leaseEpoch`. */
  leaseEpoch: () => number;
  kinds: Kinds;
  /** What actors may do; its other parts are made here. */
  host: Omit<ActivationHost, "nextEpoch" | "ended">;
  /** Refuses a message that an activation has left. */
  refuse(delivery: Delivery, error: OrreryError): void;
  /** Nothing is active at this address any more. */
  settled(to: string): void;
}

/** See the module's text. */
export class Activations {
  readonly #options: ActivationsOptions;
  readonly #host: ActivationHost;
  readonly #active = new Map<string, Activation>();
  readonly #epochs = new Epochs();
  #closing = false;

  constructor(options: ActivationsOptions) {
    this.#options = options;
    const { leaseEpoch } = options;
    this.#host = {
      ...options.host,
      nextEpoch: (ownership) => this.#epochs.next(ownership?.epoch ?? Math.max(1, leaseEpoch())),
      ended: (activation, rest) => this.#ended(activation, rest),
    };
  }

  /** What is active at this address. */
  get(to: string): Activation | undefined {
    return this.#active.get(to);
  }

  /** All that are active. */
  all(): Activation[] {
    return [...this.#active.values()];
  }

  /** Begins no more activations. */
  close(): void {
    this.#closing = true;
  }

  /**
   * The activation that gets this message, a new one where none is active. Throws `fenced`,
   * `stale_epoch`, `actor_failed`, `not_active`.
   */
  receiverOf({ to, type, epoch = 1 }: MessageEnvelope): Activation {
    const { clock, kinds } = this.#options;
    const kind = kinds.of(to, type);
    let activation = this.#active.get(to);
    if (activation && epoch < activation.ownerEpoch) {
      throw staleEpoch(to, type, epoch, activation.ownerEpoch);
    }
    if (activation?.lapsed && epoch === activation.ownerEpoch) {
      throw fenced(this.#options.node, to, type);
    }
    if (activation && epoch > activation.ownerEpoch) {
      activation.kill(closed(to)); // ownership came back under a new epoch: what the old one knew is out of date
      this.#active.delete(to);
      activation = undefined;
    }
    const failed = activation?.restarts.refusal(to, clock.now());
    if (failed) throw failed;
    if (activation) return activation;
    const { activatedBy } = kind.definition;
    if (this.#closing || (activatedBy && !activatedBy.includes(type))) throw notActive(to, type);
    const ownership = this.#options.fence?.ownershipOf(to);
    const ownerEpoch = ownership?.epoch ?? Math.max(epoch, this.#epochOf(to));
    if (epoch < ownerEpoch) throw staleEpoch(to, type, epoch, ownerEpoch);
    // The directory names this node under an ownership that has not begun here.
    if (epoch > ownerEpoch) throw fenced(this.#options.node, to, type);
    this.#makeRoom(to, type, kind);
    return this.#activate(to, ownerEpoch, ownership, kind);
  }

  /**
   * Keeps the activations of a durable kind within their number: the one that has been idle for the
   * longest ends, which loses nothing. Throws `too_many_activations` where none is idle.
   */
  #makeRoom(to: string, type: string, { definition }: Kind): void {
    const { kind, state, policy } = definition;
    const most = policy?.activations ?? (state ? MOST_DURABLE : Infinity);
    if (most === Infinity || this.#active.size < most) return;
    const same = [...this.#active.values()].filter((a) => a.definition.kind === kind);
    if (same.length < most) return;
    let idlest: Activation | undefined;
    for (const activation of same) {
      const longer = !idlest || activation.lastTurn < idlest.lastTurn;
      if (longer && state && activation.mayIdle) idlest = activation;
    }
    if (!idlest) throw tooManyActivations(to, type, kind, most);
    idlest.stop();
  }

  /**
   * Has an actor handle the alarms that are due. Returns false where its kind keeps none here any
   * more. An actor that this node does not own for certain, or that has failed, is left alone.
   */
  ring(to: string): boolean {
    const { clock, kinds, fence } = this.#options;
    const kind = kinds.find(to);
    if (!kind?.durable || this.#closing) return false;
    let activation = this.#active.get(to);
    if (activation && (activation.lapsed || activation.restarts.refusal(to, clock.now()))) {
      return true;
    }
    if (!activation) {
      try {
        const ownership = fence?.ownershipOf(to);
        const ownerEpoch = ownership?.epoch ?? this.#epochOf(to);
        activation = this.#activate(to, ownerEpoch, ownership, kind);
      } catch {
        return true; // it is rung again
      }
    }
    activation.ring();
    return true;
  }

  /** Epoch of an address, as it is known here now; 0: it is not. */
  #epochOf(to: string): number {
    const owner = this.#options.directory.resolve(to);
    if (!(owner instanceof Promise)) return owner.epoch;
    owner.catch(() => {}); // whoever sends to it asks again, and is told
    return 0;
  }

  #activate(
    to: string,
    ownerEpoch: number,
    ownership: Ownership | undefined,
    { definition, config, resources, durable }: Kind,
  ): Activation {
    const address = to as Address;
    const given = { definition, config, durable, resources: resources(to) };
    const about = { address, ownerEpoch, ownership, ...given };
    const activation = new Activation(this.#host, about);
    this.#active.set(to, activation);
    return activation;
  }

  #ended(activation: Activation, rest: Delivery[]): void {
    const to = activation.address;
    if (this.#active.get(to) === activation) this.#active.delete(to);
    // A message that came while the actor was ending activates it again, and those that follow it
    // are its as well: a sender cannot know that an activation ended between two of its messages.
    const { activatedBy } = activation.definition;
    const first = this.#closing
      ? -1
      : rest.findIndex((d) => !activatedBy || activatedBy.includes(d.type));
    const again = first < 0 ? [] : rest.slice(first);
    for (const d of first < 0 ? rest : rest.slice(0, first)) {
      this.#options.refuse(d, notActive(to, d.type));
    }
    if (again.length > 0) this.#reactivate(activation, again);
    if (!this.#active.has(to)) this.#options.settled(to);
  }

  /** Gives messages to the activation that follows `before`, unless the ownership has ended. */
  #reactivate(before: Activation, again: Delivery[]): void {
    const to = before.address;
    try {
      const [{ type }] = again;
      const next = this.#active.get(to) ?? this.#successor(before, type);
      // Messages of the ownership before: their senders have to find the owner of now.
      if (next.ownerEpoch > before.ownerEpoch) {
        throw staleEpoch(to, type, before.ownerEpoch, next.ownerEpoch);
      }
      const { urgent } = next.definition;
      for (const d of again) next.mailbox.put(d, urgent?.includes(d.type));
      next.wake();
    } catch (caught) {
      const { node } = this.#options;
      for (const d of again) {
        const moved = hasCode(caught, "fenced");
        this.#options.refuse(d, moved ? movedOn(node, to, d.type) : toOrreryError(caught, to));
      }
    }
  }

  #successor({ address: to, ownerEpoch }: Activation, type: string): Activation {
    const kind = this.#options.kinds.of(to, type);
    const ownership = this.#options.fence?.ownershipOf(to);
    return this.#activate(to, ownership?.epoch ?? ownerEpoch, ownership, kind);
  }
}

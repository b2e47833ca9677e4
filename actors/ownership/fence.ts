/**
 * What keeps a node from acting for an address that is not, or no longer, its own.
 *
 * There are two sorts of addresses. Those that are **bound** to a node by their key (a generation,
 * an arbiter, a member) need no ownership: a node's id is new in each of its lives, so no other
 * node can ever own them. A member goes on serving them while no registry answers. Addresses that
 * **move** (the coordinator's actors, those that are claimed) are refused as soon as their
 * ownership is not certain, by the clock: also where the timer that ends it is late, since the
 * process stood still.
 *
 * @module
 */
import { hasCode, type Ownership, type OwnershipFence } from "../system/mod.ts";
import { fenced } from "./errors.ts";

/** An ownership that ended because the lease behind it is not certain any more. */
export interface OwnershipLapse {
  /** Which ownership, as {@linkcode FenceOptions.ownershipName} names it. */
  name: string;
  /** Its epoch. */
  epoch: number;
}

/** Options of a {@linkcode Fence}. */
export interface FenceOptions {
  /**
   * Name of the ownership that an address needs: for a claimed address the address itself, for all
   * actors of the coordinator one name. Undefined: the address is bound to this node by its key.
   */
  ownershipName: (address: string) => string | undefined;
  /** Told once of each lapse. */
  onLapse: (lapse: OwnershipLapse) => void;
}

/** The ownerships of one node, as its actor system asks for them. */
export class Fence implements OwnershipFence {
  readonly #options: FenceOptions;
  readonly #held = new Map<string, Ownership>();

  /** A fence behind which nothing is owned yet. */
  constructor(options: FenceOptions) {
    this.#options = options;
  }

  /** Lets this node act under an ownership, until it ends. It replaces one of the same name. */
  hold(name: string, ownership: Ownership): void {
    const { signal, epoch } = ownership;
    if (signal.aborted) return;
    let told = false;
    const lapsed = () => {
      if (!told) this.#options.onLapse({ name, epoch });
      told = true;
    };
    const guarded: Ownership = {
      epoch,
      signal,
      certain() {
        if (ownership.certain()) return true;
        if (!signal.aborted || hasCode(signal.reason, "lease_lost")) lapsed();
        return false;
      },
    };
    this.#held.set(name, guarded);
    signal.addEventListener("abort", () => {
      if (this.#held.get(name) === guarded) this.#held.delete(name);
      if (hasCode(signal.reason, "lease_lost")) lapsed();
    }, { once: true });
  }

  /** No new activation begins under this ownership; those that are active go on until it ends. */
  letGo(name: string): void {
    this.#held.delete(name);
  }

  /** See {@linkcode OwnershipFence.ownershipOf}. */
  ownershipOf(address: string): Ownership | undefined {
    const name = this.#options.ownershipName(address);
    if (name === undefined) return undefined;
    const held = this.#held.get(name);
    if (!held) throw fenced(address, "it does not own it now");
    if (!held.certain()) throw fenced(address, "its lease may have lapsed", held.epoch);
    return held;
  }
}

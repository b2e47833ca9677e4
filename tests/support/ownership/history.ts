/**
 * What was seen of a simulated world from the outside, and what may not be seen.
 *
 * Each ledger is a number that grows by one with every `add`. Whoever asks is told what the number
 * is. So the world is right only if it looks as if one ledger had answered one after the other.
 *
 * @module
 */

/** What a client saw of one ask. */
interface Seen {
  kind: "add" | "read";
  /** Greatest number that anybody had been told of this ledger when the ask was sent. */
  floor: number;
}

/** Answers of all ledgers of one world. */
export class History {
  /** What was wrong, in the order in which it was noticed. */
  readonly problems: string[] = [];
  /** Asks that were answered. */
  answered = 0;
  /** Messages that ledgers took. */
  handled = 0;
  readonly #told = new Map<string, { most: number; adds: Set<number> }>();
  /** The last owner whose ledger took a message. */
  readonly #last = new Map<string, { node: string; epoch: number }>();

  /** Notes a problem. */
  fail(what: string): void {
    this.problems.push(what);
  }

  /** An ask is sent. The returned function is told the answer. */
  asked(address: string, kind: Seen["kind"]): (value: number) => void {
    const told = this.#of(address);
    const floor = told.most;
    return (value) => {
      this.answered++;
      if (kind === "add") {
        if (told.adds.has(value)) this.fail(`${address}: two adds made it ${value}`);
        if (value <= floor) this.fail(`${address}: an add made it ${value} after ${floor}`);
        told.adds.add(value);
      } else if (value < floor) this.fail(`${address}: read as ${value} after ${floor}`);
      told.most = Math.max(told.most, value);
    };
  }

  /**
   * A ledger takes a message, as the owner with this epoch. `inForce`: the epoch that the registry
   * has at this moment.
   */
  taken(address: string, { node, epoch }: { node: string; epoch: number }, inForce: number): void {
    this.handled++;
    const last = this.#last.get(address);
    if (last && (epoch < last.epoch || (epoch === last.epoch && node !== last.node))) {
      this.fail(
        `${address}: node ${node} (epoch ${epoch}) is obeyed after ${last.node} (${last.epoch})`,
      );
    } else if (epoch !== inForce) {
      this.fail(`${address}: node ${node} (epoch ${epoch}) is obeyed while epoch ${inForce} is`);
    }
    this.#last.set(address, { node, epoch });
  }

  /** How many adds were answered. */
  adds(address: string): number {
    return this.#of(address).adds.size;
  }

  #of(address: string) {
    let told = this.#told.get(address);
    if (!told) this.#told.set(address, told = { most: 0, adds: new Set() });
    return told;
  }
}

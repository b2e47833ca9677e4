/**
 * The kinds of actors that a node knows.
 *
 * @module
 */
import { parseAddress } from "./address.ts";
import type { AnyActor } from "./define.ts";
import type { DurableOptions } from "./durable.ts";
import { unknownKind, unknownMessage } from "./refusals.ts";

/** A registered kind. */
export interface Kind {
  definition: AnyActor;
  config: unknown;
  /** What `ctx.resource` finds. */
  resources: (address: string) => Record<string, unknown>;
  /** Keeps the states and alarms of its actors. */
  durable?: DurableOptions;
}

/** Most addresses whose kind is remembered. */
const KNOWN_ADDRESSES = 1024;

/** Kinds by name. */
export class Kinds {
  readonly #node: string;
  readonly #kinds = new Map<string, Kind>();
  /** Kinds of addresses that were valid, so that an address is not parsed for each message. */
  readonly #names = new Map<string, string>();

  constructor(node: string) {
    this.#node = node;
  }

  add(kind: Kind): void {
    const name = kind.definition.kind;
    if (this.#kinds.has(name)) throw new TypeError(`actor kind ${name} is registered twice`);
    this.#kinds.set(name, kind);
  }

  /** Another definition is this kind's from now on. */
  replace(kind: Kind): void {
    this.#kinds.set(kind.definition.kind, kind);
  }

  /** Makes a kind unknown again. */
  remove(name: string): void {
    this.#kinds.delete(name);
  }

  /**
   * The kind of the actor at this address. Throws `unknown_kind`, or `unknown_message` when it has
   * no such message.
   */
  of(to: string, type: string): Kind {
    const name = this.#nameOf(to);
    const kind = this.#kinds.get(name);
    if (!kind) throw unknownKind(this.#node, to, type, name);
    if (!Object.hasOwn(kind.definition.messages, type)) {
      throw unknownMessage(to, type, name, Object.keys(kind.definition.messages));
    }
    return kind;
  }

  /** The kind of the actor at this address; undefined: it is not known here. */
  find(to: string): Kind | undefined {
    return this.#kinds.get(this.#nameOf(to));
  }

  /** Does this message overtake others? False for kinds that are not known here. */
  isUrgent(to: string, type: string): boolean {
    return this.#kinds.get(this.#nameOf(to))?.definition.urgent?.includes(type) ?? false;
  }

  /** The kind in an address. Throws `invalid_address`. */
  #nameOf(to: string): string {
    let name = this.#names.get(to);
    if (name === undefined) {
      name = parseAddress(to).kind;
      if (this.#names.size >= KNOWN_ADDRESSES) this.#names.clear();
      this.#names.set(to, name);
    }
    return name;
  }
}

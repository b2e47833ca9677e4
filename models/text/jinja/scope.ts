/**
 * Names and their values while a template runs.
 *
 * @module
 */
import { type JinjaValue, Undefined } from "./values.ts";

/** The names that a part of a template sees. */
export class Scope {
  readonly #values = new Map<string, JinjaValue>();
  readonly #outer?: Scope;

  /** `outer` has the names that are not set here. */
  constructor(outer?: Scope) {
    this.#outer = outer;
  }

  /** Sets a name here, and in no outer scope. */
  set(name: string, value: JinjaValue): void {
    this.#values.set(name, value);
  }

  /** The value of a name; {@linkcode Undefined} where nothing sets it. */
  get(name: string): JinjaValue {
    const value = this.#values.get(name);
    if (value !== undefined) return value;
    return this.#outer ? this.#outer.get(name) : new Undefined(name);
  }
}

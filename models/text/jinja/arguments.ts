/**
 * Arguments of functions, filters and methods, by position and by name.
 *
 * @module
 */
import { isText, rawText, type Text } from "./marked_text.ts";
import {
  type JinjaValue,
  type NamedArguments,
  numberOf,
  TemplateError,
  typeName,
} from "./values.ts";

/** Reads the arguments of one call. */
export class Arguments {
  readonly #args: readonly JinjaValue[];
  readonly #named: NamedArguments;

  /** Arguments by position, and by name. */
  constructor(args: readonly JinjaValue[], named: NamedArguments) {
    this.#args = args;
    this.#named = named;
  }

  /** The argument at `index` or called `name`; undefined: it was not given. */
  get(index: number, name = ""): JinjaValue | undefined {
    return this.#args[index] ?? this.#named.get(name);
  }

  /** As {@linkcode get}. Throws {@linkcode TemplateError} where it was not given. */
  need(index: number, name = ""): JinjaValue {
    const value = this.get(index, name);
    if (value === undefined) {
      throw new TemplateError(`missing argument ${name || `number ${index + 1}`}`);
    }
    return value;
  }

  /** A text; undefined: not given, or None. Throws {@linkcode TemplateError} for another type. */
  text(index: number, name = ""): Text | undefined {
    const value = this.get(index, name);
    if (value === undefined || value === null) return undefined;
    if (isText(value)) return value;
    throw new TemplateError(`expected str, got ${typeName(value)}`);
  }

  /** The characters of a text that must be given. */
  raw(index: number, name = ""): string {
    const text = this.text(index, name);
    if (text === undefined) this.need(index, name);
    return rawText(text ?? "None");
  }

  /** An integer; undefined: not given, or None. Throws {@linkcode TemplateError}. */
  integer(index: number, name = ""): number | undefined {
    const value = this.get(index, name);
    if (value === undefined || value === null) return undefined;
    const number = numberOf(value);
    if (number !== undefined && Number.isInteger(number)) return number;
    throw new TemplateError(`expected int, got ${typeName(value)}`);
  }

  /** What stands from `index` on. */
  rest(index: number): readonly JinjaValue[] {
    return this.#args.slice(index);
  }

  /** These arguments by position instead, and the same by name. */
  with(args: readonly JinjaValue[]): Arguments {
    return new Arguments(args, this.#named);
  }
}

/** No arguments. */
export const NONE = new Arguments([], new Map());

/**
 * Functions and constants that every template has.
 *
 * @module
 */
import { Arguments } from "./arguments.ts";
import { rawText } from "./marked_text.ts";
import { toText } from "./python_text.ts";
import {
  Callable,
  Dict,
  iterate,
  type JinjaValue,
  keyOf,
  listOf,
  Namespace,
  TemplateError,
} from "./values.ts";

const fn = (call: (args: Arguments) => JinjaValue) =>
  new Callable((args, named) => call(new Arguments(args, named)));

/** Largest `range`: as the sandbox that transformers renders in. */
const MOST_RANGE = 100_000;

function range(args: Arguments): JinjaValue {
  const [a, b] = [args.integer(0), args.integer(1)];
  const [start, stop, step] = [b === undefined ? 0 : a ?? 0, b ?? a ?? 0, args.integer(2) ?? 1];
  if (step === 0) throw new TemplateError("range() arg 3 must not be zero");
  const length = Math.max(0, Math.ceil((stop - start) / step));
  if (length > MOST_RANGE) throw new TemplateError("Range too big");
  return Array.from({ length }, (_, i) => start + i * step);
}

function entriesOf(
  args: JinjaValue[],
  named: ReadonlyMap<string, JinjaValue>,
): [JinjaValue, JinjaValue][] {
  const [from] = args;
  const given: [JinjaValue, JinjaValue][] = from instanceof Dict
    ? from.items()
    : from === undefined
    ? []
    : iterate(from).map((pair) => {
      const [key, value] = listOf(pair) ?? [];
      if (value === undefined) throw new TemplateError("expected pairs of key and value");
      return [key, value];
    });
  return [...given, ...named];
}

/** The globals, by name; `strftime` formats the time that the template asks for. */
export function globals(strftime: (format: string) => string): Map<string, JinjaValue> {
  return new Map<string, JinjaValue>([
    ["true", true],
    ["True", true],
    ["false", false],
    ["False", false],
    ["none", null],
    ["None", null],
    ["range", fn(range)],
    [
      "dict",
      new Callable((args, named) => {
        const dict = new Dict();
        for (const [key, value] of entriesOf(args, named)) dict.set(key, value);
        return dict;
      }),
    ],
    [
      "namespace",
      new Callable((args, named) => {
        const space = new Namespace();
        for (const [key, value] of entriesOf(args, named)) space.map.set(String(keyOf(key)), value);
        return space;
      }),
    ],
    [
      "raise_exception",
      fn((args) => {
        throw new TemplateError(rawText(toText(args.need(0))));
      }),
    ],
    ["strftime_now", fn((args) => strftime(args.raw(0)))],
  ]);
}

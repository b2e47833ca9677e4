/**
 * What holds arguments that are written as elements to a function's schema.
 *
 * @module
 */
import type { HeldFunction, TagFormat } from "../format.ts";

/** Nothing. */
export const NOTHING: TagFormat = { type: "grammar", grammar: 'root ::= ""' };

/** The texts around an argument's value; `text`: the value is a text, and no JSON. */
export type ElementTexts = (key: string, text: boolean) => { begin: string; end: string };

/** The arguments in the order of the schema; those that are not required may be left out. */
export function elementArguments({ schema }: HeldFunction, texts: ElementTexts): TagFormat {
  const properties = Object.entries((schema.properties ?? {}) as Record<string, unknown>);
  const required = Array.isArray(schema.required) ? schema.required : [];
  const elements = properties.map(([name, property]): TagFormat => {
    const tag: TagFormat = {
      type: "tag",
      ...texts(name, isText(property)),
      content: valueFormat(property),
    };
    return required.includes(name) ? tag : { type: "or", elements: [tag, NOTHING] };
  });
  return elements.length === 0 ? NOTHING : { type: "sequence", elements };
}

/** Whether a value of this schema is written without quotes. */
function isText(property: unknown): boolean {
  const { type } = (property ?? {}) as Record<string, unknown>;
  return type === "string" || type === undefined;
}

/** The texts that a property of strings may be; undefined: any. */
export function textChoices(property: unknown): string[] | undefined {
  const { enum: values, const: value } = (property ?? {}) as Record<string, unknown>;
  const choices = value === undefined ? values : [value];
  return Array.isArray(choices) && choices.every((choice) => typeof choice === "string")
    ? choices
    : undefined;
}

function valueFormat(property: unknown): TagFormat {
  if (!isText(property)) return { type: "json_schema", json_schema: property };
  const choices = textChoices(property);
  return choices
    ? { type: "or", elements: choices.map((value) => ({ type: "const_string", value })) }
    : { type: "any_text" };
}

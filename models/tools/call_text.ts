/**
 * Calls as text, in a format's own words.
 *
 * @module
 */
import type { TagFormat, ToolFormat } from "./format.ts";

/** Key of a stand-in schema under which the arguments' text lies. */
const TEXT = "x-text";

/** The calls as the model would have written them; `arguments` is JSON text. */
export function callText(
  format: ToolFormat,
  calls: readonly { name: string; arguments: string }[],
): string {
  const held = calls.map(({ name, arguments: text }) => ({ name, schema: { [TEXT]: text } }));
  const { tags, separator } = format.grammar(held, true);
  return (separator === undefined ? tags.slice(0, 1) : tags).map(textOf).join(separator ?? "");
}

function textOf(format: TagFormat): string {
  switch (format.type) {
    case "const_string":
      return format.value;
    case "json_schema":
      return String((format.json_schema as Record<string, unknown>)[TEXT]);
    case "tag":
      return format.begin + textOf(format.content) + format.end;
    case "sequence":
      return format.elements.map(textOf).join("");
    case "tags_with_separator":
      return format.tags.map(textOf).join(format.separator);
    case "triggered_tags":
      return format.tags.map(textOf).join("");
    default:
      return "";
  }
}

/**
 * Structural tags: free text and grammars in turns, such as an answer with tool calls.
 *
 * @module
 */
import { z } from "zod";
import { bytesInClasses } from "./ebnf_classes.ts";
import { grammarRefused, tooLarge } from "./errors.ts";
import type { GrammarForm } from "./form.ts";
import type { SchemaOptions } from "./schema/mod.ts";
import { regexGrammar, schemaGrammar } from "./texts.ts";

/** Most parts of a tag. */
const MOST_PARTS = 2000;

const text = z.string().max(10_000);
const formatSchema = z.discriminatedUnion("type", [
  z.object({ type: z.literal("const_string"), value: text }),
  z.object({ type: z.literal("json_schema"), json_schema: z.unknown() }),
  z.object({ type: z.literal("any_text") }),
  z.object({ type: z.literal("grammar"), grammar: z.string() }),
  z.object({ type: z.literal("regex"), pattern: z.string() }),
  z.object({
    type: z.literal("sequence"),
    get elements() {
      return z.array(formatSchema).min(1);
    },
  }),
  z.object({
    type: z.literal("or"),
    get elements() {
      return z.array(formatSchema).min(1);
    },
  }),
  z.object({
    type: z.literal("tag"),
    begin: text,
    get content() {
      return formatSchema;
    },
    end: text,
  }),
  z.object({
    type: z.literal("triggered_tags"),
    triggers: z.array(text).min(1),
    get tags() {
      return z.array(tagSchema).min(1);
    },
    at_least_one: z.boolean().optional(),
    stop_after_first: z.boolean().optional(),
  }),
  z.object({
    type: z.literal("tags_with_separator"),
    get tags() {
      return z.array(tagSchema).min(1);
    },
    separator: text,
    at_least_one: z.boolean().optional(),
    stop_after_first: z.boolean().optional(),
  }),
]);
const tagSchema = z.object({
  type: z.literal("tag"),
  begin: text,
  get content() {
    return formatSchema;
  },
  end: text,
});

type Format = z.infer<typeof formatSchema>;

const topSchema = z.union([
  z.object({ type: z.literal("structural_tag").optional(), format: formatSchema }),
  formatSchema.transform((format) => ({ format })),
]);

/**
 * The engine's form of a structural tag (see docs/structured-output.md): its schemas and patterns as
 * grammars. Throws OrreryError group `model`: `grammar_invalid`, and what schemas throw.
 */
export function taggedGrammar(tag: unknown, options: SchemaOptions = {}): GrammarForm {
  const parsed = topSchema.safeParse(tag);
  if (!parsed.success) {
    const [{ path, message }] = parsed.error.issues;
    throw grammarRefused("structural tag", `${path.join(".") || "its top"}: ${message}`);
  }
  const literals: string[] = [];
  const plain = written(parsed.data.format, { literals, exact: false, options });
  const whole = (format: unknown) => ({ tag: { type: "structural_tag", format } });
  if (!plain.long) return { text: whole(plain.format), literals };
  const { format } = written(parsed.data.format, {
    literals: [],
    exact: true,
    options,
  });
  return { text: whole(plain.format), exact: whole(format), literals };
}

/**
 * A format with its schemas and patterns as grammars; the texts that it names are added to `literals`.
 * `long`: it has schemas with long limits of strings, which are there where `exact` says so.
 */
function written(
  top: Format,
  { literals, exact, options }: { literals: string[]; exact: boolean; options: SchemaOptions },
): { format: unknown; long: boolean } {
  let parts = 0;
  let long = false;
  const each = (format: Format): unknown => {
    if (++parts > MOST_PARTS) throw tooLarge("parts", parts, MOST_PARTS);
    switch (format.type) {
      case "const_string":
        literals.push(format.value);
        return format;
      case "json_schema": {
        const made = schemaGrammar(format.json_schema, options);
        if (made.exact !== undefined) long = true;
        return { type: "grammar", grammar: exact && made.exact || made.ebnf };
      }
      case "regex":
        return { type: "grammar", grammar: regexGrammar(format.pattern) };
      case "grammar":
        return { type: "grammar", grammar: bytesInClasses(format.grammar) };
      case "any_text":
        return format;
      case "sequence":
      case "or":
        return { ...format, elements: format.elements.map(each) };
      case "tag":
        literals.push(format.begin, format.end);
        return { ...format, content: each(format.content) };
      case "triggered_tags":
        literals.push(...format.triggers);
        return { ...format, tags: format.tags.map(each) };
      case "tags_with_separator":
        literals.push(format.separator);
        return { ...format, tags: format.tags.map(each) };
    }
  };
  return { format: each(top), long };
}

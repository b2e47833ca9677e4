/**
 * What an answer's text must be, from any dialect's fields.
 *
 * @module
 */
import type { GenerateRequest } from "./generator.ts";

/**
 * A format as the generator takes it; `schema`: of JSON answers, undefined for any object; `field`: of
 * the request, which errors name.
 */
export function constraintOf(
  format: { type: "text" | "json_object" | "json_schema"; schema?: unknown } | null | undefined,
  field: string,
): Pick<GenerateRequest, "constraint" | "constraintField"> {
  if (!format || format.type === "text") return {};
  const { schema } = format;
  return {
    constraintField: field,
    constraint: format.type === "json_schema" && schema !== undefined && schema !== null
      ? { kind: "json_schema", schema }
      : { kind: "json" },
  };
}

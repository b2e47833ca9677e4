/**
 * An independent judge of JSON by a schema: ajv.
 *
 * @module
 */
import { Ajv } from "ajv";
import { Ajv2019 } from "ajv/dist/2019.js";
import { Ajv2020 } from "ajv/dist/2020.js";
import Ajv04 from "ajv-draft-04";
import addFormats from "ajv-formats";

/** Tells whether a value is valid by the schema that it was made for. */
export type Judge = (value: unknown) => boolean;

/** A judge for a schema of any draft. Throws where ajv does not take the schema. */
export function judgeOf(schema: unknown): Judge {
  const draft = typeof schema === "object" && schema !== null && "$schema" in schema
    ? String(schema.$schema)
    : "2020-12";
  const options = {
    strict: false,
    validateSchema: false,
    unicodeRegExp: true,
    multipleOfPrecision: 9,
    logger: false,
  } as const;
  const ajv = draft.includes("draft-04")
    ? new (Ajv04 as unknown as typeof Ajv)(options)
    : draft.includes("2019-09")
    ? new Ajv2019(options)
    : draft.includes("draft-06") || draft.includes("draft-07")
    ? new Ajv(options)
    : new Ajv2020(options);
  (addFormats as unknown as (to: unknown) => void)(ajv);
  const judge = ajv.compile(schema as object);
  return (value) => judge(value) === true;
}

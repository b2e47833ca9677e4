/**
 * Writes docs/api-fields.md; tests/api_fields_test.ts fails where it is not up to date.
 *
 * @module
 */
import { join } from "node:path";
import { fieldsPage } from "./support/field_tables.ts";

const page = join(import.meta.dirname!, "..", "docs", "api-fields.md");
await Deno.writeTextFile(page, fieldsPage());
const { code } = await new Deno.Command(Deno.execPath(), { args: ["fmt", "-q", page] }).output();
Deno.exit(code);

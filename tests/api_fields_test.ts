import assert from "node:assert/strict";
import { join } from "node:path";
import { fieldsPage, unformatted } from "./support/field_tables.ts";

Deno.test("fieldsPage() is docs/api-fields.md: run tests/write_api_fields.ts where it is not", async () => {
  const page = await Deno.readTextFile(join(import.meta.dirname!, "..", "docs", "api-fields.md"));
  assert.equal(unformatted(page), unformatted(fieldsPage()));
  assert.match(page, /^\| \*\*`messages`\*\*/m);
  assert.match(page, /^\| `orrery\.mode` +\|/m);
});

/**
 * docs/errors.md against the sources: every code that the product can make has one row.
 */
import assert from "node:assert/strict";
import { join } from "node:path";
import { codesOf, type ErrorCodes, readErrorCodes } from "./support/error_codes.ts";

const ROOT = join(import.meta.dirname!, "..");

/** The rows of the page, as `group code`, in its order. */
async function documented(): Promise<string[]> {
  const page = await Deno.readTextFile(join(ROOT, "docs/errors.md"));
  const rows: string[] = [];
  let group = "";
  for (const line of page.split("\n")) {
    group = /^## .*\(`([a-z]+)`\)$/.exec(line)?.[1] ?? group;
    const code = /^\| `([a-z0-9_]+)` +\|/.exec(line)?.[1];
    if (code !== undefined) rows.push(`${group} ${code}`);
  }
  return rows;
}

Deno.test("readErrorCodes() finds exactly the codes of docs/errors.md", async () => {
  const { codes, unclear } = await readErrorCodes(ROOT);
  assert.deepEqual(unclear, [], "the code of these errors is neither a literal nor passed on");
  const made = [...new Set(codes.map(({ group, code }) => `${group} ${code}`))].sort();
  const rows = await documented();
  assert.ok(made.length > 100, `only ${made.length} codes were found`);
  assert.deepEqual(rows.toSorted(), made);
  assert.equal(new Set(rows).size, rows.length, "a code has two rows");
});

Deno.test("codesOf() reads literals, choices and makers, and reports what it cannot read", () => {
  const found: ErrorCodes = { codes: [], unclear: [] };
  codesOf(
    "runtime/x.ts",
    [
      'throw new OrreryError({ group: "api", code: "a", message });',
      'throw new OrreryError({ group: "api", code: late ? "b" : "c", message });',
      'throw modelError("d", why);',
      'throw modelError(known ? "e" : "f", why);',
      'throw new OrreryError({ group: "api", code: choose(), message });',
      "throw new OrreryError(init);",
    ].join("\n"),
    found,
  );
  assert.deepEqual(found.codes.map(({ group, code }) => `${group} ${code}`), [
    ...["api a", "api b", "api c"],
    ...["model d", "model e", "model f"],
  ]);
  assert.deepEqual(found.unclear, ["runtime/x.ts:5", "runtime/x.ts:6"]);
});

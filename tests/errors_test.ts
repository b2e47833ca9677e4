/**
 * docs/errors.md against the sources: every code that the product can make has one row, and the
 * rows of the API have the status that clients see.
 */
import assert from "node:assert/strict";
import { join } from "node:path";
import { OrreryError } from "../actors/mod.ts";
import { toHttpError } from "../runtime/api/errors.ts";
import {
  codesOf,
  differences,
  documentedCodes,
  type ErrorCodes,
  readErrorCodes,
  unexplained,
} from "./support/error_codes.ts";

const ROOT = join(import.meta.dirname!, "..");

const readRows = async () => documentedCodes(await Deno.readTextFile(join(ROOT, "docs/errors.md")));

Deno.test("readErrorCodes() finds exactly the codes of docs/errors.md", async () => {
  const { codes, unclear } = await readErrorCodes(ROOT);
  assert.deepEqual(
    unexplained(unclear),
    [],
    "the code of these errors is no literal: see FORWARDS",
  );
  assert.ok(codes.length > 250, `only ${codes.length} codes were found`);
  assert.deepEqual(differences(await readRows(), codes), {
    undocumented: [],
    unmade: [],
    twice: [],
  });
});

Deno.test("toHttpError() gives each code the status that docs/errors.md states", async () => {
  const rows = await readRows();
  const statusOf = (group: string, code: string) =>
    toHttpError(new OrreryError({ group, code, message: "" })).status;
  // Errors with which a node does not start have no status, as no client ever sees them.
  const api = rows.filter(({ group, next }) => group === "api" && !next.startsWith("none:"));
  assert.ok(api.length > 10, `only ${api.length} rows have a status`);
  assert.deepEqual(
    api.map(({ code, next }) => `${code} ${next}`),
    api.map(({ code }) => `${code} ${statusOf("api", code)}`),
  );
  const page = await Deno.readTextFile(join(ROOT, "docs/errors.md"));
  const stated = new Map(
    [...page.matchAll(/^\| (\d{3}) +\| `(\w+)` +\| (`.*?`) +\|$/gm)].flatMap((
      [, status, group, codes],
    ) => [...codes.matchAll(/`(\w+)`/g)].map(([, code]) => [`${group} ${code}`, Number(status)])),
  );
  assert.ok(stated.size > 10, `only ${stated.size} codes of other groups have a status`);
  const known = rows.map(({ group, code }) => `${group} ${code}`);
  assert.deepEqual([...stated.keys()].filter((name) => !known.includes(name)), []);
  for (const { group, code } of rows) {
    if (group === "api") continue;
    assert.equal(statusOf(group, code), stated.get(`${group} ${code}`) ?? 502, `${group} ${code}`);
  }
  assert.equal(statusOf("refused", "any"), 400);
});

Deno.test("codesOf() reads literals, choices and makers, and reports what it cannot read", () => {
  const found: ErrorCodes = { codes: [], unclear: [] };
  const readable = [
    'throw new OrreryError({ group: "api", code: "a", message });',
    'throw new OrreryError({ group: "api", code: late ? "b" : "c", message });',
    'throw new OrreryError({ group: "api", code: late\n ? "d"\n : "e", message });',
    'throw modelError("f", why);',
    'throw modelError(known ? "g" : "h", why);',
    'const error: WireError = { group: "engine", code: "i", message };',
  ];
  codesOf("runtime/x.ts", readable.join("\n"), found);
  assert.deepEqual(found.codes.map(({ group, code }) => `${group} ${code}`).sort(), [
    ...["api a", "api b", "api c", "api d", "api e"],
    ...["engine i", "model f", "model g", "model h"],
  ]);
  assert.deepEqual(found.unclear, []);

  const unreadable = [
    'throw new OrreryError({ group: "api", code: choose(), message });',
    "throw new OrreryError(init);",
    'throw new OrreryError({ group: "api", message, code: "a" });',
    'throw new OrreryError({ code: "a", group: "api", message });',
    "throw modelError(code, why);",
    'throw modelError(choose("a"), why);',
  ];
  codesOf("runtime/y.ts", unreadable.join("\n"), found);
  assert.deepEqual(found.unclear.sort(), unreadable.map((_, i) => `runtime/y.ts:${i + 1}`));
});

Deno.test("unexplained() names places beyond those that a file is known to have", () => {
  const forwards = { "a.ts": { places: 1, from: "a()" }, "b.ts": { places: 1, from: "b()" } };
  assert.deepEqual(unexplained(["a.ts:3", "b.ts:8"], forwards), []);
  assert.deepEqual(unexplained(["a.ts:3", "a.ts:9", "b.ts:8"], forwards), ["a.ts:3", "a.ts:9"]);
  assert.deepEqual(unexplained(["a.ts:3", "b.ts:8", "c.ts:1"], forwards), ["c.ts:1"]);
  assert.deepEqual(unexplained(["a.ts:3"], forwards), ["b.ts"]);
});

Deno.test("differences() names missing rows, rows without a source, and rows that stand twice", () => {
  const rows = documentedCodes([
    "## Actors (`actor`)",
    "| code | when |",
    "| `closed` | It is closing. |",
    "| `closed` | It has closed. |",
    "## Mailboxes (`mailbox`)",
    "| `closed` | It is closing. |",
    "| `gone` | Nobody is there. |",
    "## Codes that look alike",
    "| `other` | This row belongs to no group. |",
  ].join("\n"));
  assert.deepEqual(rows[0], { group: "actor", code: "closed", next: "It is closing." });
  const made = [["actor", "closed"], ["mailbox", "closed"], ["mailbox", "lost"]]
    .map(([group, code]) => ({ group, code }));
  assert.deepEqual(differences(rows, made), {
    undocumented: ["mailbox lost"],
    unmade: ["mailbox gone", " other"],
    twice: ["actor closed"],
  });
});

import assert from "node:assert/strict";
import { scanModule } from "./module_imports.ts";

const specifiers = (text: string) => scanModule(text).imports.map(({ specifier }) => specifier);

Deno.test("scanModule() finds every way to import by a literal name", () => {
  assert.deepEqual(
    specifiers(`#!/usr/bin/env -S deno run
import "./a.ts";
import b, { type C, d as e } from './b.ts';
import * as f from "f";
import type { G } from "./g.ts";
import h from "./h.json" with { type: "json" };
export * from "./i.ts";
export { j, k as default } from "./j.ts";
export type { L } from "./l.ts";
const m = await import("./m.ts"), n = import(\`./no.ts\`);
const { o } = await import( /* why */ "./o.ts");`),
    [
      "./a.ts",
      "./b.ts",
      "f",
      "./g.ts",
      "./h.json",
      "./i.ts",
      "./j.ts",
      "./l.ts",
      "./m.ts",
      "./o.ts",
    ],
  );
});

Deno.test("scanModule() passes over comments, texts, templates, regular expressions and fields", () => {
  assert.deepEqual(
    specifiers(`// import "./no1.ts";
/* import "./no2.ts"; */
const a = 'import "./no3.ts"', b = "it's", c = \`import "./no4.ts" \${ { d: \`import "./no5.ts"\` } } import "./no6.ts"\`;
const e = /import "[/]no7\\/.ts/.test(a) ? 4 / 2 / 1 : x[0] / 3; const f = "/";
obj.import("./no8.ts"); obj.export; const from = "./no9.ts";
export const g = { import: 1, from: "./no10.ts" }; export function h() { return /"/; }
export default { from: "no11" };
import yes from "./yes.ts";`),
    ["./yes.ts"],
  );
});

Deno.test("scanModule() says where specifiers and import.meta stand", () => {
  const text =
    `import x from "./x.ts"; read(new URL("./d.txt", import.meta.url), import.meta.dirname, import.meta.main);`;
  const { imports, metas } = scanModule(text);
  assert.deepEqual(imports.map(({ start, end }) => text.slice(start, end)), ['"./x.ts"']);
  assert.deepEqual(
    metas.map(({ start, end }) => text.slice(start, end)),
    ["import.meta.url", "import.meta.dirname"],
  );
});

Deno.test("scanModule() reads the project's own modules, and finds what they import", async () => {
  const folder = new URL("./", import.meta.url);
  for await (const { name } of Deno.readDir(folder)) {
    const text = await Deno.readTextFile(new URL(name, folder));
    if (name.endsWith("_test.ts")) continue;
    const expected = [...text.matchAll(/^(?:import|export|\}) .*?from "(.*?)";$/gm)].map((m) =>
      m[1]
    );
    const found = specifiers(text);
    for (const specifier of expected) assert.ok(found.includes(specifier), `${name}: ${specifier}`);
  }
});

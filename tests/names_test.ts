/**
 * The rules of naming that CONTRIBUTING.md states, as far as a program can check them.
 */
import assert from "node:assert/strict";
import { join } from "node:path";
import { HOUSES, readImports } from "./support/imports.ts";

const ROOT = join(import.meta.dirname!, "..");

/** A test and its name: a string, a template, or the `name` of an options object. */
const TEST = /\bDeno\.test\(\s*(?:\{\s*name:\s*)?(["`])((?:\\.|(?!\1).)+)\1/gs;

/**
 * How a test's name begins: a symbol of the code, a command, a route, or a file or folder; in a
 * suite over several transports, which of them in brackets.
 */
const SUBJECT =
  /^(?:new )?[A-Za-z_$][\w$]*(?:\.#?[\w$]+)*(?:\(\))?,? |^(?:deno task|GET|POST) |^[\w@.*/-]*\/[\w@.*/-]* |^[\w-]+\.(?:ts|json|yaml|md) |^\[|^\$\{/;

/** Words that begin a sentence about things, not about a symbol. */
const PROSE =
  /^(?:A|An|The|This|Every|Each|Only|What|When|Where|Who|Two|Several|Some|No|All|Any|It|In|On|If|Without|With|After|Before|Same|Many|One) /;

async function* filesBelow(folder: string): AsyncIterable<string> {
  for await (const { name, isDirectory } of Deno.readDir(join(ROOT, folder))) {
    if (isDirectory) yield* filesBelow(`${folder}/${name}`);
    else if (name.endsWith(".ts")) yield `${folder}/${name}`;
  }
}

Deno.test("Deno.test names begin with what they test, then say what it does", async () => {
  const wrong: string[] = [];
  let tests = 0;
  for (const folder of [...HOUSES, "tests"]) {
    for await (const file of filesBelow(folder)) {
      if (!file.endsWith("_test.ts")) continue;
      for (const [, , name] of (await Deno.readTextFile(join(ROOT, file))).matchAll(TEST)) {
        tests++;
        if (!SUBJECT.test(name) || PROSE.test(name)) wrong.push(`${file}: ${name}`);
      }
    }
  }
  assert.ok(tests > 800, `only ${tests} tests were found`);
  assert.deepEqual(wrong, []);
});

Deno.test("readImports() finds each name of a type, interface or class in one file", async () => {
  const { files } = await readImports(ROOT);
  const places = new Map<string, string[]>();
  for (const file of files) {
    const text = await Deno.readTextFile(join(ROOT, file));
    for (
      const [, name] of text.matchAll(
        /^(?:export )?(?:abstract )?(?:interface|class|type|enum) ([A-Z]\w*)/gm,
      )
    ) places.set(name, [...places.get(name) ?? [], file]);
  }
  assert.ok(places.size > 300, `only ${places.size} names were found`);
  const twice = [...places].filter(([, at]) => at.length > 1);
  assert.deepEqual(twice.map(([name, at]) => `${name}: ${at.join(", ")}`), []);
});

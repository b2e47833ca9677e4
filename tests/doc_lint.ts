/**
 * Documentation check of the four doors: `deno run --allow-run --allow-read tests/doc_lint.ts`.
 *
 * Exit code 0: everything that they export is documented; 1: something is not; 2: the check itself
 * could not be made.
 *
 * @module
 */
// deno-lint-ignore-file no-console
import { join } from "node:path";

const DOORS = ["actors/mod.ts", "planner/mod.ts", "models/mod.ts", "runtime/mod.ts"];
const root = join(import.meta.dirname!, "..");

// private-type-ref and missing-explicit-type are left out: types inferred from zod schemas refer to
// zod's own types, and writing a schema's type out a second time would let the two drift apart.
const RULE = "missing-jsdoc";

/**
 * Locations (`file:line:column`) of the errors of {@linkcode RULE} in what `deno doc --lint`
 * printed. Throws if it is not understood.
 */
function undocumented(output: string, ok: boolean): string[] {
  const heads = [...output.matchAll(/^error\[([a-z-]+)\]: .*\n *--> (.+:\d+:\d+)$/gm)];
  const found = /^error: Found (\d+) documentation lint errors?\./m.exec(output)?.[1];
  const understood = ok
    ? heads.length === 0 && /^Checked \d+ files?$/m.test(output)
    : heads.length > 0 && heads.length === Number(found);
  if (!understood) throw new Error(`deno doc --lint did not print what was expected:\n${output}`);
  return heads.filter(([, rule]) => rule === RULE).map(([, , place]) =>
    place.replace(join(root, "/"), "")
  );
}

try {
  const { success, stdout, stderr } = await new Deno.Command(Deno.execPath(), {
    args: ["doc", "--lint", ...DOORS],
    cwd: root,
    env: { NO_COLOR: "1" },
  }).output();
  const decoder = new TextDecoder();
  const places = undocumented(`${decoder.decode(stdout)}\n${decoder.decode(stderr)}`, success);
  for (const place of places) console.error(`${place}: exported symbol without a doc comment`);
  console.log(
    `${DOORS.length} doors checked, ${places.length} exported symbols without a doc comment`,
  );
  if (places.length > 0) Deno.exitCode = 1;
} catch (error) {
  console.error(
    `documentation could not be checked: ${error instanceof Error ? error.message : error}`,
  );
  Deno.exitCode = 2;
}

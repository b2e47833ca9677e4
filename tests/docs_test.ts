/**
 * The documentation against the repository: links and anchors lead somewhere, tasks and files that
 * it names exist, and every task and option stands in docs/command-line.md.
 */
import assert from "node:assert/strict";
import { dirname, join, normalize, relative } from "node:path";
import config from "../deno.json" with { type: "json" };
import { COMMANDS } from "../runtime/cli/commands/mod.ts";

const ROOT = join(import.meta.dirname!, "..");
const TASKS = Object.keys(config.tasks);
/** A markdown file: where it is from the root, and its text. */
interface Page {
  path: string;
  text: string;
}

/** Paths, from the root, of the pages that people read. */
async function pagePaths(): Promise<string[]> {
  const paths = ["README.md", "CONTRIBUTING.md", "SECURITY.md"];
  const walk = async (folder: string, wanted: (name: string) => boolean) => {
    for await (const { name, isDirectory } of Deno.readDir(join(ROOT, folder))) {
      if (isDirectory) await walk(`${folder}/${name}`, wanted);
      else if (wanted(name)) paths.push(`${folder}/${name}`);
    }
  };
  await walk("docs", (name) => name.endsWith(".md"));
  await walk("examples", (name) => name === "README.md");
  return paths.sort();
}

const read = async (path: string): Promise<Page> => ({
  path,
  text: await Deno.readTextFile(join(ROOT, path)),
});

const exists = (path: string): Promise<boolean> =>
  Deno.stat(join(ROOT, path)).then(() => true, () => false);

/** The text without fenced blocks: what is in them is not markdown. */
const prose = (text: string): string => text.replaceAll(/^ *```.*?^ *```$/gms, "");

/** Anchors of a page's headings as GitHub makes them. */
function anchors(text: string): Set<string> {
  const found = new Set<string>();
  for (const [, title] of prose(text).matchAll(/^#{1,6} +(.+?) *$/gm)) {
    const plain = title.replaceAll(/\[([^\]]*)\]\([^)]*\)/g, "$1").toLowerCase();
    const anchor = plain.replaceAll(/[^\p{L}\p{N}\s_-]/gu, "").replaceAll(/\s/g, "-");
    for (let i = 0;; i++) {
      const name = i === 0 ? anchor : `${anchor}-${i}`;
      if (found.has(name)) continue;
      found.add(name);
      break;
    }
  }
  return found;
}

/** Links of a page that lead nowhere in the repository. Links to the web are not followed. */
async function brokenLinks({ path, text }: Page): Promise<string[]> {
  const withoutCode = prose(text).replaceAll(/`[^`\n]*`/g, "");
  const broken: string[] = [];
  for (const [, target] of withoutCode.matchAll(/\]\(([^)\s]+)\)/g)) {
    if (/^[a-z]+:/.test(target)) continue;
    const [file, anchor] = target.split("#");
    const to = file === "" ? path : normalize(join(dirname(path), file));
    const inside = to === path || await exists(to);
    const page = to === path ? text : to.endsWith(".md") && inside ? (await read(to)).text : "";
    if (!inside || (anchor !== undefined && !anchors(page).has(anchor))) {
      broken.push(`${path}: ${target}`);
    }
  }
  return broken;
}

/** Code spans of a page that name a file or folder of the repository which is not there. */
async function missingFiles({ path, text }: Page): Promise<string[]> {
  const missing: string[] = [];
  const spans = prose(text).matchAll(
    /`((?:actors|docs|examples|models|planner|runtime|tests)(?:\/[\w.-]+)+\/?)`/g,
  );
  for (const [, file] of spans) {
    if (/NAME|ROOM/.test(file)) continue; // stands for a file that a reader will add
    if (!await exists(file)) missing.push(`${path}: ${file}`);
  }
  return missing;
}

/** Tasks that a text names: `deno task NAME`, or by npx. */
const tasksIn = (text: string): string[] =>
  [...text.matchAll(/\bdeno(?:@[\d.]+)? task (?:-q )?([a-z][a-z0-9:]*)/g)].map(([, name]) => name);

/** Options by `--name` in the first cells of a table. */
const optionsIn = (lines: string[]): string[] =>
  [...new Set(lines.flatMap((line) => line.match(/--[a-z][a-z-]*/g) ?? []))].sort();

const pages = await Promise.all((await pagePaths()).map(read));

Deno.test("docs/ and README.md have no relative link or anchor that does not resolve", async () => {
  assert.ok(pages.length >= 15, `only ${pages.length} pages were found`);
  assert.deepEqual((await Promise.all(pages.map(brokenLinks))).flat(), []);
});

Deno.test("brokenLinks() finds a file and an anchor that are not there", async () => {
  const text = "# A title: `x`, twice\n[a](#a-title-x-twice) [b](#nowhere) [c](nowhere.md) " +
    "[d](../README.md#try-it) [e](../README.md#nowhere) [f](https://example.org)\n" +
    "```\n[g](in-code.md)\n```\n";
  assert.deepEqual(
    (await brokenLinks({ path: "docs/page.md", text })).map((line) => line.split(": ")[1]),
    ["#nowhere", "nowhere.md", "../README.md#nowhere"],
  );
});

Deno.test("docs/ and README.md name no file that does not exist", async () => {
  assert.deepEqual((await Promise.all(pages.map(missingFiles))).flat(), []);
  const text = "`actors/system/define.ts`, `runtime/engine/` and `actors/nowhere.ts`";
  assert.deepEqual(await missingFiles({ path: "page", text }), ["page: actors/nowhere.ts"]);
});

Deno.test("docs/ and README.md name no task that is not in deno.json", () => {
  const unknown = pages.flatMap(({ path, text }) =>
    tasksIn(text).filter((name) => !TASKS.includes(name)).map((name) => `${path}: ${name}`)
  );
  assert.deepEqual(unknown, []);
});

Deno.test("docs/command-line.md names every task", async () => {
  const { text } = await read("docs/command-line.md");
  const named = new Set(tasksIn(text));
  assert.deepEqual(TASKS.filter((name) => !named.has(name)), []);
});

Deno.test("docs/command-line.md lists the options of every command", async (t) => {
  const { text } = await read("docs/command-line.md");
  for (const { name, flags } of COMMANDS) {
    await t.step(name, () => {
      const [, section] = new RegExp(`^## ${name}$(.*?)^## `, "ms").exec(text) ?? [];
      assert.ok(section, `a section ## ${name}`);
      const rows = section.split("\n").filter((line) => line.startsWith("| `--"));
      // A `|` within a cell is written `\\|`.
      const listed = optionsIn(rows.map((row) => row.split(/(?<!\\)\|/)[1]));
      assert.deepEqual(listed, Object.keys(flags).map((flag) => `--${flag}`).sort());
    });
  }
});

Deno.test("docs/README.md links every page of the folder", async () => {
  const { text } = await read("docs/README.md");
  const names = pages.map(({ path }) => path).filter((path) => dirname(path) === "docs");
  const linked = (path: string) => text.includes(`](${relative("docs", path)})`);
  assert.deepEqual(names.filter((path) => path !== "docs/README.md" && !linked(path)), []);
});

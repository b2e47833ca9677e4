/**
 * Files that `new` writes: an actor or a graph, each with its test.
 *
 * @module
 */
import { OrreryError } from "../../actors/mod.ts";
import { UsageError } from "./fail.ts";
import { PROGRAM } from "./program_name.ts";

/** A file to write. */
export interface NewFile {
  /** Its name, without a folder. */
  name: string;
  text: string;
}

/** Names that mean something else in a graph file. */
const TAKEN = ["api", "generation", "model", "stage", "drafter", "system"];

/** Throws {@linkcode UsageError} for a name that cannot be an actor's and a file's. */
export function checkName(name: string): void {
  if (!/^[a-z][a-z0-9_]{0,39}$/.test(name)) {
    throw new UsageError(
      `NAME takes 1 to 40 small letters, digits and _, a letter first, got ${JSON.stringify(name)}`,
    );
  }
  if (TAKEN.includes(name) || name.endsWith("_test")) {
    throw new UsageError(`NAME cannot be ${name}: that means something else`);
  }
}

/** A module with an actor that sees every request before the model does, and its test. */
export function actorFiles(name: string): NewFile[] {
  return [{ name: `${name}.ts`, text: actorText(name) }, {
    name: `${name}_test.ts`,
    text: actorTest(name),
  }];
}

const actorText = (name: string): string =>
  `/**
 * Stands between clients and the model: refuses requests that are too long, and counts the others.
 * A graph names this module; \`${PROGRAM} new graph NAME --actor ${name}.ts\` writes one.
 *
 * Change \`request\` to what you need: it may refuse a request, change it, or let it pass.
 */
import { defineActor, requestMessage, type RequestVerdict } from "@orrery/orrery/actors";
import { z } from "zod";

export default defineActor({
  kind: "${name}",
  /** What a graph file may set. */
  config: z.object({ most_chars: z.number().int().positive().default(4_000) }),
  messages: {
    /** Each request of a client, before the model sees it. */
    request: requestMessage,
    /** Whoever asks \`POST /api/actors/${name}\`, if the graph exposes it. */
    counts: z.object({}),
  },
  create(_ctx, { most_chars }) {
    let passed = 0, refused = 0;
    return {
      request({ messages = [], prompt = "" }): RequestVerdict {
        const chars = messages.reduce((sum, { content }) => sum + content.length, prompt.length);
        if (chars <= most_chars) {
          passed++;
          return { allow: true };
        }
        refused++;
        return {
          allow: false,
          code: "too_long",
          message: \`\${chars} characters are more than the \${most_chars} that are answered here\`,
        };
      },
      counts: () => ({ passed, refused }),
    };
  },
});
`;

const actorTest = (name: string): string =>
  `/**
 * Tests the actor alone, without a node: \`deno test ${name}_test.ts\`.
 */
import assert from "node:assert/strict";
import { testActor } from "@orrery/orrery/actors";
import ${name} from "./${name}.ts";

Deno.test("${name} lets short requests pass, refuses long ones, and counts both", async () => {
  await using t = testActor(${name}, { config: { most_chars: 20 } });
  const ask = (content: string) =>
    t.ref.request({
      model: "default",
      messages: [{ role: "user", content }],
      sampling: {},
      stop: [],
    });
  assert.deepEqual(await ask("short"), { allow: true });
  const verdict = await ask("a question of more than twenty characters");
  assert.equal(verdict.allow, false);
  assert.deepEqual(await t.ref.counts(), { passed: 1, refused: 1 });
});
`;

/** A graph file that serves the embedded model, and its test. \`actor\`: a module before the model. */
export function graphFiles(name: string, actor?: string): NewFile[] {
  return [{ name: `${name}.yaml`, text: graphText(name, actor) }, {
    name: `${name}_test.ts`,
    text: graphTest(name, actor !== undefined),
  }];
}

/** What an actor's module is called in a graph. */
const actorName = (module: string): string => module.replace(/^.*\//, "").replace(/\.ts$/, "");

/** The path of a module as a graph names it. */
const modulePath = (module: string): string => /^[./]/.test(module) ? module : `./${module}`;

function graphText(name: string, actor: string | undefined): string {
  const custom = actor === undefined ? "" : `
actors:
  custom:
    - { name: ${actorName(actor)}, module: ${
    JSON.stringify(modulePath(actor))
  }, config: {}, expose: true }

edges: # requests pass it before the model sees them
  - { from: api, to: ${actorName(actor)} }
  - { from: ${actorName(actor)}, to: generation }
`;
  return `# Serve it:               ${PROGRAM} start --graph ${name}.yaml
# Beside what is served:  ${PROGRAM} apply ${name}.yaml
model: embedded # or the name of a model in the store: ${PROGRAM} models list
${custom}
# What is expected: the plan is made for it.
workload: { prompt_tokens: 128, output_tokens: 128 }

# How answers are generated, where a request does not say.
decode: { mode: auto, max_branches: 4 }
`;
}

const graphTest = (name: string, hasActor: boolean): string =>
  `/**
 * Tests that the graph file is understood: \`deno test --allow-read --allow-env ${name}_test.ts\`.
 */
import assert from "node:assert/strict";
import { parseGraph } from "@orrery/orrery/actors";

Deno.test("${name}.yaml is a graph file that is understood", async () => {
  const file = new URL("./${name}.yaml", import.meta.url);
  const graph = parseGraph(await Deno.readTextFile(file), { file: "${name}.yaml" });
  assert.equal(graph.model?.name, "embedded");
  assert.equal(graph.actors.custom.length, ${hasActor ? 1 : 0});
});
`;

/**
 * Writes files into a folder, which is made if it is not there. Throws group \`cli\`, code
 * \`file_exists\`, before anything is written, where one of them is there already.
 */
export async function writeNew(folder: string, files: readonly NewFile[]): Promise<string[]> {
  const paths = files.map(({ name }) => folder === "." ? name : `${folder}/${name}`);
  for (const path of paths) {
    if (await Deno.lstat(path).then(() => true, () => false)) {
      throw new OrreryError({
        group: "cli",
        code: "file_exists",
        message: `${path} is there already: give another NAME, or another folder with --dir`,
      });
    }
  }
  await Deno.mkdir(folder, { recursive: true });
  for (const [i, { text }] of files.entries()) {
    await Deno.writeTextFile(paths[i], text, { createNew: true });
  }
  return paths;
}

/**
 * The package as others use it: a folder of its own that names the package and imports it.
 */
import assert from "node:assert/strict";
import { join } from "node:path";
import config from "../deno.json" with { type: "json" };

const ROOT = join(import.meta.dirname!, "..");

/** A counter on one node, asked from another: the whole program. */
const TWO_NODE_COUNTER = `
import { createMailbox } from "@orrery/orrery";
import { anyNode, createSystem, defineActor, directoryOf } from "@orrery/orrery/actors";
import { z } from "zod";

const counter = defineActor({
  kind: "counter",
  config: z.object({}),
  messages: { add: z.object({ n: z.number() }), read: z.object({}) },
  callers: anyNode,
  create() {
    let count = 0;
    return { add: ({ n }) => void (count += n), read: () => count };
  },
});

const directory = directoryOf(() => "right");
const [a, b] = await Promise.all(["left", "right"].map((node) => createMailbox({ node })));
a.addPeer("right", b.address.host, b.address.port);
b.addPeer("left", a.address.host, a.address.port);
const left = createSystem([], { transport: a, directory });
const right = createSystem([counter], { transport: b, directory });

const ref = left.get(counter, "a");
for (let n = 1; n <= 4; n++) await ref.tell.add({ n });
const sum: number = await ref.read();
console.log(sum, right.status().length, left.status().length);
await Promise.all([left.close(), right.close()]);
`.trim();

Deno.test("@orrery/orrery runs a two-node counter of under 30 lines from a folder outside", async () => {
  assert.ok(TWO_NODE_COUNTER.split("\n").length < 30);
  const dir = await Deno.makeTempDir({ prefix: "orrery-test-" });
  try {
    const { name, version } = config;
    await Deno.writeTextFile(
      join(dir, "deno.json"),
      JSON.stringify({
        links: [ROOT],
        imports: { [name]: `jsr:${name}@^${version}`, zod: config.imports.zod },
        nodeModulesDir: "manual",
      }),
    );
    // The packages that this project has installed: nothing is asked of a registry.
    await Deno.copyFile(join(ROOT, "deno.lock"), join(dir, "deno.lock"));
    await Deno.symlink(join(ROOT, "node_modules"), join(dir, "node_modules"));
    await Deno.writeTextFile(join(dir, "main.ts"), TWO_NODE_COUNTER);
    const { code, stdout, stderr } = await new Deno.Command(Deno.execPath(), {
      args: ["run", "-q", "--cached-only", "--no-prompt", "--allow-net", "main.ts"],
      cwd: dir,
      env: { NO_COLOR: "1" },
    }).output();
    const text = (bytes: Uint8Array) => new TextDecoder().decode(bytes);
    assert.equal(code, 0, text(stderr));
    assert.equal(text(stdout), "10 1 0\n");
  } finally {
    await Deno.remove(dir, { recursive: true });
  }
});

Deno.test("deno.json exports the doors of the four houses, each documented", async () => {
  assert.deepEqual(config.exports, {
    ".": "./runtime/mod.ts",
    "./actors": "./actors/mod.ts",
    "./planner": "./planner/mod.ts",
    "./models": "./models/mod.ts",
  });
  for (const door of Object.values(config.exports)) {
    assert.match(await Deno.readTextFile(join(ROOT, door)), /^\/\*\*.{40,}?@module/s);
  }
});

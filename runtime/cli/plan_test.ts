// deno-lint-ignore-file no-console -- what a command prints is read
import assert from "node:assert/strict";
import { join } from "node:path";
import { type Plan, plan } from "../../planner/mod.ts";
import { ROOT, runPlanner } from "../../tests/support/run_planner.ts";
import { readGraph } from "./graph_input.ts";
import { planCommand } from "./plan.ts";
import { simulateCommand } from "./simulate.ts";

const GRAPHS = join(ROOT, "examples", "graphs");

/** What a command prints on stdout. */
async function printed(
  command: (args: string[]) => Promise<number>,
  args: string[],
): Promise<string> {
  const lines: string[] = [];
  const { log } = console;
  console.log = (text: string) => void lines.push(text);
  try {
    assert.equal(await command(args), 0);
  } finally {
    console.log = log;
  }
  return lines.join("\n");
}

const plans = new Map<string, Promise<Plan>>();

/** What `deno task plan --json` prints of a file of examples/graphs; each is planned once. */
function planOf(name: string): Promise<Plan> {
  const args = [join(GRAPHS, name), "--data", "no-such-folder", "--json"];
  const made = plans.get(name) ?? printed(planCommand, args).then((text) => JSON.parse(text));
  plans.set(name, made);
  return made;
}

/** Calls `use` with the path of a file of this text and the path of its temporary folder. */
async function withFile(
  text: string,
  use: (path: string, dir: string) => Promise<void>,
): Promise<void> {
  const dir = await Deno.makeTempDir({ prefix: "orrery-test-" });
  try {
    const path = join(dir, "graph.yaml");
    await Deno.writeTextFile(path, text);
    await use(path, dir);
  } finally {
    await Deno.remove(dir, { recursive: true });
  }
}

Deno.test("examples/graphs/*.yaml can be planned, and the plan explains each device once", async () => {
  const files = [...Deno.readDirSync(GRAPHS)].map((f) => f.name).filter((f) => f.endsWith(".yaml"))
    .sort();
  assert.deepEqual(files, [
    "custom_actor.yaml",
    "four_boxes.yaml",
    "paper_env_b.yaml",
    "small.yaml", // for the machines that serve it: nothing describes them
  ]);
  for (const file of files.filter((name) => name !== "small.yaml")) {
    const { input } = await readGraph(join(GRAPHS, file), { data: "no-such-folder" });
    const found = await planOf(file);
    const hosts = [...found.stages, ...found.idle].map((d) => d.host);
    assert.deepEqual(hosts.sort(), input.devices.map((d) => d.name).sort(), file);
  }
});

Deno.test("four_boxes.yaml has a model that fits no single device, and its untrusted device has no end of it", async () => {
  const { input } = await readGraph(join(GRAPHS, "four_boxes.yaml"), { data: "none" });
  for (const { name } of input.devices) {
    const exclude = input.devices.map((d) => d.name).filter((n) => n !== name);
    const constraints = { ...input.constraints, exclude, trustedEnds: false };
    assert.throws(() => plan({ ...input, constraints }), new RegExp(`${name} lacks \\d+ bytes`));
  }
  const { stages, coordinator } = plan(input);
  for (const host of [stages[0].host, stages.at(-1)!.host, coordinator]) {
    assert.notEqual(host, "shed");
  }
});

Deno.test("deno task plan --json prints the same bytes every time, with the fields of the contract", async () => {
  const args = [join(GRAPHS, "custom_actor.yaml"), "--json", "--objective", "latency"];
  const [first, second] = [await runPlanner("plan", args), await runPlanner("plan", args)];
  assert.deepEqual([first.code, first.stderr], [0, ""]);
  assert.equal(first.stdout, second.stdout);
  const found = JSON.parse(first.stdout);
  assert.equal(found.objective, "latency");
  for (
    const key of [
      "stages",
      "pieces",
      "draft",
      "branches",
      "idle",
      "predicted",
      "bottleneck",
      "lower_bound",
      "gap",
    ]
  ) {
    assert.ok(key in found, key);
  }
  assert.deepEqual(
    Object.keys(found.stages[0]),
    ["host", "first_layer", "last_layer", "weight_bytes", "kv_bytes", "seconds_per_row", "why"],
  );
});

Deno.test("deno task simulate runs the plan that deno task plan prints, for every graph of examples/graphs", async () => {
  for (const name of ["custom_actor", "four_boxes", "paper_env_b"]) {
    const plan = await planOf(`${name}.yaml`);
    const run = JSON.parse(
      await printed(simulateCommand, [join(GRAPHS, `${name}.yaml`), "--json"]),
    );
    assert.deepEqual(run.plan, plan, name);
    assert.deepEqual(
      run.stages.map(({ lane }: { lane: string }) => lane),
      plan.stages.map(({ host }, i) => `stage ${i} · ${host}`),
    );
  }
  const text = await printed(simulateCommand, [join(GRAPHS, "custom_actor.yaml")]);
  const { stages, actors = [] } = await planOf("custom_actor.yaml");
  for (const [i, { host, first_layer, last_layer }] of stages.entries()) {
    assert.match(text, new RegExp(`^${i} +${host} +${first_layer}-${last_layer} `, "m"));
  }
  assert.ok(actors.length > 0);
  for (const { actor, host } of actors) assert.ok(text.includes(`  ${actor} at ${host}: `), actor);
});

Deno.test("deno task plan prints tables", async () => {
  const { code, stdout, stderr } = await runPlanner("plan", [join(GRAPHS, "four_boxes.yaml")]);
  assert.deepEqual([code, stderr], [0, ""]);
  for (
    const line of [
      /^stage +host +layers +memory +a row +why$/m,
      /^idle\n {2}shed: with it /m,
      /^first token +[\d.]+ m?s$/m,
      /^what if /m,
    ]
  ) {
    assert.match(stdout, line);
  }
});

Deno.test("deno task plan lists what is wrong with a file and exits 2", async () => {
  await withFile("model: 3\nobjetive: latency\n", async (path) => {
    const { code, stdout, stderr } = await runPlanner("plan", [path]);
    assert.deepEqual([code, stdout], [2, ""]);
    assert.equal(
      stderr,
      `error: ${path}:1:8: model: expected the name or folder of a model, found 3\n` +
        `error: ${path}:2:1: objetive: unknown field; did you mean objective?\n`,
    );
  });
});

Deno.test("deno task plan says which device lacks how many bytes and exits 2", async () => {
  const text = `model_shape: llama-2-7b
devices: [{ name: a, memory_bytes: 2 GB, layer_seconds: { 1: 9 ms } }, { name: b, memory_bytes: 1 GB, layer_seconds: { 1: 9 ms } }]
links: [{ from: a, to: b, seconds: 0, bytes_per_s: 1e9 }]
`;
  await withFile(text, async (path) => {
    const { code, stdout, stderr } = await runPlanner("plan", [path, "--json"]);
    assert.deepEqual([code, stdout], [2, ""]);
    assert.match(
      stderr,
      /^error: the model does not fit: [ab] lacks \d+ bytes \([\d.]+ [MG]B\).*\n$/,
    );
  });
});

Deno.test("deno task plan --devices takes devices from another file, and refuses a missing file", async () => {
  const devices = `devices: [{ name: one, memory_bytes: 8 GB, layer_seconds: { 1: 9 ms } }]\n`;
  await withFile("model_shape: llama-2-7b\n", async (path, dir) => {
    await Deno.writeTextFile(join(dir, "devices.yaml"), devices);
    const found = await runPlanner("plan", [
      path,
      "--json",
      "--devices",
      join(dir, "devices.yaml"),
    ]);
    assert.equal(found.code, 0, found.stderr);
    assert.deepEqual(JSON.parse(found.stdout).stages.map((s: { host: string }) => s.host), ["one"]);
    const without = await runPlanner("plan", [path]);
    assert.equal(without.code, 2);
    assert.match(
      without.stderr,
      /^error: a model on paper \(llama-2-7b\) has no measured devices; .*--devices FILE\n$/,
    );
    const nowhere = await runPlanner("plan", [join(dir, "no.yaml")]);
    assert.equal(nowhere.code, 2);
    assert.match(nowhere.stderr, /^error: .*no\.yaml cannot be read: /);
  });
  const wrong = await runPlanner("plan", []);
  assert.deepEqual([wrong.code, wrong.stderr], [
    2,
    "error: plan takes one graph file, got 0 (see --help)\n",
  ]);
});

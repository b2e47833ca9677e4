import assert from "node:assert/strict";
import { join } from "node:path";
import { plan } from "../../planner/mod.ts";
import { readGraph } from "./graph_input.ts";

const ROOT = new URL("../..", import.meta.url).pathname;
const GRAPHS = join(ROOT, "examples", "graphs");

/** Runs a command as its task does, but may write only where it says. */
async function run(command: "plan" | "simulate", args: string[], write?: string) {
  const { code, stdout, stderr } = await new Deno.Command(Deno.execPath(), {
    args: [
      "run",
      "-q",
      "--no-prompt",
      "--allow-read",
      "--allow-env",
      "--allow-sys",
      "--allow-ffi",
      ...(write === undefined ? [] : [`--allow-write=${write}`]),
      join(ROOT, "runtime", "cli", `${command}.ts`),
      ...args,
    ],
    env: { NO_COLOR: "1" },
    cwd: ROOT,
  }).output();
  const text = (bytes: Uint8Array) => new TextDecoder().decode(bytes);
  return { code, stdout: text(stdout), stderr: text(stderr) };
}

/** Calls with a file of this text. */
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

Deno.test("Every example graph can be planned, and explains each of its devices once", async () => {
  const files = [...Deno.readDirSync(GRAPHS)].map((f) => f.name).filter((f) => f.endsWith(".yaml"))
    .sort();
  assert.deepEqual(files, ["custom_actor.yaml", "four_boxes.yaml", "paper_env_b.yaml"]);
  for (const file of files) {
    const { input } = await readGraph(join(GRAPHS, file), { data: "no-such-folder" });
    const found = plan(input);
    const hosts = [...found.stages, ...found.idle].map((d) => d.host);
    assert.deepEqual(hosts.sort(), input.devices.map((d) => d.name).sort(), file);
  }
});

Deno.test("The model of four_boxes.yaml fits none of the four, and the distrusted one has no end", async () => {
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

Deno.test("plan --json prints the same bytes again, with what the contract names", async () => {
  const args = [join(GRAPHS, "custom_actor.yaml"), "--json", "--objective", "latency"];
  const [first, second] = [await run("plan", args), await run("plan", args)];
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

Deno.test("plan prints tables for people", async () => {
  const { code, stdout, stderr } = await run("plan", [join(GRAPHS, "four_boxes.yaml")]);
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

Deno.test("plan lists what is wrong with a file and exits 2", async () => {
  await withFile("model: 3\nobjetive: latency\n", async (path) => {
    const { code, stdout, stderr } = await run("plan", [path]);
    assert.deepEqual([code, stdout], [2, ""]);
    assert.equal(
      stderr,
      `error: ${path}:1:8: model: expected the name or folder of a model, found 3\n` +
        `error: ${path}:2:1: objetive: unknown field; did you mean objective?\n`,
    );
  });
});

Deno.test("plan says which device lacks how many bytes and exits 2", async () => {
  const text = `model_shape: llama-2-7b
devices: [{ name: a, memory_bytes: 2 GB, layer_seconds: { 1: 9 ms } }, { name: b, memory_bytes: 1 GB, layer_seconds: { 1: 9 ms } }]
links: [{ from: a, to: b, seconds: 0, bytes_per_s: 1e9 }]
`;
  await withFile(text, async (path) => {
    const { code, stdout, stderr } = await run("plan", [path, "--json"]);
    assert.deepEqual([code, stdout], [2, ""]);
    assert.match(
      stderr,
      /^error: the model does not fit: [ab] lacks \d+ bytes \([\d.]+ [MG]B\).*\n$/,
    );
  });
});

Deno.test("plan takes devices from another file, and refuses what is not there", async () => {
  const devices = `devices: [{ name: one, memory_bytes: 8 GB, layer_seconds: { 1: 9 ms } }]\n`;
  await withFile("model_shape: llama-2-7b\n", async (path, dir) => {
    await Deno.writeTextFile(join(dir, "devices.yaml"), devices);
    const found = await run("plan", [path, "--json", "--devices", join(dir, "devices.yaml")]);
    assert.equal(found.code, 0, found.stderr);
    assert.deepEqual(JSON.parse(found.stdout).stages.map((s: { host: string }) => s.host), ["one"]);
    const without = await run("plan", [path]);
    assert.equal(without.code, 2);
    assert.match(
      without.stderr,
      /^error: a model on paper \(llama-2-7b\) has no measured devices; .*--devices FILE\n$/,
    );
    const nowhere = await run("plan", [join(dir, "no.yaml")]);
    assert.equal(nowhere.code, 2);
    assert.match(nowhere.stderr, /^error: .*no\.yaml cannot be read: /);
  });
  const wrong = await run("plan", []);
  assert.deepEqual([wrong.code, wrong.stderr], [
    2,
    "error: plan takes one graph file, got 0 (see --help)\n",
  ]);
});

Deno.test("simulate prints results and draws a timeline", async () => {
  await withFile("", async (_, dir) => {
    const svg = join(dir, "t.svg");
    const args = [
      join(GRAPHS, "paper_env_b.yaml"),
      "--prompt",
      "64",
      "--tokens",
      "32",
      "--branches",
      "4",
      "--acceptance",
      "0.7",
    ];
    const { code, stdout, stderr } = await run(
      "simulate",
      [...args, "--json", "--timeline", svg],
      dir,
    );
    assert.deepEqual([code, stderr], [0, ""]);
    const result = JSON.parse(stdout);
    assert.equal(result.requests.length, 1);
    assert.equal(result.requests[0].tokens, 32);
    assert.ok(result.requests[0].ttft_s > 0);
    assert.match(await Deno.readTextFile(svg), /^<svg [^]*<\/svg>\s*$/);
    const text = await run("simulate", args);
    assert.equal(text.code, 0, text.stderr);
    assert.match(
      text.stdout,
      /64 prompt tokens, 32 answer tokens, 4 branches, acceptance 0\.7\n\nrequest +first token/,
    );
    const wrong = await run("simulate", [...args, "--acceptance", "2"]);
    assert.deepEqual([wrong.code, wrong.stderr], [
      2,
      'error: --acceptance takes a number from 0 to 1, got "2" (see --help)\n',
    ]);
  });
});

/**
 * `deno task models` as its users run it: real processes, against a hub in this one.
 */
import assert from "node:assert/strict";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { commitOf, type HubRepository, HubServer } from "./support/hub_server.ts";
import { NodeProcess } from "./support/processes.ts";
import { type TinyCheckpointOptions, writeTinyCheckpoint } from "./support/tiny_checkpoint.ts";

const COMMAND = fileURLToPath(new URL("../runtime/cli/models.ts", import.meta.url));
const CONFIG = fileURLToPath(new URL("../deno.json", import.meta.url));
const REPO = "ada/tiny-llama";

/** Starts the command; `env` adds to this process's. */
function spawn(args: string[], env: Record<string, string> = {}): Deno.ChildProcess {
  return new Deno.Command(Deno.execPath(), {
    args: ["run", "-q", "-P=tools", "--no-prompt", "--config", CONFIG, COMMAND, ...args],
    stdin: "null",
    stdout: "piped",
    stderr: "piped",
    env: { NO_COLOR: "1", HF_TOKEN: "", HUGGING_FACE_HUB_TOKEN: "", HF_ENDPOINT: "", ...env },
  }).spawn();
}

async function models(args: string[], env?: Record<string, string>) {
  const { code, stdout, stderr } = await spawn(args, env).output();
  const text = (bytes: Uint8Array) => new TextDecoder().decode(bytes);
  return { code, stdout: text(stdout), stderr: text(stderr) };
}

/** The command's output; fails when it fails. */
async function succeeds(args: string[], env?: Record<string, string>): Promise<string> {
  const { code, stdout, stderr } = await models(args, env);
  assert.equal(code, 0, `models ${args.join(" ")}: ${stderr}`);
  return stdout;
}

async function checkpointFiles(
  dir: string,
  options: TinyCheckpointOptions,
): Promise<HubRepository["files"]> {
  await writeTinyCheckpoint(dir, options);
  const files: HubRepository["files"] = {};
  for await (const { name } of Deno.readDir(dir)) {
    files[name] = await Deno.readFile(join(dir, name));
  }
  return files;
}

interface Scene {
  dir: string;
  /** The `--data` option with the store's folder. */
  data: string[];
  hub: HubServer;
  files: HubRepository["files"];
  /** Names the hub, as users of a mirror do. */
  env: { HF_ENDPOINT: string };
}

async function scene(
  repository: Partial<HubRepository>,
  run: (scene: Scene) => Promise<void>,
): Promise<void> {
  const dir = await Deno.makeTempDir({ prefix: "orrery-models-" });
  try {
    const files = await checkpointFiles(join(dir, "checkpoint"), { layers: 2, shards: 2 });
    await using hub = await HubServer.start({ repositories: { [REPO]: { files, ...repository } } });
    await run({
      dir,
      data: ["--data", join(dir, "data")],
      hub,
      files,
      env: { HF_ENDPOINT: hub.url },
    });
  } finally {
    await Deno.remove(dir, { recursive: true });
  }
}

const exists = (path: string) => Deno.stat(path).then(() => true, () => false);

Deno.test("deno task models adds, lists, shows, verifies and removes a hub's model", async () => {
  await scene({ gatedFor: "hf_good" }, async ({ dir, data, hub, files, env }) => {
    hub.faults.push({ on: "model-00002-of-00002.safetensors", kind: "cut" });
    const token = { ...env, HF_TOKEN: "hf_good" };
    const added = await models(["add", REPO, ...data], token);
    assert.equal(added.code, 0, added.stderr);
    assert.match(
      added.stdout,
      /^added tiny-llama-q4: LlamaForCausalLM, 2 layers, 0\.1 M parameters, q4, \d+ kB$/m,
    );
    assert.match(added.stdout, /start --model tiny-llama-q4/);
    assert.match(added.stderr, /^fetching: 100 % /m);
    assert.match(added.stderr, /ended at byte|connection .* failed/);
    assert.match(added.stderr, /^converting: 100 % \(head part 7\)$/m);
    assert.equal(await exists(join(dir, "data/downloads", "ada--tiny-llama")), false);

    const before = hub.requests.length;
    await succeeds(["add", REPO, ...data], token); // what is here is not fetched again
    await succeeds(["add", REPO, "--name", "other", ...data], {
      ...token,
      HF_ENDPOINT: hub.url + "/",
    });
    assert.deepEqual(
      hub.requests.slice(before).map(({ path }) => path),
      Array(2).fill(`/api/models/${REPO}/revision/main`),
    );

    const list = JSON.parse(await succeeds(["list", "--json", ...data]));
    assert.deepEqual(list.map(({ name }: { name: string }) => name), ["other", "tiny-llama-q4"]);
    const shown = JSON.parse(await succeeds(["show", "tiny-llama-q4", "--json", ...data]));
    const { bytes_per_layer, embedding_bytes, head_bytes, parameters, ...exact } = shown;
    assert.deepEqual(exact, {
      architecture: "LlamaForCausalLM",
      layers: 2,
      hidden: 64,
      heads: 4,
      kv_heads: 2,
      head_dim: 16,
      vocab: 288,
      context: 256,
      precision: "q4",
      calibrated: false,
      kv_bytes_per_token_per_layer: 256,
      kv_bytes_at_context: 256 * 256 * 2,
    });
    const layer = 2 * 64 * 64 + 2 * 32 * 64 + 3 * 96 * 64;
    assert.equal(parameters, 288 * 64 + 2 * (layer + 2 * 64) + 64);
    assert.ok(
      bytes_per_layer >= layer * 0.625 && bytes_per_layer < layer * 2,
      `${bytes_per_layer}`,
    ); // 4 bits and scales, padded
    assert.ok(embedding_bytes >= 288 * 64 && head_bytes >= 64 * 4);
    const human = await succeeds(["show", "tiny-llama-q4", ...data]);
    assert.match(human, new RegExp(`^origin +${REPO}@${commitOf(files)}$`, "m"));
    assert.match(
      await succeeds(["list", ...data]),
      /^name +architecture[^]*^tiny-llama-q4 +LlamaForCausalLM +2 /m,
    );

    assert.equal(await succeeds(["verify", ...data]), "ok other\nok tiny-llama-q4\n");
    const manifest = JSON.parse(
      await Deno.readTextFile(join(dir, "data/models/other/manifest.json")),
    );
    const blob = join(dir, "data/blobs", manifest.layers[1].sha256);
    const bytes = await Deno.readFile(blob);
    bytes[100] ^= 1;
    await Deno.writeFile(blob, bytes);
    const damaged = await models(["verify", "other", ...data]);
    assert.deepEqual([damaged.code, damaged.stdout.split("\n")[0]], [1, "damaged other"]);
    assert.match(damaged.stdout, /layer 1 is changed/);
    assert.match(damaged.stderr, /^error: other damaged; [^\n]+\n$/);
    const asJson = await models(["verify", "other", "--json", ...data]);
    const { sha256 } = manifest.layers[1];
    assert.deepEqual(JSON.parse(asJson.stdout), {
      name: "other",
      ok: false,
      problems: [{ sha256, role: "layer 1", problem: "changed" }],
    });

    await Deno.mkdir(join(dir, "data/models/broken"), { recursive: true });
    await Deno.writeTextFile(join(dir, "data/models/broken/manifest.json"), "{}");
    assert.match(await succeeds(["list", ...data]), /^broken +broken +-/m);
    assert.match(
      (await models(["verify", ...data])).stdout,
      /^damaged broken\n {2}.*add the model again$/m,
    );
    await succeeds(["remove", "broken", ...data]);

    for (const name of ["other", "tiny-llama-q4"]) await succeeds(["remove", name, ...data]);
    assert.deepEqual(JSON.parse(await succeeds(["list", "--json", ...data])), []);
    assert.deepEqual(await Array.fromAsync(Deno.readDir(join(dir, "data/blobs"))), []);
  });
});

Deno.test("deno task models add resumes after an interruption, and start serves the model", async () => {
  await scene({}, async ({ dir, data, hub, files }) => {
    const shard = "model-00002-of-00002.safetensors";
    hub.faults.push({ on: shard, kind: "silent" });
    const args = ["add", REPO, "--precision", "f32", "--keep", "--endpoint", hub.url, ...data];
    const first = spawn(args);
    const output = first.output();
    const kept = join(dir, "data/downloads/ada--tiny-llama", commitOf(files));
    const arrived = async () =>
      (await Deno.stat(join(kept, `${shard}.part`)).catch(() => undefined))?.size ?? 0;
    for (let i = 0; await arrived() === 0 && i < 600; i++) {
      await new Promise((r) => setTimeout(r, 50));
    }
    first.kill("SIGINT");
    const { code, stderr } = await output;
    assert.match(
      new TextDecoder().decode(stderr),
      /interrupted; the same command goes on where it stopped/,
    );
    assert.equal(code, 130);
    await succeeds(args);
    assert.match(hub.fetched(shard).at(-1)?.range ?? "", /^bytes=[1-9]\d*-$/);
    assert.deepEqual(await Deno.readFile(join(kept, shard)), files[shard]);

    await using node = NodeProcess.start([...data, "--threads", "1", "--model", "tiny-llama-f32"]);
    const url = await node.ready(1);
    const response = await fetch(`${url}/v1/completions`, {
      method: "POST",
      headers: { "content-type": "application/json" },
      body: JSON.stringify({
        model: "tiny-llama-f32",
        prompt: "hello",
        max_tokens: 4,
        orrery: { ignore_eos: true },
      }),
    });
    const { usage } = await response.json();
    assert.deepEqual([response.status, usage?.completion_tokens], [200, 4]);
    node.kill("SIGTERM");
    assert.equal((await node.status()).code, 0);
  });
});

Deno.test("deno task models add takes a folder, from two processes at once too", async () => {
  await scene({}, async ({ dir, data, env }) => {
    await succeeds([
      "add",
      join(dir, "checkpoint"),
      "--name",
      "mine",
      "--precision",
      "q8",
      ...data,
    ]);
    assert.match(await succeeds(["list", "mine", ...data]), /^mine +LlamaForCausalLM .* q8 /m);
    await Promise.all([1, 2].map(() => succeeds(["add", REPO, ...data], env)));
    assert.equal(await succeeds(["verify", ...data]), "ok mine\nok tiny-llama-q4\n");
  });
});

Deno.test("deno task models add calibrates, and quality measures what a precision costs", async () => {
  await scene({}, async ({ dir, data }) => {
    const checkpoint = join(dir, "checkpoint");
    const text = join(dir, "text.txt");
    await Deno.writeTextFile(
      text,
      "A text that is read in a minute.\n\nUser: Why?\nAssistant: So.\n",
    );
    await succeeds(["add", checkpoint, "--name", "mine", "--calibrate", ...data]);
    assert.match(await succeeds(["show", "mine", ...data]), /^calibrated +true$/m);
    const measured = ["quality", checkpoint, "--text", text, "--beside", checkpoint, ...data];
    const { tokens, rows } = JSON.parse(await succeeds([...measured, "--json"]));
    assert.ok(tokens > 10 && rows.length === 13);
    assert.deepEqual(rows.at(-1).name, "checkpoint");
    const table = await succeeds(["quality", "mine", "--text", text, ...data]);
    assert.match(table, /^mine: divergence from its q4 weights in f32, .* over \d+ tokens$/m);
    assert.match(table, /^q4 as stored +\d/m);
    assert.match(table, /^it holds q4: name the folder or file/m);
    assert.deepEqual(await Array.fromAsync(Deno.readDir(join(data[1], "tmp"))), []);
  });
});

Deno.test("deno task models says in one line what is wrong, with the exit code of the failure", async () => {
  await scene({ gatedFor: "hf_good" }, async ({ dir, data, hub, files, env }) => {
    const config = JSON.parse(new TextDecoder().decode(files["config.json"]));
    const strange = new TextEncoder().encode(
      JSON.stringify({ ...config, architectures: ["MambaForCausalLM"] }),
    );
    hub.repositories["ada/strange"] = { files: { ...files, "config.json": strange } };
    hub.repositories["ada/pickled"] = {
      files: { "config.json": files["config.json"], "pytorch_model.bin": strange },
    };
    hub.repositories["ada/lying"] = { files };
    hub.faults.push({ on: "ada/lying/revision/main", kind: 429, retryAfter: "900" });
    const cases: [args: string[], code: number, message: RegExp][] = [
      [["add", REPO], 1, /is gated: .*accept its licence at .* and set HF_TOKEN/],
      [["add", "ada/none"], 1, /no repository ada\/none/],
      [["add", REPO, "--revision", "v9"], 1, /has no such revision: Invalid rev id: v9/],
      [
        ["add", REPO, "--endpoint", "http://127.0.0.1:1"],
        1,
        /connection to http:\/\/127\.0\.0\.1:1 failed/,
      ],
      [["add", "ada/strange"], 1, /MambaForCausalLM is not supported; supported are/],
      [["add", "ada/pickled"], 1, /pytorch_model\.bin is a pickle/],
      [["add", "ada/lying"], 1, /asks to wait 900 s/],
      [["add", dir], 1, /config\.json does not exist/],
      [["add", "./nowhere"], 2, /nowhere is no folder or file here/],
      [["add", REPO, "--precision", "q3"], 2, /--precision takes q4, q4m, q8/],
      [["add", dir, "--revision", "v1"], 2, /--revision is for a model of the hub/],
      [["add"], 2, /add needs a source/],
      [["show"], 2, /show needs the name of a model/],
      [["list", "--keep"], 2, /--keep is for add/],
      [
        ["add", dir, "--calibrate", "--precision", "q8"],
        2,
        /--calibrate is for q4 and q4m, and .* is q8/,
      ],
      [["list", "--text", "a.txt"], 2, /--text is for quality/],
      [["quality"], 2, /quality needs the name of a model or a source/],
      [["quality", dir, "--text", "./nowhere"], 2, /--text \.\/nowhere cannot be read/],
      [["quality", "none"], 1, /model none is not in/],
      [["frob"], 2, /models takes add, list, show, remove, verify, quality/],
      [["show", "none"], 1, /model none is not in .*; it is empty/],
      [["remove", "none"], 1, /model none is not in/],
      [["verify", "../x"], 1, /cannot name a model/],
    ];
    for (const [args, code, message] of cases) {
      const result = await models([...args, ...data], env);
      const lines = result.stderr.split("\n").filter((text) => text !== "");
      assert.equal(result.code, code, `${args.join(" ")}: ${result.stderr}`);
      assert.match(lines.at(-1) ?? "", message);
      assert.match(lines.at(-1) ?? "", /^error: /);
      assert.equal(lines.filter((text) => text.startsWith("error")).length, 1);
    }
    // Refused before any weights.
    assert.equal(hub.requests.some(({ at }) => at === "files"), false);
    assert.match(await succeeds(["--help"]), /^Usage: deno task models add SOURCE/m);
  });
});

Deno.test("models remove refuses a model that a node serves, and says which node", async () => {
  const dir = await Deno.makeTempDir({ prefix: "orrery-test-" });
  try {
    const data = ["--data", join(dir, "data")];
    let name: string;
    {
      await using node = NodeProcess.start(data);
      await node.ready(1);
      [{ name }] = JSON.parse(await succeeds(["list", "--json", ...data]));
      const { code, stderr } = await models(["remove", name, ...data]);
      assert.equal(code, 1);
      assert.match(stderr, /model \S+ is served by node \S+:\d+:\w{4} \(deployment \w+-\d+\)/);
      const answer = await fetch(`${await node.url()}/api/delete`, {
        method: "DELETE",
        headers: { "content-type": "application/json" },
        body: JSON.stringify({ model: name }),
      });
      assert.equal(answer.status, 409);
      assert.match((await answer.json()).error, /is served by node/);
      node.kill("SIGKILL");
    }
    assert.match(await succeeds(["remove", name, ...data]), /removed/);
  } finally {
    await Deno.remove(dir, { recursive: true });
  }
});

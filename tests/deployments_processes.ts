/**
 * Two models on two nodes: applied at the second one, rolled out and asleep while requests run, and
 * there again after the first node was started anew.
 */
import assert from "node:assert/strict";
import { join } from "node:path";
import { EVEN, NodeProcess } from "./support/processes.ts";
import { runCommand } from "./support/run_command.ts";

interface Answer {
  model: string;
  choices: { text: string }[];
  orrery: { cold_start_ms?: number };
}

async function complete(url: string, model: string): Promise<Answer> {
  const response = await fetch(`${url}/v1/completions`, {
    method: "POST",
    headers: { "content-type": "application/json" },
    body: JSON.stringify({ model, prompt: "It rains because", max_tokens: 24, temperature: 0 }),
    signal: AbortSignal.timeout(90_000),
  });
  const text = await response.text();
  assert.equal(response.status, 200, text);
  return JSON.parse(text);
}

const modelsOf = async (url: string): Promise<string[]> =>
  (await (await fetch(`${url}/v1/models`)).json()).data.map(({ id }: { id: string }) => id);

interface Row {
  name: string;
  copies: { state: string; stages: unknown[] }[];
  rolled_back?: string;
}

const rows = async (url: string): Promise<Row[]> =>
  (await (await fetch(`${url}/api/deployments`)).json()).deployments;

/** Waits until it holds. */
async function until(what: string, holds: () => Promise<boolean>): Promise<void> {
  for (const end = performance.now() + 60_000; performance.now() < end;) {
    if (await holds().catch(() => false)) return;
    await new Promise((resolve) => setTimeout(resolve, 200));
  }
  throw new Error(`not within a minute: ${what}`);
}

Deno.test("deno task apply serves a second model at every node, without a failed request", async () => {
  const data = await Deno.makeTempDir({ prefix: "orrery-test-" });
  const file = join(data, "small.yaml");
  const write = (more: string) =>
    Deno.writeTextFile(file, `model: { name: embedded, precision: q8 }\n${more}`);
  const options = ["--data", join(data, "first"), "--nodes", "2", ...EVEN];
  let first = NodeProcess.start(options);
  try {
    await using second = NodeProcess.start([
      ...["--data", join(data, "second"), ...await first.join()],
    ]);
    const url = await second.ready(2);
    const apply = (...more: string[]) =>
      runCommand("apply", "chat", [file, "--url", url, "--wait", "170s", ...more]);

    await write("deployment: { keep_warm: 2 }");
    const wrong = await apply();
    assert.equal(wrong.code, 2);
    assert.match(wrong.stderr, /small.yaml:2:26: deployment.keep_warm: expected at most max \(1\)/);

    await write("");
    assert.match((await apply("--dry-run")).stdout, /^small would be placed on \S+ 0-5/);
    assert.deepEqual(await modelsOf(url), ["embedded"], "a dry run changes nothing");
    const applied = await apply();
    assert.equal(applied.code, 0, applied.stderr);
    assert.match(applied.stdout, /small +embedded-q8 +0 +serving/);
    const urls = [await first.url(), url];
    const texts = new Set<string>();
    for (const at of urls) {
      assert.deepEqual(await modelsOf(at), ["embedded", "small"]);
      texts.add((await complete(at, "small")).choices[0].text);
      assert.equal((await complete(at, "default")).model, "embedded");
    }
    assert.equal(texts.size, 1, "both nodes answer alike");

    // A changed file, while requests run at both nodes.
    let rolling = true;
    const load = Promise.all(urls.map(async (at) => {
      let answered = 0;
      for (; rolling; answered++) {
        texts.add((await complete(at, "small")).choices[0].text);
        await new Promise((resolve) => setTimeout(resolve, 250));
      }
      return answered;
    }));
    load.catch(() => {}); // it is waited for below
    await write(
      "workload: { output_tokens: 32 }\ndecode: { wire: f32 }\n" +
        "deployment: { keep_warm: 0, idle: 2 s }\n",
    );
    const changed = await apply();
    assert.equal(changed.code, 0, changed.stderr);
    await new Promise((resolve) => setTimeout(resolve, 3_000)); // longer than it is idle for
    rolling = false;
    for (const answered of await load) assert.ok(answered > 0);
    assert.equal(texts.size, 1, "no request failed, and all got the same text");

    await until("it sleeps", async () => (await rows(url))[1].copies[0].state === "asleep");
    assert.deepEqual(await modelsOf(url), ["embedded", "small"], "it is listed while it sleeps");
    const woken = await complete(url, "small");
    assert.ok(woken.orrery.cold_start_ms! > 0, "the request waited until it was loaded");
    assert.ok(texts.has(woken.choices[0].text));

    // The first node is started again, with what was applied.
    first.kill("SIGTERM");
    await first.status();
    first = NodeProcess.start(options);
    await using _third = NodeProcess.start([
      ...["--data", join(data, "third"), ...await first.join()],
    ]);
    const again = await first.ready(2);
    assert.deepEqual(await modelsOf(again), ["embedded", "small"]);
    assert.ok(texts.has((await complete(again, "small")).choices[0].text));

    const deleted = await runCommand("delete", "chat", ["small", "--url", again]);
    assert.equal(deleted.code, 0, deleted.stderr);
    await until("no node lists it", async () => (await modelsOf(again)).length === 1);
  } finally {
    first.kill("SIGKILL");
    await first[Symbol.asyncDispose]();
    await Deno.remove(data, { recursive: true });
  }
});

/**
 * Families whose layers keep more or less than keys and values of all rows, on real nodes: layers with a
 * window, a recurrent state, a convolution or latent attention, or which are MLPs alone. One node and three give the
 * same texts, plain, with drafts and side by side, and go on with the same text when a node is killed.
 */
import assert from "node:assert/strict";
import { copyFile, mkdir, readdir } from "node:fs/promises";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { ModelStore } from "../models/mod.ts";
import { FIXTURE_DIR } from "./support/architecture_fixtures.ts";
import { type NodeProcess, startCluster } from "./support/processes.ts";
import { trimTokenizer, writeTinyCheckpoint } from "./support/tiny_checkpoint.ts";

/** Fixtures with three layers or more. */
const FAMILIES = [
  ...["gemma3", "mistral", "granite4_states", "falcon_h1", "qwen3_next", "lfm2_moe"],
  ...["deepseek_v3", "nemotron_h", "mamba2"],
];
/** Positions that the nodes serve: the fixtures state 128. */
const CONTEXT = 2_048;
/** Tokens of the answer during which a node is killed, and milliseconds until it is. */
const LONG = 700;
const KILLED_AFTER_MS = 300;

const WORDS = "rain falls when water drops grow heavy in a cloud and bees make honey near the river"
  .split(" ");
const text = (seed: number, words: number): string =>
  Array.from({ length: words }, (_, i) => WORDS[(seed * 7 + i * i + i * seed) % WORDS.length])
    .join(" ");
/** Some begin alike, so that later ones go on from rows of earlier ones. */
const PROMPTS = [
  text(1, 40),
  `${text(1, 40)} ${text(2, 30)}`,
  `${text(1, 20)} ${text(3, 30)}`,
  text(4, 120),
  text(1, 40),
];
const WAYS: Record<string, unknown>[] = [
  {},
  { orrery: { mode: "speculative" } }, // its drafts are looked up in the plain answers, all right
  { orrery: { mode: "speculative", draft_length: 4, reuse: false } }, // in the text, mostly wrong
  { temperature: 0.8, seed: 5 },
];

/** A checkpoint like a fixture, with a longer context and a tokenizer. */
async function writeCheckpoint(name: string, dir: string): Promise<string> {
  const source = join(dir, name);
  await mkdir(source);
  for (const file of await readdir(join(FIXTURE_DIR, name))) {
    await copyFile(join(FIXTURE_DIR, name, file), join(source, file));
  }
  const path = join(source, "config.json");
  const config = JSON.parse(await Deno.readTextFile(path));
  await Deno.writeTextFile(path, JSON.stringify({ ...config, max_position_embeddings: CONTEXT }));
  const { dir: tokenizer } = await writeTinyCheckpoint(join(dir, "tokenizer"), { layers: 1 });
  await copyFile(join(tokenizer, "tokenizer.json"), join(source, "tokenizer.json"));
  await trimTokenizer(source, config.vocab_size);
  return source;
}

async function complete(url: string, prompt: string, fields: object = {}): Promise<string> {
  const response = await fetch(`${url}/v1/completions`, {
    method: "POST",
    headers: { "content-type": "application/json" },
    body: JSON.stringify({ prompt, max_tokens: 48, temperature: 0, ...fields }),
    signal: AbortSignal.timeout(120_000),
  });
  const body = await response.json();
  assert.equal(response.status, 200, JSON.stringify(body));
  return body.choices[0].text;
}

/** The texts of all prompts, one after the other and side by side, and a long one. */
async function answersOf(url: string, killed?: NodeProcess): Promise<string[]> {
  const texts: string[] = [];
  for (const way of WAYS) {
    for (const prompt of PROMPTS) texts.push(await complete(url, prompt, way));
  }
  texts.push(...await Promise.all(PROMPTS.map((prompt) => complete(url, prompt))));
  const long = complete(url, PROMPTS[3], { max_tokens: LONG });
  if (killed) await sleep(KILLED_AFTER_MS).then(() => killed.kill("SIGKILL"));
  texts.push(await long, await complete(url, PROMPTS[1]));
  return texts;
}

for (const name of FAMILIES) {
  Deno.test(`deno task start gives the texts of ${name} on three nodes, one of which is killed`, async () => {
    const dir = await Deno.makeTempDir({ prefix: "orrery-test-" });
    try {
      const source = await writeCheckpoint(name, dir);
      const data = join(dir, "store");
      await (await ModelStore.open(data)).add(source, { precision: "f32", name: "tiny" });
      const args = ["--model", "tiny", "--draft", "none"];
      const expected = await (async () => {
        await using cluster = await startCluster(1, data, args);
        return await answersOf(cluster.url);
      })();
      assert.ok(new Set(expected).size > PROMPTS.length, "the texts differ");
      await using cluster = await startCluster(3, data, args);
      assert.deepEqual(await answersOf(cluster.url, cluster.nodes[2]), expected);
    } finally {
      await Deno.remove(dir, { recursive: true });
    }
  });
}

import assert from "node:assert/strict";
import { join } from "node:path";
import { writeTinyCheckpoint } from "../../tests/support/tiny_checkpoint.ts";
import { ModelStore } from "./store.ts";

/** What `add` says of a tiny checkpoint in which `change` has changed files. */
async function refused(change: (folder: string) => Promise<void>): Promise<string> {
  const dir = await Deno.makeTempDir({ prefix: "orrery-texts-" });
  try {
    const folder = join(dir, "model");
    await writeTinyCheckpoint(folder, { layers: 2 });
    await change(folder);
    const store = await ModelStore.open(join(dir, "store"));
    await store.add(folder);
    return "";
  } catch (error) {
    return String((error as Error).message);
  } finally {
    await Deno.remove(dir, { recursive: true });
  }
}

/** Changes a JSON file of a folder. */
const edit =
  (file: string, change: (json: Record<string, unknown>) => unknown) =>
  async (folder: string): Promise<void> => {
    const path = join(folder, file);
    const json = JSON.parse(await Deno.readTextFile(path));
    await Deno.writeTextFile(path, JSON.stringify(change(json)));
  };

Deno.test("ModelStore.add() refuses a tokenizer that no text can be encoded with", async () => {
  const vocab = (change: (vocab: Record<string, number>) => unknown) =>
    edit("tokenizer.json", (json) => {
      const model = json["model"] as Record<string, unknown>;
      return { ...json, model: { ...model, vocab: change(model["vocab"] as never) } };
    });
  assert.match(await refused(vocab(() => ({}))), /has no tokens for .* empty or incomplete/);
  assert.match(
    await refused(edit("tokenizer.json", (json) => ({ ...json, model: { type: "Odd" } }))),
    /tokenizer.json cannot be used/,
  );
  assert.match(await refused(edit("tokenizer.json", () => ({}))), /tokenizer.json cannot be used/);
  assert.match(
    await refused(vocab((all) => ({ ...all, "zzzz": 4000 }))),
    /has tokens up to id 4000, the model has rows for ids up to 287/,
  );
});

Deno.test("ModelStore.add() refuses a chat template that cannot be read", async () => {
  const template = (text: string) => (folder: string) =>
    Deno.writeTextFile(join(folder, "chat_template.jinja"), text);
  assert.match(
    await refused(template("{% for m in messages %}{{ m.content }")),
    /chat template \(default\) cannot be read/,
  );
  assert.equal(await refused(template("{{ raise_exception('no') }}")), "");
});

Deno.test("ModelStore.add() refuses layers that config.json leaves out", async () => {
  assert.match(
    await refused(edit("config.json", (json) => ({ ...json, num_hidden_layers: 1 }))),
    /has tensor model\.layers\.1\..*, but its config\.json says num_hidden_layers 1/,
  );
  // Such layers only predict further tokens.
  const predicting = { num_hidden_layers: 1, num_nextn_predict_layers: 1 };
  assert.equal(await refused(edit("config.json", (json) => ({ ...json, ...predicting }))), "");
});

Deno.test("ModelStore.add() takes a context of any length for one of 2^20 rows", async () => {
  const dir = await Deno.makeTempDir({ prefix: "orrery-texts-" });
  try {
    const folder = join(dir, "model");
    await writeTinyCheckpoint(folder, { layers: 1, context: 1e9 });
    const { manifest } = await (await ModelStore.open(join(dir, "store"))).add(folder);
    assert.equal(manifest.geometry.context, 2 ** 20);
  } finally {
    await Deno.remove(dir, { recursive: true });
  }
});

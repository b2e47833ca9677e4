/**
 * Quantised checkpoints as people publish them: the values of each format are those that Python
 * wrote (`fixtures/make_packed.py`), and what a layout of ours can hold is stored without rounding.
 */
import assert from "node:assert/strict";
import { join } from "node:path";
import { describe } from "../models/arch/mod.ts";
import { type Group, ModelStore, type Precision } from "../models/mod.ts";
import { Checkpoint } from "../models/sources/mod.ts";
import { readSafetensors } from "./support/read_safetensors.ts";
import { inFolder } from "./support/store_folder.ts";
import { readStoredTensor } from "./support/stored_weights.ts";
import { trimTokenizer, writeTinyCheckpoint } from "./support/tiny_checkpoint.ts";

/** Another folder of such checkpoints, for searches: `make_packed.py --odd --into FOLDER`. */
const FOLDER = Deno.env.get("ORRERY_TEST_PACKED") ??
  join(import.meta.dirname!, "fixtures", "packed");

/** The packed tensors of each checkpoint, key in the store -> name. */
const PACKED = {
  "attn.q": "model.layers.0.self_attn.q_proj.weight",
  "mlp.gate": "model.layers.0.mlp.gate_proj.weight",
  "mlp.down": "model.layers.0.mlp.down_proj.weight",
};

/** Formats whose values a precision holds exactly; others are rounded. */
const EXACT: Record<string, Precision[]> = {
  gptq: ["q4", "q4m", "q8"],
  gptq_asymmetric: ["q4", "q4m", "q8"],
  awq: ["q4", "q4m", "q8"],
  ct_int4: ["q4", "q4m", "q8"],
  ct_int4_rows: ["q4", "q4m", "q8"],
  gptq_8_bits: ["q8"],
  ct_int8: ["q8"],
};

const names = [...Deno.readDirSync(FOLDER)].map(({ name }) => name).sort();

async function open(name: string) {
  const file = join(FOLDER, name, "config.json");
  const { geometry, architecture, packing } = describe(
    JSON.parse(await Deno.readTextFile(file)),
    file,
  );
  const specs = architecture.tensors(geometry).layers[0];
  return { specs, source: await Checkpoint.open(join(FOLDER, name), { packing }) };
}

for (const name of names) {
  Deno.test(`Checkpoint.read() gives the values of ${name}, whole and in pieces`, async () => {
    const expected = await readSafetensors(join(FOLDER, name, "expected.safetensors"));
    const { specs, source } = await open(name);
    await using _ = source;
    for (const [key, tensor] of Object.entries(PACKED)) {
      const { shape } = specs.find((spec) => spec.key === key)!;
      const values = expected(tensor);
      for (const { pieceBytes, firstRow } of [{}, { pieceBytes: 1 }, { firstRow: 5 }] as const) {
        const read = new Float32Array(values.length);
        for await (const piece of source.read(tensor, shape, { pieceBytes, firstRow })) {
          read.set(piece.values, piece.firstRow * shape[1]);
        }
        const from = (firstRow ?? 0) * shape[1];
        assert.deepEqual(read.subarray(from), values.subarray(from), tensor);
      }
    }
  });

  Deno.test(`ModelStore.add() keeps what ${name} holds`, () =>
    inFolder(async (dir) => {
      const folder = join(dir, name);
      await Deno.mkdir(folder);
      for (const file of ["config.json", "model.safetensors"]) {
        await Deno.copyFile(join(FOLDER, name, file), join(folder, file));
      }
      const { dir: tokenizer } = await writeTinyCheckpoint(join(dir, "tokenizer"), { layers: 1 });
      await Deno.copyFile(join(tokenizer, "tokenizer.json"), join(folder, "tokenizer.json"));
      await trimTokenizer(folder, 40);
      const store = await ModelStore.open(join(dir, "store"));
      const expected = await readSafetensors(join(FOLDER, name, "expected.safetensors"));
      const errors: Record<string, number> = {};
      for (const precision of ["f32", "q8", "q4m", "q4", undefined] as const) {
        const model = await store.add(folder, { name: `at-${precision}`, precision });
        const group: Group = model.manifest.layers[0];
        errors[`${precision}`] = Math.max(
          ...await Promise.all(
            Object.entries(PACKED).map(async ([key, tensor]) =>
              farthest(await readStoredTensor(model, group, key), expected(tensor))
            ),
          ),
        );
      }
      assert.equal(errors["f32"], 0);
      for (const precision of EXACT[name] ?? []) assert.equal(errors[precision], 0, precision);
      // Where nobody names a precision it is one that keeps the values, or errs as q8 does.
      assert.ok(errors["undefined"] <= errors["q8"], JSON.stringify(errors));
      assert.ok(errors["undefined"] < 0.005, JSON.stringify(errors));
    }));
}

/** Largest difference of two arrays, as a share of the largest value of the second. */
function farthest(values: Float32Array, from: Float32Array): number {
  assert.equal(values.length, from.length);
  let most = 0, largest = 0;
  for (let i = 0; i < values.length; i++) {
    most = Math.max(most, Math.abs(values[i] - from[i]));
    largest = Math.max(largest, Math.abs(from[i]));
  }
  return most / largest;
}

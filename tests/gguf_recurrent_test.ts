/**
 * GGUF files of families with recurrent layers: each gives the logits and the greedy text of the
 * checkpoint that it was made of.
 */
import assert from "node:assert/strict";
import { join } from "node:path";
import { groupsOf, ModelStore } from "../models/mod.ts";
import { assertClose } from "./oracle/compare.ts";
import { cut, decode, prefill, readExpected } from "./support/architecture_fixtures.ts";
import {
  type Conversion,
  quantisedEntries,
  roundedGeometry,
  writeFixtureAsGguf,
} from "./support/gguf_converter.ts";
import { RECURRENT_CONVERSIONS } from "./support/gguf_recurrent_conversions.ts";
import { encodeGguf, type GgufEntry, type GgufField, ggufU32 } from "./support/gguf_writer.ts";
import "./support/open_library.ts";
import { inFolder } from "./support/store_folder.ts";

/** Of logits, as a share of the largest: decays go through an exponential, factors into weights. */
const TOLERANCE = 2e-5;
/** Files with factors in the weights, or of another class. */
const OTHER_GEOMETRY = /^(falcon_h1|granite4_dense)/;

for (const [name, how] of Object.entries(RECURRENT_CONVERSIONS)) {
  const { fixture = name } = how;
  Deno.test(`ModelStore.add() gives a GGUF file of ${name} its checkpoint's logits`, async () => {
    await inFolder(async (dir) => {
      const { folder, file } = await writeFixtureAsGguf(dir, fixture, how);
      const store = await ModelStore.open(join(dir, "store"));
      const expected = await readExpected(folder);
      const opened = async (source: string, name: string) => {
        const { manifest, blobsDir: blobDir } = await store.add(source, { precision: "f32", name });
        return { manifest, blobDir, expected };
      };
      const [mine, theirs] = [await opened(file, "file"), await opened(folder, "folder")];
      const ranges = cut(mine.manifest.geometry.layers, 0);
      const logits = await prefill(mine, ranges, 7);
      assertClose(logits, await prefill(theirs, ranges, 7), TOLERANCE, "logits");
      if (!how.config) assert.deepEqual((await decode(mine, ranges)).greedy, expected.greedy);
      if (OTHER_GEOMETRY.test(name)) return;
      assert.deepEqual(
        roundedGeometry(mine.manifest.geometry),
        roundedGeometry(theirs.manifest.geometry),
      );
    });
  });
}

/** A file of a fixture that is written again with other entries or metadata. */
async function rewritten(
  fixture: string,
  use: (given: {
    dir: string;
    file: string;
    entries: GgufEntry[];
    metadata: Record<string, GgufField>;
  }) => Promise<void>,
  how: Conversion = RECURRENT_CONVERSIONS[fixture],
): Promise<void> {
  await inFolder(async (dir) => {
    await use({ dir, ...await writeFixtureAsGguf(dir, fixture, how) });
  });
}

/** Asserts that a file of these tensors gives the same blobs as the one that is there. */
async function assertSameBlobs(
  { dir, file }: { dir: string; file: string },
  metadata: Record<string, GgufField>,
  entries: GgufEntry[],
): Promise<void> {
  const store = await ModelStore.open(join(dir, "store"));
  const add = async (name: string) => (await store.add(file, { precision: "f32", name })).manifest;
  const theirs = await add("theirs");
  await Deno.writeFile(file, encodeGguf(metadata, entries));
  const mine = await add("mine");
  assert.deepEqual(mine.geometry, theirs.geometry);
  assert.deepEqual(groupsOf(mine), groupsOf(theirs));
}

Deno.test("ModelStore.add() leaves out layers of Qwen 3.5 that only predict further tokens", async () => {
  await rewritten("qwen3_5", async ({ dir, file, entries, metadata }) => {
    const block = entries.filter(({ name }) => name.startsWith("blk.3."));
    const predicting = block.map((entry) => ({ ...entry, name: entry.name.replace("3", "4") }));
    const more = {
      ...metadata,
      "qwen35.block_count": ggufU32(5),
      "qwen35.nextn_predict_layers": ggufU32(1),
    };
    await assertSameBlobs({ dir, file }, more, [...entries, ...predicting]);
  });
});

Deno.test("ModelStore.add() finds gate and up of experts that lie in one tensor", async () => {
  await rewritten("qwen3_next", async ({ dir, file, entries, metadata }) => {
    const fused = entries.flatMap((entry): GgufEntry[] => {
      if (entry.name.includes("ffn_up_exps")) return [];
      if (!entry.name.includes("ffn_gate_exps")) return [entry];
      const up = entries.find(({ name }) => name === entry.name.replace("gate", "up"))!;
      const [experts, rows, columns] = entry.shape;
      const bytes = entry.data.length / experts;
      const data = Array.from(
        { length: experts },
        (_, e) =>
          [entry, up].flatMap((half) => [...half.data.subarray(e * bytes, (e + 1) * bytes)]),
      ).flat();
      const name = entry.name.replace("gate", "gate_up");
      return [{ ...entry, name, shape: [experts, 2 * rows, columns], data: Uint8Array.from(data) }];
    });
    await assertSameBlobs({ dir, file }, metadata, fused);
  });
});

for (const fixture of ["granite4_states", "falcon_h1", "qwen3_next", "qwen3_5"]) {
  Deno.test(`ModelStore.add() reads Q8_0 in a GGUF file of ${fixture}`, async () => {
    await rewritten(fixture, async ({ dir, file, entries, metadata }) => {
      const { quantised, rounded } = quantisedEntries(entries, "Q8_0");
      const store = await ModelStore.open(join(dir, "store"));
      const add = async (all: GgufEntry[], name: string) => {
        await Deno.writeFile(file, encodeGguf(metadata, all));
        return (await store.add(file, { precision: "f32", name })).manifest;
      };
      const [mine, theirs] = [await add(quantised, "q8"), await add(rounded, "f32")];
      assert.deepEqual(mine.layers, theirs.layers);
      assert.deepEqual(mine.embedding, theirs.embedding);
    });
  });
}

/** Faulty files: what is changed in one of a fixture, and what the error says. */
const FAULTS: {
  what: string;
  fixture: string;
  code: string;
  says: RegExp;
  change: (metadata: Record<string, GgufField>, entries: GgufEntry[]) => GgufEntry[] | void;
}[] = [
  {
    what: "does not say how long states are",
    fixture: "granite4_states",
    code: "gguf_malformed",
    says: /it has no granitehybrid\.ssm\.state_size/,
    change: (metadata) => void delete metadata["granitehybrid.ssm.state_size"],
  },
  {
    what: "has states that are no whole heads",
    fixture: "qwen3_5",
    code: "gguf_malformed",
    says: /qwen35\.ssm\.inner_size 33 is no multiple of ssm\.time_step_rank 4/,
    change: (metadata) => void (metadata["qwen35.ssm.inner_size"] = ggufU32(33)),
  },
  {
    what: "has value heads that are no multiple of its key heads",
    fixture: "qwen3_5",
    code: "feature_unsupported",
    says: /linear_num_key_heads 3 \(supported: a divisor of 4 value heads\)/,
    change: (metadata) => void (metadata["qwen35.ssm.group_count"] = ggufU32(3)),
  },
  {
    what: "says of too few layers whether they have attention",
    fixture: "bamba",
    code: "gguf_malformed",
    says: /attention\.head_count_kv is no number for each of 2 layers/,
    change: (metadata) =>
      void (metadata["granitehybrid.attention.head_count_kv"] = { type: "u32", value: [2] }),
  },
  {
    what: "says of too few layers whether they are recurrent",
    fixture: "qwen3_next",
    code: "gguf_malformed",
    says: /recurrent_layers does not say true or false for each of 3 layers/,
    change: (metadata) =>
      void (metadata["qwen3next.attention.recurrent_layers"] = { type: "bool", value: [true] }),
  },
  {
    what: "has no scale of scores, which only Bamba lacks, and does not rotate",
    fixture: "granite4_states",
    code: "gguf_malformed",
    says: /it has no granitehybrid\.attention\.scale/,
    change: (metadata) => void delete metadata["granitehybrid.attention.scale"],
  },
  {
    what: "has decays that grow",
    fixture: "bamba",
    code: "gguf_malformed",
    says: /tensor blk\.0\.ssm_a: its value 1 is not below 0/,
    change: (_, entries) => {
      const decays = entries.find(({ name }) => name === "blk.0.ssm_a")!;
      new Float32Array(decays.data.buffer).fill(1);
    },
  },
  {
    what: "has no state tensors",
    fixture: "falcon_h1",
    code: "tensor_missing",
    says: /no tensor blk\.1\.ssm_in\.weight/,
    change: (_, entries) => entries.filter(({ name }) => name !== "blk.1.ssm_in.weight"),
  },
  {
    what: "has gains of another length",
    fixture: "bamba",
    code: "tensor_shape",
    says: /tensor blk\.0\.ssm_norm\.weight: shape is \[32\] where the metadata call for \[64\]/,
    change: (_, entries) =>
      entries.map((entry) =>
        entry.name.endsWith("ssm_norm.weight")
          ? { ...entry, shape: [1, 32], data: entry.data.slice(0, 128) }
          : entry
      ),
  },
  {
    what: "is a Falcon H1 without an LM head",
    fixture: "falcon_h1",
    code: "feature_unsupported",
    says: /Falcon H1 without an LM head of its own/,
    change: (_, entries) => entries.filter(({ name }) => name !== "output.weight"),
  },
];

for (const { what, fixture, code, says, change } of FAULTS) {
  Deno.test(`ModelStore.add() refuses a GGUF file of ${fixture} that ${what}`, async () => {
    await rewritten(fixture, async ({ dir, file, entries, metadata }) => {
      const changed = change(metadata, entries) ?? entries;
      await Deno.writeFile(file, encodeGguf(metadata, changed));
      const store = await ModelStore.open(join(dir, "store"));
      await assert.rejects(store.add(file, { precision: "f32" }), (error: unknown) => {
        assert.ok(error instanceof Error);
        assert.match(error.message, says);
        assert.equal((error as Error & { code?: string }).code, code);
        return true;
      });
    });
  });
}

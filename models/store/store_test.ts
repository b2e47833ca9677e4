import assert from "node:assert/strict";
import { basename, join } from "node:path";
import { type TinyCheckpoint, writeTinyCheckpoint } from "../../tests/support/tiny_checkpoint.ts";
import { inFolder, leftovers } from "../../tests/support/store_folder.ts";
import { readStoredTensor } from "../../tests/support/stored_weights.ts";
import { assertClose } from "../../tests/oracle/compare.ts";
import { oracleForward, storedTensors } from "../../tests/oracle/llama.ts";
import { StageChain } from "../../tests/oracle/stages.ts";
import {
  BLOCK,
  buildStageGraph,
  endFormatFor,
  formatFor,
  groupsOf,
  headBounds,
  LLAMA_TENSORS,
  ModelStore,
  type Precision,
  PRECISIONS,
} from "../mod.ts";

/** Root mean square error relative to the source's root mean square. */
function relativeError(stored: Float32Array, source: Float32Array): number {
  let error = 0, square = 0;
  for (let i = 0; i < source.length; i++) {
    error += (stored[i] - source[i]) ** 2;
    square += source[i] ** 2;
  }
  return Math.sqrt(error / square);
}

/**
 * Tolerances of {@linkcode relativeError}; normally distributed weights come to about 0.077 (block
 * 32) or 0.095 (block 128) at q4 and 0.005 or 0.006 at q8.
 */
const TOLERANCE: Record<Precision, number> = {
  f32: 0,
  f16: 3e-4,
  q8: 0.007,
  q4m: 0.082,
  q4: 0.082,
};
/** The same of a block above 32. */
const WIDE_TOLERANCE = { ...TOLERANCE, q8: 0.008, q4m: 0.1, q4: 0.1 };

async function assertEqualsSource(
  store: ModelStore,
  source: TinyCheckpoint,
  precision: Precision,
): Promise<void> {
  const model = await store.add(source.dir, { precision, name: precision });
  const { manifest } = model;
  const expect = async (group: typeof manifest.head, key: string, name: string) => {
    const { shape, values } = source.tensors.get(name)!;
    const { format, block = BLOCK } = group.tensors[key];
    assert.deepEqual(group.tensors[key].shape, shape);
    const error = relativeError(await readStoredTensor(model, group, key), values);
    const tolerance = (block > BLOCK ? WIDE_TOLERANCE : TOLERANCE)[format];
    assert.ok(error <= tolerance, `${name} stored as ${format} is off by ${error}`);
    assert.equal(format === "f32" || precision !== "f32", true);
  };
  await expect(manifest.embedding, "embed", "model.embed_tokens.weight");
  for (const [index, group] of manifest.layers.entries()) {
    for (const [key, name] of Object.entries(LLAMA_TENSORS.layer)) {
      await expect(group, key, `model.layers.${index}.${name}`);
      if (key.endsWith("norm")) assert.equal(group.tensors[key].format, "f32");
      else {assert.equal(
          group.tensors[key].format,
          formatFor(key, group.tensors[key].shape, precision),
        );}
    }
  }
  await expect(manifest.head, "norm", "model.norm.weight");
  const lmHead = source.tensors.get("lm_head.weight") ??
    source.tensors.get("model.embed_tokens.weight")!;
  const bounds = headBounds(manifest.geometry.vocab);
  for (const [part, group] of manifest.head_parts!.entries()) {
    const [from, to] = [bounds[part], bounds[part + 1]];
    const { shape, format } = group.tensors["lm_head"];
    assert.deepEqual(shape, [to - from, lmHead.shape[1]]);
    const rows = lmHead.values.slice(from * shape[1], to * shape[1]);
    const error = relativeError(await readStoredTensor(model, group, "lm_head"), rows);
    assert.ok(error <= TOLERANCE[format], `part ${part} stored as ${format} is off by ${error}`);
  }
  const vocabulary = endFormatFor(precision);
  assert.equal(manifest.embedding.tensors["embed"].format, vocabulary);
  assert.equal(manifest.head_parts![7].tensors["lm_head"].format, vocabulary);
  for (const group of groupsOf(manifest)) {
    for (const { data, scales, zeros } of Object.values(group.tensors)) {
      for (const part of [data, scales, zeros]) {
        if (!part) continue;
        assert.equal(part.offset % (part.bytes > 4096 ? 4096 : 64), 0);
      }
    }
  }
}

for (const precision of PRECISIONS) {
  Deno.test(`ModelStore.add() at ${precision} keeps every weight within the tolerance`, async () => {
    await inFolder(async (dir) => {
      const store = await ModelStore.open(join(dir, "store"));
      const source = await writeTinyCheckpoint(join(dir, "model"), {
        layers: 2,
        dtype: "bf16",
        shards: 3,
        tied: false,
      });
      await assertEqualsSource(store, source, precision);
    });
  });

  Deno.test(`ModelStore.add() at ${precision} pads inputs that are no multiple of 32`, async () => {
    await inFolder(async (dir) => {
      const store = await ModelStore.open(join(dir, "store"));
      const source = await writeTinyCheckpoint(join(dir, "model"), {
        layers: 1,
        hidden: 48,
        heads: 3,
        kvHeads: 1,
        intermediate: 72,
        dtype: "f16",
      });
      await assertEqualsSource(store, source, precision);
    });
  });
}

Deno.test("ModelStore.add() converts the same source with the same settings only once", async () => {
  await inFolder(async (dir) => {
    const store = await ModelStore.open(join(dir, "store"));
    await writeTinyCheckpoint(join(dir, "model"));
    const first = await store.add(join(dir, "model"), { name: "a" });
    const path = store.blobs.path(first.manifest.layers[0].sha256);
    await Deno.utime(path, 1000, 1000);
    const second = await store.add(join(dir, "model"), { name: "b" });
    assert.deepEqual(second.manifest, { ...first.manifest, name: "b" });
    assert.equal((await Deno.stat(path)).mtime?.getTime(), 1000 * 1000);
    assert.deepEqual((await store.list()).map(({ manifest }) => manifest.name), ["a", "b"]);
  });
});

Deno.test("ModelStore.add() goes on after an interruption and leaves no partial blob", async () => {
  await inFolder(async (dir) => {
    const store = await ModelStore.open(join(dir, "store"));
    await writeTinyCheckpoint(join(dir, "model"));
    const abort = new AbortController();
    const onProgress = ({ group }: { group: string }) => group === "layer 2" && abort.abort();
    await assert.rejects(store.add(join(dir, "model"), { onProgress, signal: abort.signal }), {
      name: "AbortError",
    });
    const kept = (await leftovers(store)).filter((name) => !name.endsWith(".json"));
    assert.equal(kept.length, 3);
    const inodes = await Promise.all(
      kept.map(async (sha) => (await Deno.stat(store.blobs.path(sha))).ino),
    );
    const model = await store.add(join(dir, "model"));
    assert.deepEqual(
      await Promise.all(kept.map(async (sha) => (await Deno.stat(store.blobs.path(sha))).ino)),
      inodes,
    );
    assert.deepEqual(await store.verify(model.manifest.name), []);
  });
});

Deno.test("ModelStore.add() without keepUnfinished leaves nothing of an interrupted conversion", async () => {
  await inFolder(async (dir) => {
    const store = await ModelStore.open(join(dir, "store"));
    await writeTinyCheckpoint(join(dir, "model"));
    const abort = new AbortController();
    const onProgress = ({ group }: { group: string }) => group === "layer 2" && abort.abort();
    const options = { onProgress, signal: abort.signal, keepUnfinished: false };
    await assert.rejects(store.add(join(dir, "model"), options), { name: "AbortError" });
    assert.deepEqual(await leftovers(store), []);
  });
});

Deno.test("ModelStore.add() gives the same model to two callers at once", async () => {
  await inFolder(async (dir) => {
    await writeTinyCheckpoint(join(dir, "model"));
    const stores = [
      await ModelStore.open(join(dir, "store")),
      await ModelStore.open(join(dir, "store")),
    ];
    const models = await Promise.all(stores.map((store) => store.add(join(dir, "model"))));
    assert.deepEqual(models[0].manifest, models[1].manifest);
    assert.deepEqual(await stores[0].verify(models[0].manifest.name), []);
  });
});

Deno.test("ModelStore.remove() keeps the blobs of other models", async () => {
  await inFolder(async (dir) => {
    const store = await ModelStore.open(join(dir, "store"));
    await writeTinyCheckpoint(join(dir, "model"));
    await store.add(join(dir, "model"), { name: "a" });
    await store.add(join(dir, "model"), { name: "b" });
    await store.remove("a");
    assert.deepEqual(await store.verify("b"), []);
    await assert.rejects(store.get("a"), { code: "model_not_found" });
    await store.remove("b");
    assert.deepEqual(await leftovers(store), []);
  });
});

Deno.test("ModelStore.remove() deletes stage graphs and tables that no other model uses", async () => {
  await inFolder(async (dir) => {
    const store = await ModelStore.open(join(dir, "store"));
    await writeTinyCheckpoint(join(dir, "model"));
    const graphOf = async (name: string, precision: Precision) => {
      const { manifest, blobsDir } = await store.add(join(dir, "model"), { name, precision });
      return await buildStageGraph(manifest, { firstLayer: 0, lastLayer: 3, blobDir: blobsDir });
    };
    const [one, other] = [await graphOf("one", "q4"), await graphOf("other", "q8")];
    const names = async () =>
      (await leftovers(store)).filter((name) => /^(stage|rope)-/.test(name));
    assert.equal((await names()).length, 3); // both rotate by the same table
    const table = (await names()).find((name) => name.startsWith("rope-"))!;
    await Deno.utime(join(store.blobs.dir, table), 1000, 1000);
    await store.remove("one");
    assert.deepEqual((await names()).sort(), [table, basename(other.path)].sort());
    await assert.rejects(Deno.stat(one.path), Deno.errors.NotFound);
    await store.remove("other");
    assert.deepEqual(await leftovers(store), []);
  });
});

Deno.test("ModelStore.remove() keeps a table that was just written, whose graph may follow", async () => {
  await inFolder(async (dir) => {
    const store = await ModelStore.open(join(dir, "store"));
    await writeTinyCheckpoint(join(dir, "model"));
    await store.add(join(dir, "model"), { name: "a" });
    const table = `rope-${"0".repeat(32)}`;
    await Deno.writeTextFile(join(store.blobs.dir, table), "");
    await store.remove("a");
    assert.deepEqual(await leftovers(store), [table]);
  });
});

Deno.test("ModelStore.entries() lists a model with a malformed manifest, which can be removed", async () => {
  await inFolder(async (dir) => {
    const store = await ModelStore.open(join(dir, "store"));
    await writeTinyCheckpoint(join(dir, "model"));
    await store.add(join(dir, "model"), { name: "whole", precision: "q8" });
    await store.add(join(dir, "model"), { name: "broken" });
    const path = join(store.dir, "models", "broken", "manifest.json");
    await Deno.writeTextFile(
      path,
      (await Deno.readTextFile(path)).replace('"version": 1', '"version": 7'),
    );
    const entries = await store.entries();
    assert.deepEqual(entries.map(({ state, name }) => [state, name]), [["broken", "broken"], [
      "ok",
      "whole",
    ]]);
    assert.match(
      entries[0].state === "broken" ? entries[0].reason : "",
      /manifest\.json: version: .*add the model again/,
    );
    assert.deepEqual((await store.list()).map(({ manifest }) => manifest.name), ["whole"]);
    await assert.rejects(store.get("broken"), { code: "manifest_malformed" });
    const blobs = (await leftovers(store)).length;
    await store.remove("broken");
    assert.deepEqual(await store.verify("whole"), []);
    assert.ok((await leftovers(store)).length < blobs);
    await store.remove("whole");
    assert.deepEqual(await leftovers(store), []);
  });
});

Deno.test("ModelStore.remove() keeps the blobs that a malformed manifest of another model names", async () => {
  await inFolder(async (dir) => {
    const store = await ModelStore.open(join(dir, "store"));
    await writeTinyCheckpoint(join(dir, "model"));
    const { manifest } = await store.add(join(dir, "model"), { name: "a" });
    await store.add(join(dir, "model"), { name: "b" });
    const path = join(store.dir, "models", "b", "manifest.json");
    const text = await Deno.readTextFile(path);
    await Deno.writeTextFile(path, text.slice(0, -3));
    await store.remove("a");
    await Deno.writeTextFile(path, text);
    assert.deepEqual(await store.verify("b"), []);
    assert.equal((await store.get("b")).manifest.source, manifest.source);
  });
});

Deno.test("ModelStore.add() says how many bytes a full disk lacks, before it writes any", async () => {
  await inFolder(async (dir) => {
    const store = await ModelStore.open(join(dir, "store"), {
      freeBytes: () => Promise.resolve(1000),
    });
    await writeTinyCheckpoint(join(dir, "model"));
    await assert.rejects(
      store.add(join(dir, "model")),
      (error: { code: string; message: string; metadata: Record<string, number> }) => {
        assert.equal(error.code, "disk_full");
        const { needed, free } = error.metadata;
        assert.equal(free, 1000);
        assert.ok(needed > 100_000, `${needed}`);
        assert.ok(
          error.message.includes(
            `has 1000 bytes free, up to ${needed} are needed: ${needed - 1000} more`,
          ),
        );
        return true;
      },
    );
    assert.deepEqual(await leftovers(store), []);
  });
});

Deno.test("ModelStore.add() asks for no disk space when all is converted already", async () => {
  await inFolder(async (dir) => {
    await writeTinyCheckpoint(join(dir, "model"));
    await (await ModelStore.open(join(dir, "store"))).add(join(dir, "model"), { name: "a" });
    const full = await ModelStore.open(join(dir, "store"), { freeBytes: () => Promise.resolve(0) });
    assert.equal((await full.add(join(dir, "model"), { name: "b" })).manifest.name, "b");
  });
});

Deno.test("ModelStore.add() needs no more disk space than it announces, at every precision", async () => {
  await inFolder(async (dir) => {
    await writeTinyCheckpoint(join(dir, "model"), { vocab: 2000, tied: false });
    for (const precision of PRECISIONS) {
      let needed = 0;
      const probe = await ModelStore.open(join(dir, precision), {
        freeBytes: () => Promise.resolve(0),
      });
      await assert.rejects(
        probe.add(join(dir, "model"), { precision }),
        ({ metadata }: { metadata: { needed: number } }) => (needed = metadata.needed) > 0,
      );
      const store = await ModelStore.open(join(dir, precision));
      const { manifest } = await store.add(join(dir, "model"), { precision });
      const groups = groupsOf(manifest);
      const written = groups.reduce((sum, { bytes }) => sum + bytes, 0);
      const announced = needed - (32 << 20);
      assert.ok(
        written <= announced && announced < written * 1.5 + 400_000,
        `${written} of ${announced}`,
      );
    }
  });
});

Deno.test("ModelStore.add() stores and runs embedding and LM head at the precision asked for", async () => {
  await inFolder(async (dir) => {
    const store = await ModelStore.open(join(dir, "store"));
    await writeTinyCheckpoint(join(dir, "model"), {
      tied: false,
      hidden: 80,
      heads: 5,
      kvHeads: 1,
    });
    const sources = new Set<string>();
    for (
      const [embeddingPrecision, headPrecision] of [["q4", "f16"], ["f32", "q4"], [
        undefined,
        "q4",
      ]] as const
    ) {
      const name = `${embeddingPrecision}-${headPrecision}`;
      const options = { name, precision: "q4", embeddingPrecision, headPrecision } as const;
      const { manifest, blobsDir } = await store.add(join(dir, "model"), options);
      assert.equal(manifest.embedding.tensors["embed"].format, embeddingPrecision ?? "q8");
      assert.equal(manifest.head_parts![3].tensors["lm_head"].format, headPrecision);
      assert.equal(manifest.layers[0].tensors["attn.q"].format, "q4");
      sources.add(manifest.source);
      const rows = [7, 8, 9].map((token, i) => ({ token, position: i, parent: i - 1 }));
      const reference = oracleForward(
        manifest.geometry,
        await storedTensors(manifest, blobsDir),
        rows,
      );
      await using chain = await StageChain.open(manifest, [[0, 3]], {
        blobDir: blobsDir,
        capacity: 8,
        accuracyLevel: 1,
      });
      const { logits } = await chain.run(rows, [0, 1, 2]);
      assertClose(logits, reference.logits, 1e-5, `logits of ${name}`);
    }
    assert.equal(sources.size, 3);
  });
});

Deno.test("ModelStore.add() stores and runs blocks of the size asked for, or of the default one", async () => {
  await inFolder(async (dir) => {
    const store = await ModelStore.open(join(dir, "store"));
    await writeTinyCheckpoint(join(dir, "model"), {
      tied: false,
      hidden: 128,
      heads: 4,
      kvHeads: 2,
      intermediate: 192,
      layers: 2,
    });
    const sources = new Set<string>();
    for (const block of [undefined, 16, 64, 128] as const) {
      for (const precision of ["q4", "q8"] as const) {
        const name = `${precision}-${block}`;
        const { manifest, blobsDir } = await store.add(join(dir, "model"), {
          name,
          precision,
          block,
        });
        const { "attn.q": q, "mlp.up": up, "mlp.down": down } = manifest.layers[1].tensors;
        const stored = [q, up, down, manifest.head_parts![3].tensors["lm_head"]].map((entry) =>
          entry.block
        );
        assert.deepEqual(
          stored,
          block === undefined
            ? [precision === "q8" ? 128 : undefined, 128, 64, 128]
            : [block, block, block === 128 ? 64 : block, block],
        );
        sources.add(manifest.source);
        const rows = [7, 8, 9].map((token, i) => ({ token, position: i, parent: i - 1 }));
        const weights = await storedTensors(manifest, blobsDir);
        const reference = oracleForward(manifest.geometry, weights, rows);
        await using chain = await StageChain.open(manifest, [[0, 0], [1, 1]], {
          blobDir: blobsDir,
          capacity: 8,
          accuracyLevel: 1,
        });
        const { logits } = await chain.run(rows, [0, 1, 2]);
        assertClose(logits, reference.logits, 1e-5, `logits of ${name}`);
      }
    }
    assert.equal(sources.size, 8);
  });
});

Deno.test("ModelStore.verify() finds a changed and a missing blob", async () => {
  await inFolder(async (dir) => {
    const store = await ModelStore.open(join(dir, "store"));
    await writeTinyCheckpoint(join(dir, "model"));
    const { manifest } = await store.add(join(dir, "model"), { name: "a" });
    const changed = store.blobs.path(manifest.layers[1].sha256);
    const bytes = await Deno.readFile(changed);
    bytes[100] ^= 1;
    await Deno.writeFile(changed, bytes);
    const [, part] = manifest.head_parts!;
    await Deno.remove(store.blobs.path(part.sha256));
    assert.deepEqual(await store.verify("a"), [
      { sha256: manifest.layers[1].sha256, role: "layer 1", problem: "changed" },
      { sha256: part.sha256, role: "head part 1", problem: "missing" },
    ]);
  });
});

Deno.test("ModelStore.get() refuses a name that leaves the store's folder", async () => {
  await inFolder(async (dir) => {
    const store = await ModelStore.open(dir);
    await assert.rejects(store.get("../x"), { code: "model_name" });
  });
});

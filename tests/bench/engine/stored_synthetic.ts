/**
 * Puts a model with random weights into a model store, as if it had been converted.
 *
 * @module
 */
import { createHash } from "node:crypto";
import { mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { type Geometry, groupsOf, type ModelStore } from "../../../models/mod.ts";
import { writeTexts } from "../models/random_checkpoint.ts";
import { syntheticModel } from "./synthetic.ts";

const FILES = ["tokenizer.json", "tokenizer_config.json", "generation_config.json"];

/**
 * Stores a q4 model of this shape with the embedded model's tokenizer, filled up to its vocabulary.
 * Returns its bytes and the number of its weights.
 */
export async function storeSynthetic(
  store: ModelStore,
  name: string,
  geometry: Geometry,
): Promise<{ bytes: number; parameters: number }> {
  const { dir } = store.blobs;
  const manifest = await syntheticModel(geometry, dir);
  const texts = await mkdtemp(join(tmpdir(), "orrery-texts-"));
  const files: Record<string, string> = {};
  try {
    await writeTexts(texts, geometry.vocab);
    for (const file of FILES) {
      const bytes = await readFile(join(texts, file));
      files[file] = createHash("sha256").update(bytes).digest("hex");
      await writeFile(join(dir, files[file]), bytes);
    }
  } finally {
    await rm(texts, { recursive: true });
  }
  await store.writeManifest({ ...manifest, name, files });
  const groups = groupsOf(manifest);
  return {
    bytes: groups.reduce((sum, group) => sum + group.bytes, 0),
    parameters: groups.flatMap(({ tensors }) => Object.values(tensors))
      .reduce((sum, { shape }) => sum + shape.reduce((a, b) => a * b, 1), 0),
  };
}

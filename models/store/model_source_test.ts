import assert from "node:assert/strict";
import { join } from "node:path";
import { writeTinyCheckpoint } from "../../tests/support/tiny_checkpoint.ts";
import { openModelSource } from "./model_source.ts";

Deno.test("openModelSource() does not tie a head that differs from the embedding", async () => {
  const dir = await Deno.makeTempDir({ prefix: "orrery-source-" });
  try {
    const tied = async (name: string, options: { tied: boolean }) => {
      const folder = join(dir, name);
      await writeTinyCheckpoint(folder, {
        layers: 1,
        ...options,
        config: { tie_word_embeddings: true },
      });
      await using source = await openModelSource(folder);
      return source.described.geometry.tied_embeddings;
    };
    assert.equal(await tied("same", { tied: true }), true);
    assert.equal(await tied("other", { tied: false }), false);
  } finally {
    await Deno.remove(dir, { recursive: true });
  }
});

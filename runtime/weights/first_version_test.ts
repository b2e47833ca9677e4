import assert from "node:assert/strict";
import { OrreryError } from "../../actors/mod.ts";
import { holdingsByBytes } from "./first_version.ts";

Deno.test("holdingsByBytes() finds what is there, and how long it is, by single bytes", async () => {
  const sizes: Record<string, number> = { a: 1_234_567, b: 1, empty: 0, stated: 9, short: 8 };
  const asked = [..."ab", "empty", "gone"].map((sha256) => ({ sha256, role: sha256 }));
  const stated = ["stated", "short", "gone"].map((sha256) => ({ sha256, role: sha256, bytes: 9 }));
  const found = await holdingsByBytes([...asked, ...stated], (sha256, offset) => {
    if (sha256 === "gone") {
      return Promise.reject(
        new OrreryError({ group: "model", code: "blob_missing", message: "not here" }),
      );
    }
    return Promise.resolve(offset < sizes[sha256]);
  });
  assert.deepEqual(found.map(({ sha256, bytes }) => [sha256, bytes]), [
    ["a", 1_234_567],
    ["b", 1],
    ["empty", 0],
    ["stated", 9],
  ]);
});

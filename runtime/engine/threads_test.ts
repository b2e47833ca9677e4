import assert from "node:assert/strict";
import { usualThreads } from "./threads.ts";

Deno.test("usualThreads() gives a small stage one thread and a large one every core", () => {
  assert.equal(usualThreads(64 * 2 ** 20 - 1), 1);
  assert.equal(usualThreads(64 * 2 ** 20), navigator.hardwareConcurrency);
});

import assert from "node:assert/strict";
import { address, parseAddress } from "./address.ts";
import { hasCode } from "./errors.ts";

Deno.test("parseAddress() splits what address() built", () => {
  const to = address("d1", "stage", "den:8421:1f3a~0");
  assert.deepEqual(parseAddress(to), { deployment: "d1", kind: "stage", key: "den:8421:1f3a~0" });
});

Deno.test("address() and parseAddress() refuse parts that are empty, too long or have other characters", () => {
  for (const part of ["", "a b", "a/b", "é", "x".repeat(129)]) {
    assert.throws(() => address("d", "k", part), (e) => hasCode(e, "invalid_address"), part);
  }
  for (const text of ["", "a", "a/b", "a/b/c/d", "a//c", "a/b/c d"]) {
    assert.throws(() => parseAddress(text), (e) => hasCode(e, "invalid_address"), text);
  }
});

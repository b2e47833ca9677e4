import assert from "node:assert/strict";
import { isPathText } from "./path_text.ts";

Deno.test("isPathText() tells paths, of Windows too, from names in the store", () => {
  const paths = ["./x", "/x", "owner/name", "C:\\x", "c:x", "D:/x", "..\\x", "\\\\box\\share"];
  for (const text of paths) assert.equal(isPathText(text), true, text);
  for (const text of ["qwen", "Qwen2.5-0.5B", "a_b~1", "embedded"]) {
    assert.equal(isPathText(text), false, text);
  }
});

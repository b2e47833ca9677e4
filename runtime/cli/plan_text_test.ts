import assert from "node:assert/strict";
import { pieces } from "./plan_text.ts";

Deno.test("pieces() counts equal pieces that follow each other", () => {
  assert.equal(pieces([48, 48, 32, 48]), "176 rows in 4: 2 x 48, 32, 48");
  assert.equal(pieces([16]), "16 rows in 1: 16");
});

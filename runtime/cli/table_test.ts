import assert from "node:assert/strict";
import { table } from "./table.ts";

Deno.test("table() aligns columns, whatever the colours and the number of cells", () => {
  const bold = "\x1b[1mname\x1b[22m";
  assert.equal(
    table([[bold, "size"], ["a longer name", "1"], ["b"]]),
    `${bold}           size\na longer name  1\nb`,
  );
});

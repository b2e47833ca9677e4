import assert from "node:assert/strict";
import { freshAddress, nodeKey } from "./node_key.ts";

Deno.test("freshAddress() makes addresses that name their node, each once", () => {
  const [a, b] = [
    freshAddress("den:8421:1f3a", "generation"),
    freshAddress("den:8421:1f3a", "client"),
  ];
  assert.notEqual(nodeKey(a)!.id, nodeKey(b)!.id);
  assert.equal(nodeKey(a)!.node, "den:8421:1f3a");
  assert.match(a, /^default\/generation\//);
});

Deno.test("nodeKey() is undefined for keys that name no node", () => {
  for (const key of ["main", "0", "~x"]) assert.equal(nodeKey(`d/k/${key}`), undefined);
  assert.deepEqual(nodeKey("d/k/a~b~c"), { node: "a~b", id: "c" });
});

import assert from "node:assert/strict";
import { Fetches, fetchText } from "./fetches.ts";

Deno.test("fetchText() says bytes, share, speed and from how many nodes", () => {
  const report = { done_bytes: 120e6, total_bytes: 300e6, bytes_per_s: 25.4e6, peers: 2 };
  assert.equal(fetchText(report), "120 of 300 MB (40 %), 25 MB/s from 2 nodes");
  assert.equal(
    fetchText({ done_bytes: 1.44e6, total_bytes: 2e6, bytes_per_s: 0, peers: 1 }),
    "1.4 of 2.0 MB (72 %), 0.0 MB/s from 1 node",
  );
});

Deno.test("Fetches.text lists the nodes that still fetch", () => {
  const fetches = new Fetches();
  assert.equal(fetches.text, "");
  const report = { done_bytes: 1e6, total_bytes: 2e6, bytes_per_s: 5e5, peers: 1 };
  fetches.note({ node: "a", ...report });
  fetches.note({ node: "b", ...report, done_bytes: 2e6 });
  assert.equal(fetches.text, "; a has 1.0 of 2.0 MB (50 %), 0.5 MB/s from 1 node");
  fetches.clear();
  assert.equal(fetches.text, "");
});

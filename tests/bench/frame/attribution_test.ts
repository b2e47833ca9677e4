import assert from "node:assert/strict";
import { type Profile, shares } from "./attribution.ts";

/** A profile of these stacks, outermost function first, each met once for so many microseconds. */
function profileOf(stacks: { stack: [name: string, url: string][]; us: number }[]): Profile {
  const nodes: Profile["nodes"] = [];
  const samples: number[] = [];
  for (const { stack } of stacks) {
    stack.forEach(([functionName, url], i) => {
      const id = nodes.length + 1;
      nodes.push({
        id,
        callFrame: { functionName, url },
        ...(i < stack.length - 1 && { children: [id + 1] }),
      });
    });
    samples.push(nodes.length);
  }
  return { nodes, samples, timeDeltas: [0, ...stacks.map(({ us }) => us)] };
}

const ROOT = "file:///x";
const onData: [string, string] = ["onStreamRead", "node:internal/http2"];

Deno.test("shares() counts a library for whoever called it, and idle time for nobody", () => {
  const found = shares(profileOf([
    {
      stack: [onData, ["push", `${ROOT}/runtime/mailbox/frame_reader.ts`], [
        "decodeCbor",
        `${ROOT}/runtime/mailbox/cbor.ts`,
      ], ["decode", `${ROOT}/node_modules/.deno/some-cbor/index.js`]],
      us: 300,
    },
    { stack: [onData], us: 100 },
    { stack: [["encodeCbor", `${ROOT}/runtime/mailbox/cbor.ts`]], us: 200 },
    { stack: [["(idle)", ""]], us: 1000 },
    { stack: [["(garbage collector)", ""]], us: 200 },
    {
      stack: [["run", `${ROOT}/runtime/engine/ort_stage.ts`], [
        "sample",
        `${ROOT}/runtime/engine/sampler.ts`,
      ]],
      us: 100,
    },
    {
      stack: [["run", `${ROOT}/runtime/engine/ort_stage.ts`], [
        "computing",
        `${ROOT}/tests/bench/frame/worker_probe.ts`,
      ]],
      us: 100,
    },
  ]));
  assert.equal(found["CBOR decode"], 0.3);
  assert.equal(found["reading HTTP/2"], 0.1);
  assert.equal(found["CBOR encode"], 0.2);
  assert.equal(found["garbage collection"], 0.2);
  assert.equal(found.sampler, 0.1);
  assert.equal(found.computing, 0.1);
  assert.equal(found["event loop"], 0);
});

Deno.test("shares() gives the event loop what no rule names", () => {
  assert.equal(shares(profileOf([{ stack: [["(program)", ""]], us: 5 }]))["event loop"], 1);
});

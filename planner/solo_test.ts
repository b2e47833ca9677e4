import assert from "node:assert/strict";
import type { Device, PlanInput } from "./types.ts";
import { plan } from "./plan.ts";
import { LAYER, toyShape } from "../tests/support/toy_shape.ts";

const model = toyShape(8);

/** A device that takes `seconds` for a layer of one row and `row` times as much for each further. */
function device(name: string, seconds: number, memoryBytes: number, row = 0.5): Device {
  const at = (rows: number) => seconds * (1 - row + row * rows);
  return {
    name,
    memoryBytes,
    overheadBytes: 50e6,
    layer: { rows: [1, 64, 512], past: [0], seconds: [1, 64, 512].map((r) => [at(r)]) },
    embed: { rows: [1], past: [0], seconds: [[seconds / 20]] },
    head: { rows: [1], past: [0], seconds: [[seconds / 4]] },
    frameSeconds: 0.0005,
    trusted: true,
  };
}

/** A question with a long prompt, for which a pipeline pays, on links of so many seconds. */
function input(devices: Device[], linkS: number, more: Partial<PlanInput> = {}): PlanInput {
  const matrix = (off: number, same: number) =>
    devices.map((_, i) => devices.map((_, j) => i === j ? same : off));
  return {
    model,
    devices,
    links: { seconds: matrix(linkS, 0), bytesPerS: matrix(125e6, Infinity) },
    workload: { promptTokens: 1024, outputTokens: 8, branches: 1, concurrent: 1 },
    objective: "blended",
    constraints: { pin: [], exclude: [], memory: [], trustedEnds: false, minPieceRows: 16 },
    coordinator: devices[0].name,
    ...more,
  };
}
const four = (memory: number) => ["a", "b", "c", "d"].map((n) => device(n, 0.002, memory));

Deno.test("soloOf() keeps the whole model where slow links make short requests quicker on one device", () => {
  const made = plan(input(four(4e9), 0.02));
  assert.ok(made.stages.length > 1, "long prompts pay for a pipeline");
  assert.equal(made.solo!.host, "a", "requests enter there");
  assert.match(made.solo!.why, /^a prompt of \d+ tokens and an answer of \d+ take .* on a alone, /);
  assert.equal(made.solo!.weight_bytes, 8 * LAYER + 40e6);
  const { one, pipeline } = made.solo!.figures!;
  assert.ok(one.round[0].ms < pipeline.round[0].ms);
  assert.ok(one.first_token.at(-1)!.ms > pipeline.first_token.at(-1)!.ms);
  assert.deepEqual(one.round.map((r) => r.lanes), [1, 2, 4, 8, 16, 32]);
});

Deno.test("soloOf() keeps none where memory lacks, the pipeline is one stage, or it is switched off", () => {
  const small = plan(input(four(1e9), 0.02));
  assert.equal(small.solo!.host, null);
  assert.match(small.solo!.why, /no device has the memory for the whole model, \d+ MB/);
  const one = plan(input([device("a", 0.002, 4e9)], 0));
  assert.equal(one.solo!.why, "the pipeline is one stage already");
  const off = plan(input(four(4e9), 0.02, { decode: { route: "pipeline" } }));
  assert.deepEqual([off.solo!.host, off.solo!.why], [null, "requests are to take the pipeline"]);
});

Deno.test("soloOf() keeps none where one device takes much longer, unless the user asks", () => {
  const devices = [device("slow", 0.01, 2.2e9), ...four(0.6e9)];
  const asked = input(devices, 0.00005);
  const made = plan(asked);
  assert.ok(made.stages.length > 1);
  assert.equal(made.solo!.host, null);
  assert.match(made.solo!.why, /^one device would take over 20 % longer: a prompt of /);
  assert.equal(plan({ ...asked, decode: { route: "one" } }).solo!.host, "slow");
});

Deno.test("soloOf() loads the model at once where requests clearly gain, else when one is to try it", () => {
  assert.equal(plan(input(four(4e9), 0.02)).solo!.load, "at once");
  const quick = four(4e9).map((d) => ({ ...d, frameSeconds: 0.0002 }));
  const close = plan(input(quick, 0.00005));
  assert.ok(close.stages.length > 1 && close.solo!.host !== null, close.solo!.why);
  assert.equal(close.solo!.load, "when asked");
});

Deno.test("soloOf() counts the drafter's memory on its device", () => {
  const draft = { name: "small", bytes: 2.9e9, secondsPerToken: [0.001, 9, 9, 9] };
  const workload = { ...input(four(4e9), 0).workload, acceptance: 0.9, outputTokens: 64 };
  const devices = four(4e9);
  const made = plan(input(devices, 0.02, { draft, workload }));
  assert.equal(made.draft.host, "a");
  assert.notEqual(made.solo!.host, "a");
});

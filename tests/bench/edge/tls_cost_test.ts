import assert from "node:assert/strict";
import type { Plan } from "../../../planner/mod.ts";
import { costLine, shareLine, tlsShares } from "./tls_cost.ts";

const ms = (bytes: number, cleartext: number, tls: number) => ({
  bytes,
  cleartextS: cleartext / 1e3,
  tlsS: tls / 1e3,
});
/** TLS adds 0.1 ms to a small message, and 1 ms to 100,100 bytes. */
const COSTS = [ms(100, 1, 1.1), ms(100_100, 5, 6)];
const CASE = { stages: 1, cores: 0.5, rowBytes: 100, pieces: [1], ttftS: 1, tokenS: 0.1 };
const near = (a: number, b: number) => assert.ok(Math.abs(a - b) < 1e-9, `${a}, not ${b}`);

Deno.test("tlsShares() is 0 on one device, which sends nothing", () => {
  assert.deepEqual(tlsShares(COSTS, CASE), { ttft: 0, token: 0 });
});

Deno.test("tlsShares() counts a token's hops and its answer, on a part of a core", () => {
  const { token } = tlsShares(COSTS, { ...CASE, stages: 4 });
  // The answer's 256 bytes lie between the two sizes.
  const answer = 0.1 + 0.9 * 156 / 100_000;
  near(token, (3 * 0.1 + answer) / 0.5 / 100);
});

Deno.test("tlsShares() counts each piece once, and the last one at each further hop", () => {
  const { ttft } = tlsShares(COSTS, { ...CASE, stages: 3, pieces: [1001, 501] });
  const answer = 0.1 + 0.9 * 156 / 100_000;
  near(ttft, (1 + 0.55 + 0.55 + answer) / 0.5 / 1000);
});

Deno.test("tlsShares() goes on beyond the largest size, and never below 0", () => {
  const { ttft } = tlsShares(COSTS, { ...CASE, stages: 2, pieces: [2001] });
  near(ttft, (1.9 + 0.1 + 0.9 * 156 / 100_000) / 0.5 / 1000);
  const free = [ms(100, 1, 0.9), ms(200, 1, 0.9)];
  assert.deepEqual(tlsShares(free, { ...CASE, stages: 2 }), { ttft: 0, token: 0 });
});

Deno.test("shareLine() takes pieces and stages from the plan, and figures from the table's row", () => {
  const plan = {
    stages: [{}, {}],
    piece_buckets: [{ prompt_tokens: 128, rows: [64, 64] }, { prompt_tokens: 512, rows: [1001] }],
  } as unknown as Plan;
  const row = {
    ...{ name: "+ pieces", devices: 2, mode: "plain" as const },
    ttft: new Map([[512, 0.1]]),
    decode: 100,
    bytesPerHop: 100,
  };
  const cores = [1, 0.5];
  assert.equal(
    shareLine(COSTS, { plan, row, cores }),
    "TLS: 2.2 % of the TTFT of 512 tokens, 4.0 % of a token",
  );
  assert.equal(shareLine(COSTS, { plan, row: { ...row, decode: undefined }, cores }), undefined);
  assert.match(
    costLine(COSTS),
    /: 100 bytes 1\.000 -> 1\.100 ms, 100100 bytes 5\.000 -> 6\.000 ms$/,
  );
});

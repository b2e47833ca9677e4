import assert from "node:assert/strict";
import { Pace } from "./pace.ts";

/**
 * Decodes so many tokens where a step takes `ms(drafts)` and gives `tokens(drafts)`; returns the
 * share of steps with drafts.
 */
function decode(
  pace: Pace,
  { steps, lanes, ms, tokens }: {
    steps: number;
    lanes: number;
    ms: (drafts: boolean) => number;
    tokens: (drafts: boolean) => number;
  },
): { share: number; slowdown: number } {
  let [at, activity, drafted, made] = [0, 0, 0, 0];
  for (let i = 0; i < steps; i++) {
    const { drafts } = pace;
    if (drafts) activity++;
    drafted += drafts ? 1 : 0;
    at += ms(drafts) / lanes;
    made += tokens(drafts);
    pace.step({ tokens: tokens(drafts), lanes, activity, at });
  }
  const best = Math.min(ms(true) / tokens(true), ms(false) / tokens(false)) / lanes;
  return { share: drafted / steps, slowdown: at / made / best };
}

const fast = {
  ms: (drafts: boolean) => drafts ? 15 : 10,
  tokens: (drafts: boolean) => drafts ? 3 : 1,
};
const slow = {
  ms: (drafts: boolean) => drafts ? 30 : 10,
  tokens: (drafts: boolean) => drafts ? 2 : 1,
};

Deno.test("Pace.drafts is true where drafts are faster, false where they are not, and the other now and then", () => {
  for (const lanes of [1, 2, 8]) {
    const better = decode(new Pace(), { steps: 1000 * lanes, lanes, ...fast });
    assert.ok(better.share > 0.9 && better.share < 1, `${lanes} lanes: ${better.share}`);
    assert.ok(better.slowdown < 1.1, `${better.slowdown}`);
    const worse = decode(new Pace(), { steps: 1000 * lanes, lanes, ...slow });
    assert.ok(worse.share > 0 && worse.share < 0.15, `${lanes} lanes: ${worse.share}`);
    assert.ok(worse.slowdown < 1.1, `${worse.slowdown}`);
  }
});

Deno.test("Pace.drafts is decided apart for each number of lanes", () => {
  const pace = new Pace();
  decode(pace, { steps: 200, lanes: 1, ...fast });
  decode(pace, { steps: 1600, lanes: 8, ...slow });
  assert.ok(decode(pace, { steps: 100, lanes: 1, ...fast }).share > 0.8);
  assert.ok(decode(pace, { steps: 400, lanes: 8, ...slow }).share < 0.2);
});

Deno.test("new Pace() goes on where another left off, and finds out when things have changed", () => {
  const first = new Pace();
  decode(first, { steps: 300, lanes: 1, ...slow });
  const next = new Pace({ measured: first.snapshot() });
  assert.ok(decode(next, { steps: 60, lanes: 1, ...slow }).share < 0.2);
  assert.ok(decode(next, { steps: 2000, lanes: 1, ...fast }).share > 0.7);
  for (const wrong of [[], [1, 2], new Array(20).fill(NaN)]) {
    assert.equal(new Pace({ measured: wrong }).drafts, true);
  }
});

function interrupted(pace: Pace, at: number): number {
  pace.interrupt();
  return at + 500;
}

Deno.test("Pace.interrupt() keeps the time of a prompt out of what is measured", () => {
  const pace = new Pace();
  let [at, activity] = [0, 0];
  for (let i = 0; i < 400; i++) {
    if (pace.drafts) activity++;
    // Whenever it does not draft a prompt comes between: as if plain decoding were slow.
    if (!pace.drafts && i % 4 === 0) at = interrupted(pace, at);
    pace.step({ tokens: pace.drafts ? 2 : 1, lanes: 1, activity, at: at += pace.drafts ? 30 : 10 });
  }
  const [plain] = pace.snapshot();
  assert.ok(plain === 0 || plain < 20, `${plain} ms a token`);
});

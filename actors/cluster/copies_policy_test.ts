import assert from "node:assert/strict";
import { deploymentPolicySchema } from "../graph/mod.ts";
import {
  BUSY_MS,
  type CopiesSeen,
  CopiesWatch,
  copyLimits,
  wantedCopies,
} from "./copies_policy.ts";

const policy = (given: object) => deploymentPolicySchema.parse({ idle: 10, ...given });
const seen = (given: Partial<CopiesSeen>): CopiesSeen => ({
  copies: 1,
  requests: 0,
  idleMs: 0,
  busyMs: 0,
  spareMs: 0,
  ...given,
});

Deno.test("copyLimits() fills in what the graph file leaves out", () => {
  assert.deepEqual(copyLimits(policy({})), { least: 1, most: 1, warm: 1 });
  assert.deepEqual(copyLimits(policy({ min: 0 })), { least: 1, most: 1, warm: 0 });
  assert.deepEqual(copyLimits(policy({ min: 2, max: 4, keep_warm: 1 })), {
    least: 2,
    most: 4,
    warm: 1,
  });
});

Deno.test("wantedCopies() keeps the warm copies alone once the idle time is over, and not before", () => {
  const asleep = policy({ keep_warm: 0 });
  assert.equal(wantedCopies(asleep, seen({ idleMs: 9_999 })), 1);
  assert.equal(wantedCopies(asleep, seen({ idleMs: 10_000 })), 0);
  const one = policy({ min: 3, keep_warm: 1 });
  assert.equal(wantedCopies(one, seen({ copies: 3, idleMs: 10_000 })), 1);
  assert.equal(wantedCopies(policy({}), seen({ idleMs: 1e9 })), 1, "by default nothing sleeps");
});

Deno.test("wantedCopies() brings back the least copies with a request, and adds one while it is busy", () => {
  const several = policy({ min: 2, max: 3, keep_warm: 0 });
  assert.equal(wantedCopies(several, seen({ copies: 0, requests: 1 })), 2);
  assert.equal(wantedCopies(several, seen({ copies: 2, requests: 9, busyMs: BUSY_MS - 1 })), 2);
  assert.equal(wantedCopies(several, seen({ copies: 2, requests: 9, busyMs: BUSY_MS })), 3);
  assert.equal(wantedCopies(several, seen({ copies: 3, requests: 9, busyMs: BUSY_MS })), 3);
  assert.equal(wantedCopies(several, seen({ copies: 3, requests: 1, spareMs: 10_000 })), 2);
  assert.equal(wantedCopies(several, seen({ copies: 2, requests: 1, spareMs: 10_000 })), 2);
});

Deno.test("CopiesWatch.saw() counts from the last time that each thing was otherwise", () => {
  const watch = new CopiesWatch(1_000);
  const at = (now: number, requests: number, idleMs = Infinity) =>
    watch.saw(now, { requests, idleMs, copies: 2, concurrent: 2 });
  assert.deepEqual(at(2_000, 0), seen({ copies: 2, idleMs: 1_000, spareMs: 1_000 }));
  assert.deepEqual(at(3_000, 5), seen({ copies: 2, requests: 5, busyMs: 1_000 }));
  assert.deepEqual(at(4_000, 5), seen({ copies: 2, requests: 5, busyMs: 2_000 }));
  assert.deepEqual(at(5_000, 1), seen({ copies: 2, requests: 1, spareMs: 1_000 }));
  assert.equal(at(9_000, 0, 500).idleMs, 500, "a request ended between two looks");
});

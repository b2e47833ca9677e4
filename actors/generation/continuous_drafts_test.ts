import assert from "node:assert/strict";
import { seededRandom } from "../system/mod.ts";
import { continuousDrafts } from "./continuous_drafts.ts";

/** Four stages of 10 ms, 1 ms for each row beyond the first, 4 ms on links. */
const costs = {
  trip: (rows: number) => 4 * (9 + rows) + 4,
  slowest: (rows: number) => 9 + rows,
  draftMs: 0,
  mostRows: 16,
};

Deno.test("continuousDrafts() takes larger frames the more comes true, and fills the stages", () => {
  const rows = [0.3, 0.7, 0.9, 1].map((acceptance) =>
    continuousDrafts({ ...costs, acceptance }).rows
  );
  assert.deepEqual(rows, rows.toSorted((a, b) => a - b));
  assert.equal(rows.at(-1), 16, "rows are cheap and all come true");
  assert.ok(continuousDrafts({ ...costs, acceptance: 0.9 }).frames >= 4);
});

Deno.test("continuousDrafts() takes a whole trip for each token where nothing comes true", () => {
  const { rows, msPerToken } = continuousDrafts({ ...costs, acceptance: 0 });
  assert.equal(rows, 1);
  assert.ok(msPerToken >= costs.trip(1), `${msPerToken} ms`);
});

Deno.test("continuousDrafts() is no faster than the drafter", () => {
  const acceptance = 1;
  assert.ok(continuousDrafts({ ...costs, acceptance, draftMs: 30 }).msPerToken >= 30);
});

Deno.test("continuousDrafts() predicts what frames on a clock take", () => {
  for (const acceptance of [0.3, 0.7, 0.9]) {
    const { rows, msPerToken } = continuousDrafts({ ...costs, acceptance });
    const random = seededRandom(11);
    const [way, busy] = [costs.trip(rows), costs.slowest(rows)];
    let [now, tokens] = [0, 0];
    for (let run = 0; run < 4000; run++) {
      let accepted = 0;
      while (random() < acceptance) accepted++;
      // The verdict on the frame with the wrong token comes, then the first stage becomes free.
      now += way + busy * Math.floor(accepted / rows) + busy * random();
      tokens += accepted + 1;
    }
    const ratio = now / tokens / msPerToken;
    assert.ok(ratio > 0.95 && ratio < 1.05, `${ratio} of what was predicted at ${acceptance}`);
  }
});

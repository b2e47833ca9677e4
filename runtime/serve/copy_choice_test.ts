import assert from "node:assert/strict";
import { predictedSeconds, quickest } from "./copy_choice.ts";

const copy = (id: string, ttft_s?: number, tpot_s?: number) => ({
  deployment: { id, plan: ttft_s === undefined ? undefined : { predicted: { ttft_s, tpot_s } } },
});

Deno.test("predictedSeconds() grows with the requests that run already, and with the plan's times", () => {
  const { deployment } = copy("a", 1, 0.5);
  assert.equal(predictedSeconds(deployment, 0), 65);
  assert.equal(predictedSeconds(deployment, 2), 195);
  assert.equal(predictedSeconds({ plan: { predicted: "soon" } }, 1), 2);
});

Deno.test("quickest() takes the faster copy until its requests make the slower one answer first", () => {
  const copies = [copy("slow", 1, 0.1), copy("fast", 0.1, 0.02)];
  const with_ = (fast: number) => quickest(copies, (id) => id === "fast" ? fast : 0)?.deployment.id;
  assert.equal(with_(0), "fast");
  assert.equal(with_(3), "fast");
  assert.equal(with_(5), "slow");
  assert.equal(quickest([], () => 0), undefined);
  assert.equal(quickest([copy("a"), copy("b")], () => 1)?.deployment.id, "a");
});

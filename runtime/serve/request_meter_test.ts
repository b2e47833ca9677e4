import assert from "node:assert/strict";
import { OrreryError } from "../../actors/mod.ts";
import type { GenerationEvent } from "../api/mod.ts";
import { type RequestCounts, RequestMeter } from "./request_meter.ts";

/** A meter, a clock to be set, and what was told. */
function metered() {
  const told: unknown[][] = [];
  const clock = { now: 0 };
  const take = (name: string) => (...args: unknown[]) => void told.push([name, ...args]);
  const counts = Object.fromEntries(
    ["queued", "prompt", "firstToken", "tokens", "answered"].map((name) => [name, take(name)]),
  ) as unknown as RequestCounts;
  const meter = new RequestMeter(counts, { model: "m", now: () => clock.now });
  return { meter, clock, told };
}

const delta = (count: number): GenerationEvent => ({
  type: "delta",
  text: "",
  tokens: Array.from({ length: count }, () => ({ token: 1, text: "" })) as never,
});

const done = {
  type: "done",
  finishReason: "stop",
  usage: { promptTokens: 5, completionTokens: 6, cachedTokens: 2 },
  report: { drafted: 9, accepted: 4 },
} as unknown as GenerationEvent;

Deno.test("RequestMeter tells when tokens came, and what came in no event", () => {
  const { meter, clock, told } = metered();
  meter.event({ type: "started", id: "x", promptTokens: 5 });
  clock.now = 100;
  meter.event(delta(1));
  meter.event(delta(0));
  clock.now = 130;
  meter.event(delta(3));
  clock.now = 150;
  meter.event(done);
  assert.deepEqual(told, [
    ["prompt", "m", 5],
    ["firstToken", "m", 100],
    ["tokens", "m", 1, undefined],
    ["tokens", "m", 3, 30],
    ["tokens", "m", 2],
    ["answered", "m", { outcome: "stop", ms: 150, cachedTokens: 2, drafted: 9, accepted: 4 }],
  ]);
});

Deno.test("RequestMeter.failed() tells refusals, failures and clients that went away apart", () => {
  const outcome = (began: boolean, error: unknown, gone = false) => {
    const { meter, told } = metered();
    if (began) meter.event({ type: "started", id: "x", promptTokens: 5 });
    meter.failed(error, gone);
    return (told.at(-1)![2] as { outcome: string }).outcome;
  };
  const busy = new OrreryError({ group: "api", code: "busy", message: "" });
  const lost = new OrreryError({ group: "mailbox", code: "peer_lost", message: "" });
  const closed = new OrreryError({ group: "api", code: "client_closed", message: "" });
  assert.equal(outcome(false, busy), "refused");
  assert.equal(outcome(true, lost), "failed");
  assert.equal(outcome(true, closed), "cancelled");
  assert.equal(outcome(true, undefined, true), "cancelled");
});

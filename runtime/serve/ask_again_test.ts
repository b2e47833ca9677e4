import assert from "node:assert/strict";
import { type Clock, OrreryError } from "../../actors/mod.ts";
import { askAgain } from "./ask_again.ts";

/** Time passes at once. */
const clock = {
  now: () => 0,
  after(_ms: number, fn: () => void) {
    const timer = setTimeout(fn, 0);
    return () => clearTimeout(timer);
  },
} as Clock;

const error = (group: string, code: string) => new OrreryError({ group, code, message: code });

/** Fails so often with this error, then answers. */
function failing(times: number, with_: Error) {
  let asked = 0;
  return {
    ask: () => ++asked <= times ? Promise.reject(with_) : Promise.resolve("answer"),
    asked: () => asked,
  };
}
const signal = new AbortController().signal;

Deno.test("askAgain() asks again after a node or an engine was lost, four times at most", async () => {
  const lost = failing(3, error("cluster", "node_lost"));
  assert.equal(await askAgain(lost.ask, { clock, signal }), "answer");
  assert.equal(lost.asked(), 4);
  const gone = failing(4, error("engine", "engine_failed"));
  await assert.rejects(askAgain(gone.ask, { clock, signal }), { code: "engine_failed" });
  assert.equal(gone.asked(), 4);
});

Deno.test("askAgain() throws at once what is the request's fault or would be the same again", async () => {
  for (
    const wrong of [
      error("api", "invalid_prompt"),
      error("cluster", "stages_outdated"),
      error("engine", "bad_frame"),
      new TypeError("a defect"),
    ]
  ) {
    const { ask, asked } = failing(1, wrong);
    await assert.rejects(askAgain(ask, { clock, signal }), wrong);
    assert.equal(asked(), 1, wrong.message);
  }
});

Deno.test("askAgain() ends with the signal while it waits", async () => {
  const leave = new AbortController();
  const never = { ...clock, after: () => () => {} } as Clock;
  const { ask } = failing(9, error("cluster", "node_lost"));
  const asking = askAgain(ask, { clock: never, signal: leave.signal });
  setTimeout(() => leave.abort(new Error("the client left")), 5);
  await assert.rejects(asking, /the client left/);
});

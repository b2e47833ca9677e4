/**
 * A short run of `deno task test:faults`: nodes of a real cluster fail, and every answer that is under
 * way has the undisturbed text.
 */
import assert from "node:assert/strict";
import { ETCD } from "./support/etcd_server.ts";
import { runFaults } from "./support/run_faults.ts";

/** They meet every kind of fault and every role, and the first kind twice. */
const FAULTS = 6;

const why = ETCD ? "" : " (skipped: there is no etcd on the PATH)";

Deno.test({
  name: `deno task start loses no token of an answer when nodes fail${why}`,
  ignore: ETCD === undefined,
  async fn() {
    const said: string[] = [];
    const { wrong, outcomes, moved } = await runFaults({
      seed: 14,
      faults: FAULTS,
      machines: true,
      say: (line) => said.push(line),
    });
    assert.deepEqual(wrong, [], said.join("\n"));
    assert.ok(outcomes.every(({ answers }) => answers > 0), said.join("\n"));
    // Layers are rebuilt under most answers, which then go on where they are: those stand still.
    const stood = outcomes.some(({ pausesMs }) => pausesMs.some((ms) => ms > 500));
    assert.ok(moved > 0 || stood, `no fault met an answer\n${said.join("\n")}`);
  },
});

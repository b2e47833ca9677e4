import assert from "node:assert/strict";
import { machineSchema, measureCpuShare, sameShare, thisMachine } from "./machine.ts";

Deno.test("thisMachine() names this machine's processor, cores and memory", () => {
  const machine = machineSchema.parse(thisMachine());
  assert.ok(machine.hostname !== "" && machine.cpu !== "" && machine.memory_bytes > 0);
});

Deno.test("sameShare() allows a quarter more in either direction", () => {
  for (const [a, b] of [[0.5, 0.5], [0.4, 0.5], [1, 0.8]]) {
    assert.ok(sameShare(a, b) && sameShare(b, a), `${a} ${b}`);
  }
  assert.ok(!sameShare(0.45, 1) && !sameShare(1, 0.79));
});

Deno.test("measureCpuShare() is above 0 and at most 1", async () => {
  const share = await measureCpuShare();
  assert.ok(share > 0 && share <= 1, String(share));
});

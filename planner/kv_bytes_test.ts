import assert from "node:assert/strict";
import { kvNeedOf } from "./kv_bytes.ts";

Deno.test("kvNeedOf() counts what windowed layers keep of long requests, and all rows of short ones and of branches", () => {
  const windowed = { window: 512, layers: [0] };
  const workload = { promptTokens: 16_000, outputTokens: 384, branches: 1, concurrent: 1 };
  // The window and a slack of 256 rows; a sixteenth of all for earlier requests.
  assert.deepEqual(kvNeedOf(workload, { windowed }), { rows: 16_384, windowed: 512 + 256 + 1024 });
  assert.deepEqual(kvNeedOf(workload, {}), { rows: 16_384, windowed: 16_384 });
  const short = { ...workload, promptTokens: 600 };
  assert.deepEqual(kvNeedOf(short, { windowed }), { rows: 984, windowed: 984 });
  const branches = { ...workload, branches: 3 };
  assert.deepEqual(kvNeedOf(branches, { windowed }), { rows: 17_152, windowed: 17_152 });
  const four = { ...workload, concurrent: 4 };
  assert.deepEqual(kvNeedOf(four, { windowed }), { rows: 65_536, windowed: 2048 + 512 + 4096 });
});

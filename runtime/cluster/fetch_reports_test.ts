import assert from "node:assert/strict";
import { fetchReports } from "./fetch_reports.ts";
import type { FetchProgress } from "../weights/mod.ts";

Deno.test("fetchReports() tells the gateway and the first node of what is needed, and shows all", () => {
  const told: Record<string, unknown>[] = [];
  const shown: (FetchProgress | undefined)[] = [];
  const gateway: { fetching?: string } = {};
  const fetching = (report: Record<string, unknown>) => {
    told.push(report);
    return Promise.reject(new Error("the first node is gone"));
  };
  const system = { node: "b", at: () => ({ tell: { fetching } }) };
  const report = fetchReports({
    system: system as unknown as Parameters<typeof fetchReports>[0]["system"],
    gateway,
    show: (progress) => void shown.push(progress),
  });
  const step: FetchProgress = {
    model: "m",
    doneBytes: 1e6,
    totalBytes: 4e6,
    bytesPerS: 2e6,
    peers: 1,
    background: true,
  };
  report(step);
  assert.deepEqual([gateway.fetching, told.length], [undefined, 0], "nobody waits for a copy");
  report({ ...step, background: false });
  report({ ...step, background: false, doneBytes: 2e6 });
  assert.equal(
    gateway.fetching,
    "node b fetches m, 2.0 of 4.0 MB (50 %), 2.0 MB/s from 1 node",
  );
  const first = { done_bytes: 1e6, total_bytes: 4e6, bytes_per_s: 2e6, peers: 1 };
  assert.deepEqual(told, [{ node: "b", ...first }], "not more than one in two seconds");
  report(undefined);
  assert.equal(gateway.fetching, undefined);
  assert.equal(shown.length, 4);
});

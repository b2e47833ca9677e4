/**
 * `deno task soak [--minutes 30] [--seed N]`: four nodes in processes of their own answer without a pause
 * for so long, and every 20 seconds one of them fails. Each minute every node's memory, file handles, KV
 * rows, journal and disk are printed. Then nothing is asked any more, and all of them must return to
 * where they began. Exit code 0: they have, and every text was the undisturbed one; 1: not; 2: an option
 * is wrong. Linux.
 *
 * @module
 */
// deno-lint-ignore-file no-console -- a command talks to its user
import { setTimeout as sleep } from "node:timers/promises";
import { parseArgs } from "node:util";
import { ETCD } from "./support/etcd_server.ts";
import { FaultCluster } from "./support/fault_cluster.ts";
import { FaultRun } from "./support/run_faults.ts";
import { ClusterLevels } from "./support/soak_samples.ts";

/** Milliseconds from one fault to the next, and between two looks at the nodes. */
const FAULT_MS = 20_000;
const LOOK_MS = 60_000;
/**
 * Milliseconds in which all must return: answers stay in the journal for 5 minutes after their end,
 * arenas of nodes that died are freed with their leases, which are as long, and requests that nobody
 * reads any more are kept for 10 minutes, their copies for 11.
 */
const SETTLE_MS = 900_000;

const { values } = parseArgs({
  options: { seed: { type: "string" }, minutes: { type: "string", default: "30" } },
});
const seed = Number(values.seed ?? Math.floor(Math.random() * 2 ** 31));
const minutes = Number(values.minutes);
if (!Number.isSafeInteger(seed) || !(minutes > 0)) {
  console.error("expected numbers: soak [--minutes 30] [--seed N]");
  Deno.exit(2);
}
if (Deno.build.os !== "linux" || !ETCD) {
  console.error("soak needs Linux, and etcd on the PATH (Debian: apt install etcd-server)");
  Deno.exit(1);
}

/** Prints the levels each minute until it is stopped. */
async function watch(cluster: FaultCluster, signal: AbortSignal): Promise<void> {
  for (let minute = 1;; minute++) {
    await sleep(LOOK_MS, undefined, { signal });
    console.log(`minute ${minute}`);
    for (const line of (await ClusterLevels.of(cluster)).lines) console.log(line);
  }
}

/** Waits until all levels are where they began, or for too long. */
async function settled(cluster: FaultCluster, before: ClusterLevels) {
  for (const end = performance.now() + SETTLE_MS;;) {
    const levels = await ClusterLevels.of(cluster);
    const all = levels.since(before);
    if (all.every(({ back }) => back) || performance.now() > end) return { levels, all };
    await sleep(5_000);
  }
}

console.log(`seed ${seed}, ${minutes} minutes, a fault every ${FAULT_MS / 1000} s`);
await using cluster = await FaultCluster.open({ machines: true });
const run = await FaultRun.begin(cluster, seed);
for (const line of run.lacks) console.log(line);
const before = await ClusterLevels.of(cluster);
console.log("at the beginning");
for (const line of before.lines) console.log(line);
const over = new AbortController();
const watching = watch(cluster, over.signal).catch(() => {}); // it was stopped
const end = performance.now() + minutes * 60_000;
for (let fault = 1; performance.now() < end; fault++) {
  const next = performance.now() + FAULT_MS;
  console.log(`fault ${fault}: ${await run.fault()}`);
  await sleep(Math.max(0, Math.min(next, end) - performance.now()));
}
await run.end();
over.abort();
await watching;
console.log("nothing is asked any more");
const began = performance.now();
const { levels, all } = await settled(cluster, before);
console.log(`after ${Math.round((performance.now() - began) / 1000)} s`);
for (const line of levels.lines) console.log(line);
for (const { line } of all) console.log(line);
const { answers, moved, refused, wrong } = run.report;
console.log(
  `${answers} answers, of which ${moved} went on elsewhere; ${refused} times a request was refused; ` +
    `${wrong.length} failed or have another text`,
);
for (const line of wrong) console.log(line);
const failed = wrong.length > 0 || all.some(({ back }) => !back);
await cluster[Symbol.asyncDispose]();
Deno.exit(failed ? 1 : 0);

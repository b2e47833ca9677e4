/**
 * What a saved state costs: an actor whose state stays in memory beside durable ones over Deno KV
 * (a file) and etcd (one member, where the machine has it), by the size of the state.
 *
 *     deno task bench:durable
 *
 * @module
 */
// deno-lint-ignore-file no-console -- it prints its table
import { z } from "zod";
import { createSystem, defineActor, durableStore, type Registry } from "../../actors/mod.ts";
import { openRegistry } from "../../runtime/registry/mod.ts";
import { ETCD, EtcdCluster } from "../support/etcd_server.ts";

const ONE_BY_ONE = 300;
const AT_ONCE = 64;
const TOGETHER = 4_000;

const state = z.object({ count: z.number(), ballast: z.string() });
const initial = { count: 0, ballast: "" };
const messages = {
  fill: z.object({ bytes: z.number() }),
  add: z.object({}),
  read: z.object({}),
  stop: z.object({}),
};
const durable = defineActor({
  kind: "durable",
  config: z.object({}),
  state: state.default(initial),
  messages,
  create: (ctx) => ({
    fill: ({ bytes }) => ctx.state.set({ count: 0, ballast: "x".repeat(bytes) }),
    add: () => ctx.state.update((s) => ({ ...s, count: s.count + 1 })).count,
    read: () => ctx.state.value.count,
    stop: () => ctx.stop(),
  }),
});
const volatile = defineActor({
  kind: "volatile",
  config: z.object({}),
  messages,
  create(ctx) {
    let kept = initial;
    return {
      fill: ({ bytes }) => void (kept = { count: 0, ballast: "x".repeat(bytes) }),
      add: () => (kept = { ...kept, count: kept.count + 1 }).count,
      read: () => kept.count,
      stop: () => ctx.stop(),
    };
  },
});

async function measure(
  what: string,
  kind: typeof durable | typeof volatile,
  bytes: number,
  registry?: Registry,
) {
  const store = registry && await durableStore(registry);
  const system = createSystem([kind], { durable: store });
  const actor = system.get(kind as typeof durable, `size-${bytes}`);
  await actor.fill({ bytes });
  const times: number[] = [];
  for (let i = 0; i < ONE_BY_ONE; i++) {
    const begun = performance.now();
    await actor.add();
    times.push(performance.now() - begun);
  }
  times.sort((a, b) => a - b);
  const begun = performance.now();
  let sent = 0;
  await Promise.all(Array.from({ length: AT_ONCE }, async () => {
    while (sent++ < TOGETHER) await actor.add();
  }));
  const rate = TOGETHER / (performance.now() - begun) * 1000;
  const wakes: number[] = [];
  for (let i = 0; i < 50; i++) {
    await actor.stop();
    await system.ended(actor.address);
    const woken = performance.now();
    await actor.read();
    wakes.push(performance.now() - woken);
  }
  wakes.sort((a, b) => a - b);
  await system.close();
  const ms = (value: number) => value.toFixed(2).padStart(8);
  console.log(
    `${what.padEnd(10)} ${String(bytes).padStart(6)} B ${ms(times[ONE_BY_ONE / 2])} ${
      ms(times[Math.floor(ONE_BY_ONE * 0.99)])
    } ${rate.toFixed(0).padStart(8)} ${ms(wakes[25])}`,
  );
}

console.log(`state      size     add, ms      p99   adds/s  wake, ms   (${AT_ONCE} at once)`);
await measure("in memory", volatile, 100);
await using undo = new AsyncDisposableStack();
const data = await Deno.makeTempDir({ prefix: "orrery-bench-" });
undo.defer(() => Deno.remove(data, { recursive: true }));
const kv = await openRegistry("embedded", { data });
undo.defer(() => kv.close());
for (const bytes of [100, 10_000, 60_000]) await measure("Deno KV", durable, bytes, kv);
if (ETCD) {
  const cluster = undo.use(await EtcdCluster.start(1));
  const etcd = await openRegistry(cluster.url(), { data: "" });
  undo.defer(() => etcd.close());
  for (const bytes of [100, 10_000, 60_000]) await measure("etcd", durable, bytes, etcd);
} else console.log("etcd: there is none on the PATH");

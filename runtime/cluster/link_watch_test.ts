import assert from "node:assert/strict";
import { type Member, refsOver } from "../../actors/mod.ts";
import { COOLDOWN_MS, LinkWatch, LOOK_MS } from "./link_watch.ts";

const members: Member[] = ["a", "b"].map((node, i) => ({
  node,
  host: `h${i}`,
  port: 1,
  cores: 1,
  memory_bytes: 1,
}));

/** A watch over the link from a to b in virtual time. */
function world() {
  const link = { roundTripMs: 1, silent: false };
  const plans: string[] = [];
  const timers: (() => void)[] = [];
  let now = 0;
  const system = {
    node: "a",
    ...refsOver({
      tell: () => Promise.resolve(),
      ask: (to: string, { type }: { type: string }) => {
        if (type === "probe") {
          const bytes_per_s = 10e6;
          const seconds = link.roundTripMs / 2000;
          return Promise.resolve({ seconds, bytes_per_s, bytes_per_s_back: bytes_per_s });
        }
        if (link.silent) return Promise.reject(new Error("no answer"));
        const node = to.endsWith("/a") ? "b" : "a";
        const known = { node, round_trip_ms: link.roundTripMs, bytes_per_s: null, age_ms: null };
        return Promise.resolve({ quiet_ms: 0, links: [known] });
      },
    }),
  };
  const watch: LinkWatch = new LinkWatch({
    system,
    clock: {
      now: () => now,
      after: (ms, fn) => {
        assert.equal(ms, LOOK_MS);
        timers.push(fn);
        return () => timers.splice(timers.indexOf(fn), 1);
      },
    },
    replan: (why) => {
      plans.push(why);
      watch.watch(members, ["a", "b"]);
    },
  });
  /** So many looks with this round trip. */
  const look = async (count: number, roundTripMs: number) => {
    link.roundTripMs = roundTripMs;
    for (let i = 0; i < count; i++) {
      now += LOOK_MS;
      timers.shift()!();
      for (let turn = 0; timers.length === 0 && turn < 100; turn++) {
        await new Promise((resolve) => setTimeout(resolve, 0));
      }
    }
  };
  return { watch, plans, look, link, timers };
}

Deno.test("LinkWatch.watch() asks for a plan once a link has changed, five minutes after the last at the earliest", async () => {
  const { watch, plans, look, link } = world();
  await watch.measure(members, new AbortController().signal);
  watch.watch(members, ["a", "b"]);
  await look(4, 1);
  await look(2, 100);
  await look(4, 1);
  assert.deepEqual(plans, [], "a minute of trouble");
  await look(3, 100);
  assert.equal(plans.length, 1);
  assert.match(plans[0], /^8 KiB from a to b take 50\.8 ms, and took 1\.3 ms when/);
  const rest = COOLDOWN_MS / LOOK_MS;
  await look(rest - 1, 1);
  assert.equal(plans.length, 1);
  await look(1, 1);
  assert.equal(plans.length, 2);
  link.silent = true;
  await look(2 * rest, 100);
  assert.equal(plans.length, 2, "nodes that do not answer change nothing");
  watch.close();
});

Deno.test("LinkWatch.close() ends the looks, and a node that is alone has none", async () => {
  const { watch, timers, look } = world();
  watch.watch(members.slice(0, 1), ["a"]);
  assert.equal(timers.length, 0);
  watch.watch(members, ["a", "b"]);
  await look(1, 1);
  assert.equal(timers.length, 1);
  watch.close();
  assert.equal(timers.length, 0);
});

import assert from "node:assert/strict";
import { type Clock, type Deployment, shapeSchema } from "../../actors/mod.ts";
import type { Served } from "./running_requests.ts";
import type { ServedModel } from "./served_model.ts";
import { ServedName } from "./served_name.ts";

const model = { card: { name: "toy" } } as unknown as ServedModel;
const served = (id: string, copy = 0): Served => ({
  model,
  deployment: {
    id,
    name: "chat",
    copy,
    model: "toy",
    source: "n",
    stages: [],
    members: [],
    shape: shapeSchema.parse({}),
  } as Deployment,
});

/** A name and a clock that is turned by hand. */
function world(name = "chat") {
  let now = 0;
  const timers = new Set<{ at: number; fn: () => void }>();
  const clock = {
    now: () => now,
    after(ms: number, fn: () => void) {
      const timer = { at: now + ms, fn };
      timers.add(timer);
      return () => void timers.delete(timer);
    },
  } as Clock;
  const running: Record<string, number> = {};
  let wakes = 0;
  const named = new ServedName(name, {
    clock,
    refusal: () => undefined,
    probe: () => Promise.resolve(),
    requestsOf: (id) => running[id] ?? 0,
    onWake: () => void wakes++,
  });
  return {
    named,
    running,
    wakes: () => wakes,
    async pass(ms: number) {
      for (const end = now + ms; now < end;) {
        now = Math.min(end, now + 100);
        for (const timer of [...timers]) {
          if (timer.at <= now && timers.delete(timer)) timer.fn();
        }
        await new Promise((resolve) => setTimeout(resolve, 0));
      }
    },
  };
}
const never = () => new AbortController().signal;

Deno.test("ServedName.awake() has a deployment woken until it serves, and tells how long that took", async () => {
  const { named, pass, wakes } = world();
  named.sleep(model);
  assert.equal(named.cold, true);
  assert.equal(named.card?.name, "chat", "it is listed while it sleeps");
  const waited = named.awake(never());
  await pass(2_500);
  assert.equal(named.waiting, 1);
  assert.equal(wakes(), 3, "the coordinator may have been another one");
  named.serve(0, served("d"), { reason: "" });
  assert.equal(await waited, 2_500);
  assert.equal(named.waiting, 0);
  assert.equal(await named.awake(never()), 0);
});

Deno.test("ServedName.awake() ends with what cannot be loaded, with its deadline and with the request", async () => {
  const { named, pass } = world();
  named.sleep(model);
  const failing = assert.rejects(named.awake(never()), /placement failed: no room/);
  named.serve(0, undefined, { reason: "placement failed: no room", failed: true });
  await failing;
  await assert.doesNotReject(named.awake(never()), "it is refused with the reason at once");
  named.serve(0, undefined, { reason: "nodes load" });
  const late = assert.rejects(named.awake(never()), /not loaded within 120 s: nodes load/);
  await pass(121_000);
  await late;
  const gone = new AbortController();
  const waiting = assert.rejects(named.awake(gone.signal), /went away/);
  gone.abort(new Error("went away"));
  await waiting;
  assert.equal(named.waiting, 0);
});

Deno.test("ServedName.awake() refuses more than 128 requests that wait", async () => {
  const { named } = world();
  named.sleep(model);
  const end = new AbortController();
  const all = Array.from({ length: 128 }, () => named.awake(end.signal).catch(() => "ended"));
  await assert.rejects(named.awake(end.signal), /128 requests wait for deployment chat/);
  end.abort(new Error("over"));
  assert.deepEqual(new Set(await Promise.all(all)), new Set(["ended"]));
});

Deno.test("ServedName holds requests of a default deployment that has served, for 30 s", async () => {
  const { named, pass, wakes } = world("default");
  named.serve(0, served("d"), { reason: "" });
  named.serve(0, undefined, { reason: "nodes load their layers" });
  assert.equal(named.holds, true);
  const held = named.awake(never());
  await pass(4_000);
  named.serve(0, served("e"), { reason: "" });
  assert.equal(await held, 4_000);
  assert.equal(wakes(), 0, "it does not sleep");
  named.serve(0, undefined, { reason: "no node is left" });
  const late = assert.rejects(named.awake(never()), /not loaded within 30 s: no node is left/);
  await pass(30_000);
  await late;
  const failed = assert.rejects(named.awake(never()), /no room/);
  named.serve(0, undefined, { reason: "placement failed: no room", failed: true });
  await failed;
  named.serve(0, undefined, { reason: "nodes load" });
  const ending = named.awake(never());
  named.close();
  await ending; // the gateway then says that the node is shutting down
  assert.equal(named.waiting, 0);
});

Deno.test("ServedName does not wait for a default deployment that has never served, unless it sleeps", async () => {
  const { named } = world("default");
  named.serve(0, undefined, { reason: "waiting for nodes" });
  assert.equal(await named.awake(never()), 0);
  assert.equal(named.holds, false);
  named.sleep(model);
  assert.equal(named.cold, true);
  assert.equal(named.card?.name, "toy");
});

Deno.test("ServedName.quickest is the copy with the fewest requests where plans are alike", () => {
  const { named, running } = world();
  named.serve(0, served("a"), { reason: "" });
  named.serve(1, served("b", 1), { reason: "" });
  running.a = 2;
  assert.equal(named.quickest?.serving?.deployment.id, "b");
  running.b = 3;
  assert.equal(named.quickest?.serving?.deployment.id, "a");
  assert.equal(named.running, 5);
  assert.equal(named.drop(0), false);
  assert.equal(named.quickest?.serving?.deployment.id, "b");
  assert.equal(named.drop(1), true);
});

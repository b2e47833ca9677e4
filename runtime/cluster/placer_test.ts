import assert from "node:assert/strict";
import {
  type Member,
  memberAddress,
  OrreryError,
  parseGraph,
  type PlaceDeployment,
  type PlaceOptions,
  refsOver,
} from "../../actors/mod.ts";
import { madeUpManifest, madeUpProfile } from "../../tests/support/made_up_model.ts";
import { Placer, type PlacerOptions } from "./placer.ts";
import { planAs } from "./plan_as.ts";

const manifest = madeUpManifest();
const members = (...hosts: string[]): Member[] =>
  hosts.map((host, i) => ({
    node: `${"abcd"[i]}:1:x`,
    host,
    port: 1,
    cores: 1,
    memory_bytes: 4e9,
  }));

/** Makes a plan on this thread: starting another one takes half a second. */
const makeHere: PlacerOptions["makePlan"] = (input, graph) => Promise.resolve(planAs(input, graph));

type Asked = { to: string; type: string } & Record<string, unknown>;

/**
 * A placer among nodes. `speeds`: by node, milliseconds of a layer, or the error with which it
 * refuses to be measured, or null where it has no profile yet. No node has measured the models
 * `unmeasured` until it must.
 */
function world(
  speeds: Record<string, number | Error | null>,
  { unmeasured = [], ...options }: Partial<PlacerOptions> & { unmeasured?: string[] } = {},
) {
  const asked: Asked[] = [];
  let measured: (why: string) => void;
  const replanned = new Promise<string>((resolve) => measured = resolve);
  const running = new Set<string>();
  let most = 0;
  const sender = {
    tell(_to: string, message: { type: string; why?: string }) {
      if (message.type === "replan") measured(message.why!);
      return Promise.resolve();
    },
    async ask(to: string, message: { type: string } & Record<string, unknown>) {
      asked.push({ to, ...message });
      if (message.type === "probe") {
        return { seconds: 0.0002, bytes_per_s: 100e6, bytes_per_s_back: 50e6 };
      }
      running.add(to);
      most = Math.max(most, running.size);
      await new Promise((resolve) => setTimeout(resolve, 0));
      running.delete(to);
      const speed = speeds[to.split("/")[2].split("%3A")[0].split(":")[0]];
      if (speed instanceof Error) throw speed;
      const model = String(message.model);
      if (!message.known_only) unmeasured = unmeasured.filter((name) => name !== model);
      if (unmeasured.includes(model)) return null;
      return speed === null ? null : { profile: madeUpProfile(manifest, speed), memory_bytes: 2e9 };
    },
  };
  const system = { node: "a:1:x", ...refsOver(sender) };
  const graph = parseGraph("model: made-up", { file: "test" });
  const clock = { now: () => 0, after: () => () => {} }; // links are not looked at here
  const placer = new Placer({ system, manifest, graph, clock, makePlan: makeHere, ...options });
  const said: string[] = [];
  const signal = new AbortController().signal;
  const place = (members: Member[], more: Partial<PlaceOptions> = {}) =>
    placer.place(members, { signal, say: (s) => said.push(s), ...more });
  return { asked, said, placer, place, replanned, most: () => most };
}

const stagesOf = (placed: Awaited<ReturnType<PlaceDeployment>>) =>
  placed.stages.map((s) => `${s.node[0]} ${s.first}-${s.last}`);

Deno.test("Placer.place() measures nodes and links, says so, and places as the planner says", async () => {
  const { place, asked, said } = world({ a: 1, b: 300 }, { makePlan: undefined }); // on a thread
  const placed = await place(members("10.0.0.1", "10.0.0.2"));
  assert.deepEqual(stagesOf(placed), ["a 0-11"]);
  assert.match(said[0], /measuring 2 nodes/);
  assert.equal(placed.plan!.model, "made-up");
  assert.deepEqual(asked.map((a) => a.type), ["profile", "profile", "probe"]);
});

Deno.test("Placer.place() measures a link once, and again only with nodes that are new", async () => {
  const { place, asked } = world({ a: 1, b: 1, c: 1 });
  await place(members("10.0.0.1", "10.0.0.2"));
  await place(members("10.0.0.1", "10.0.0.2"));
  const probes = () => asked.filter((a) => a.type === "probe").length;
  assert.equal(probes(), 1);
  await place(members("10.0.0.1", "10.0.0.2", "10.0.0.3"));
  assert.equal(probes(), 3);
});

Deno.test("Placer.place() keeps layers where they serve until another placement gains a tenth", async () => {
  const speeds = { a: 100, b: 100 };
  const { place } = world(speeds);
  const here = members("10.0.0.1", "10.0.0.2");
  const first = stagesOf(await place(here));
  assert.equal(first.length, 2);
  speeds.b = 130;
  const second = await place(here);
  assert.deepEqual(stagesOf(second), first);
  speeds.b = 1000;
  assert.notDeepEqual(stagesOf(await place(here)), first);
  const fresh = world({ a: 100, b: 130 });
  assert.notDeepEqual(
    stagesOf(await fresh.place(here)),
    first,
    "the same measurements move layers that do not serve yet",
  );
});

Deno.test("Placer.place() lets layers follow a node that is slow by turns a few times an hour, then waits", async () => {
  const speeds = { a: 100, b: 100 };
  let now = 0;
  const waits: number[] = [];
  const clock = {
    now: () => now,
    after(ms: number) {
      waits.push(ms);
      return () => {};
    },
  };
  const { place } = world(speeds, { clock });
  const here = members("10.0.0.1", "10.0.0.2");
  let stages = stagesOf(await place(here)).join();
  let moves = 0;
  for (; now < 3_600_000; now += 120_000) {
    speeds.b = speeds.b === 100 ? 1000 : 100;
    const placed = await place(here);
    const next = stagesOf(placed).join();
    if (next !== stages) moves++;
    stages = next;
  }
  assert.ok(moves >= 3 && moves <= 7, `${moves} moves`);
  assert.ok(waits.some((ms) => ms > 60_000), "it looks again by itself");
  speeds.b = 1000; // it stays slow
  now += 3_600_000;
  assert.deepEqual(stagesOf(await place(here)), ["a 0-11"]);
});

Deno.test("Placer.place() keeps layers when a node joins with which they would be little faster", async () => {
  const { place } = world({ a: 100, b: 100, c: 5000 });
  const two = stagesOf(await place(members("10.0.0.1", "10.0.0.2")));
  const three = await place(members("10.0.0.1", "10.0.0.2", "10.0.0.3"));
  assert.deepEqual(stagesOf(three), two);
});

Deno.test("Placer.place() measures nodes of one machine one after the other, and others at the same time", async () => {
  const same = world({ a: 1, b: 1 });
  await same.place(members("10.0.0.1", "10.0.0.1"));
  assert.equal(same.most(), 1);
  const apart = world({ a: 1, b: 1 });
  await apart.place(members("10.0.0.1", "10.0.0.2"));
  assert.equal(apart.most(), 2);
});

Deno.test("Placer.place() takes a node that cannot be measured to be as slow as the slowest, and says so", async () => {
  const refused = new OrreryError({
    group: "engine",
    code: "engine_failed",
    message: "no library here",
  });
  const { place } = world({ a: 2, b: refused });
  const placed = await place(members("10.0.0.1", "10.0.0.2"));
  const { binding } = placed.plan as { binding: string[] };
  assert.ok(
    binding.some((line) =>
      /b:1:x could not be measured \(no library here\).*as slow as a:1:x/.test(line)
    ),
    binding.join("\n"),
  );
});

Deno.test("Placer.place() splits layers evenly, without a plan, where no node can be measured", async () => {
  const refused = new OrreryError({
    group: "engine",
    code: "engine_failed",
    message: "no library here",
  });
  const { place } = world({ a: refused, b: refused });
  const placed = await place(members("10.0.0.1", "10.0.0.2"));
  assert.deepEqual(stagesOf(placed), ["a 0-5", "b 6-11"]);
  assert.equal(placed.plan, undefined);
});

Deno.test("Placer.place() measures nothing for a node that is alone", async () => {
  const { place, asked, placer } = world({ a: null });
  const placed = await place(members("10.0.0.1"));
  assert.deepEqual(stagesOf(placed), ["a 0-11"]);
  assert.deepEqual(asked.map((a) => [a.to, a.type, a.known_only]), [[
    memberAddress("a:1:x"),
    "profile",
    true,
  ]]);
  placer.close();
});

Deno.test("Placer.place() measures nothing for --layers and --placement even", async () => {
  const ranges = world({ a: 1, b: 1 }, { layers: [{ first: 0, last: 2 }, { first: 3, last: 11 }] });
  assert.deepEqual(stagesOf(await ranges.place(members("10.0.0.1", "10.0.0.2"))), [
    "a 0-2",
    "b 3-11",
  ]);
  await assert.rejects(
    async () => await ranges.place(members("10.0.0.1")),
    /--layers names 2 ranges/,
  );
  const even = world({ a: 1, b: 1 }, { placement: "even" });
  assert.deepEqual(stagesOf(await even.place(members("10.0.0.1", "10.0.0.2"))), [
    "a 0-5",
    "b 6-11",
  ]);
  assert.deepEqual([...ranges.asked, ...even.asked], []);
});

Deno.test("Placer.place() places a draft model that nobody named only where a plan expects it to pay", async () => {
  const draft = { ...manifest, name: "small" };
  const found = { draft, found: true, acceptance: 0.8, draftWhy: "small: an equal tokenizer" };
  const split = world({ a: 1, b: 1 }, { layers: [{ first: 0, last: 11 }], ...found });
  assert.equal((await split.place(members("10.0.0.1", "10.0.0.2"))).draft, undefined);
  // Its draft model is as large as the target: its drafts do not pay.
  const planned = await world({ a: 1, b: 300 }, found).place(members("10.0.0.1", "10.0.0.2"));
  assert.equal(planned.draft, undefined);
  assert.ok((planned.plan!.binding as string[]).includes("drafts: small: an equal tokenizer"));
  const named = await world({ a: 1, b: 300 }, { ...found, found: false })
    .place(members("10.0.0.1", "10.0.0.2"));
  assert.equal(named.draft?.model, "small");
});

Deno.test("Placer.place() puts the drafter on the first node without layers, with --layers", async () => {
  const draft = { ...manifest, name: "small" };
  const { place } = world({ a: 1, b: 1 }, { layers: [{ first: 0, last: 11 }], draft });
  assert.deepEqual((await place(members("10.0.0.1", "10.0.0.2"))).draft?.node, "b:1:x");
  assert.deepEqual((await place(members("10.0.0.1"))).draft?.node, "a:1:x");
});

Deno.test("Placer.place() passes the graph's request policy on, planned, split evenly or by --layers", async () => {
  const text = "{ model: made-up, actors: { outline: { router: false } }, " +
    "decode: { mode: plain, draft_length: 2, max_branches: 3, wire: int8 } }";
  const graph = parseGraph(text, { file: "test" });
  const layers = [{ first: 0, last: 5 }, { first: 6, last: 11 }];
  for (const options of [{}, { placement: "even" as const }, { layers }]) {
    const { shape, plan } = await world({ a: 2, b: 2 }, { graph, ...options })
      .place(members("10.0.0.1", "10.0.0.2"));
    assert.deepEqual(shape!.policy, { router: false, mode: "plain", draft_length: 2 });
    assert.deepEqual([shape!.wire, shape!.max_branches], ["int8", 3], JSON.stringify(plan));
  }
});

Deno.test("Placer.place() plans at once by another model's times, and anew once nodes have measured themselves", async () => {
  const like = { ...madeUpManifest("other"), layers: manifest.layers.map((l) => ({ ...l })) };
  const { place, asked, replanned, placer } = world({ a: 1, b: 300 }, {
    like,
    unmeasured: ["made-up"],
    settleMs: 0,
  });
  const here = members("10.0.0.1", "10.0.0.2");
  const placed = await place(here, { quick: true });
  assert.deepEqual(stagesOf(placed), ["a 0-11"]);
  assert.ok(asked.filter(({ type }) => type === "profile").every(({ known_only }) => known_only));
  const { binding } = placed.plan as { binding: string[] };
  assert.match(binding.join("; "), /times at a:1:x, b:1:x are those of other/);
  assert.match(await replanned, /nodes have measured made-up/);
  const again = await place(here);
  assert.doesNotMatch((again.plan as { binding: string[] }).binding.join(), /those of other/);
  placer.close();
});

Deno.test("Placer.place() puts a model at once on the node with the most memory where nothing was measured", async () => {
  const options = { like: madeUpManifest("other"), unmeasured: ["made-up", "other"], settleMs: 0 };
  const here = members("10.0.0.1", "10.0.0.2");
  const { place, replanned, placer } = world({ a: 1, b: 1 }, options);
  const placed = await place(here, { quick: true, taken: new Map([["a:1:x", 1e9]]) });
  assert.deepEqual(stagesOf(placed), ["b 0-11"]);
  assert.equal(placed.plan, undefined);
  assert.match(await replanned, /nodes have measured made-up/);
  placer.close();
  // No node has room for all of it: they are measured first.
  const full = world({ a: 1, b: 1 }, options);
  const both = new Map([["a:1:x", 3.9e9], ["b:1:x", 3.9e9]]);
  await assert.rejects(
    async () => await full.place(here, { quick: true, taken: both }),
    /does not fit/,
  );
  assert.ok(full.asked.some(({ type, known_only }) => type === "profile" && !known_only));
  full.placer.close();
});

Deno.test("Placer.place() waits for measurements where something serves, or the model is the first node's", async () => {
  const here = members("10.0.0.1", "10.0.0.2");
  const measures = (options: object, more: object) => async () => {
    const { place, asked, placer } = world({ a: 1, b: 1 }, { unmeasured: ["made-up"], ...options });
    await place(here, more);
    placer.close();
    return asked.some(({ type, known_only }) => type === "profile" && !known_only);
  };
  assert.ok(await measures({ like: madeUpManifest("other") }, { quick: false })());
  assert.ok(await measures({}, { quick: true })());
});

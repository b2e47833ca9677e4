import assert from "node:assert/strict";
import { hasCode, OrreryError } from "../../actors/mod.ts";
import { PIECE_BYTES } from "../../models/mod.ts";
import { SHARE } from "./pacer.ts";
import { BlobWorld } from "../../tests/support/blob_world.ts";

const MIB = 2 ** 20;
const flip = (bytes: Uint8Array) => bytes.map((byte, i) => i === 7 ? byte ^ 1 : byte);

Deno.test("fetchBlobs() takes one large blob from all members that have it, at the sum of their speeds", async () => {
  const world = new BlobWorld();
  world.blob("layer 0", 16 * MIB + 5);
  for (const node of ["a", "b", "c"]) world.member(node, { has: ["layer 0"], rate: 4000 });
  world.member("d", { has: [] });
  await world.fetch();
  assert.ok(world.has("layer 0"));
  const ms = (16 * MIB + 5) / 4000;
  const took = world.sim.clock.now();
  assert.ok(took < ms / 2.5, `${took} ms from three, ${ms} ms from one`);
  for (const node of ["a", "b", "c"]) assert.ok(world.sentBy(node) > 4 * MIB, node);
  assert.equal(world.sentBy("d"), 0);
});

Deno.test("fetchBlobs() keeps at most 4 requests at a member and 16 in all under way", async () => {
  const world = new BlobWorld();
  world.blob("layer 0", 32 * MIB);
  for (const node of "abcdefgh") world.member(node, { has: ["layer 0"] });
  let inFlight = 0;
  let most = 0;
  const done = world.asked.push.bind(world.asked);
  world.asked.push = (...asks) => {
    for (const { length } of asks) {
      most = Math.max(most, ++inFlight);
      world.sim.clock.after(length / 1000, () => inFlight--);
    }
    return done(...asks);
  };
  await world.fetch();
  assert.ok(most > 8 && most <= 16, `${most}`);
});

Deno.test("fetchBlobs() lets a quick member take over what a slow one is at", async () => {
  const world = new BlobWorld();
  world.blob("layer 0", 8 * MIB);
  world.member("quick", { has: ["layer 0"], rate: 8000 });
  world.member("slow", { has: ["layer 0"], rate: 10 });
  await world.fetch();
  assert.ok(world.has("layer 0"));
  const alone = 8 * MIB / 8000;
  assert.ok(world.sim.clock.now() < 2 * alone, `${world.sim.clock.now()} ms, alone ${alone} ms`);
});

Deno.test("fetchBlobs() goes on without a member that dies, whose pieces others take", async () => {
  const world = new BlobWorld();
  world.blob("layer 0", 8 * MIB);
  world.blob("layer 1", 8 * MIB);
  world.member("a", { has: ["layer 0", "layer 1"] });
  world.member("b", { has: ["layer 0", "layer 1"] });
  world.sim.clock.after(3_000, () => world.kill("a"));
  await world.fetch();
  assert.ok(world.has("layer 0") && world.has("layer 1"));
  assert.deepEqual(world.wrong, []);
});

Deno.test("fetchBlobs() waits for a member that has a blob only later", async () => {
  const world = new BlobWorld();
  world.blob("layer 0", MIB);
  const has: string[] = [];
  world.member("a", { has });
  world.sim.clock.after(4_000, () => void has.push("layer 0"));
  await world.fetch();
  assert.ok(world.has("layer 0"));
});

Deno.test("fetchBlobs() names the only member that sent a wrong blob, and asks it no more", async () => {
  const world = new BlobWorld();
  world.blob("layer 0", 3 * MIB);
  world.member("liar", { has: ["layer 0"], lie: flip });
  await assert.rejects(world.fetch(), (e) => {
    assert.ok(hasCode(e, "weights_missing"));
    assert.match(e.message, /no other node has layer 0 of model m .*liar sent wrong bytes \(its/);
    return true;
  });
  assert.deepEqual(world.wrong, ["liar: layer 0"]);
  assert.equal(world.sentBy("liar"), 3 * MIB);
  assert.equal(world.store.aside.size, 0);
});

Deno.test("fetchBlobs() finds out which of several members sent wrong bytes, and gets the right ones", async () => {
  for (let seed = 1; seed <= 5; seed++) {
    const world = new BlobWorld(seed);
    world.blob("layer 0", 4 * MIB);
    world.member("a", { has: ["layer 0"] });
    world.member("liar", { has: ["layer 0"], lie: flip });
    world.member("c", { has: ["layer 0"] });
    await world.fetch();
    assert.ok(world.has("layer 0"));
    assert.deepEqual(new Set(world.wrong), new Set(["liar: layer 0"]), `seed ${seed}`);
    assert.equal(world.store.aside.size, 0);
  }
});

Deno.test("fetchBlobs() names a member that sends too little or too much, at once", async () => {
  for (const lie of [() => new Uint8Array(0), (b: Uint8Array) => b.subarray(1)]) {
    const world = new BlobWorld();
    world.blob("layer 0", 2 * MIB);
    world.member("liar", { has: ["layer 0"], lie });
    world.member("b", { has: ["layer 0"] });
    await world.fetch();
    assert.deepEqual([...new Set(world.wrong)], ["liar: layer 0"]);
  }
});

Deno.test("fetchBlobs() finds the size of a blob that the manifest does not state, against a liar too", async () => {
  const world = new BlobWorld();
  world.blob("tokenizer.json", MIB, { stated: false });
  world.member("liar", { has: ["tokenizer.json"], size: 3 * MIB, lie: () => new Uint8Array(9) });
  world.member("b", { has: ["tokenizer.json"] });
  await world.fetch();
  assert.ok(world.has("tokenizer.json"));
  assert.deepEqual(world.wrong, ["liar: tokenizer.json"]);
});

Deno.test("fetchBlobs() goes on where an earlier fetch broke off", async () => {
  const world = new BlobWorld();
  world.blob("layer 0", 8 * MIB);
  world.member("a", { has: ["layer 0"] });
  const abort = new AbortController();
  world.sim.clock.after(4_000, () => abort.abort(new Error("the process ends")));
  await assert.rejects(world.fetch({ signal: abort.signal }), /the process ends/);
  const [{ flags }] = world.store.partial.values();
  const there = flags.filter((flag) => flag).length;
  assert.ok(there > 2 && there < 16, `${there} pieces`);
  world.asked.length = 0;
  await world.fetch();
  assert.ok(world.has("layer 0"));
  assert.equal(world.sentBy("a"), 8 * MIB - there * PIECE_BYTES);
});

Deno.test("fetchBlobs() names nobody where wrong bytes may be of an earlier fetch", async () => {
  const world = new BlobWorld();
  world.blob("layer 0", 4 * MIB);
  world.member("a", { has: ["layer 0"] });
  const { sha256 } = world.blobs.get("layer 0")!.request;
  const file = await world.store.openPartial(sha256, 4 * MIB);
  await file!.write(3, new Uint8Array(PIECE_BYTES).fill(9));
  await world.fetch();
  assert.ok(world.has("layer 0"));
  assert.deepEqual(world.wrong, []);
});

Deno.test("fetchBlobs() says which blob nobody has, of which model, and who was asked", async () => {
  const world = new BlobWorld();
  world.blob("layer 0", MIB);
  world.blob("layer 1", MIB);
  world.member("a", { has: ["layer 0"] });
  world.member("gone", { has: ["layer 1"] });
  world.kill("gone");
  await assert.rejects(world.fetch(), (e) => {
    assert.ok(e instanceof OrreryError && e.code === "weights_missing");
    assert.match(
      e.message,
      /^no other node has layer 1 of model m \(blob [0-9a-f]{12}\): a has it not; gone does not answer \(node gone is gone\); start/,
    );
    assert.deepEqual(e.metadata.asked, ["a", "gone"]);
    return true;
  });
});

/** Share of the time, 0 to 1, in which a request for bytes is under way. */
function share({ asked, sim }: BlobWorld, rate: number): number {
  return asked.reduce((ms, { length }) => ms + length / rate, 0) / sim.clock.now();
}

Deno.test("fetchBlobs() takes its share of the time and small requests while requests of clients run here", async () => {
  const world = new BlobWorld();
  world.blob("layer 0", 4 * MIB);
  for (const node of ["a", "b", "c"]) world.member(node, { has: ["layer 0"], rate: 4000 });
  await world.fetch({ running: () => true });
  assert.ok(world.has("layer 0"));
  assert.ok(Math.max(...world.asked.map((a) => a.length)) <= 128 * 1024);
  const part = share(world, 4000);
  assert.ok(part > 0.8 * SHARE && part < 1.05 * SHARE, `${part}`);
});

Deno.test("fetchBlobs() spares a member at which requests run, also when several nodes fetch there", async () => {
  for (const readers of [1, 3]) {
    const world = new BlobWorld();
    world.blob("layer 0", 2 * MIB);
    world.member("a", { has: ["layer 0"], rate: 4000, running: () => true, readers });
    await world.fetch();
    const part = share(world, 4000);
    const most = SHARE / readers;
    assert.ok(part > 0.8 * most && part < 1.05 * most, `${readers}: ${part}`);
  }
});

Deno.test("fetchBlobs() is at full speed again as soon as requests are over", async () => {
  const world = new BlobWorld();
  world.blob("layer 0", 16 * MIB);
  world.member("a", { has: ["layer 0"], rate: 4000 });
  await world.fetch({ running: () => world.sim.clock.now() < 2_000 });
  const rest = 16 * MIB / 4000;
  assert.ok(world.sim.clock.now() < 2_000 + 1.1 * rest, `${world.sim.clock.now()} ms`);
});

Deno.test("fetchBlobs() tells how far it is, how quick, and from how many members", async () => {
  const world = new BlobWorld();
  world.blob("layer 0", 16 * MIB);
  for (const node of ["a", "b"]) world.member(node, { has: ["layer 0"], rate: 1000 });
  const seen: { doneBytes: number; bytesPerS: number; peers: number }[] = [];
  await world.fetch({ onProgress: (progress) => void seen.push(progress) });
  const done = seen.map((p) => p.doneBytes);
  assert.deepEqual(done, done.toSorted((a, b) => a - b));
  assert.equal(done.at(-1), 16 * MIB);
  const { bytesPerS, peers } = seen[seen.length >> 1];
  assert.equal(peers, 2);
  assert.ok(Math.abs(bytesPerS - 2e6) < 0.3e6, `${bytesPerS} bytes a second`);
});

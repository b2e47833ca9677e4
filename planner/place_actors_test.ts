import assert from "node:assert/strict";
import fc from "fast-check";
import {
  type ActorHost,
  type ActorNeeds,
  type ActorPlanInput,
  placeActors,
} from "./place_actors.ts";

const MIB = 2 ** 20;
const host = (name: string, more: Partial<ActorHost> = {}): ActorHost => ({
  ...{ name, memoryBytes: 1024 * MIB, cores: 4, trusted: true, stageSeconds: 0 },
  ...more,
});
const actor = (name: string, more: Partial<ActorNeeds> = {}): ActorNeeds => ({
  ...{ name, memoryBytes: 64 * MIB, cores: 0.1, trusted: false, links: [] },
  ...more,
});
/** Hosts `a`, `b`, ...; each link takes as many ms as the indices of its ends are apart. */
const input = (hosts: ActorHost[], actors: ActorNeeds[], api = "a"): ActorPlanInput => ({
  ...{ hosts, actors, api, model: api },
  seconds: hosts.map((_, i) => hosts.map((_, j) => Math.abs(i - j) / 1_000)),
});

Deno.test("placeActors() puts an actor where its messages come from, and says what others would cost", () => {
  const guard = actor("guard", { links: [{ to: "api", perRequest: 1 }] });
  assert.deepEqual(placeActors(input([host("a"), host("b")], [guard], "b")), [{
    actor: "guard",
    host: "b",
    why: "0 ms a request for messages with api here; a would take 2.00 ms more a request",
  }]);
});

Deno.test("placeActors() keeps an actor that computes away from the stages", () => {
  const busy = actor("busy", { cores: 2, links: [{ to: "model", perRequest: 1 }] });
  const hosts = [host("a", { stageSeconds: 1 }), host("b")];
  const [placed] = placeActors(input(hosts, [busy]));
  assert.equal(placed.host, "b");
  assert.match(placed.why, /a would take 498 ms more a request/);
});

Deno.test("placeActors() heeds memory, cores, trust and what the graph file names", () => {
  const hosts = [
    host("small", { memoryBytes: 32 * MIB }),
    host("strange", { trusted: false }),
    host("slow", { cores: 1 }),
    host("good"),
  ];
  const needs = { trusted: true, cores: 2 };
  const [a, b, c] = placeActors(input(hosts, [
    actor("a", needs),
    actor("b", { only: { host: "strange", why: "the graph file names it" } }),
    actor("c", { memoryBytes: 2048 * MIB }),
  ], "small"));
  assert.equal(a.host, "good");
  assert.match(
    a.why,
    /small lacks 33.6 MB; strange is not trusted; slow has 1 core\(s\), a needs 2/,
  );
  assert.deepEqual([b.host, b.why], ["strange", "the graph file names it"]);
  assert.equal(c.host, null);
  assert.match(c.why, /^no host has what it needs: small lacks .*good lacks 1.07 GB$/);
});

Deno.test("placeActors() moves an actor only where that saves something", () => {
  const hosts = [host("a"), host("b")];
  const near = { links: [{ to: "api", perRequest: 0.4 }], current: "b" };
  const [stays] = placeActors(input(hosts, [actor("x", near)]));
  assert.equal(stays.host, "b");
  assert.match(stays.why, /runs here already/);
  const far = { links: [{ to: "api", perRequest: 4 }], current: "b" };
  assert.equal(placeActors(input(hosts, [actor("x", far)]))[0].host, "a");
});

Deno.test("placeActors() finds what trying everything finds", () => {
  const bytes = fc.integer({ min: 1, max: 4 }).map((n) => n * MIB);
  const world = fc.record({
    hosts: fc.array(
      fc.record({
        memory: bytes,
        cores: fc.integer({ min: 1, max: 2 }),
        stage: fc.integer({ min: 0, max: 3 }),
      }),
      { minLength: 1, maxLength: 4 },
    ),
    actors: fc.array(
      fc.record({
        memory: bytes,
        cores: fc.constantFrom(0.5, 1),
        to: fc.integer({ min: -1, max: 4 }),
        n: fc.integer({ min: 1, max: 3 }),
      }),
      { minLength: 1, maxLength: 5 },
    ),
    latency: fc.array(fc.integer({ min: 1, max: 9 }), { minLength: 16, maxLength: 16 }),
  });
  fc.assert(
    fc.property(world, ({ hosts, actors, latency }) => {
      const given: ActorPlanInput = {
        hosts: hosts.map((h, i) =>
          host(`h${i}`, { memoryBytes: h.memory, cores: h.cores, stageSeconds: h.stage / 100 })
        ),
        actors: actors.map((a, i) =>
          actor(`a${i}`, {
            memoryBytes: a.memory,
            cores: a.cores,
            links: [{ to: a.to < 0 ? "api" : `a${a.to}`, perRequest: a.n }],
          })
        ),
        seconds: hosts.map((_, i) => hosts.map((_, j) => i === j ? 0 : latency[4 * i + j] / 1_000)),
        ...{ api: "h0", model: "h0" },
      };
      const found = placeActors(given);
      const at = found.map(({ host }) => given.hosts.findIndex(({ name }) => name === host));
      const all = everyPlacement(actors.length, hosts.length)
        .map((at) => cost(given, at)).filter((c) => c !== undefined)
        .sort((x, y) => x.left - y.left || x.seconds - y.seconds);
      const own = cost(given, at)!;
      assert.equal(own.left, all[0].left);
      assert.ok(own.seconds <= all[0].seconds + 1e-9, `${own.seconds} and ${all[0].seconds}`);
      assert.deepEqual(placeActors(given), found);
    }),
    { numRuns: 60, seed: 7 },
  );
});

function everyPlacement(actors: number, hosts: number): number[][] {
  if (actors === 0) return [[]];
  const rest = everyPlacement(actors - 1, hosts);
  return rest.flatMap((at) => Array.from({ length: hosts + 1 }, (_, h) => [...at, h - 1]));
}

/** Actors without a host, and seconds a request; undefined: something does not fit. */
function cost({ actors, hosts, seconds }: ActorPlanInput, at: number[]) {
  for (const [h, { memoryBytes, cores }] of hosts.entries()) {
    const here = actors.filter((_, i) => at[i] === h);
    if (here.reduce((sum, a) => sum + a.memoryBytes, 0) > memoryBytes) return undefined;
    if (here.reduce((sum, a) => sum + a.cores, 0) > cores) return undefined;
  }
  let sum = 0;
  for (const [i, { links: [{ to, perRequest }], cores }] of actors.entries()) {
    const j = actors.findIndex(({ name }) => name === to);
    const other = to === "api" ? 0 : j < 0 || j === i ? -1 : at[j];
    if (at[i] < 0) continue;
    if (other >= 0) sum += perRequest * (seconds[at[i]][other] + seconds[other][at[i]]);
    const host = hosts[at[i]];
    sum += Math.min(1, cores / Math.max(1, host.cores)) * host.stageSeconds;
  }
  return { left: at.filter((h) => h < 0).length, seconds: sum };
}

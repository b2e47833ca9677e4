import assert from "node:assert/strict";
import { samplingSchema, shapeSchema } from "../pipeline/mod.ts";
import { ArbiterRequest } from "./request.ts";
import { Requests } from "./requests.ts";

/** The request that came as number `order`, with a prompt of 10 rows. */
function request(order: number, max_rows = 50): ArbiterRequest {
  return new ArbiterRequest({
    generation: `d/generation/${order}`,
    prompt: new Int32Array(10),
    sampling: samplingSchema.parse({}),
    max_rows,
    reuse: true,
  }, { order, shape: shapeSchema.parse({}) });
}

Deno.test("Requests.admit() lets requests run in order of arrival while they fit together", () => {
  const requests = new Requests();
  const [a, b, c] = [request(0, 60), request(1, 60), request(2, 10)];
  for (const r of [a, b, c]) requests.add(r);
  assert.equal(requests.admit(100), 1);
  assert.deepEqual(requests.running, [a], "the small one does not overtake the large one");
  assert.equal(requests.find(b.generation), b, "one that waits is open too");
  requests.remove(a);
  assert.equal(requests.admit(100), 2);
  assert.deepEqual([requests.running, requests.waits, a.closed], [[b, c], 0, true]);
});

Deno.test("Requests.admit() always lets one request run", () => {
  const requests = new Requests();
  requests.add(request(0, 500));
  requests.add(request(1, 500));
  assert.equal(requests.admit(100), 1);
});

Deno.test("Requests.admit() lets a new request take turns with the least served one", () => {
  const requests = new Requests();
  const [a, b, c] = [request(0), request(1), request(2)];
  requests.add(a);
  requests.add(b);
  requests.admit(1000);
  [a.served, b.served] = [300, 200];
  requests.add(c);
  requests.admit(1000);
  assert.equal(c.served, 200);
  assert.equal(requests.newest(), c);
  assert.equal(requests.rowsNeeded(), 33);
});

Deno.test("Requests.rowsToCome() learns from the answers of requests that have ended", () => {
  const requests = new Requests();
  const rows = () => {
    const probe = request(99, 5000);
    probe.jobs = [];
    requests.add(probe);
    requests.admit(1e6);
    const toCome = requests.rowsToCome();
    requests.remove(probe);
    return toCome;
  };
  const before = rows();
  const ended = request(0);
  ended.tally.began = { at: 0, busyMs: 0 };
  requests.add(ended);
  requests.admit(1000);
  requests.remove(ended);
  assert.ok(rows() < before, "it had no rows at all");
});

Deno.test("Requests.list() gives those that wait only when all are asked for", () => {
  const requests = new Requests();
  const [a, b] = [request(0, 90), request(1, 90)];
  requests.add(a);
  requests.add(b);
  requests.admit(100);
  assert.deepEqual(requests.list({ all: false }), [a]);
  assert.deepEqual(requests.list({ all: true }), [a, b]);
});

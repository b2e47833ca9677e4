import assert from "node:assert/strict";
import { collectiveSeconds, type Operation, trafficOf, type Way, WAYS } from "./collectives.ts";

Deno.test("trafficOf() is that of the published algorithms on four boards", () => {
  const cases: [Operation, Way, number, number][] = [
    ["all-reduce", "ring", 6, 1.5],
    ["reduce-scatter", "ring", 3, 0.75],
    ["all-gather", "ring", 3, 0.75],
    ["all-reduce", "doubling", 2, 2],
    ["all-gather", "doubling", 2, 0.75],
    ["all-reduce", "root", 6, 6],
    ["all-gather", "root", 6, 3.75],
  ];
  for (const [operation, way, messages, tensors] of cases) {
    assert.deepEqual(trafficOf(operation, way, 4), { messages, tensors }, `${operation} ${way}`);
  }
});

Deno.test("trafficOf() is nothing on one board, and one exchange each way on two", () => {
  for (const way of WAYS) {
    assert.deepEqual(trafficOf("all-reduce", way, 1), { messages: 0, tensors: 0 });
  }
  assert.deepEqual(trafficOf("all-reduce", "ring", 2), { messages: 2, tensors: 1 });
  assert.deepEqual(trafficOf("all-reduce", "doubling", 2), { messages: 1, tensors: 1 });
});

Deno.test("trafficOf() of an all-reduce by a ring is a reduce-scatter and an all-gather", () => {
  for (let boards = 1; boards <= 9; boards++) {
    const [all, scatter, gather] = (["all-reduce", "reduce-scatter", "all-gather"] as const)
      .map((operation) => trafficOf(operation, "ring", boards));
    assert.equal(all.messages, scatter.messages + gather.messages);
    assert.ok(Math.abs(all.tensors - scatter.tensors - gather.tensors) < 1e-12);
  }
});

Deno.test("collectiveSeconds() adds up messages and bytes", () => {
  const link = { message_s: 0.5, bytesPerS: 100 };
  // six messages, one and a half tensors of 200 bytes
  assert.equal(collectiveSeconds("all-reduce", 200, { boards: 4, link, way: "ring" }), 3 + 3);
});

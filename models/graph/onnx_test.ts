import assert from "node:assert/strict";
import * as ort from "../../tests/oracle/onnxruntime.ts";
import { GraphBuilder } from "./builder.ts";
import { decodeModel, encodeModel } from "./onnx.ts";

function doubling(): GraphBuilder {
  const graph = new GraphBuilder();
  const x = graph.input("x", "f32", ["rows", 2]);
  const two = graph.constant({
    name: "two",
    dtype: "f32",
    dims: [],
    data: new Uint8Array(Float32Array.of(2).buffer),
  });
  graph.node("Mul", "/double/Mul", [x, two], { outputs: ["y"] });
  graph.output("y", "f32", ["rows", 2]);
  return graph;
}

Deno.test("encodeModel() writes a model that ONNX Runtime runs", async () => {
  const session = await ort.InferenceSession.create(encodeModel(doubling().finish("doubling")));
  const { y } = await session.run({
    x: new ort.Tensor("float32", Float32Array.of(1, 2, 3, 4), [2, 2]),
  });
  assert.deepEqual([...y.data as Float32Array], [2, 4, 6, 8]);
  await session.release();
});

Deno.test("encodeModel() keeps zeros, floats, lists and strings apart in attributes", () => {
  const graph = new GraphBuilder();
  graph.node("Any", "/any", [], {
    attributes: { i: 0, f: { float: 0.5 }, s: "text", list: [1, -2] },
  });
  const model = decodeModel(encodeModel(graph.finish("attributes")));
  const { attribute } =
    (model.graph as { node: { attribute: Record<string, unknown>[] }[] }).node[0];
  assert.deepEqual(attribute.map(({ name, type }) => [name, type]), [["i", 2], ["f", 1], ["s", 3], [
    "list",
    7,
  ]]);
  assert.equal(attribute[0].i, 0);
  assert.equal(attribute[1].f, 0.5);
  assert.equal(new TextDecoder().decode(attribute[2].s as Uint8Array), "text");
  assert.deepEqual(attribute[3].ints, [1, -2]);
});

Deno.test("encodeModel() points to external data by file, offset and length", () => {
  const graph = new GraphBuilder();
  const data = { location: "blob", offset: 2 ** 33, length: 64 };
  graph.constant({ name: "w", dtype: "u8", dims: [2, 32], data });
  const model = decodeModel(encodeModel(graph.finish("external")));
  const [initializer] = (model.graph as { initializer: Record<string, unknown>[] }).initializer;
  assert.deepEqual(initializer.external_data, [
    { key: "location", value: "blob" },
    { key: "offset", value: "8589934592" },
    { key: "length", value: "64" },
  ]);
  assert.equal(initializer.data_location, 1);
  assert.equal(graph.externalBytes(), 64);
});

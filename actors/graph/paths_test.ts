/** The paths of custom actors, and the edges, permissions and limits that are refused. */
import assert from "node:assert/strict";
import fc from "fast-check";
import { OrreryError } from "../system/errors.ts";
import { parseGraph } from "./parse.ts";
import { graphPaths } from "./paths.ts";

/** A graph of custom actors and edges such as `api>a`. */
function graph(names: string, edges: string) {
  const custom = names.split(" ").filter(Boolean).map((name) => ({ name, module: "./x.ts" }));
  const list = edges.split(" ").filter(Boolean).map((edge) => {
    const [from, to] = edge.split(">");
    return { from, to };
  });
  return parseGraph(JSON.stringify({ model: "m", actors: { custom }, edges: list }, null, 1), {
    file: "g",
  });
}

const refused = (names: string, edges: string): string => {
  try {
    graph(names, edges);
  } catch (error) {
    assert.ok(error instanceof OrreryError);
    return error.message;
  }
  assert.fail(`${edges} was not refused`);
};

Deno.test("graphPaths() puts actors on the paths that the edges describe, in their order", () => {
  const cases: [string, string, string[], string[]][] = [
    ["", "", [], []],
    ["a", "api>a a>generation", ["a"], []],
    ["a", "generation>a a>api", [], ["a"]],
    ["a b c", "api>c c>a a>b b>generation", ["c", "a", "b"], []],
    // Side by side: as the file lists them.
    ["b a c", "api>a api>b a>c b>c c>generation", ["b", "a", "c"], []],
    ["a b", "api>a a>generation generation>b b>api", ["a"], ["b"]],
    // One actor both ways.
    ["a", "api>a a>generation generation>a a>api", ["a"], ["a"]],
    // Edges between others put nobody on the way.
    ["a tool", "api>a a>generation a>tool tool>generation", ["a", "tool"], []],
    ["a tool", "api>a a>generation a>tool", ["a"], []],
    ["agent", "agent>generation generation>stages", [], []],
  ];
  for (const [names, edges, request, delta] of cases) {
    assert.deepEqual(graphPaths(graph(names, edges)), { request, delta }, edges);
  }
});

Deno.test("parseGraph() refuses circles, and a path that leads nowhere", () => {
  assert.match(
    refused("a", "a>a"),
    /edges\[0\]: expected edges without a circle, found a to itself/,
  );
  assert.match(
    refused("a b c", "api>a a>b b>c c>a a>generation"),
    /edges\[1\]: expected edges without a circle, found one through a, b, c/,
  );
  assert.match(
    refused("a", "api>a"),
    /edges\[0\]: expected a to lead on to generation, found no edge that does/,
  );
  assert.match(refused("a", "generation>a"), /edges\[0\]: expected a to lead on to api/);
  assert.match(refused("a", "api>b"), /edges\[0\]\.to: expected the name of an actor, found "b"/);
  for (const name of ["api", "model", "generation", "cluster"]) {
    assert.match(refused(name, ""), /name: expected a name that no other actor has/, name);
  }
});

Deno.test("graphPaths() keeps the direction of every edge, whatever the graph", () => {
  const names = ["a", "b", "c", "d", "e"];
  // Edges from earlier to later names have no circle; the file lists the actors in any order.
  const edges = fc.subarray(
    names.flatMap((from, i) => names.slice(i + 1).map((to) => ({ from, to }))),
  );
  const order = fc.shuffledSubarray(names, { minLength: names.length });
  fc.assert(fc.property(edges, order, (inner, listed) => {
    const ends = names.flatMap((
      name,
    ) => [{ from: "api", to: name }, { from: name, to: "generation" }]);
    const custom = listed.map((name) => ({ name, module: "./x.ts" }));
    const text = JSON.stringify({ model: "m", actors: { custom }, edges: [...ends, ...inner] });
    const { request } = graphPaths(parseGraph(text, { file: "g" }));
    assert.deepEqual(request.toSorted(), names);
    for (const { from, to } of inner) {
      assert.ok(request.indexOf(from) < request.indexOf(to), `${from} before ${to}`);
    }
  }));
});

Deno.test("parseGraph() refuses a permission with a wildcard, and a limit out of its range", () => {
  const entry = (fields: string) => () =>
    parseGraph(`model: m\nactors:\n  custom:\n    - { name: a, module: ./a.ts, ${fields} }\n`, {
      file: "g",
    });
  const cases: [string, RegExp][] = [
    [
      'permissions: { net: ["*"] }',
      /net\[0\]: expected a host such as .*; all of them cannot be granted, found "\*"/,
    ],
    ['permissions: { net: ["*.example.com"] }', /net\[0\]: expected a host/],
    ["permissions: { net: [all] }", /net\[0\]: expected a host/],
    ["permissions: { net: [http://example.com/] }", /net\[0\]: expected a host/],
    ["permissions: { net: true }", /net: expected a list, found true/],
    ["permissions: { read: [/] }", /read\[0\]: expected a file or folder/],
    ["permissions: { read: [~/notes] }", /read\[0\]: expected a file or folder/],
    ['permissions: { read: ["./*.txt"] }', /read\[0\]: expected a file or folder/],
    ['permissions: { env: ["*"] }', /env\[0\]: expected the name of an environment variable/],
    ["permissions: { run: [ls] }", /permissions\.run: unknown field/],
    ["limits: { compute_seconds: 0 }", /compute_seconds: expected 50 ms to 600 s/],
    ["limits: { message_bytes: 1 GB }", /message_bytes: expected 1 KiB to 16 MiB/],
  ];
  for (const [fields, message] of cases) assert.throws(entry(fields), message, fields);
  const [{ permissions, limits }] = entry(
    'permissions: { net: ["10.0.0.7:80", "[::1]:81", api.example.com], read: [./data, ../up], env: [KEY] }, limits: { compute_seconds: 100 ms }',
  )().actors.custom;
  assert.deepEqual(permissions.net.length + permissions.read.length + permissions.env.length, 6);
  assert.equal(limits.compute_seconds, 0.1);
});

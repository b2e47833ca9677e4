import assert from "node:assert/strict";
import { ScriptedGenerator } from "../../tests/support/scripted_generator.ts";
import { createApi, type NodeRow, type NodesAdmin } from "./mod.ts";

const ROW: NodeRow = {
  name: "attic",
  node: "attic:8421:149f",
  identity: "a".repeat(64),
  state: "serving",
  health: "alive",
  why: null,
  first: false,
  address: "192.168.1.3:8421",
  layers: [[3, 5]],
  since: "2026-11-29T12:00:00.000Z",
  certificate_s: 86_000,
  links: [{ to: "den:8421:41c0", latency_ms: 1.4, mbit_per_s: 51 }],
};

/** An API whose nodes note what they are told. */
function world(origins: string[] = []) {
  const told: string[] = [];
  const nodes: NodesAdmin = {
    list: () => Promise.resolve([ROW]),
    drain: (name) => Promise.resolve((told.push(`drain ${name}`), ROW)),
    remove: (name) => Promise.resolve((told.push(`remove ${name}`), ROW)),
    promote: (waitMs) =>
      Promise.resolve((told.push(`promote ${waitMs}`), { node: ROW.node, epoch: 2 })),
  };
  const app = createApi(new ScriptedGenerator(), { nodes, access: { origins } });
  const ask = (method: string, path: string, headers: Record<string, string> = {}) =>
    app.fetch(
      new Request(`http://127.0.0.1:8420/api/nodes${path}`, {
        method,
        headers: { host: "127.0.0.1:8420", ...headers },
      }),
    );
  return { told, ask };
}

const CALLS = [
  ["GET", ""],
  ["POST", "/attic/drain"],
  ["POST", "/promote"],
  ["DELETE", "/attic"],
] as const;

Deno.test("createApi() lists, drains and removes nodes by the name in the path", async () => {
  const { told, ask } = world();
  assert.deepEqual(await (await ask("GET", "")).json(), { nodes: [ROW] });
  const drained = await ask("POST", "/attic%3A8421%3A149f/drain");
  assert.equal(drained.status, 202);
  assert.deepEqual(await drained.json(), ROW);
  assert.equal((await ask("DELETE", "/attic")).status, 200);
  assert.deepEqual(told, ["drain attic:8421:149f", "remove attic"]);
});

Deno.test("createApi() promotes the node itself, and waits no longer than it is told", async () => {
  const { told, ask } = world();
  assert.deepEqual(await (await ask("POST", "/promote?wait_ms=1500")).json(), {
    node: ROW.node,
    epoch: 2,
  });
  assert.equal((await ask("POST", "/promote")).status, 200);
  for (const wait of ["-1", "600001", "soon", "Infinity"]) {
    const refused = await ask("POST", `/promote?wait_ms=${wait}`);
    assert.equal(refused.status, 400);
    assert.equal((await refused.json()).error.param, "wait_ms");
  }
  assert.deepEqual(told, ["promote 1500", "promote 0"]);
});

Deno.test("createApi() lets no web page of another origin see or change nodes", async () => {
  const { told, ask } = world();
  for (const origin of ["https://evil.example", "http://127.0.0.1:9999", "null", ""]) {
    for (const [method, path] of CALLS) {
      const response = await ask(method, path, { origin });
      assert.equal(response.status, 403, `${method} from ${origin}`);
      assert.equal((await response.json()).error.code, "origin_not_allowed");
    }
  }
  assert.deepEqual(told, []);
});

Deno.test("createApi() lets pages of its own and of allowed origins change nodes", async () => {
  const { told, ask } = world(["https://ops.example"]);
  for (const origin of ["https://ops.example", "http://127.0.0.1:8420"]) {
    for (const [method, path] of CALLS) {
      assert.ok((await ask(method, path, { origin })).ok, `${method} from ${origin}`);
    }
  }
  assert.equal(told.length, 6);
});

Deno.test("createApi() examines the cluster for POST /api/doctor, and for no foreign page", async () => {
  let asked = 0;
  const doctor = () => Promise.resolve((asked++, { ok: true, problems: [] }));
  const app = createApi(new ScriptedGenerator(), { doctor });
  const ask = (method: string, headers: Record<string, string> = {}) =>
    app.fetch(
      new Request("http://127.0.0.1:8420/api/doctor", {
        method,
        headers: { host: "127.0.0.1:8420", ...headers },
      }),
    );
  assert.deepEqual(await (await ask("POST")).json(), { ok: true, problems: [] });
  assert.equal((await ask("POST", { origin: "https://evil.example" })).status, 403);
  assert.equal((await ask("GET")).status, 405);
  assert.equal(asked, 1);
});

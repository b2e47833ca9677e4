import assert from "node:assert/strict";
import { ScriptedGenerator } from "../../../tests/support/scripted_generator.ts";
import { type ApiOptions, type BatchService, createApi, type NodesAdmin } from "../mod.ts";
import { openApiDocument, operationsOf } from "./document.ts";
import { OPERATIONS } from "./operations.ts";

/** An app with every route that there can be; nothing behind it is asked. */
function wholeApi() {
  const generator = new ScriptedGenerator();
  Object.assign(generator, { traces: () => Promise.resolve({ node: "a", traces: [] }) });
  const options: ApiOptions = {
    serving: () => ({ reason: "" }),
    nodes: {} as NodesAdmin,
    doctor: () => Promise.resolve({}),
    logs: () => Promise.reject(new Error("not asked")),
    askActor: () => Promise.resolve(null),
    batches: {} as BatchService,
    deployments: {} as ApiOptions["deployments"],
    load: () => ({}),
    storedModels: {} as ApiOptions["storedModels"],
    uploads: {} as ApiOptions["uploads"],
    whatIf: () => Promise.resolve(undefined),
    cluster: () => Promise.resolve({}),
    page: {} as ApiOptions["page"],
    metrics: () => Promise.resolve({ type: "text/plain", text: "" }),
    journal: { dialects: new Map() } as unknown as ApiOptions["journal"],
  };
  return createApi(generator, options);
}

Deno.test("OPERATIONS describes every route that the API can have, and no other", () => {
  const routes = operationsOf(wholeApi());
  assert.ok(routes.includes("POST /v1/chat/completions") && routes.includes("GET /v1/models/{id}"));
  assert.deepEqual([...routes].sort(), Object.keys(OPERATIONS).sort());
});

Deno.test("openApiDocument() gives requests the bounds that their routes check", async () => {
  const app = wholeApi();
  const response = await app.request("/openapi.json");
  assert.equal(response.status, 200);
  const document = await response.json();
  assert.equal(document.openapi, "3.1.1");
  const schema =
    document.paths["/v1/completions"].post.requestBody.content["application/json"].schema;
  assert.deepEqual(schema.required, ["prompt"]);
  const { temperature } = schema.properties;
  const [number] = temperature.anyOf;
  assert.deepEqual([number.minimum, number.maximum], [0, 2]);
  const wrong = await app.request("/v1/completions", {
    method: "POST",
    headers: { "content-type": "application/json" },
    body: JSON.stringify({ prompt: "a", temperature: number.maximum + 1 }),
  });
  assert.equal(wrong.status, 400);
  const query = document.paths["/v1/batches"].get.parameters;
  assert.deepEqual(query.map(({ name }: { name: string }) => name), ["limit", "after"]);
  const size = JSON.stringify(document).length;
  assert.ok(size < 200_000, `${size} characters`);
});

Deno.test("openApiDocument() lists a route that nobody has described", () => {
  const document = openApiDocument(["GET /new/{name}"], "1");
  assert.equal(document.paths["/new/{name}"].get.summary, "GET /new/{name}");
});

Deno.test("GET /docs shows every route and field, without scripts or anything from elsewhere", async () => {
  const response = await wholeApi().request("/docs");
  assert.match(response.headers.get("content-type")!, /^text\/html/);
  const html = await response.text();
  assert.ok(html.length < 100_000, `${html.length} characters`);
  assert.doesNotMatch(html, /<script|<link|<img|src=|https?:\/\//);
  for (const operation of Object.keys(OPERATIONS)) {
    const [method, path] = operation.split(" ");
    assert.ok(html.includes(`<span class="m">${method}</span>${path}`), operation);
  }
  assert.match(html, /<code>temperature<\/code><\/td><td>number 0 to 2/);
  assert.match(html, /<code>orrery\.draft_length<\/code><\/td><td>integer 0 to 32/);
});

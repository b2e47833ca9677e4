import assert from "node:assert/strict";
import type { SpanAttributes } from "../../actors/mod.ts";
import { ScriptedApi } from "../../tests/support/scripted_api.ts";
import type { AnsweredApiRequest } from "./app.ts";
import type { RequestTracer } from "./request_trace.ts";

const TRACE = "0af7651916cd43dd8448eb211c80319c";
const GIVEN = `00-${TRACE}-b7ad6b7169203331-01`;
const OWN = `00-${TRACE}-00f067aa0ba902b7-01`;

/** An API whose spans and counts are kept. */
function tracedApi() {
  const spans: {
    name: string;
    parent?: string;
    attributes: SpanAttributes;
    ended: number;
    error?: string;
  }[] = [];
  const answered: AnsweredApiRequest[] = [];
  const tracer: RequestTracer = {
    span(name, { parent, attributes = {} }) {
      const span = { name, parent: parent?.traceparent, attributes, ended: 0, error: undefined };
      spans.push(span);
      return {
        context: { traceparent: OWN },
        end: ({ attributes, error } = {}) => {
          span.ended++;
          Object.assign(span, { error, attributes: { ...span.attributes, ...attributes } });
        },
      };
    },
  };
  const onAnswered = (request: AnsweredApiRequest) => void answered.push(request);
  return { api: new ScriptedApi({ tracer, onAnswered }), spans, answered };
}

const CHAT = { messages: [{ role: "user", content: "hi" }] };

Deno.test("createApi() makes a client's traceparent the parent, and tells the generation its span", async () => {
  const { api, spans, answered } = tracedApi();
  const headers = { traceparent: GIVEN, "x-request-id": "mine-1" };
  const response = await api.send("/v1/chat/completions", CHAT, headers);
  assert.equal(response.status, 200);
  assert.equal(response.headers.get("x-request-id"), "mine-1");
  assert.equal(spans.length, 1);
  const [{ name, parent, ended, error, attributes }] = spans;
  assert.deepEqual([name, parent, ended, error], [
    "POST /v1/chat/completions",
    GIVEN,
    1,
    undefined,
  ]);
  assert.equal(attributes["orrery.request"], "mine-1");
  assert.equal(attributes["http.response.status_code"], 200);
  assert.deepEqual(api.generator.requests.map(({ trace }) => trace), [{ traceparent: OWN }]);
  const [{ route, status, model }] = answered;
  assert.deepEqual([route, status], ["/v1/chat/completions", 200]);
  assert.ok(model);
});

Deno.test("createApi() ends the span of a stream with the stream", async () => {
  const { api, spans } = tracedApi();
  const response = await api.send("/v1/chat/completions", { ...CHAT, stream: true });
  assert.equal(spans[0].ended, 0);
  await response.text();
  assert.equal(spans[0].ended, 1);
});

Deno.test("createApi() takes no traceparent and no request id that is none", async () => {
  const { api, spans, answered } = tracedApi();
  const response = await api.send("/v1/models/a%2Fb", undefined, {
    traceparent: `00-${"0".repeat(32)}-b7ad6b7169203331-01`,
    "x-request-id": "two words",
  });
  assert.match(response.headers.get("x-request-id")!, /^[0-9a-f-]{36}$/);
  assert.deepEqual([spans[0].name, spans[0].parent], ["GET /v1/models/:id", undefined]);
  await api.send("/nowhere");
  assert.deepEqual(answered.map(({ route, status }) => [route, status]), [
    ["/v1/models/:id", 404],
    [undefined, 404],
  ]);
});

/**
 * The API over a journal of one node: ids of events, clients that come back, idempotency keys.
 */
import assert from "node:assert/strict";
import {
  IdempotencyKeys,
  JournalledRequests,
  OrreryError,
  RequestJournal,
  systemClock,
} from "../../../actors/mod.ts";
import { memoryRegistry } from "../../../tests/support/memory_registry.ts";
import { ScriptedGenerator } from "../../../tests/support/scripted_generator.ts";
import { createApi } from "../app.ts";
import type { GenerateRequest, GenerationEvent } from "../generator.ts";
import { JournalledAnswers } from "./answers.ts";

/** A generator that can be told to fail after some deltas. */
class FailingGenerator extends ScriptedGenerator {
  failAfter = Infinity;

  journals(): boolean {
    return true;
  }

  override async *generate(
    request: GenerateRequest,
    signal: AbortSignal,
  ): AsyncGenerator<GenerationEvent> {
    let deltas = 0;
    for await (const event of super.generate(request, signal)) {
      if (event.type === "delta" && ++deltas > this.failAfter) {
        this.failAfter = Infinity;
        throw new OrreryError({ group: "engine", code: "engine_failed", message: "it is gone" });
      }
      yield event;
    }
  }
}

function world() {
  const generator = new FailingGenerator();
  const registry = memoryRegistry();
  const timing = { clock: systemClock, random: Math.random, registry: () => registry };
  const journal: RequestJournal = new RequestJournal({
    ...{ ...timing, node: "n", peers: () => [] },
    append: () => Promise.reject(new Error("there is no other node")),
    runner: (run) => answers.run(run),
  });
  const requests: JournalledRequests = new JournalledRequests({
    ...{ journal, clock: systemClock, keys: new IdempotencyKeys(timing), members: () => [] },
    locate: () => Promise.reject(new Error("there is no other node")),
    read: () => Promise.reject(new Error("there is no other node")),
  });
  const answers: JournalledAnswers = new JournalledAnswers({ generator, requests: () => requests });
  const app = createApi(generator, { journal: answers });
  const post = (path: string, body: object, headers: Record<string, string> = {}) =>
    app.request(path, {
      method: "POST",
      headers: { "content-type": "application/json", ...headers },
      body: JSON.stringify(body),
    });
  return { generator, journal, app, post, [Symbol.dispose]: () => journal.close() };
}

/** The events of a stream: their ids, and their text without the id. */
function eventsOf(text: string): { id?: string; rest: string }[] {
  return text.split("\n\n").filter((block) => block !== "" && !block.startsWith(":"))
    .map((block) => {
      const id = /^id: (.*)\n/.exec(block)?.[1];
      return { id, rest: id === undefined ? block : block.slice(block.indexOf("\n") + 1) };
    });
}

const chat = { messages: [{ role: "user", content: "Say something" }] };
const PATHS: Record<string, object> = {
  "/v1/chat/completions": { ...chat, stream: true, stream_options: { include_usage: true } },
  "/v1/completions": { prompt: "Say", stream: true },
  "/v1/responses": { input: "Say something [think]", stream: true },
  "/v1/messages": { ...chat, max_tokens: 50, stream: true },
};

for (const [path, body] of Object.entries(PATHS)) {
  Deno.test(`POST ${path} with Last-Event-ID goes on after any event of the stream`, async () => {
    using api = world();
    const whole = eventsOf(await (await api.post(path, body)).text());
    assert.ok(whole.length > 10);
    const [request] = whole[0].id!.split(":");
    assert.deepEqual(whole.map(({ id }) => id), whole.map((_, i) => `${request}:${i + 1}`));
    for (const at of [0, 1, whole.length >> 1, whole.length - 1]) {
      const again = await api.post(path, body, { "last-event-id": `${request}:${at}` });
      assert.deepEqual(eventsOf(await again.text()), whole.slice(at), `after event ${at}`);
    }
    const gotten = await api.app.request(`/v1/streams/${request}`, {
      headers: { "last-event-id": whole[3].id! },
    });
    assert.deepEqual(eventsOf(await gotten.text()), whole.slice(4));
    assert.equal(api.generator.requests.length, 1, "it was generated once");
  });
}

Deno.test("POST with Last-Event-ID goes on with an answer whose client went away or that failed", async () => {
  const words = (events: { rest: string }[]) =>
    events.map(({ rest }) => {
      if (rest === "data: [DONE]") return "";
      return JSON.parse(rest.slice("data: ".length)).choices[0]?.delta?.content ?? "";
    }).join("");
  using api = world();
  const path = "/v1/chat/completions";
  const body = { ...chat, stream: true };
  const expected = words(eventsOf(await (await api.post(path, body)).text()));
  api.generator.failAfter = 5;
  const first = eventsOf(await (await api.post(path, body)).text());
  assert.match(first.at(-1)!.rest, /engine_failed/);
  assert.equal(first.at(-1)!.id, undefined, "an error is no event to go on after");
  const known = first.slice(0, -1);
  const rest = await api.post(path, body, { "last-event-id": known.at(-1)!.id! });
  assert.equal(words(known) + words(eventsOf(await rest.text())), expected);

  const response = await api.post(path, body);
  const reader = response.body!.getReader();
  let text = "";
  while (eventsOf(text).length < 6) text += new TextDecoder().decode((await reader.read()).value);
  await reader.cancel();
  while (api.generator.active > 0) await new Promise((resolve) => setTimeout(resolve, 1));
  const read = eventsOf(text);
  const more = await api.post(path, body, { "last-event-id": read.at(-1)!.id! });
  assert.equal(words(read) + words(eventsOf(await more.text())), expected);
});

Deno.test("POST with an Idempotency-Key answers the same again, running or ended", async () => {
  using api = world();
  const path = "/v1/chat/completions";
  const body = { ...chat, temperature: 1 };
  const headers = { "idempotency-key": '"one"' };
  const both = await Promise.all([api.post(path, body, headers), api.post(path, body, headers)]);
  const [a, b] = await Promise.all(both.map((response) => response.json()));
  assert.deepEqual(a, b);
  assert.deepEqual(await (await api.post(path, body, { "idempotency-key": "one" })).json(), a);
  assert.equal(api.generator.requests.length, 1);
  const other = await (await api.post(path, body, { "idempotency-key": "two" })).json();
  assert.notEqual(other.id, a.id);
  const reused = await api.post(path, { ...body, max_tokens: 3 }, headers);
  assert.equal(reused.status, 422);
  assert.equal((await reused.json()).error.code, "key_reused");
});

Deno.test("POST with an Idempotency-Key tries again what was refused", async () => {
  using api = world();
  const path = "/v1/chat/completions";
  const headers = { "idempotency-key": "k" };
  api.generator.refusal = new OrreryError({ group: "api", code: "busy", message: "busy" });
  assert.equal((await api.post(path, chat, headers)).status, 429);
  api.generator.refusal = undefined;
  assert.equal((await api.post(path, chat, headers)).status, 200);
});

Deno.test("createApi() refuses ids of events and keys that cannot be, and unknown requests", async () => {
  using api = world();
  const path = "/v1/chat/completions";
  const cases: [Record<string, string>, number, RegExp][] = [
    [{ "last-event-id": "7" }, 400, /Last-Event-ID: expected/],
    [{ "last-event-id": `${"0".repeat(32)}:3` }, 404, /no node keeps the journal/],
    [{ "idempotency-key": "x".repeat(256) }, 400, /Idempotency-Key: expected/],
  ];
  for (const [headers, status, message] of cases) {
    const response = await api.post(path, chat, headers);
    assert.equal(response.status, status);
    assert.match((await response.json()).error.message, message);
  }
});

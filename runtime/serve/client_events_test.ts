import assert from "node:assert/strict";
import {
  ActorSystem,
  directoryOf,
  type Done,
  freshAddress,
  hasCode,
  LocalNetwork,
  type Message,
  systemClock,
} from "../../actors/mod.ts";
import type { GenerationEvent } from "../api/mod.ts";
import { clientEvents, GenerationFailed } from "./client_events.ts";

const delta = { type: "delta", text: "a", tokens: [{ token: 1, text: "a" }], branch: 2 };
const done = {
  type: "done",
  finish: "length",
  prompt_tokens: 3,
  completion_tokens: 1,
  ttft_ms: 10,
  tpot_ms: 0,
  orrery: {
    mode: "plain",
    route: "pipeline",
    why: "plain as asked",
    nodes: 1,
    stages: 1,
    ttft_ms: 10,
    tokens_per_s: 0,
    pieces: 1,
    drafted: 0,
    accepted: 0,
    branches: 0,
    bubble_share: null,
    wasted_row_share: null,
    bytes_per_token_per_hop: null,
  },
  measured: {},
};

/** The events of a client that was sent these messages, until `done`. */
async function eventsOf(...messages: Message[]) {
  const system = new ActorSystem({
    transport: new LocalNetwork().connect("n"),
    directory: directoryOf(() => "n"),
    clock: systemClock,
    random: Math.random,
  });
  const inbox = system.inbox(freshAddress("n", "client"));
  const events: GenerationEvent[] = [];
  const learned: Done[] = [];
  try {
    for (const message of messages) await system.tell(inbox.address, message);
    const signal = AbortSignal.timeout(5_000);
    for await (const event of clientEvents(inbox, signal, (done) => learned.push(done))) {
      events.push(event);
      if (event.type === "done") break;
    }
    return { events, learned };
  } finally {
    inbox.close();
    await system.close();
  }
}

Deno.test("clientEvents() yields what the generation tells, in the API's words", async () => {
  const { events, learned } = await eventsOf(delta, done);
  assert.deepEqual(events, [delta, {
    type: "done",
    finishReason: "length",
    usage: { promptTokens: 3, completionTokens: 1 },
    timings: { ttftMs: 10, tpotMs: 0 },
    report: done.orrery,
  }]);
  assert.deepEqual(learned, [done]);
});

Deno.test("clientEvents() throws GenerationFailed with the generation's own error", async () => {
  const error = { group: "engine", code: "engine_failed", message: "no memory" };
  await assert.rejects(
    eventsOf(delta, { type: "failed", error }),
    (e) => e instanceof GenerationFailed && hasCode(e.error, "engine_failed"),
  );
});

Deno.test("clientEvents() refuses a message that is none of a generation's", async () => {
  for (const message of [{ type: "delta", text: 1 }, { type: "unheard" }]) {
    await assert.rejects(eventsOf(message), (e) => hasCode(e, "invalid_message"), message.type);
  }
});

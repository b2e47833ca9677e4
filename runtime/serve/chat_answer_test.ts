import assert from "node:assert/strict";
import { TOOL_FORMATS } from "../../models/mod.ts";
import type { GenerateRequest, GenerationEvent } from "../api/mod.ts";
import { ChatAnswer } from "./chat_answer.ts";

const HERMES = {
  format: TOOL_FORMATS.find(({ name }) => name === "hermes")!,
  thinkMarks: { open: "<think>", close: "</think>" },
  check: () => {},
};
const TOOLS: GenerateRequest["tools"] = {
  functions: [{ name: "now" }],
  choice: "auto",
  parallel: true,
};

const request = (more: Partial<GenerateRequest>): GenerateRequest => ({
  model: "default",
  prompt: { kind: "chat", messages: [{ role: "user", content: "When?" }] },
  sampling: {},
  stop: [],
  ...more,
});

/** The events of an answer of these texts, a token each. */
async function eventsOf(answer: ChatAnswer, texts: string[], finishReason: "stop" | "length") {
  async function* source(): AsyncIterable<GenerationEvent> {
    yield { type: "started", id: "g", promptTokens: 1 };
    for (const [i, text] of texts.entries()) {
      yield { type: "delta", text, tokens: [{ token: i, text }] };
      await Promise.resolve();
    }
    yield { type: "done", finishReason } as GenerationEvent;
  }
  const events: GenerationEvent[] = [];
  for await (const event of answer.events(source())) events.push(event);
  return events;
}

const CALL = ["<tool_", 'call>\n{"name": "now", ', '"arguments": {"a"', ": 1}}\n</tool_call>"];

Deno.test("ChatAnswer.events() tells thoughts, text and calls apart, each with its tokens", async () => {
  const answer = new ChatAnswer(request({ tools: TOOLS }), HERMES, "<|im_start|>assistant\n");
  const texts = ["<think>", "Hm", "</think>", "\n\n", "Now:", " ", ...CALL];
  const events = await eventsOf(answer, texts, "stop");
  assert.deepEqual(events.map(({ type }) => type), [
    ...["started", "reasoning", "delta", "tool_call", "tool_call", "tool_call", "done"],
  ]);
  const [, thought, text, ...calls] = events;
  assert.ok(thought.type === "reasoning" && thought.text === "Hm");
  assert.deepEqual(thought.tokens.map(({ text }) => text), ["<think>", "Hm"]);
  assert.ok(text.type === "delta" && text.text === "Now:");
  assert.deepEqual(text.tokens.map(({ text }) => text), ["</think>", "\n\n", "Now:"]);
  const told = calls.flatMap((event) => event.type === "tool_call" ? [event.call] : []);
  assert.equal(told[0].name, "now");
  assert.equal(told.map((call) => call.arguments ?? "").join(""), '{"a": 1}');
  const done = events.at(-1)!;
  assert.ok(done.type === "done" && done.finishReason === "tool_calls");
});

Deno.test("ChatAnswer.events() keeps `length` where a call was cut, and tells what there is of it", async () => {
  const answer = new ChatAnswer(request({ tools: TOOLS }), HERMES, "assistant\n");
  const events = await eventsOf(answer, CALL.slice(0, 3), "length");
  assert.equal(events.some(({ type }) => type === "delta"), false);
  const done = events.at(-1)!;
  assert.ok(done.type === "done" && done.finishReason === "length");
});

Deno.test("ChatAnswer leaves text alone that has neither thoughts nor calls", async () => {
  const closed = "assistant\n<think>\n\n</think>\n\n";
  const answer = new ChatAnswer(request({}), HERMES, closed);
  assert.deepEqual([answer.single, answer.constraint], [false, undefined]);
  const texts = ["<think>a ", ...CALL];
  const events = await eventsOf(answer, texts, "stop");
  assert.equal(events.flatMap((e) => e.type === "delta" ? [e.text] : []).join(""), texts.join(""));
  const none = new ChatAnswer(request({ tools: { ...TOOLS, choice: "none" } }), HERMES, closed);
  assert.deepEqual([none.single, none.constraint], [false, undefined]);
});

Deno.test("ChatAnswer holds an answer to calls, and to the request's constraint behind thoughts", () => {
  const constraint = { kind: "json" as const };
  const closed = new ChatAnswer(request({ constraint }), HERMES, "</think>\n\n");
  assert.deepEqual(closed.constraint, constraint);
  const open = new ChatAnswer(request({ constraint }), HERMES, "<think>\n");
  assert.equal(open.constraint?.kind, "structural_tag");
  const required = new ChatAnswer(request({ tools: { ...TOOLS, choice: "required" } }), HERMES, "");
  assert.equal(required.constraint?.kind, "structural_tag");
});

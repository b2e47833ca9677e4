import assert from "node:assert/strict";
import type { GenerationEvent } from "../generator.ts";
import { DIFFERS, UnheardEvents } from "./unheard.ts";

const delta = (text: string, tokens: number[] = [], branch?: number): GenerationEvent => ({
  ...{ type: "delta", text, tokens: tokens.map((token) => ({ token, text: `${token}` })) },
  ...(branch !== undefined && { branch }),
} as GenerationEvent);
const call = (index: number, id: string, more: { name?: string; arguments?: string }) =>
  ({ type: "tool_call", call: { index, id, ...more } }) as GenerationEvent;
const done = { type: "done" } as GenerationEvent;

/** What is told of `again` where `known` was told before. */
function rest(known: GenerationEvent[], again: GenerationEvent[]) {
  const unheard = new UnheardEvents();
  for (const event of known) unheard.known(event);
  return again.map((event) => unheard.take(event)).filter((event) => event !== undefined);
}

Deno.test("UnheardEvents.take() leaves out what was told, in whatever pieces it comes again", () => {
  const known = [delta("Hel", [1]), delta("", [2]), delta("lo wor", [3, 4])];
  assert.deepEqual(rest(known, [delta("Hello world", [1, 2, 3, 4, 5]), delta("!", [6]), done]), [
    delta("ld", [5]),
    delta("!", [6]),
    done,
  ]);
  assert.deepEqual(rest(known, [delta("H", [1]), delta("ello wor", [2, 3, 4]), delta("x")]), [
    delta("x"),
  ]);
});

Deno.test("UnheardEvents.take() keeps branches, thoughts and calls apart", () => {
  const thought = (text: string) =>
    ({ type: "reasoning", text, tokens: [] }) as unknown as GenerationEvent;
  const known = [
    ...[thought("Let me"), delta("a", [], 0), delta("b", [], 1)],
    ...[call(0, "first", { name: "look" }), call(0, "first", { arguments: '{"at' })],
  ];
  const again = [
    ...[thought("Let me see"), delta("bb", [], 1), delta("a", [], 0)],
    ...[call(0, "second", { name: "look", arguments: '{"at": 1}' }), call(1, "x", { name: "go" })],
  ];
  assert.deepEqual(rest(known, again), [
    ...[thought(" see"), delta("b", [], 1)],
    ...[call(0, "first", { arguments: '": 1}' }), call(1, "x", { name: "go" })],
  ]);
});

Deno.test("UnheardEvents.take() notices another answer, and one that ends too early", () => {
  assert.deepEqual(rest([delta("Hello")], [delta("Help")]), [DIFFERS]);
  assert.deepEqual(rest([delta("Hello")], [delta("Hell"), done]), [DIFFERS]);
  assert.deepEqual(rest([call(0, "a", { name: "look" })], [call(0, "b", { name: "go" })]), [
    DIFFERS,
  ]);
});

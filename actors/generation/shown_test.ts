import assert from "node:assert/strict";
import type { Delta } from "./client_messages.ts";
import { Shown } from "./shown.ts";

const delta = (text: string, tokens: number[], branch?: number): Delta => ({
  text,
  tokens: tokens.map((token) => ({ token, text: `${token}` })),
  ...(branch !== undefined && { branch }),
});

Deno.test("Shown.take() gives each branch's part that the client does not know, when an answer begins anew", () => {
  const shown = new Shown();
  assert.deepEqual(shown.take(delta("ab", [1])), delta("ab", [1]));
  assert.deepEqual(shown.take(delta("x", [7], 1)), delta("x", [7], 1));
  shown.again();
  assert.equal(shown.take(delta("a", [])), undefined);
  assert.deepEqual(shown.take(delta("bc", [1, 2])), delta("c", [2]), "cut at another place");
  assert.deepEqual(shown.take(delta("xy", [7, 8], 1)), delta("y", [8], 1));
  assert.deepEqual(shown.take(delta("d", [3])), delta("d", [3]));
  shown.again();
  assert.equal(shown.take(delta("abcd", [1, 2, 3])), undefined);
});

Deno.test("Shown.take() says that an answer differs, by its text or by a token", () => {
  for (const other of [delta("ax", [1]), delta("ab", [2])]) {
    const shown = new Shown();
    shown.take(delta("ab", [1]));
    shown.again();
    assert.equal(shown.take(other), "differs");
  }
});

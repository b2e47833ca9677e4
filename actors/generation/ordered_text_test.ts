import assert from "node:assert/strict";
import fc from "fast-check";
import type { Delta } from "./client_messages.ts";
import { OrderedText } from "./ordered_text.ts";

const headings = ["1. A: ", "2. B: ", "3. C: "];

function texts(live: boolean) {
  const deltas: Delta[] = [];
  const upTo = [0, 0, 0];
  const emit = (delta: Delta, tokens: number) => {
    deltas.push(delta);
    upTo[delta.branch!] = tokens;
  };
  return { deltas, upTo, text: new OrderedText({ headings, live, emit }) };
}

/** A branch's token number `i`: behind its texts comes its end. */
const pieceOf = (texts: string[], i: number) => {
  const last = i === texts.length;
  const tokens = last ? [] : [{ token: i, text: "" }];
  return { text: last ? "" : texts[i], tokens, upTo: i + 1, last };
};

const branches = fc.array(
  fc.array(fc.constantFrom("a", " b", "\n", " ", "c d ", ""), { maxLength: 6 }),
  { minLength: 3, maxLength: 3 },
);

Deno.test("OrderedText.push() gives one text in order, however the branches come", () => {
  fc.assert(
    fc.property(
      branches,
      fc.infiniteStream(fc.nat(2)),
      fc.boolean(),
      (parts, turns, live) => {
        const { deltas, text } = texts(live);
        const at = [0, 0, 0];
        let open = 3;
        while (open > 0) {
          const k = turns.next().value;
          if (at[k] > parts[k].length) continue;
          const last = at[k] === parts[k].length;
          if (last) open--;
          text.push(k, pieceOf(parts[k], at[k]++));
        }
        const of = (k: number) => deltas.filter((d) => d.branch === k);
        const whole = parts.map((p, k) => headings[k] + p.join("").trim());
        for (const [k, part] of parts.entries()) {
          assert.equal(of(k).flatMap((d) => d.tokens).length, part.length, "no token is lost");
          if (live) assert.equal(of(k).map((d) => d.text).join(""), whole[k]);
        }
        if (!live) assert.equal(deltas.map((d) => d.text).join(""), whole.join("\n\n"));
      },
    ),
    { numRuns: 300, seed: 2 },
  );
});

Deno.test("OrderedText.push() shows the first branch at once and holds the others back", () => {
  const { deltas, text } = texts(false);
  const piece = { tokens: [], upTo: 1, last: false };
  text.push(1, { ...piece, text: "later" });
  assert.deepEqual(deltas, []);
  text.push(0, { ...piece, text: "now" });
  assert.deepEqual(deltas, [{ text: "1. A: now", tokens: [], branch: 0 }]);
  text.push(0, { ...piece, text: "", last: true });
  assert.deepEqual(deltas.at(-1), { text: "\n\n2. B: later", tokens: [], branch: 1 });
});

Deno.test("OrderedText.told() leaves out what was sent before, wherever that ended", () => {
  fc.assert(
    fc.property(
      branches,
      fc.infiniteStream(fc.nat(2)),
      fc.nat(20),
      fc.boolean(),
      (parts, turns, most, live) => {
        const before = texts(live);
        const at = [0, 0, 0];
        for (let i = 0; i < most; i++) {
          const k = turns.next().value;
          if (at[k] <= parts[k].length) before.text.push(k, pieceOf(parts[k], at[k]++));
        }
        const after = texts(live);
        for (const k of [0, 1, 2]) {
          for (let i = 0; i <= parts[k].length; i++) {
            const piece = pieceOf(parts[k], i);
            if (i < before.upTo[k]) after.text.told(k, piece);
            else after.text.push(k, piece);
          }
        }
        const of = (k: number) => [...before.deltas, ...after.deltas].filter((d) => d.branch === k);
        for (const [k, part] of parts.entries()) {
          assert.deepEqual(of(k).flatMap((d) => d.tokens.map((t) => t.token)), [...part.keys()]);
          const gap = !live && k > 0 ? "\n\n" : "";
          assert.equal(of(k).map((d) => d.text).join(""), gap + headings[k] + part.join("").trim());
        }
      },
    ),
    { numRuns: 300, seed: 3 },
  );
});

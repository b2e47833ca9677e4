import assert from "node:assert/strict";
import fc from "fast-check";
import type { Delta } from "./client_messages.ts";
import { OrderedText } from "./ordered_text.ts";

const headings = ["1. A: ", "2. B: ", "3. C: "];

function texts(live: boolean) {
  const deltas: Delta[] = [];
  return { deltas, text: new OrderedText({ headings, live, emit: (d) => void deltas.push(d) }) };
}

Deno.test("OrderedText.push() gives one text in order, however the branches come", () => {
  fc.assert(
    fc.property(
      fc.array(fc.array(fc.constantFrom("a", " b", "\n", " ", "c d ", ""), { maxLength: 6 }), {
        minLength: 3,
        maxLength: 3,
      }),
      fc.infiniteStream(fc.nat(2)),
      fc.boolean(),
      (parts, turns, live) => {
        const { deltas, text } = texts(live);
        const at = [0, 0, 0];
        let open = 3;
        while (open > 0) {
          const k = turns.next().value;
          if (at[k] > parts[k].length) continue;
          if (at[k] === parts[k].length) {
            text.close(k);
            open--;
          } else text.push(k, parts[k][at[k]], [{ token: at[k], text: "" }]);
          at[k]++;
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
  text.push(1, "later", []);
  assert.deepEqual(deltas, []);
  text.push(0, "now", []);
  assert.deepEqual(deltas, [{ text: "1. A: now", tokens: [], branch: 0 }]);
  text.close(0);
  assert.deepEqual(deltas.at(-1), { text: "\n\n2. B: later", tokens: [], branch: 1 });
});

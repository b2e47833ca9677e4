import assert from "node:assert/strict";
import fc from "fast-check";
import { NgramDrafter } from "./ngram.ts";

const after = (tokens: number[], longest?: number) => {
  const drafter = new NgramDrafter({ longest });
  for (const token of tokens) drafter.push(token);
  return drafter;
};
const drafted = (drafter: NgramDrafter, ...args: Parameters<NgramDrafter["draft"]>) => [
  ...drafter.draft(...args).tokens,
];

Deno.test("NgramDrafter.draft() guesses what followed the last time", () => {
  assert.deepEqual(drafted(after([1, 2, 3, 4, 5, 6, 1, 2, 3]), 3), [4, 5, 6]);
});

Deno.test("NgramDrafter.draft() takes the longest match, and the latest of equals", () => {
  assert.deepEqual(
    drafted(after([1, 2, 3, 9, 5, 2, 3, 8, 1, 2, 3]), 1),
    [9],
    "1 2 3 is longer than 2 3",
  );
  assert.deepEqual(drafted(after([1, 2, 3, 9, 5, 2, 3, 8, 7, 2, 3]), 1), [8]);
  assert.deepEqual(drafted(after([1, 2, 3, 9, 5, 2, 3, 8, 1, 2, 3]), 1, { maxMatch: 2 }), [8]);
});

Deno.test("NgramDrafter.draft() guesses nothing, when no match is long enough", () => {
  assert.deepEqual(drafted(after([]), 4), []);
  assert.deepEqual(drafted(after([1, 2, 3, 4]), 4), []);
  assert.deepEqual(drafted(after([1, 2, 3, 9, 2]), 4), [], "one token is too few");
  assert.deepEqual(drafted(after([1, 2, 3, 9, 2]), 2, { minMatch: 1 }), [3, 9]);
});

Deno.test("NgramDrafter.draft() repeats itself, when the match reaches up to the end", () => {
  assert.deepEqual(drafted(after([7, 8, 9, 7, 8, 9]), 7), [7, 8, 9, 7, 8, 9, 7]);
  assert.deepEqual(drafted(after([5, 5, 5]), 4), [5, 5, 5, 5]);
});

Deno.test("NgramDrafter.draft() drafts on after tokens that are not certain yet, and forgets them again", () => {
  const drafter = after([1, 2, 3, 4, 5, 6, 1, 2]);
  assert.deepEqual(drafted(drafter, 3, { after: [3] }), [4, 5, 6]);
  assert.deepEqual(
    drafted(drafter, 3, { after: [1, 2] }),
    [1, 2, 1],
    "the end of what was pushed counts too",
  );
  assert.deepEqual(drafted(drafter, 2, { after: [5, 7] }), []);
  assert.deepEqual(drafted(drafter, 2), [3, 4]);
  assert.equal(drafter.length, 8);
});

Deno.test("NgramDrafter.draft() equals a search of the whole text, for any text", () => {
  const naive = (text: number[], pushed: number, min: number, max: number): number | undefined => {
    for (let n = Math.min(max, text.length); n >= min; n--) {
      for (let end = Math.min(text.length - 2, pushed - 1); end >= n - 1; end--) {
        if (Array.from({ length: n }, (_, i) => text[end - i] === text.at(-1 - i)).every(Boolean)) {
          return text[end + 1];
        }
      }
    }
  };
  const text = fc.array(fc.nat({ max: 3 }), { maxLength: 40 });
  fc.assert(
    fc.property(
      text,
      text,
      fc.integer({ min: 1, max: 3 }),
      fc.integer({ min: 1, max: 6 }),
      (a, b, min, longest) => {
        const drafter = after(a, longest);
        const [guess] = drafted(drafter, 1, { minMatch: min, after: b });
        assert.equal(guess, naive([...a, ...b], a.length, min, longest));
      },
    ),
    { numRuns: 1000, seed: 11 },
  );
});

Deno.test("NgramDrafter.draft() gives chances that follow how often it was right and never rise along a draft", () => {
  const chance = (drafter: NgramDrafter) => drafter.draft(1).chances[0];
  const repeated = Array.from({ length: 300 }, (_, i) => i % 30);
  const sure = after(repeated);
  // The same pairs again and again, but each time something else follows.
  const unsure = after(
    Array.from({ length: 300 }, (_, i) => i % 3 < 2 ? i % 3 : 10 + i).slice(0, 299),
  );
  assert.ok(chance(sure) > 0.95, `${chance(sure)}`);
  assert.ok(chance(unsure) < 0.1, `${chance(unsure)}`);
  const { chances, tokens } = sure.draft(20);
  assert.equal(tokens.length, 20);
  chances.forEach((c, i) => assert.ok(c > 0 && c <= 1 && (i === 0 || c <= chances[i - 1])));
  // Old errors lose their weight when the text becomes regular.
  for (let i = 0; i < 400; i++) unsure.push(i % 30);
  assert.ok(chance(unsure) > 0.9, `${chance(unsure)}`);
});

Deno.test("new NgramDrafter() refuses a match length that it cannot keep", () => {
  for (const longest of [0, 17, 1.5]) {
    assert.throws(() => new NgramDrafter({ longest }), RangeError);
  }
});

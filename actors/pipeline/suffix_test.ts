import assert from "node:assert/strict";
import fc from "fast-check";
import { SuffixDrafter, SuffixStore } from "./suffix.ts";
import { SuffixIndex, type SuffixPlace } from "./suffix_index.ts";

const after = (tokens: number[], answers?: SuffixStore) => {
  const drafter = new SuffixDrafter({ answers });
  for (const token of tokens) drafter.push(token);
  return drafter;
};

/** Places in `documents` at which `end` ends: [document, index behind it]. */
function placesOf(documents: readonly number[][], end: readonly number[]): [number[], number][] {
  return documents.flatMap((document) =>
    document.flatMap((_, at): [number[], number][] =>
      end.every((token, i) => document[at + 1 - end.length + i] === token)
        ? [[document, at + 1]]
        : []
    )
  );
}

Deno.test("SuffixIndex finds the longest end of a text, and what followed it most often, as a search does", () => {
  const documents = fc.array(fc.array(fc.nat(3), { minLength: 1, maxLength: 25 }), {
    minLength: 1,
    maxLength: 4,
  });
  fc.assert(
    fc.property(documents, fc.array(fc.nat(3), { maxLength: 20 }), (all, text) => {
      const index = new SuffixIndex();
      let [early, place]: SuffixPlace[] = [{ state: 0, length: 0 }, { state: 0, length: 0 }];
      for (const token of text) early = index.step(early, token);
      const half = Math.ceil(all.length / 2);
      const add = (document: number[]) => {
        index.end();
        for (const token of document) index.push(token);
      };
      for (const document of all.slice(0, half)) add(document);
      // A place found before more is added stays right as far as its tokens go.
      for (const token of text) place = index.step(place, token);
      for (const document of all.slice(half)) add(document);
      assert.equal(early.length, 0);
      const held = text.slice(text.length - place.length);
      assert.ok(
        place.length === text.length ||
          placesOf(all.slice(0, half), text.slice(text.length - place.length - 1)).length === 0,
      );
      const guess = index.guess(place, 1);
      const followers = (end: number[]) => {
        const counts = new Map<number, number>();
        for (const [document, at] of placesOf(all, end)) {
          if (at < document.length) counts.set(document[at], (counts.get(document[at]) ?? 0) + 1);
        }
        return counts;
      };
      let end = held;
      while (end.length > 0 && followers(end).size === 0) end = end.slice(1);
      if (end.length === 0) return assert.equal(guess, undefined);
      const counts = followers(end);
      assert.equal(guess!.length, end.length);
      assert.equal(guess!.of, [...counts.values()].reduce((a, b) => a + b, 0));
      assert.equal(guess!.count, Math.max(...counts.values()));
      assert.equal(counts.get(guess!.token), guess!.count);
    }),
    { numRuns: 300 },
  );
});

Deno.test("SuffixIndex takes a bounded number of bytes a token", () => {
  const index = new SuffixIndex();
  for (let i = 0; i < 20_000; i++) index.push(i * i % 1009 % 97);
  assert.ok(index.bytes < 250 * index.size, `${index.bytes / index.size} bytes a token`);
  const same = new SuffixIndex();
  for (let i = 0; i < 20_000; i++) same.push(7);
  assert.equal(same.guess(same.step({ state: 0, length: 0 }, 7), 1)!.token, 7);
});

Deno.test("SuffixDrafter.draft() takes the longest match, however long, where n-grams see the newest", () => {
  const body = [21, 22, 23, 24, 25, 26, 27];
  const text = [1, ...body, 31, 2, ...body, 32, 3, 1, ...body];
  assert.equal(after(text).draft(1).tokens[0], 31, "of 7 equal tokens the one before them decides");
});

Deno.test("SuffixDrafter.draft() takes the most frequent way to go on, and says how sure it is", () => {
  const rare = after([1, 2, 3, 11, 1, 2, 4, 12, 1, 2, 3, 13, 1, 2]);
  assert.deepEqual(rare.draft(1).tokens, [3]);
  const sure = after([1, 2, 3, 9, 1, 2, 3, 8, 1, 2, 3, 7, 1, 2]);
  assert.ok(sure.draft(1).chances[0] > rare.draft(1).chances[0]);
});

Deno.test("SuffixDrafter.draft() repeats a text that repeats itself, and has nothing to say of a new one", () => {
  assert.deepEqual(after([7, 8, 9, 7, 8, 9]).draft(7).tokens, [7, 8, 9, 7, 8, 9, 7]);
  assert.deepEqual(after([1, 2, 3, 4, 5]).draft(4).tokens, []);
});

Deno.test("SuffixDrafter.draft() finds what followed in earlier answers, those that come meanwhile too", () => {
  const answers = new SuffixStore();
  answers.add([5, 6, 7, 8, 9]);
  const drafter = after([1, 5, 6], answers);
  assert.deepEqual(drafter.draft(9).tokens, [7, 8, 9]);
  answers.add([2, 3, 4, 4, 4]);
  for (const token of [2, 3]) drafter.push(token);
  assert.deepEqual(drafter.draft(2).tokens, [4, 4]);
});

Deno.test("SuffixStore forgets the oldest tokens, and drafters go on", () => {
  const answers = new SuffixStore({ half: 8 });
  const drafter = new SuffixDrafter({ answers });
  answers.add([1, 2, 3, 4]);
  answers.add([5, 6, 7, 8]);
  for (const token of [1, 2]) drafter.push(token);
  assert.deepEqual(drafter.draft(2).tokens, [3, 4]);
  answers.add([11, 12, 13, 14]);
  assert.deepEqual(drafter.draft(2).tokens, [3, 4], "the older half is there");
  answers.add([15, 16, 17, 18]);
  answers.add([21, 22, 23, 24]);
  assert.deepEqual(drafter.draft(2).tokens, [], "the first answers are gone");
  for (const token of [11, 12]) drafter.push(token);
  assert.deepEqual(drafter.draft(2).tokens, [13, 14]);
  assert.throws(() => new SuffixStore({ half: 0 }), /at least 1 token, got 0/);
});

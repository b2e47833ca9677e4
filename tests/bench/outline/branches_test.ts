import assert from "node:assert/strict";
import { countBranches, NO_BRANCHES } from "./branches.ts";

Deno.test("countBranches() counts runs of words that another section has too", () => {
  const counts = countBranches(NO_BRANCHES, [
    { point: "Sleep well", text: "Sleep is good for you." },
    { point: "Eat greens", text: "A green salad is good for you." },
  ]);
  // "is good for" and "good for you" stand in both; neither has five long words of its own
  assert.deepEqual(counts, { answers: 1, sections: 2, runs: 8, repeated: 4, said: 0, right: 0 });
});

Deno.test("countBranches() tells a section that says what is wanted from one that says another's", () => {
  const wanted = [
    "Water plants early, before the warm hours, until drops leave the pot below.",
    "Bright windows toward south give light; curtains soften noon rays there.",
  ];
  const water =
    "Water them early: warm hours dry every pot, and drops below show that it went through.";
  const points = ["Watering", "Giving light"];
  const sections = (...texts: string[]) => texts.map((text, i) => ({ point: points[i], text }));
  const count = (...texts: string[]) => {
    const { said, right } = countBranches(NO_BRANCHES, sections(...texts), wanted);
    return [said, right];
  };
  assert.deepEqual(count(water, "A south window with curtains keeps noon rays soft and bright."), [
    2,
    2,
  ]);
  assert.deepEqual(count(water, water), [2, 1]);
  assert.deepEqual(count("Watering.", "The point to write is giving light"), [0, 0]);
});

import assert from "node:assert/strict";
import { readTopics } from "./corpus.ts";
import {
  OutlineScorer,
  overlap,
  precisionRecall,
  readSections,
  type Section,
  type Topic,
  wordsOf,
} from "./score.ts";

const topic = (id: string, lead: string, outline: Section[]): Topic => ({
  id,
  lead,
  answer: `${lead} More about ${id} follows.`,
  outline,
  trained: [],
  dev: "",
  heldOut: [],
});

const rain = topic("rain", "Rain falls from clouds.", [
  { point: "Warm air lifts moisture", text: "Sunshine heats the ground. This warm air rises." },
  {
    point: "Vapor turns into droplets",
    text: "High in the sky the air is cold: vapor becomes liquid.",
  },
  { point: "Small drops join together", text: "Droplets drift and merge." },
]);
const eggs = topic("eggs", "Eggs are boiled in water.", [
  { point: "Lower eggs into hot water", text: "Set each egg in with a spoon." },
  { point: "Choose the right time", text: "Six minutes leave the yolk runny." },
]);
const scorer = new OutlineScorer([rain, eggs]);

const write = (sections: Section[]) =>
  sections.map(({ point, text }, i) => `${i + 1}. ${point}: ${text}`).join("\n\n");

Deno.test("wordsOf() and overlap() count words of four letters and more, whatever their case", () => {
  assert.deepEqual(wordsOf("The RAIN, the rain of 2024 is wet-ish"), new Set(["rain"]));
  assert.equal(overlap("heavy Rain", "Rain falls from clouds"), 1 / 4);
  assert.equal(overlap("anything", "a b c"), 0);
});

Deno.test("readSections() reads numbered sections in order and nothing else", () => {
  assert.deepEqual(readSections(write(rain.outline)), rain.outline);
  assert.deepEqual(readSections("1. A: b: c\n\nd. 3. e\n\n2. F: "), [
    { point: "A", text: "b: c\n\nd. 3. e" },
    { point: "F", text: "" },
  ]);
  assert.equal(
    readSections(Array.from({ length: 12 }, (_, i) => `${i + 1}. P: t`).join("\n\n"))?.length,
    12,
  );
  for (
    const text of [
      "",
      rain.answer,
      "2. A: b",
      "1. A: b\n\n3. C: d",
      "1. A: b\n\n1. C: d",
      "1. no colon",
    ]
  ) {
    assert.equal(readSections(text), undefined, text);
  }
});

Deno.test("OutlineScorer.plain() tells the right topic, another topic and a refusal apart", () => {
  const right = { leads: true, nearest: true, whole: true, refused: false };
  assert.deepEqual(scorer.plain(rain, rain.answer), right);
  assert.deepEqual(scorer.plain(rain, `${rain.lead} More`), { ...right, whole: false });
  assert.deepEqual(scorer.plain(rain, eggs.answer), { ...right, leads: false, nearest: false });
  const refusal = scorer.plain(eggs, "I have not learned about that. I know more about eggs.");
  assert.ok(overlap(eggs.answer, "More about that") > 0, "the refusal has words of a topic");
  assert.deepEqual(refusal, { leads: false, nearest: false, whole: false, refused: true });
});

Deno.test("OutlineScorer.outline() tells wrong order, a missing point, a wrong topic and wrong text apart", () => {
  const right = {
    inForm: true,
    points: true,
    nearest: true,
    sections: 3,
    exact: 3,
    begun: 3,
    near: 3,
  };
  const [a, b, c] = rain.outline;
  assert.deepEqual(scorer.outline(rain, write([a, b, c])), right);
  assert.deepEqual(scorer.outline(eggs, write([a, b, c])), { ...right, nearest: false });
  assert.deepEqual(scorer.outline(rain, write([b, a, c])), { ...right, points: false });
  const two = { sections: 2, exact: 2, begun: 2, near: 2 };
  assert.deepEqual(scorer.outline(rain, write([a, b])), { ...right, ...two, points: false });
  assert.deepEqual(scorer.outline(rain, write([a, b, { ...c, text: "Droplets drift" }])), {
    ...right,
    exact: 2,
  });
  const wrongs = { exact: 2, begun: 2, near: 2 };
  assert.deepEqual(scorer.outline(rain, write([a, b, { ...c, text: a.text }])), {
    ...right,
    ...wrongs,
  });
  assert.deepEqual(scorer.outline(rain, write([a, b, { ...c, text: "" }])), {
    ...right,
    ...wrongs,
  });
  const strange = { point: "Small drops of paint", text: c.text };
  assert.deepEqual(scorer.outline(rain, write([a, b, strange])), {
    ...right,
    ...wrongs,
    points: false,
  });
  const none = { points: false, nearest: false, exact: 0, begun: 0, near: 0 };
  assert.deepEqual(scorer.outline(rain, rain.answer), { ...none, inForm: false, sections: 0 });
  assert.deepEqual(scorer.outline(rain, "1. Xyz: abc"), { ...none, inForm: true, sections: 1 });
});

Deno.test("precisionRecall() counts what was taken and what was missed", () => {
  const items = [true, true, true, false, false].map((suited, n) => ({ suited, n }));
  const { precision, recall, wrong } = precisionRecall(items, ({ n }) => n !== 0 && n !== 3);
  assert.equal(precision, 2 / 3);
  assert.equal(recall, 2 / 3);
  assert.deepEqual(wrong.map(({ n }) => n), [0, 4]);
  assert.ok(Number.isNaN(precisionRecall(items, () => false).precision));
});

Deno.test("OutlineScorer gives the corpus's own texts full marks, each for its own topic alone", async () => {
  const topics = await readTopics();
  assert.equal(topics.length, 300);
  const scorer = new OutlineScorer(topics);
  for (const [i, topic] of topics.entries()) {
    const other: Topic = topics[(i + 1) % topics.length];
    assert.deepEqual(scorer.plain(topic, topic.answer), {
      leads: true,
      nearest: true,
      whole: true,
      refused: false,
    }, topic.id);
    const n = topic.outline.length;
    const full = {
      inForm: true,
      points: true,
      nearest: true,
      sections: n,
      exact: n,
      begun: n,
      near: n,
    };
    assert.deepEqual(scorer.outline(topic, write(topic.outline)), full, topic.id);
    assert.equal(scorer.plain(other, topic.answer).nearest, false, topic.id);
    assert.equal(scorer.outline(other, write(topic.outline)).nearest, false, topic.id);
  }
});

Deno.test("readTopics() has no held-out wording among the trained ones", async () => {
  for (const { id, trained, heldOut } of await readTopics()) {
    assert.ok(trained.length > 60 && heldOut.length >= 2, id);
    assert.deepEqual(heldOut.filter((wording) => trained.includes(wording)), [], id);
  }
});

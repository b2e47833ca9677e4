import assert from "node:assert/strict";
import { readTopics } from "../outline/corpus.ts";
import { readKnownTopics, readOffTopic } from "./questions.ts";
import { RefusalScorer } from "./score.ts";

Deno.test("RefusalScorer.judge() tells refusals, the right topic and others apart", async () => {
  const topics = await readTopics();
  const scorer = new RefusalScorer(topics);
  const [one, other] = topics;
  const plain = (text: string, id?: string) => scorer.judge(text, { id, outline: false });
  assert.equal(plain("I have not learned about that. I am a small model.", one.id), "refused");
  assert.equal(plain("No, I cannot do maths. I only learned", undefined), "declined");
  assert.equal(plain(one.answer, one.id), "right");
  assert.equal(plain(one.answer.slice(0, one.lead.length + 5), one.id), "right");
  assert.equal(plain(other.answer, one.id), "other");
  assert.equal(plain(one.answer, undefined), "other");
  assert.throws(() => plain(one.answer, "no-such-topic"), /no topic no-such-topic/);
  const sections = one.outline.map(({ point, text }, i) => `${i + 1}. ${point}: ${text}`)
    .join("\n\n");
  assert.equal(scorer.judge(sections, { id: one.id, outline: true }), "right");
  assert.equal(scorer.judge(sections, { id: other.id, outline: true }), "other");
});

Deno.test("the held-out questions are many, about known topics, and in no text of the corpus", async () => {
  const topics = new Map((await readTopics()).map((topic) => [topic.id, topic]));
  const off = await readOffTopic();
  const known = await readKnownTopics();
  assert.ok(off.length >= 300 && known.length >= 200, `${off.length} and ${known.length}`);
  const bare = (text: string) => text.toLowerCase().replace(/[?. ]+$/, "");
  const trained = new Set(
    [...topics.values()].flatMap(({ trained, dev, heldOut }) => [...trained, dev, ...heldOut])
      .map(bare),
  );
  for (const folder of ["offtopic", "offtopic_heldout", "offtopic_more", "offtopic_dev"]) {
    const url = new URL(`../../../models/training/corpus/${folder}.jsonl`, import.meta.url);
    for (const line of (await Deno.readTextFile(url)).trim().split("\n")) {
      trained.add(bare(JSON.parse(line).question));
    }
  }
  for (const { question } of off) assert.ok(!trained.has(bare(question)), question);
  for (const { id, question } of known) {
    assert.ok(topics.has(id), id);
    assert.ok(!trained.has(bare(question)), question);
  }
});

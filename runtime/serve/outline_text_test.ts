import assert from "node:assert/strict";
import { CHAT_TEMPLATES } from "../../actors/mod.ts";
import type { MarkedPrompt } from "../../models/mod.ts";
import type { ApiMessage } from "../api/generator.ts";
import { type OutlineModel, outlineTextOf } from "./outline_text.ts";

const encode = ({ text }: MarkedPrompt) => Int32Array.from([...text].map((c) => c.codePointAt(0)!));
const marked = (text: string): MarkedPrompt => ({ text, marks: "0".repeat(text.length) });
const model: OutlineModel = {
  render: (messages) =>
    marked(
      messages.map(({ role, content }) => `<${role}>${content}<end>`).join("") + "<assistant>",
    ),
  encode,
  templates: { outline: "Outline: {question}", point: "Point {index} of {points}: {point}" },
};
const messages: ApiMessage[] = [
  { role: "system", content: "Be brief." },
  { role: "user", content: "Why does it rain?" },
];
const text = (tokens: Int32Array) => String.fromCodePoint(...tokens);

Deno.test("outlineTextOf() asks for the outline in the last turn and for each point in a turn after it", () => {
  const words = outlineTextOf(model, messages)!;
  const outlined = "<system>Be brief.<end><user>Outline: Why does it rain?<end><assistant>";
  assert.equal(text(words.outlinePrompt()), outlined);
  // The tokens that were generated, though their text would be cut into others.
  const outline = { tokens: [1, 2, 3], text: "1. Sun\n2. Cloud", points: ["Sun", "Cloud"] };
  const prompt = words.branchPrompt(outline, 1);
  assert.deepEqual([...prompt.subarray(outlined.length, outlined.length + 3)], [1, 2, 3]);
  assert.equal(
    text(prompt.subarray(outlined.length + 3)),
    "<end><user>Point 2 of 2: Cloud<end><assistant>",
  );
  assert.equal(words.heading(outline.points, 1), "2. Cloud: ");
});

Deno.test("outlineTextOf() encodes the whole conversation where the template changes the outline's text", () => {
  const trims: OutlineModel = {
    ...model,
    render: (m) => marked(model.render(m).text.replace("1. Sun\n", "1. Sun ")),
  };
  const words = outlineTextOf(trims, messages)!;
  const prompt = words.branchPrompt({
    tokens: [1],
    text: "1. Sun\n2. Cloud",
    points: ["Sun", "Cloud"],
  }, 0);
  assert.match(
    text(prompt),
    /<assistant>1\. Sun 2\. Cloud<end><user>Point 1 of 2: Sun<end><assistant>$/,
  );
});

Deno.test("outlineTextOf() reads points and says what is malformed", () => {
  const words = outlineTextOf({ ...model, templates: CHAT_TEMPLATES }, messages)!;
  assert.deepEqual(words.parse("Sure:\n1. One\n2. Two"), { points: ["One", "Two"] });
  assert.ok("malformed" in words.parse("I would rather not."));
  assert.equal(typeof words.route.suited, "boolean");
});

Deno.test("outlineTextOf() is undefined for a conversation that does not end with a question", () => {
  assert.equal(outlineTextOf(model, []), undefined);
  assert.equal(outlineTextOf(model, [{ role: "assistant", content: "Hi" }]), undefined);
  assert.equal(outlineTextOf(model, [{ role: "user", content: " " }]), undefined);
});

Deno.test("ModelOutlineText.write() writes points as an outline that every branch's prompt begins with", () => {
  const words = outlineTextOf(model, messages)!;
  const outline = words.write(["Sun", "Cloud"]);
  assert.equal(outline.text, "1. Sun\n2. Cloud");
  assert.equal(text(Int32Array.from(outline.tokens)), outline.text);
  assert.deepEqual(words.parse(outline.text), { points: ["Sun", "Cloud"] });
  const before =
    "<system>Be brief.<end><user>Outline: Why does it rain?<end><assistant>1. Sun\n2. Cloud<end>";
  assert.equal(
    text(words.branchPrompt(outline, 1)),
    `${before}<user>Point 2 of 2: Cloud<end><assistant>`,
  );
});

Deno.test("outlineTextOf() routes by the graph's router", () => {
  const suited = (router?: OutlineModel["router"]) =>
    outlineTextOf({ ...model, router }, messages)!.route;
  assert.equal(suited(false).suited, false);
  assert.deepEqual(suited({ suited: ["rain"], unsuited: [] }), {
    suited: true,
    why: 'the graph says so of "rain"',
  });
  assert.equal(suited({ suited: ["rain"], unsuited: ["rain"] }).suited, false);
  assert.deepEqual(suited(), suited(true));
});

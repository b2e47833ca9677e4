import assert from "node:assert/strict";
import { CHAT_TEMPLATES, checkTemplates, EMBEDDED_TEMPLATES, fill } from "./templates.ts";

Deno.test("fill() puts values in and keeps other braces", () => {
  assert.equal(
    fill("Expand point {index}: {point} {x}", { index: 2, point: "{index}" }),
    "Expand point 2: {index} {x}",
  );
});

Deno.test("checkTemplates() accepts the project's own templates", () => {
  assert.deepEqual(checkTemplates(CHAT_TEMPLATES), CHAT_TEMPLATES);
  assert.deepEqual(checkTemplates(EMBEDDED_TEMPLATES), EMBEDDED_TEMPLATES);
});

Deno.test("CHAT_TEMPLATES ask for one point by its number and heading, and end with what to do", () => {
  const turn = fill(CHAT_TEMPLATES.point, { index: 2, point: "Give light", outline: "1. Water" });
  assert.equal(turn, 'Explain point 2 of your outline, "Give light", in one or two sentences.');
});

Deno.test("checkTemplates() names the template and what it lacks", () => {
  assert.throws(
    () => checkTemplates({ outline: "Write an outline", point: "{point}" }),
    /outline template outline: .*\{question\}/,
  );
  assert.throws(
    () => checkTemplates({ outline: "{question}", point: "go on" }),
    /outline template point: .*\{index\}/,
  );
  assert.throws(
    () => checkTemplates({ outline: "{question}", point: "{point}", style: "x" }),
    /style/,
  );
});

import assert from "node:assert/strict";
import { route, routeBy } from "./router.ts";
import { routeByRules } from "./rules.ts";

Deno.test("route() looks at what is asked for, not at what is talked about", () => {
  const cases: [string, string | undefined][] = [
    ["How do I write better poems?", undefined],
    ["Write a poem about the advantages of autumn", "story"],
    ["Give me tips to translate better", undefined],
    ["Translate these tips into French: sleep well, eat well", "translation"],
    ["What are the benefits of learning Python?", undefined],
    ["Write a Python function that lists the benefits", "code"],
    ["What are the advantages of cycling?", undefined],
    ["What are the advantages of that?", "recall"],
    ["In one word, what is the best way to learn?", "short form"],
    ["Is running good for you?", "yes or no"],
  ];
  for (const [question, against] of cases) {
    const { outline, rule } = route(question);
    assert.equal(outline, against === undefined, `${question}: ${rule}`);
    if (against !== undefined) assert.equal(rule, against, question);
  }
});

Deno.test("route() takes what-if and why-might questions, and no how-to with one technical answer", () => {
  for (
    const question of [
      "What if the steam engine had been invented in ancient Rome?",
      "Why might a village refuse a new motorway?",
      "Was wäre, wenn niemand mehr lügen könnte?",
      "Pourquoi certaines villes interdisent-elles les voitures ?",
    ]
  ) assert.equal(route(question).outline, true, question);
  for (
    const question of [
      "How do I turn off notifications on my tablet?",
      "How can I remove duplicates from a list in Python?",
      "Write a fantasy story with these aspects: a dwarf, a bridge and a lost key",
      "Create a Java class that covers all aspects of a bank account",
    ]
  ) assert.equal(route(question).outline, false, question);
});

Deno.test("route() gives the kind of question as its reason, and how sure it is", () => {
  const { outline, rule, why } = route("What are the pros and cons of living on a boat?");
  assert.deepEqual([outline, rule], [true, "aspects"]);
  assert.match(why, /^causes, effects and aspects can be told one by one \(\d{2,3} % sure\)$/);
});

Deno.test("route() suits no question that is empty, too short or too long", () => {
  assert.equal(route("").rule, "too short");
  assert.equal(route("tips please").rule, "too short");
  assert.equal(route("はい").rule, "too short");
  assert.equal(route(`Tips for ${"a very ".repeat(200)}good life`).rule, "too long");
  assert.equal(route(`Tips for ${"x".repeat(3000)}`).rule, "too long");
});

Deno.test("route() ends soon on long text that almost matches", () => {
  for (const piece of ["write me a ", "what is ", "if all ", "in french ", "how ", "1 ", "a: b "]) {
    for (const end of ["", "?", "!x"]) {
      for (const length of [700, 1400, 100_000]) {
        assert.equal(typeof route(piece.repeat(length).slice(0, length) + end).outline, "boolean");
      }
    }
  }
});

Deno.test("routeBy() suits nothing when it is off, and asks the rules where the graph says so", () => {
  const question = "How can I save water at home?";
  assert.equal(route(question).outline, true);
  assert.deepEqual(routeBy(true, question), route(question));
  assert.deepEqual(routeBy("rules", question), routeByRules(question));
  assert.deepEqual([routeBy(false, question).outline, routeBy(false, question).rule], [
    false,
    "off",
  ]);
});

Deno.test("routeBy() lets terms decide before the classifier, unsuited ones first", () => {
  const router = {
    suited: ["sourdough", "C++ (new)", "house rules"],
    unsuited: ["water", "wasser-Uhr"],
  };
  const by = (question: string) => {
    const { outline, rule } = routeBy(router, question);
    return [outline, rule];
  };
  assert.deepEqual(by("How can I save Water at home?"), [false, "unsuited term"]);
  assert.deepEqual(by("Sourdough?"), [true, "suited term"]);
  assert.deepEqual(by("What is in C++ (new)?"), [true, "suited term"]);
  assert.deepEqual(by("The house\n rules, please"), [true, "suited term"]);
  assert.deepEqual(by("Does sourdough need water?"), [false, "unsuited term"]);
  for (const other of ["How do I look after waterlilies?", "What is a sourdoughnut?"]) {
    assert.deepEqual(routeBy(router, other), route(other), "part of a word is not the word");
  }
});

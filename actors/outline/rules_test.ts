import assert from "node:assert/strict";
import { routeByRules } from "./rules.ts";

/**
 * The questions come in five sets, each written before the rules were changed to suit it. The table
 * has precision P and recall R at that moment, that is, on questions that the rules had not seen:
 *
 *     set  questions                   the first rules      the rules when the set was written
 *     1    200                         P 0.854  R 0.778     (the first rules)
 *     2    60                          P 0.676  R 0.821     P 1.000  R 1.000, after work on set 1;
 * see below
 *     3    60, mostly border cases                          P 0.680  R 0.680
 *     4    60, ordinary                                     P 0.955  R 0.875
 *     5    40, ordinary                                     P 0.882  R 0.938
 *
 * The author of the new rules had written set 2 before, so its second figure is too good. Sets 4
 * and 5 together (36 of 39, 36 of 40) say what to expect of new questions: P 0.92, R 0.90. Today's
 * rules answer all five sets as labelled. The tests allow some errors, so that the label of a
 * single question may change; they do not claim that new questions do so well.
 */
const FILE = new URL("../../tests/fixtures/router_questions.jsonl", import.meta.url);

interface Labelled {
  question: string;
  suited: boolean;
  kind: string;
  set: number;
}

function labelled(): Labelled[] {
  return Deno.readTextFileSync(FILE).trim().split("\n").map((line) => JSON.parse(line));
}

function measure(questions: Labelled[]) {
  const routed = questions.filter(({ question }) => routeByRules(question).outline);
  const right = routed.filter(({ suited }) => suited);
  const wrong = questions.filter((q) => routeByRules(q.question).outline !== q.suited).map((q) =>
    q.question
  );
  const suited = questions.filter((q) => q.suited);
  return { precision: right.length / routed.length, recall: right.length / suited.length, wrong };
}

Deno.test("router_questions.jsonl has 200 questions and four further sets, none twice, suited ones the minority", () => {
  const all = labelled();
  assert.deepEqual([1, 2, 3, 4, 5].map((set) => all.filter((q) => q.set === set).length), [
    200,
    60,
    60,
    60,
    40,
  ]);
  assert.equal(new Set(all.map((q) => q.question)).size, all.length);
  const suited = all.filter((q) => q.suited).length / all.length;
  assert.ok(suited > 0.4 && suited < 0.5, `${suited}`);
});

for (const set of [1, 2, 3, 4, 5]) {
  Deno.test(`routeByRules() sends the right questions to an outline, and most of them, in set ${set}`, () => {
    const { precision, recall, wrong } = measure(labelled().filter((q) => q.set === set));
    assert.ok(precision >= 0.97, `precision ${precision}: ${wrong.join(" | ")}`);
    assert.ok(recall >= 0.92, `recall ${recall}: ${wrong.join(" | ")}`);
  });
}

Deno.test("routeByRules() looks at what is asked for, not at what is talked about", () => {
  const cases: [string, string | undefined][] = [
    ["How do I write better poems?", undefined],
    ["Write a poem about the advantages of autumn", "story"],
    ["Give me tips to translate better", undefined],
    ["Translate these tips into French: sleep well, eat well", "translation"],
    ["What are the benefits of learning Python?", undefined],
    ["Write a Python function that lists the benefits", "code"],
    ["How can I help my child to enjoy maths?", undefined],
    ["How many ways are there to order five books?", "maths"],
    ["What are the advantages of cycling?", undefined],
    ["What are the advantages of that?", "recall"],
    ["Shorten this: there are many advantages of cycling", "given text"],
    ["In one word, what is the best way to learn?", "short form"],
    ["Is running good for you?", "yes or no"],
    ["Should I rent or buy? Give me the arguments on both sides", undefined],
  ];
  for (const [question, against] of cases) {
    const { outline, rule } = routeByRules(question);
    assert.equal(outline, against === undefined, `${question}: ${rule}`);
    if (against !== undefined) assert.equal(rule, against, question);
  }
});

Deno.test("routeByRules() sends questions about a tool to an outline, but not work with the tool", () => {
  for (
    const question of [
      "Explain the main features of HTTP/2",
      "How should I react to criticism?",
      "What are the uses of SQL?",
    ]
  ) {
    assert.equal(routeByRules(question).outline, true, question);
  }
  for (
    const question of [
      "How do I join two tables in SQL?",
      "how to undo the last git commit",
      "How can I sort a list in Python?",
    ]
  ) {
    assert.equal(routeByRules(question).rule, "code", question);
  }
});

Deno.test("routeByRules() ignores politeness, case, line ends and curly quotes", () => {
  for (
    const question of [
      "what are good ways to save water",
      "WHAT ARE GOOD WAYS TO SAVE WATER?",
      "Hi, could you please tell me what are good ways to save water?",
      "  what are good\nways to save water\r\n",
      "hey so, what’re good ways to save water",
    ]
  ) {
    assert.equal(routeByRules(question).rule, "ways and advice", question);
  }
});

Deno.test("routeByRules() suits no question that is empty, too short, too long or of no known kind", () => {
  assert.equal(routeByRules("").outline, false);
  assert.equal(routeByRules("tips please").rule, "too short");
  assert.equal(routeByRules(`Tips for ${"a very ".repeat(80)}good life`).rule, "too long");
  assert.equal(routeByRules("Photosynthesis happens inside leaves").rule, "unknown kind");
});

Deno.test("routeByRules() ends soon on long text that almost matches", () => {
  for (const piece of ["write me a ", "what is ", "if all ", "in french ", "how ", "1 ", "a: b "]) {
    for (const end of ["", "?", "!x"]) {
      for (const length of [700, 1400, 100_000]) {
        assert.equal(
          typeof routeByRules(piece.repeat(length).slice(0, length) + end).outline,
          "boolean",
        );
      }
    }
  }
});

import assert from "node:assert/strict";
import fc from "fast-check";
import { parseOutline } from "./parse.ts";

function texts(outline: string): string[] {
  const parsed = parseOutline(outline);
  assert.equal(parsed.state, "ok", JSON.stringify(parsed));
  return parsed.state === "ok" ? parsed.points.map((p) => p.text) : [];
}

const SAME: Record<string, string> = {
  "full stops": "1. Choose the soil\n2. Water often\n3. Give it light",
  "brackets": "1) Choose the soil\n2) Water often\n3) Give it light",
  "round brackets": "(1) Choose the soil\n(2) Water often\n(3) Give it light",
  "colons": "1: Choose the soil\n2: Water often\n3: Give it light",
  "dashes": "1 - Choose the soil\n2 – Water often\n3 — Give it light",
  "bold": "**1.** Choose the soil\n**2.** Water often\n**3.** Give it light",
  "bold text": "1. **Choose the soil**\n2. **Water often**:\n3. **Give it light**.",
  "all bold": "**1. Choose the soil**\n**2. Water often**\n**3. Give it light**",
  "headings": "### 1. Choose the soil\n### 2. Water often\n### 3. Give it light",
  "bullets": "- Choose the soil\n- Water often\n- Give it light",
  "stars": "* Choose the soil\n* Water often\n* Give it light",
  "dots": "• Choose the soil\n• Water often\n• Give it light",
  "numbered bullets": "- 1. Choose the soil\n- 2. Water often\n- 3. Give it light",
  "checkboxes": "- [ ] Choose the soil\n- [x] Water often\n- [ ] Give it light",
  "letters": "a) Choose the soil\nb) Water often\nc) Give it light",
  "roman numbers": "I. Choose the soil\nII. Water often\nIII. Give it light",
  "words": "Point 1: Choose the soil\nPoint 2: Water often\nPoint 3: Give it light",
  "one line": "1. Choose the soil 2. Water often 3. Give it light",
  "Windows line ends": "1. Choose the soil\r\n2. Water often\r\n3. Give it light\r\n",
  "empty lines": "1. Choose the soil\n\n\n2. Water often\n\n3. Give it light",
  "text around":
    "Sure! Here is an outline:\n\n1. Choose the soil\n2. Water often\n3. Give it light\n\nI hope this helps.",
  "text between":
    "1. Choose the soil\nThis matters most.\n2. Water often\n3. Give it light\nEnjoy!",
  "numbers alone": "1.\nChoose the soil\n2.\nWater often\n3.\nGive it light",
  "a second list":
    "1. Choose the soil\n2. Water often\n3. Give it light\n\nAlternatively:\n1. Buy flowers\n2. Done",
  "repeats": "1. Choose the soil\n2. Water often\n3. Water often\n4. Give it light",
  "gaps": "1. Choose the soil\n3. Water often\n7. Give it light",
  "full-width digits": "１．Choose the soil\n２．Water often\n３．Give it light",
  "Chinese numbers": "一、Choose the soil\n二、Water often\n三、Give it light",
  "Arabic digits": "١. Choose the soil\n٢. Water often\n٣. Give it light",
};

for (const [style, outline] of Object.entries(SAME)) {
  Deno.test(`parseOutline() reads points with ${style}`, () => {
    assert.deepEqual(texts(outline), ["Choose the soil", "Water often", "Give it light"]);
  });
}

Deno.test("parseOutline() reads other languages", () => {
  assert.deepEqual(texts("1、选择土壤\n2、经常浇水"), ["选择土壤", "经常浇水"]);
  assert.deepEqual(texts("第一点：选择土壤\n第二点：经常浇水"), ["选择土壤", "经常浇水"]);
  assert.deepEqual(texts("Schritt 1: Erde wählen\nSchritt 2: Gießen"), ["Erde wählen", "Gießen"]);
  assert.deepEqual(texts("१. मिट्टी चुनें\n२. पानी दें"), ["मिट्टी चुनें", "पानी दें"]);
  assert.deepEqual(texts("十、甲\n十一、乙\n二十、丙"), ["甲", "乙", "丙"]);
});

Deno.test("parseOutline() makes nested points children of the point above", () => {
  const indented = parseOutline(
    "Plants:\n1. Soil\n   - loose\n   - dark\n2. Water\n   1. in the morning\n   2. never at noon\n3. Light",
  );
  assert.deepEqual(indented, {
    state: "ok",
    title: "Plants",
    dropped: 0,
    points: [
      { text: "Soil", children: ["loose", "dark"] },
      { text: "Water", children: ["in the morning", "never at noon"] },
      { text: "Light", children: [] },
    ],
  });
  const flat = parseOutline("I. Soil\nA. loose\nB. dark\nII. Water\nA. morning");
  assert.deepEqual(flat.state === "ok" && flat.points.map((p) => p.children.length), [2, 1]);
});

Deno.test("parseOutline() tells letters from roman numbers", () => {
  const letters = "abcdefghij".split("").map((l) => `${l}. about ${l}`).join("\n");
  assert.equal(texts(letters).length, 10);
  assert.deepEqual(texts("i. one\nii. two\niii. three\niv. four\nv. five\nvi. six"), [
    "one",
    "two",
    "three",
    "four",
    "five",
    "six",
  ]);
});

Deno.test("parseOutline() reads one point and cuts after the limit", () => {
  assert.deepEqual(texts("1. Only this"), ["Only this"]);
  const thirty = Array.from({ length: 30 }, (_, i) => `${i + 1}. point ${i + 1}`).join("\n");
  assert.equal(texts(thirty).length, 30);
  const cut = parseOutline(`${thirty}\n31. too much\n32. far too much`);
  assert.deepEqual(cut.state === "ok" && [cut.points.length, cut.dropped], [30, 2]);
});

Deno.test("parseOutline() refuses text that is not an outline", () => {
  for (
    const text of [
      "",
      "I am sorry, I only know about plants.",
      "3 apples and 4 pears",
      "In 1999. it rained",
      "1.\n2.\n3.",
    ]
  ) {
    assert.equal(parseOutline(text).state, "malformed", JSON.stringify(text));
  }
});

Deno.test("parseOutline() returns the points that were written, in any style", () => {
  const word = fc.constantFrom(
    "soil",
    "water",
    "light",
    "roots",
    "seeds",
    "mulch",
    "shade",
    "pots",
    "frost",
    "tools",
  );
  const point = fc.array(word, { minLength: 1, maxLength: 5 }).map((w) => w.join(" "));
  const styles = [
    (i: number) => `${i}. `,
    (i: number) => `${i}) `,
    (i: number) => `- **${i}.** `,
    (i: number) => `Point ${i}: `,
    () => "- ",
  ];
  fc.assert(fc.property(
    fc.uniqueArray(point, { minLength: 1, maxLength: 30 }),
    fc.constantFrom(...styles),
    (points, style) => {
      assert.deepEqual(texts(points.map((p, i) => style(i + 1) + p).join("\n")), points);
    },
  ));
});

Deno.test("parseOutline() ends on any text", () => {
  fc.assert(fc.property(fc.string({ unit: "grapheme", maxLength: 300 }), (text) => {
    const parsed = parseOutline(text);
    if (parsed.state === "ok") {
      assert.ok(parsed.points.length > 0 && parsed.points.every((p) => p.text !== ""));
    }
  }));
});

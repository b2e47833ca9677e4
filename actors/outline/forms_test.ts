import assert from "node:assert/strict";
import fc from "fast-check";
import { parseOutline } from "./parse.ts";

/** Ways in which chat models write the same three points. */
const SAME: Record<string, string> = {
  "a table":
    "| # | Point |\n|---|---|\n| 1 | Choose the soil |\n| 2 | Water often |\n| 3 | Give it light |",
  "a table with details":
    "| Step | Title | Why |\n|:--|:-:|--:|\n| 1. | **Choose the soil** | roots |\n| 2. | Water often | thirst |\n| 3. | Give it light | food |",
  "a table without numbers":
    "| Point | Detail |\n| --- | --- |\n| Choose the soil | loose |\n| Water often | daily |\n| Give it light | sun |",
  "a JSON array": '["Choose the soil", "Water often", "Give it light"]',
  "a fenced JSON array":
    'Here you go:\n```json\n[\n  "Choose the soil",\n  "Water often",\n  "Give it light"\n]\n```\nEnjoy!',
  "JSON objects":
    '{"outline": [{"id": 1, "point": "Choose the soil"}, {"id": 2, "point": "Water often"}, {"id": 3, "point": "Give it light"}]}',
  "a JSON object by number": '{"1": "Choose the soil", "2": "Water often", "3": "Give it light"}',
  "an HTML list":
    "<ol>\n<li>Choose the soil</li>\n<li>Water often</li>\n<li>Give it light</li>\n</ol>",
  "an HTML list on one line":
    "<ul><li><b>Choose the soil</b></li><li>Water often</li><li>Give it light</li></ul>",
  "an HTML list without ends": "<ol><li>Choose the soil<li>Water often<li>Give it light</ol>",
  "a code fence": "```\n1. Choose the soil\n2. Water often\n3. Give it light\n```",
  "a Markdown fence": "```markdown\n- Choose the soil\n- Water often\n- Give it light\n```",
  "emoji numbers": "1️⃣ Choose the soil\n2️⃣ Water often\n3️⃣ Give it light",
  "emoji bullets": "✅ Choose the soil\n✅ Water often\n✅ Give it light",
  "arrows": "→ Choose the soil\n→ Water often\n→ Give it light",
  "circled numbers": "① Choose the soil\n② Water often\n③ Give it light",
  "ordinal words in sentences":
    "First, choose the soil. Second, water often. Third, give it light.",
  "ordinal words on lines":
    "Firstly, choose the soil.\nSecondly, water often.\nFinally, give it light.",
  "ordinals with suffixes": "1st: Choose the soil\n2nd: Water often\n3rd: Give it light",
  "hash numbers": "#1 Choose the soil\n#2 Water often\n#3 Give it light",
  "headings without numbers": "## Choose the soil\n## Water often\n## Give it light",
  "a title and headings":
    "# Plants\n\n## Choose the soil\nText.\n\n## Water often\nMore text.\n\n## Give it light\n",
  "headings with bullets under them":
    "## Choose the soil\n- loose\n- dark\n## Water often\n- daily\n## Give it light\n- sun",
  "bold lines with bullets under them":
    "**Choose the soil**\n- loose\n- dark\n\n**Water often**\n- daily\n\n**Give it light**\n- sun",
  "a title line": "Title: Plants\n1. Choose the soil\n2. Water often\n3. Give it light",
  "titled points": "1. Title: Choose the soil\n2. Title: Water often\n3. Title: Give it light",
  "named points":
    "**Point 1:** Choose the soil\n**Point 2:** Water often\n**Point 3:** Give it light",
  "headed steps": "### Step 1: Choose the soil\n### Step 2: Water often\n### Step 3: Give it light",
  "number words": "Point one: Choose the soil\nPoint two: Water often\nPoint three: Give it light",
  "numbers and a bare space": "1 Choose the soil\n2 Water often\n3 Give it light",
  "tabs": "1.\tChoose the soil\n2.\tWater often\n3.\tGive it light",
  "number dot bracket": "1.) Choose the soil\n2.) Water often\n3.) Give it light",
  "every point numbered one": "1. Choose the soil\n1. Water often\n1. Give it light",
  "from zero": "0. Choose the soil\n1. Water often\n2. Give it light",
  "bold title, then a dash":
    "1. **Choose the soil** – roots need room\n2. **Water often** – leaves lose much\n3. **Give it light** – without it nothing grows",
  "bold title, then a colon":
    "1. **Choose the soil**: roots need room.\n2. **Water often:** leaves lose much.\n3. **Give it light**: nothing grows.",
  "a trailing note":
    "1. Choose the soil\n2. Water often\n3. Give it light\n\nNote: this holds for most plants.\n- Let me know if you want more!",
  "thoughts before":
    "<think>\n1. what does the user want\n2. a list\n</think>\n1. Choose the soil\n2. Water often\n3. Give it light",
  "sections":
    "1. Choose the soil\n1.1 loose\n1.2. dark\n2. Water often\n2.1 daily\n3. Give it light",
  "a separator line": "1. Choose the soil\n---\n2. Water often\n---\n3. Give it light\n***",
  "semicolons on one line": "1) Choose the soil; 2) Water often; 3) Give it light",
  "quotes": '1. "Choose the soil"\n2. "Water often"\n3. “Give it light”',
  "links": "1. [Choose the soil](#soil)\n2. [Water often](#water)\n3. [Give it light](#light)",
  "LaTeX items":
    "\\begin{enumerate}\n\\item Choose the soil\n\\item Water often\n\\item Give it light\n\\end{enumerate}",
  "no-break spaces": "1.\u00a0Choose the soil\n2.\u00a0Water often\n3.\u00a0Give it light",
  "brackets only": "[1] Choose the soil\n[2] Water often\n[3] Give it light",
  "a byte order mark": "\ufeff1. Choose the soil\n2. Water often\n3. Give it light",
  "different emoji": "🌱 Choose the soil\n💧 Water often\n☀️ Give it light",
  "numbered headings with bullets":
    "### 1. Choose the soil\n- loose\n### 2. Water often\n- daily\n### 3. Give it light\n- sun",
  "headings whose numbers begin anew":
    "## Choose the soil\n1. a\n2. b\n## Water often\n1. c\n## Give it light\n1. d",
  "a heading before and one after":
    "## Outline\n1. Choose the soil\n2. Water often\n3. Give it light\n## Notes\n- none",
  "JSON with a bracket before":
    'Here is the JSON [array]:\n["Choose the soil","Water often","Give it light"]',
  "JSON with a trailing comma": '[\n"Choose the soil",\n"Water often",\n"Give it light",\n]',
  "JSON by step": '{"step1": "Choose the soil", "step2": "Water often", "step3": "Give it light"}',
  "YAML": "outline:\n  - Choose the soil\n  - Water often\n  - Give it light",
  "a quote": "> 1. Choose the soil\n> 2. Water often\n> 3. Give it light",
  "HTML paragraphs": "<p>1. Choose the soil</p><p>2. Water often</p><p>3. Give it light</p>",
  "commas on one line": "Points: 1. Choose the soil, 2. Water often, 3. Give it light",
  "a sentence": "1. Choose the soil, 2. Water often and 3. Give it light",
  "explanations after colons":
    "1. Choose the soil: the soil should be loose and drained.\n2. Water often: plants lose much water in the sun.\n" +
    "3. Give it light: without it there will be no growth.",
  "underscores": "__1. Choose the soil__\n__2. Water often__\n__3. Give it light__",
  "letters under numbers":
    "1. Choose the soil\n   a. loose\n   b. dark\n2. Water often\n   a. daily\n3. Give it light",
  "stop and dash": "1.– Choose the soil\n2.– Water often\n3.– Give it light",
  "No.": "No. 1: Choose the soil\nNo. 2: Water often\nNo. 3: Give it light",
  "bold named points with bullets":
    "**Point 1: Choose the soil**\n- loose\n**Point 2: Water often**\n- daily\n**Point 3: Give it light**\n- sun",
  "arrows after numbers": "1 → Choose the soil\n2 → Water often\n3 → Give it light",
  "slashes": "1/ Choose the soil\n2/ Water often\n3/ Give it light",
};

function texts(outline: string): string[] | undefined {
  const parsed = parseOutline(outline);
  return parsed.state === "ok" ? parsed.points.map((p) => p.text) : undefined;
}

for (const [form, outline] of Object.entries(SAME)) {
  Deno.test(`parseOutline() reads points from ${form}`, () => {
    assert.deepEqual(texts(outline), ["Choose the soil", "Water often", "Give it light"]);
  });
}

Deno.test("parseOutline() reads numbers of many scripts", () => {
  const cases: [string, string[]][] = [
    ["Erstens: Erde wählen. Zweitens: oft gießen.", ["Erde wählen", "Oft gießen"]],
    ["١- اختر التربة\n٢- اسقِ كثيرا", ["اختر التربة", "اسقِ كثيرا"]],
    ["๑. เลือกดิน\n๒. รดน้ำ", ["เลือกดิน", "รดน้ำ"]],
    ["Шаг 1. Выберите почву\nШаг 2. Поливайте", ["Выберите почву", "Поливайте"]],
    ["а) Выберите почву\nб) Поливайте\nв) Свет", ["Выберите почву", "Поливайте", "Свет"]],
    ["１．土を選ぶ\n２．水をやる", ["土を選ぶ", "水をやる"]],
    ["1. 选择土壤 (soil)\n2. Поливать water\n3. Licht geben", [
      "选择土壤 (soil)",
      "Поливать water",
      "Licht geben",
    ]],
  ];
  for (const [outline, points] of cases) assert.deepEqual(texts(outline), points);
});

Deno.test("parseOutline() keeps JSON, HTML and tables as text, when they stand in a numbered list", () => {
  assert.deepEqual(
    texts('1. Write ["a", "b"] for lists\n2. Use the <li> tag\n3. Put a | between cells'),
    [
      'Write ["a", "b"] for lists',
      "Use the <li> tag",
      "Put a | between cells",
    ],
  );
});

Deno.test("parseOutline() makes nested JSON, HTML and sections children of the point above", () => {
  const nested = [
    '[{"title": "Soil", "subpoints": ["loose", "dark"]}, {"title": "Water"}]',
    "<ol><li>Soil<ul><li>loose</li><li>dark</li></ul></li><li>Water</li></ol>",
    "1. Soil\n1.1 loose\n1.2 dark\n2. Water",
    "## Soil\n- loose\n- dark\n## Water\n- daily",
  ];
  for (const outline of nested) {
    const parsed = parseOutline(outline);
    assert.ok(parsed.state === "ok", outline);
    assert.deepEqual(parsed.points.map((p) => p.text), ["Soil", "Water"], outline);
    assert.deepEqual(parsed.points[0].children, ["loose", "dark"], outline);
  }
});

Deno.test("parseOutline() reads a title above headings, and entities in HTML", () => {
  const parsed = parseOutline("# Plants\n## Soil\n## Water");
  assert.deepEqual(parsed.state === "ok" && parsed.title, "Plants");
  assert.deepEqual(texts("<ul><li>Soil &amp; sand</li><li>Water</li></ul>"), [
    "Soil & sand",
    "Water",
  ]);
});

Deno.test("parseOutline() refuses forms without points", () => {
  const none = [
    "I'm sorry, but I can't help with that.",
    "Plants need soil. They also need water. Finally, they need light.",
    '{"a": 1, "b": 2}',
    "[]",
    "<ul><li></li></ul>",
    "| Point |\n|---|",
    "# Plants",
    "function f() { return [1, 2, 3]; }",
    "1999 was a good year\n2000 was better",
    "<think>1. a\n2. b",
    '["Choose the soil", "Water often", "Give it',
    "Choose the soil\nWater often\nGive it light",
    "Use 1.5 litres of water",
    "🌱 Good luck!",
  ];
  for (const outline of none) assert.equal(texts(outline), undefined, JSON.stringify(outline));
});

Deno.test("parseOutline() returns the points that were written, in any form", () => {
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
  );
  const point = fc.array(word, { minLength: 2, maxLength: 5 }).map((w) => w.join(" "));
  const forms: ((points: string[]) => string)[] = [
    (p) => JSON.stringify(p),
    (p) => JSON.stringify({ outline: p.map((title, id) => ({ id, title })) }, null, 2),
    (p) => `<ol>${p.map((t) => `<li>${t}</li>`).join("")}</ol>`,
    (p) => `| # | Point |\n|--|--|\n${p.map((t, i) => `| ${i + 1} | ${t} |`).join("\n")}`,
    (p) => p.map((t) => `## ${t}\n- some\n- more`).join("\n"),
    (p) => `\`\`\`\n${p.map((t, i) => `#${i + 1} ${t}`).join("\n")}\n\`\`\``,
  ];
  fc.assert(fc.property(
    fc.uniqueArray(point, { minLength: 2, maxLength: 20 }),
    fc.constantFrom(...forms),
    (points, form) => assert.deepEqual(texts(form(points)), points),
  ));
});

Deno.test("parseOutline() ends on any mixture of marks", () => {
  const piece = fc.constantFrom(
    ...'1. |2) |- |* |## |**|__|[|]|{|}|"|<li>|</li>|<ol>|\n|\n\n| |    ||---\n|First, |Second, |🌱 |1️⃣|①|a) |ii. |soil|:|\\item |```\n|<think>'
      .split("|"),
    "|",
  );
  fc.assert(fc.property(fc.array(piece, { maxLength: 120 }), (pieces) => {
    const parsed = parseOutline(pieces.join(""));
    if (parsed.state === "ok") assert.ok(parsed.points.every((p) => p.text !== ""));
  }));
  for (
    const part of ["<", "[", "{", "|-", "1. ", "First, ", "**", "\n- ", "a: 1. ", "<li>", "[a]("]
  ) {
    assert.ok(parseOutline(part.repeat(3000)).state);
  }
});

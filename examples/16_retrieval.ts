/**
 * Answers from your own files: each section becomes a vector, the nearest ones to a question are
 * put before it. It asks a node that runs already (`deno task start`).
 *
 *     deno run -N -R examples/16_retrieval.ts [http://127.0.0.1:8420]
 */
// deno-lint-ignore-file no-console -- an example prints what it shows
const [url = "http://127.0.0.1:8420"] = Deno.args;
const QUESTION = "What is a mailbox?";
const FILE = new URL("../docs/glossary.md", import.meta.url);

async function post(path: string, body: object) {
  const response = await fetch(url + path, {
    method: "POST",
    headers: { "content-type": "application/json" },
    body: JSON.stringify({ model: "default", ...body }),
  });
  if (!response.ok) throw new Error(await response.text());
  return await response.json();
}

/** A vector of length 1 for each text. */
async function vectors(input: string[]): Promise<number[][]> {
  const { data } = await post("/v1/embeddings", { input });
  return data.map(({ embedding }: { embedding: number[] }) => {
    const length = Math.hypot(...embedding);
    return embedding.map((value) => value / length);
  });
}

const dot = (a: number[], b: number[]) => a.reduce((sum, value, i) => sum + value * b[i], 0);

// Each word of the glossary has a heading and a paragraph.
const texts = (await Deno.readTextFile(FILE)).split(/^### /m).slice(1, 41)
  .map((section) => section.split(/^## /m)[0].replaceAll(/\s+/g, " ").trim().slice(0, 200));
const [asked, ...known] = await vectors([QUESTION, ...texts]);
const nearest = known.map((vector, i) => ({ text: texts[i], score: dot(asked, vector) }))
  .sort((a, b) => b.score - a.score).slice(0, 3);

console.log(`${texts.length} texts, of ${asked.length} numbers each; nearest to "${QUESTION}":`);
for (const { text, score } of nearest) console.log(`  ${score.toFixed(3)} ${text}`);
const content = `${nearest.map(({ text }) => text).join("\n")}\n\n${QUESTION}`;
const answer = await post("/v1/chat/completions", {
  messages: [{ role: "user", content }],
  temperature: 0,
  max_tokens: 40,
});
console.log(answer.choices[0].message.content.trim());
console.log(
  "next: the embedded model only shows how it is done; an embedding model finds by meaning:\n" +
    "      docs/api-dialects.md#embeddings",
);

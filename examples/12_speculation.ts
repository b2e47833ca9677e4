/**
 * Drafts make an answer come sooner and never change it: a small model guesses tokens, the model
 * checks all guesses in one frame. It asks a node that runs already (`deno task start`).
 *
 *     deno run -N examples/12_speculation.ts [http://127.0.0.1:8420]
 */
// deno-lint-ignore-file no-console -- an example prints what it shows
const [url = "http://127.0.0.1:8420"] = Deno.args;

/** The answer in a mode, greedily, and what the node says of how it was made. */
async function answer(mode: string) {
  const response = await fetch(`${url}/v1/chat/completions`, {
    method: "POST",
    headers: { "content-type": "application/json" },
    body: JSON.stringify({
      messages: [{ role: "user", content: "What is a rainbow?" }],
      temperature: 0,
      orrery: { mode, ...(mode !== "plain" && { draft_length: 4 }), reuse: false },
    }),
  });
  if (!response.ok) throw new Error(await response.text());
  const { choices: [{ message }], orrery } = await response.json();
  return { text: message.content as string, ...orrery };
}

const plain = await answer("plain");
const drafted = await answer("speculative");
console.log(drafted.text.trim());
console.log(`plain:       ${plain.tokens_per_s.toFixed(0)} tokens/s`);
console.log(
  `speculative: ${drafted.tokens_per_s.toFixed(0)} tokens/s, ` +
    `${drafted.accepted} of ${drafted.drafted} drafted tokens came true`,
);
console.log(`the same text: ${plain.text === drafted.text}`);
console.log("next: deno task simulate examples/graphs/four_boxes.yaml --acceptance 0.9");

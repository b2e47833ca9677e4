/**
 * An answer that is JSON by a schema: tokens that would break it are never chosen. It asks a node
 * that runs already (`deno task start`).
 *
 *     deno run -N examples/13_structured_output.ts [http://127.0.0.1:8420]
 */
// deno-lint-ignore-file no-console -- an example prints what it shows
const [url = "http://127.0.0.1:8420"] = Deno.args;

const schema = {
  type: "object",
  properties: {
    kind: { enum: ["rain", "snow", "hail", "fog"] },
    wet: { type: "boolean" },
    millimetres: { type: "integer", minimum: 0, maximum: 999 },
  },
  required: ["kind", "wet", "millimetres"],
  additionalProperties: false,
};

const response = await fetch(`${url}/v1/chat/completions`, {
  method: "POST",
  headers: { "content-type": "application/json" },
  body: JSON.stringify({
    messages: [{ role: "user", content: "What falls from a dark cloud?" }],
    temperature: 0,
    response_format: { type: "json_schema", json_schema: { name: "weather", schema } },
  }),
});
if (!response.ok) throw new Error(await response.text());
const { choices: [{ message }] } = await response.json();
const weather: { kind: string; wet: boolean; millimetres: number } = JSON.parse(message.content);
console.log(weather);
console.log(
  "next: a small model fills the form in without knowing much; serve a larger one by\n" +
    "      deno task models add Qwen/Qwen3-0.6B && deno task start --model Qwen3-0.6B-q4",
);

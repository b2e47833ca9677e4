/**
 * Any OpenAI client talks to a node: here the official one, to a node that runs already (`deno task
 * start`).
 *
 *     deno run -P=chat examples/05_openai_client.ts [http://127.0.0.1:8420]
 */
// deno-lint-ignore-file no-console -- an example prints what it shows
import OpenAI from "openai";

const [url = "http://127.0.0.1:8420"] = Deno.args;
const client = new OpenAI({ baseURL: `${url}/v1`, apiKey: "not needed" });

const stream = await client.chat.completions.create({
  model: "default",
  messages: [{ role: "user", content: "What is a rainbow?" }],
  stream: true,
});
for await (const chunk of stream) {
  await Deno.stdout.write(new TextEncoder().encode(chunk.choices[0]?.delta.content ?? ""));
}
console.log();

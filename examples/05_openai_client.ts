/**
 * Any OpenAI client talks to a node: here the official one, to a node that runs already (`deno task
 * start`).
 *
 *     deno run --no-config -N -E examples/05_openai_client.ts [http://127.0.0.1:8420]
 */
// deno-lint-ignore-file no-console no-import-prefix -- it prints; and Orrery does not carry this client
import OpenAI from "npm:openai@7.59.0";

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
console.log("next: docs/clients.md lists other clients; examples/18_langchain.ts is one of them");

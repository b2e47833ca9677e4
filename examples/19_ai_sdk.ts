/**
 * Vercel's AI SDK at a node that runs already (`deno task start`): a streamed text, then an object by
 * a schema.
 *
 *     deno run --config tests/clients/deno.json -N -E -R -S=hostname examples/19_ai_sdk.ts [http://127.0.0.1:8420]
 */
// deno-lint-ignore-file no-console -- an example prints what it shows
import { createOpenAICompatible } from "@ai-sdk/openai-compatible";
import { generateText, Output, streamText } from "ai";
import { z } from "zod";

const [url = "http://127.0.0.1:8420"] = Deno.args;
const model = createOpenAICompatible({
  name: "orrery",
  baseURL: `${url}/v1`,
  supportsStructuredOutputs: true,
})("default");

const { textStream } = streamText({ model, prompt: "What is a rainbow?", temperature: 0 });
for await (const text of textStream) {
  await Deno.stdout.write(new TextEncoder().encode(text));
}
const { output } = await generateText({
  ...{ model, prompt: "Is a rainbow wet?", temperature: 0 },
  output: Output.object({ schema: z.object({ answer: z.enum(["yes", "no"]) }) }),
});
console.log("\n", output);
console.log("next: docs/clients.md lists what works with which client, feature by feature");

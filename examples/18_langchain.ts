/**
 * LangChain.js at a node that runs already (`deno task start`): a prompt, the model and a parser in a
 * chain.
 *
 *     deno run --config tests/clients/deno.json -N -E -R examples/18_langchain.ts [http://127.0.0.1:8420]
 */
// deno-lint-ignore-file no-console -- an example prints what it shows
import { StringOutputParser } from "@langchain/core/output_parsers";
import { ChatPromptTemplate } from "@langchain/core/prompts";
import { ChatOpenAI } from "@langchain/openai";

const [url = "http://127.0.0.1:8420"] = Deno.args;
const model = new ChatOpenAI({
  model: "default",
  temperature: 0,
  apiKey: "not needed",
  configuration: { baseURL: `${url}/v1` },
});
const chain = ChatPromptTemplate.fromMessages([["user", "What is {thing}?"]])
  .pipe(model).pipe(new StringOutputParser());
for await (const text of await chain.stream({ thing: "a rainbow" })) {
  await Deno.stdout.write(new TextEncoder().encode(text));
}
console.log("\nnext: docs/clients.md lists what works with which client, feature by feature");

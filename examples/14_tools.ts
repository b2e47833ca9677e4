/**
 * A function that the model may call: it names the function and its arguments, this program runs it,
 * and the model goes on with what it gave. It asks a node that runs already (`deno task start`).
 *
 *     deno run -N examples/14_tools.ts [http://127.0.0.1:8420]
 */
// deno-lint-ignore-file no-console -- an example prints what it shows
const [url = "http://127.0.0.1:8420"] = Deno.args;

const tools = [{
  type: "function",
  function: {
    name: "get_weather",
    description: "The weather in a city",
    parameters: {
      type: "object",
      properties: { city: { enum: ["Rome", "Oslo", "Lima"] } },
      required: ["city"],
      additionalProperties: false,
    },
  },
}];

/** What this program knows. */
const getWeather = ({ city }: { city: string }) =>
  ({ Rome: "sunny, 31 °C", Oslo: "rain, 12 °C", Lima: "fog, 17 °C" })[city];

async function ask(messages: unknown[], more: object = {}) {
  const response = await fetch(`${url}/v1/chat/completions`, {
    method: "POST",
    headers: { "content-type": "application/json" },
    body: JSON.stringify({ messages, tools, temperature: 0, ...more }),
  });
  if (!response.ok) throw new Error(await response.text());
  return (await response.json()).choices[0].message;
}

const question = { role: "user", content: "How is the weather in Oslo?" };
// The embedded model would rather talk: it is told to call. Others choose by themselves.
const call = await ask([question], { tool_choice: "required", parallel_tool_calls: false });
const [{ id, function: { name, arguments: text } }] = call.tool_calls;
const args = JSON.parse(text);
const given = getWeather(args);
console.log(`the model calls ${name}(${JSON.stringify(args)}), which gives "${given}"`);
const result = { role: "tool", tool_call_id: id, content: given };
const last = await ask([question, call, result], { tool_choice: "none", max_tokens: 48 });
console.log(`and answers: ${last.content.trim()}`);
console.log("next: docs/tools.md says which families of models write calls in which form");

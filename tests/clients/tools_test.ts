/**
 * Round trips of calls with OpenAI's client (`runTools`), over a scripted model for each way in which
 * families write calls: what the client gets are calls and text, and nothing of the one in the other.
 */
import assert from "node:assert/strict";
import OpenAI from "openai";
import { openaiClient } from "./openai.ts";
import { startToolNodes, type ToolNodes } from "./tool_nodes.ts";
import { questionText, type ScriptedCall, TOOL_FAMILIES } from "../support/tool_families.ts";

/** Round trips, streamed and not, over all families; `TOOL_ROUNDS=200` makes more. */
const ROUNDS = Number(Deno.env.get("TOOL_ROUNDS") ?? 72);

const PARAMETERS = {
  type: "object",
  properties: {
    city: { type: "string", description: "The city's name" },
    days: { type: "integer" },
    units: { type: "string", enum: ["C", "F"] },
  },
  required: ["city", "days"],
  additionalProperties: false,
};

/** Values with what could be taken for the end of a call. */
const CITIES = ["Rome", "São Paulo 👍", 'a "quoted" }]', "<b>x</b>\n\\n", "]}</tool_call", "{}[]"];

/** What the client put together of one round trip. */
interface Round {
  /** Arguments that the functions got, in order. */
  called: ScriptedCall[];
  /** Texts of the assistant's messages. */
  contents: string[];
  /** Their thoughts. */
  reasoning: string[];
  finishReasons: string[];
}

async function roundTrip(client: OpenAI, ask: {
  content: string;
  stream: boolean;
  parallel: boolean;
}): Promise<Round> {
  const round: Round = { called: [], contents: [], reasoning: [], finishReasons: [] };
  const tool = (name: string) => ({
    type: "function" as const,
    function: {
      name,
      description: `Calls ${name}`,
      parameters: PARAMETERS,
      parse: JSON.parse,
      function: (args: Record<string, unknown>) => {
        round.called.push({ name, arguments: args });
        return `result-${round.called.length}`;
      },
    },
  });
  const body = {
    model: "default",
    messages: [{ role: "user" as const, content: ask.content }],
    tools: [tool("get_weather"), tool("forecast")],
    parallel_tool_calls: ask.parallel,
    max_tokens: 1_000,
  };
  const take = (completion: OpenAI.Chat.ChatCompletion) => {
    const [{ message, finish_reason }] = completion.choices;
    round.contents.push(message.content ?? "");
    const { reasoning_content } = message as { reasoning_content?: string };
    if (reasoning_content) round.reasoning.push(reasoning_content);
    round.finishReasons.push(finish_reason);
  };
  const { completions } = client.chat;
  const runner = ask.stream
    ? completions.runTools({ ...body, stream: true }).on("chatCompletion", take)
    : completions.runTools({ ...body, stream: false }).on("chatCompletion", take);
  await runner.done();
  return round;
}

/** The calls of a round: some with every kind of value, two of them where the family can. */
function callsOf(round: number, family: string): ScriptedCall[] {
  const { parallel } = TOOL_FAMILIES[family];
  const city = family === "qwen_coder" || family === "seed"
    ? "Rome"
    : CITIES[round % CITIES.length];
  const call: ScriptedCall = {
    name: round % 3 === 0 ? "forecast" : "get_weather",
    arguments: { city, days: round, ...(round % 2 === 0 && { units: "C" }) },
  };
  return parallel && round % 4 === 1
    ? [call, { name: "forecast", arguments: { city: "Oslo", days: 1 } }]
    : [call];
}

async function withNodes(body: (nodes: ToolNodes) => Promise<void>): Promise<void> {
  await using nodes = await startToolNodes();
  await body(nodes);
}

Deno.test("runTools() makes round trips without a part of a call in a text, in every family's form", () =>
  withNodes(async ({ urls }) => {
    const families = Object.keys(TOOL_FAMILIES);
    assert.deepEqual(Object.keys(urls), families);
    const rounds = Array.from({ length: ROUNDS }, (_, round) => round);
    const check = async (round: number) => {
      const family = families[round % families.length];
      // Each family is asked in other ways each time, whatever the number of families.
      const turn = round + Math.floor(round / families.length);
      const calls = callsOf(turn, family);
      const bare = family === "llama3"; // its call is the whole answer
      const before = !bare && turn % 2 === 0 ? "Let me look.\n" : "";
      const client = openaiClient(`${urls[family]}/v1`);
      const trip = roundTrip(client, {
        content: questionText({ before, calls }),
        stream: turn % 2 === 1,
        parallel: calls.length > 1,
      });
      const found = await trip.catch((error) => {
        throw new Error(`round ${round}, ${family}`, { cause: error });
      });
      const results = calls.map((_, i) => `result-${i + 1}`).join(" and ");
      const expected: Round = {
        called: calls,
        contents: [before.trim(), `It gave ${results}.`],
        reasoning: TOOL_FAMILIES[family].thinks === "maybe"
          ? Array(2).fill("Let me see <tool_call>.")
          : TOOL_FAMILIES[family].thinks === "open"
          ? Array(2).fill("Let me see.")
          : [],
        finishReasons: ["tool_calls", "stop"],
      };
      // The client forgets fields of a stream that it does not know.
      if (turn % 2 === 1) expected.reasoning = found.reasoning;
      assert.deepEqual(found, expected, `round ${round}, ${family}`);
    };
    // As many at once as there are models, each of which has its own gateway.
    for (let from = 0; from < ROUNDS; from += families.length) {
      await Promise.all(rounds.slice(from, from + families.length).map(check));
    }
  }));

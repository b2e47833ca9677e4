// deno-lint-ignore-file no-console -- its lines are its answers
/**
 * What a token of an answer that is held to a grammar takes more than one of an answer that is not.
 *
 * @module
 */
import { startNode } from "../../../runtime/node.ts";
import { HALF_BILLION, prepareRandomModel } from "../edge/models.ts";
import { medianOf } from "../shared/figures.ts";
import { inTemporaryFolder } from "../shared/temporary_folder.ts";

/** Answers whose lengths do not depend on the schema: both kinds are as long. */
const LONG = {
  type: "object",
  properties: {
    title: { type: "string" },
    points: { type: "array", items: { type: "string" }, minItems: 60 },
  },
  required: ["title", "points"],
  additionalProperties: false,
};

/** A model and how often it is asked. */
interface Case {
  name: string;
  /** Name in the store. @default the embedded model */
  model?: string;
  /** Pairs of answers, of so many tokens each. */
  rounds: number;
  tokens: number;
  /** More fields of its requests. */
  body: Record<string, unknown>;
}

const sampled = { temperature: 1, seed: 1 };
const EMBEDDED: Case[] = [
  { name: "embedded model", rounds: 24, tokens: 160, body: sampled },
  { name: "embedded model, greedy", rounds: 24, tokens: 160, body: { temperature: 0 } },
  {
    name: "embedded model, top_p 0.9",
    rounds: 24,
    tokens: 160,
    body: { ...sampled, top_p: 0.9 },
  },
];
const HALF_BILLION_CASES: Case[] = [
  { name: "0.5B shape", model: HALF_BILLION, rounds: 8, tokens: 64, body: sampled },
  {
    name: "0.5B shape, top_p 0.9",
    model: HALF_BILLION,
    rounds: 8,
    tokens: 64,
    body: { ...sampled, top_p: 0.9 },
  },
];

/**
 * Measures models on one node, a free and a held answer by turns, and prints a row for each: medians,
 * and the median of the rounds' ratios. `half`: the 0.5B shape too, which needs 3.3 GB of disk space.
 */
export async function measureOverhead({ half = false }: { half?: boolean } = {}): Promise<void> {
  console.log("\noverhead per token, %       free, ms  held, ms  (one node, one thread)");
  await measure(EMBEDDED);
  if (half) await measure(HALF_BILLION_CASES);
}

async function measure(cases: readonly Case[]): Promise<void> {
  await inTemporaryFolder(async (data) => {
    const { model } = cases[0];
    if (model !== undefined) await prepareRandomModel(data, model);
    const ready = Promise.withResolvers<void>();
    const node = await startNode({
      host: "127.0.0.1",
      port: 0,
      mailboxPort: 0,
      data,
      threads: 1,
      nodes: 1,
      model,
      onServe: (deployment) => deployment && ready.resolve(),
    });
    await ready.promise;
    for (const one of cases) await compare(node.url, one);
    await node.close();
  });
}

async function compare(url: string, { name, rounds, tokens, body }: Case): Promise<void> {
  const ask = async (held: boolean): Promise<number> => {
    const response = await fetch(`${url}/v1/chat/completions`, {
      method: "POST",
      headers: { "content-type": "application/json" },
      body: JSON.stringify({
        messages: [{ role: "user", content: "Why does it rain?" }],
        max_tokens: tokens,
        ...body,
        orrery: { mode: "plain", ignore_eos: true },
        ...(held && {
          response_format: { type: "json_schema", json_schema: { name: "text", schema: LONG } },
        }),
      }),
    });
    const { usage, orrery } = await response.json();
    if (usage.completion_tokens !== tokens) throw new Error(`${usage.completion_tokens} tokens`);
    return 1000 / orrery.tokens_per_s;
  };
  const [free, held, ratios]: number[][] = [[], [], []];
  for (let i = 0; i <= rounds; i++) {
    const first = i % 2 === 0;
    const a = await ask(first), b = await ask(!first);
    if (i === 0) continue; // the first compiles the schema
    const [plain, masked] = first ? [b, a] : [a, b];
    free.push(plain);
    held.push(masked);
    ratios.push(masked / plain);
  }
  const percent = ((medianOf(ratios) - 1) * 100).toFixed(1);
  const ms = (values: number[]) => medianOf(values).toFixed(3).padStart(8);
  console.log(`  ${name.padEnd(26)}${percent.padStart(5)} %  ${ms(free)}  ${ms(held)}`);
}

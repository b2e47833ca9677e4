// deno-lint-ignore-file no-console -- its lines are its answers
/**
 * Milliseconds a token of answers that are held to a grammar, beside answers that are not.
 *
 * @module
 */
import { startNode } from "../../../runtime/node.ts";
import { medianOf } from "../shared/figures.ts";
import { inTemporaryFolder } from "../shared/temporary_folder.ts";

const ROUNDS = 15;
const TOKENS = 160;

/** A schema whose answers have this many tokens and more, so that both kinds are as long. */
const SCHEMA = {
  type: "object",
  properties: {
    title: { type: "string" },
    points: { type: "array", items: { type: "string" }, minItems: 30 },
  },
  required: ["title", "points"],
  additionalProperties: false,
};

/** Measures the embedded model on one node, by turns; prints medians. */
export async function measureOverhead(): Promise<void> {
  await inTemporaryFolder(async (data) => {
    const ready = Promise.withResolvers<void>();
    const node = await startNode({
      host: "127.0.0.1",
      port: 0,
      mailboxPort: 0,
      data,
      threads: 1,
      nodes: 1,
      onServe: (deployment) => deployment && ready.resolve(),
    });
    await ready.promise;
    const ask = async (held: boolean): Promise<number> => {
      const response = await fetch(`${node.url}/v1/chat/completions`, {
        method: "POST",
        headers: { "content-type": "application/json" },
        body: JSON.stringify({
          messages: [{ role: "user", content: "Why does it rain?" }],
          max_tokens: TOKENS,
          temperature: 1,
          seed: 1,
          orrery: { mode: "plain", ignore_eos: true },
          ...(held && {
            response_format: { type: "json_schema", json_schema: { name: "text", schema: SCHEMA } },
          }),
        }),
      });
      const { usage, orrery } = await response.json();
      if (usage.completion_tokens !== TOKENS) throw new Error(`${usage.completion_tokens} tokens`);
      return 1000 / orrery.tokens_per_s;
    };
    const [free, held]: number[][] = [[], []];
    for (let i = 0; i <= ROUNDS; i++) {
      const [a, b] = [await ask(false), await ask(true)];
      if (i === 0) continue; // the first compiles the schema
      free.push(a);
      held.push(b);
    }
    await node.close();
    const [a, b] = [medianOf(free), medianOf(held)];
    console.log(
      `\noverhead, embedded model on one node, ${ROUNDS} answers of ${TOKENS} tokens each`,
    );
    console.log(
      `  ms a token: ${a.toFixed(3)} free, ${b.toFixed(3)} held: ${
        ((b / a - 1) * 100).toFixed(1)
      } %`,
    );
  });
}

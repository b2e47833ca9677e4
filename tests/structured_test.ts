/**
 * Answers that are held to schemas, from real nodes: whatever a model says, the JSON is valid by ajv.
 */
import assert from "node:assert/strict";
import { join } from "node:path";
import { type Judge, judgeOf } from "./support/json_oracle.ts";
import { startCluster } from "./support/processes.ts";
import { SCHEMA_CASES } from "./support/schema_cases.ts";
import { inFolder } from "./support/store_folder.ts";
import { writeTinyCheckpoint } from "./support/tiny_checkpoint.ts";

/** Cases whose values may be long: a model that cannot write may go on until its limit. */
const ENDLESS = new Set([
  ...["anything", "any object", "string", "property that is forbidden", "free properties"],
  ...["required without a schema", "additional properties", "array of strings", "recursion"],
  ...["uri", "open tuple", "pattern anywhere", "contains", "not of an enum", "linked list"],
  ...["references by id", "anyOf", "oneOf of kinds", "if then else", "allOf", "references"],
  ...["not of a type", "pattern of Unicode classes", "pattern with inner anchors", "two patterns"],
  ...["pattern of escaped characters", "patternProperties", "propertyNames", "maxProperties"],
  ...["dependentSchemas", "email and uuid", "minLength", "optional properties", "two types"],
  ...["required in order", "nested objects", "addresses"],
]);

interface Held {
  name: string;
  schema: unknown;
  valid: Judge;
}

const HELD: Held[] = SCHEMA_CASES.filter(({ name }) => !ENDLESS.has(name))
  .map(({ name, schema }) => ({ name, schema, valid: judgeOf(schema) }));

/** An answer's text and why it ended. */
interface Answer {
  text: string;
  finish: string;
}

async function answer(url: string, body: Record<string, unknown>): Promise<Answer> {
  const response = await fetch(`${url}/v1/chat/completions`, {
    method: "POST",
    headers: { "content-type": "application/json" },
    body: JSON.stringify({ max_tokens: 400, ...body }),
  });
  const text = await response.text();
  assert.equal(response.status, 200, text);
  if (!body.stream) {
    const { choices: [{ message, finish_reason }] } = JSON.parse(text);
    return { text: message.content, finish: finish_reason };
  }
  const chunks = [...text.matchAll(/^data: (\{.*\})$/gm)].map(([, json]) => JSON.parse(json));
  const choices = chunks.flatMap((chunk) => chunk.choices ?? []);
  return {
    text: choices.map(({ delta }) => delta.content ?? "").join(""),
    finish: choices.findLast((choice) => choice.finish_reason)?.finish_reason,
  };
}

/** A request for a value of the schema. */
const about = ({ name, schema }: Held, more: Record<string, unknown>) => ({
  messages: [{ role: "user", content: `Give me an example of: ${name}` }],
  response_format: { type: "json_schema", json_schema: { name: "value", schema } },
  ...more,
});

/** Requests that run at once: their rows travel in one frame. */
const TOGETHER = 4;

/** Asks for each schema; returns how many answers ended by themselves. */
async function askAll(
  url: string,
  held: readonly Held[],
  more: (i: number) => Record<string, unknown>,
): Promise<number> {
  let whole = 0;
  let next = 0;
  const ask = async (i: number) => {
    const each = held[i];
    const { text, finish } = await answer(url, about(each, more(i)));
    if (finish === "length") return; // cut off: it is the begin of a valid value only
    whole++;
    assert.equal(finish, "stop", each.name);
    let value: unknown;
    try {
      value = JSON.parse(text);
    } catch {
      assert.fail(`${each.name}: ${JSON.stringify(text)} is no JSON`);
    }
    assert.ok(each.valid(value), `${each.name}: ${text}`);
  };
  await Promise.all(Array.from({ length: TOGETHER }, async () => {
    while (next < held.length) await ask(next++);
  }));
  return whole;
}

const plain = { orrery: { mode: "plain" } };
/** Drafts of the model: those from the plain answer would all be right. */
const drafting = { orrery: { mode: "speculative", draft_length: 4, reuse: false } };
const auto = { orrery: { mode: "auto" } };

/** The i-th request: streamed or not, plainly or with drafts, greedy or sampled. */
const mixed = (i: number) => ({
  ...[drafting, plain, auto][i % 3],
  stream: i % 2 === 0,
  temperature: i % 4 === 0 ? 0 : 1,
  seed: i,
});

/** Every n-th schema, from one on. */
const some = (n: number, first = 0) => HELD.filter((_, i) => i % n === first);

Deno.test("POST /v1/chat/completions holds answers to schemas, on one node, with and without drafts", async () => {
  assert.ok(HELD.length >= 20, `${HELD.length} schemas`);
  await inFolder(async (data) => {
    await using node = await startCluster(1, data);
    assert.ok(await askAll(node.url, HELD, mixed) >= 20, "most answers end");
    // Drafts change no answer.
    for (const one of HELD.slice(0, 3)) {
      const [a, b] = [plain, drafting].map((mode) => about(one, { ...mode, temperature: 0 }));
      assert.deepEqual(await answer(node.url, a), await answer(node.url, b), one.name);
    }
    const refused = await fetch(`${node.url}/v1/chat/completions`, {
      method: "POST",
      headers: { "content-type": "application/json" },
      body: JSON.stringify(about({ ...HELD[0], schema: { type: "array", uniqueItems: true } }, {})),
    });
    assert.equal(refused.status, 400);
    const { error } = await refused.json();
    assert.equal(error.code, "schema_unsupported");
    assert.match(error.message, /uniqueItems/);
    for (
      const [orrery, pattern] of [
        [{ regex: "[a-f]{3}-\\d{2}" }, /^[a-f]{3}-\d{2}$/],
        [{ grammar: 'root ::= "yes" | "no, " [a-z]{2,4}' }, /^(yes|no, [a-z]{2,4})$/],
      ] as const
    ) {
      const { text } = await answer(node.url, {
        messages: [{ role: "user", content: "?" }],
        orrery,
      });
      assert.match(text, pattern);
    }
  });
});

Deno.test("POST /v1/chat/completions holds answers to schemas on three nodes", async () => {
  await inFolder(async (data) => {
    await using cluster = await startCluster(3, data);
    const asked = some(4);
    const whole = await askAll(cluster.url, asked, mixed);
    assert.ok(whole >= asked.length - 4, `${whole} of ${asked.length} ended`);
  });
});

Deno.test("POST /v1/chat/completions holds a model with random weights to schemas, on one node and on three", async () => {
  await inFolder(async (data) => {
    const { dir } = await writeTinyCheckpoint(join(data, "random"), { context: 1024, layers: 3 });
    const args = ["--model", dir];
    for (const [nodes, asked] of [[1, some(4, 1)], [3, some(2)]] as const) {
      await using cluster = await startCluster(nodes, join(data, `store${nodes}`), args);
      const whole = await askAll(cluster.url, asked, (i) => ({ ...mixed(i), temperature: 1 }));
      assert.ok(
        whole >= asked.length * 0.6,
        `${nodes} nodes: ${whole} of ${asked.length} ended`,
      );
    }
  });
});

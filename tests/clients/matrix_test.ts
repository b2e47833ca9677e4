/**
 * Other people's clients at a real node with the embedded model: what works with which is printed,
 * and whatever does not work fails.
 */
import assert from "node:assert/strict";
import { join } from "node:path";
import { startCluster } from "../support/processes.ts";
import { aiChatChecks, aiCompatibleChecks, aiResponsesChecks } from "./ai_sdk_checks.ts";
import { anthropicChecks } from "./anthropic_checks.ts";
import { ON_HUB, startHub } from "./hub.ts";
import { langchainChecks } from "./langchain_checks.ts";
import {
  type ClientChecks,
  type Feature,
  FEATURES,
  type Matrix,
  matrixTable,
  runCheck,
  type Target,
} from "./matrix.ts";
import { NOT_YET } from "./not_yet.ts";
import { ollamaChecks } from "./ollama_checks.ts";
import { openaiChecks } from "./openai_checks.ts";
import { pythonMatrix } from "./python.ts";
import { guidellmChecks, lmEvalChecks } from "./raw_checks.ts";

const CLIENTS: Record<string, ClientChecks> = {
  "openai": openaiChecks,
  "ai (responses)": aiResponsesChecks,
  "ai (chat)": aiChatChecks,
  "ai (compatible)": aiCompatibleChecks,
  "LangChain.js": langchainChecks,
  "Anthropic": anthropicChecks,
  "Ollama": ollamaChecks,
  "lm-eval": lmEvalChecks,
  "guidellm": guidellmChecks,
};

Deno.test("deno task start serves other people's clients, feature by feature", async (t) => {
  const data = await Deno.makeTempDir({ prefix: "orrery-test-" });
  try {
    await using _hub = await startHub(join(data, "checkpoint"));
    await using cluster = await startCluster(1, data);
    const target: Target = { url: cluster.url, model: "embedded", onHub: ON_HUB };
    const matrix: Matrix = {};
    for (const [client, checks] of Object.entries(CLIENTS)) {
      await t.step(client, async (step) => {
        matrix[client] = {};
        for (const [feature, check] of Object.entries(checks)) {
          const cell = await runCheck(() => check(target));
          matrix[client][feature as Feature] = cell;
          await step.step(FEATURES[feature as Feature], () => verify(client, feature, cell));
        }
      });
    }
    for (const [client, cells] of Object.entries(await pythonMatrix(target))) {
      await t.step(client, async (step) => {
        matrix[client] = cells;
        for (const [feature, cell] of Object.entries(cells)) {
          await step.step(FEATURES[feature as Feature], () => verify(client, feature, cell));
        }
      });
    }
    print(`\n${matrixTable(matrix, new Set(NOT_YET))}\n\n`);
    await t.step("the node goes on", async () => {
      assert.equal((await runCheck(() => openaiChecks.answer!(target))).state, "pass");
    });
  } finally {
    await Deno.remove(data, { recursive: true });
  }
});

/** Prints the matrix: it is what the task is for; `deno test -q` would hide it. */
function print(text: string): void {
  Deno.stdout.writeSync(new TextEncoder().encode(text));
}

/** Fails where a cell is not what it should be. */
function verify(client: string, feature: string, cell: { state: string; error?: string }): void {
  const missing = NOT_YET.includes(`${client}: ${feature}`);
  if (cell.state === "fail" && !missing) throw new Error(cell.error);
  assert.ok(cell.state === "fail" || !missing, "it works now: take it out of NOT_YET");
}

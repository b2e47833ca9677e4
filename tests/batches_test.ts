/**
 * Batches of a real node that is killed in the middle: another process goes on, and each line has
 * one answer.
 */
import assert from "node:assert/strict";
import { NodeProcess } from "./support/processes.ts";

const LINES = 60;

/** The requests of a batch; every tenth has a wrong field. */
const requests = Array.from({ length: LINES }, (_, n) =>
  JSON.stringify({
    custom_id: `line ${n}`,
    method: "POST",
    url: "/v1/completions",
    body: {
      ...{ prompt: `The sea, part ${n}`, max_tokens: 24, temperature: n % 10 === 9 ? 9 : 0 },
      orrery: { ignore_eos: true },
    },
  })).join("\n");

async function ask(url: string, init?: RequestInit) {
  const response = await fetch(url, init);
  const text = await response.text();
  assert.equal(response.status, 200, text);
  return JSON.parse(text);
}

async function upload(url: string): Promise<string> {
  const form = new FormData();
  form.set("purpose", "batch");
  form.set("file", new File([requests], "requests.jsonl"));
  return (await ask(`${url}/v1/files`, { method: "POST", body: form })).id;
}

async function linesOf(url: string, file: string) {
  const response = await fetch(`${url}/v1/files/${file}/content`);
  assert.equal(response.status, 200);
  return (await response.text()).trim().split("\n").map((line) => JSON.parse(line));
}

const over = ["completed", "failed", "expired", "cancelled"];

Deno.test("deno task start goes on with a batch after SIGKILL and gives each line one answer", async () => {
  const data = await Deno.makeTempDir({ prefix: "orrery-test-" });
  try {
    let id = "";
    let killed = 0;
    {
      await using node = NodeProcess.start(["--data", data]);
      const url = await node.ready(1);
      const input_file_id = await upload(url);
      ({ id } = await ask(`${url}/v1/batches`, {
        method: "POST",
        headers: { "content-type": "application/json" },
        body: JSON.stringify({
          ...{ input_file_id, endpoint: "/v1/completions", completion_window: "24h" },
        }),
      }));
      do {
        const { request_counts, status } = await ask(`${url}/v1/batches/${id}`);
        assert.ok(!over.includes(status), "the batch was over before the node was killed");
        killed = request_counts.completed;
      } while (killed < 5);
      node.kill("SIGKILL");
      await node.status();
    }
    await using node = NodeProcess.start(["--data", data]);
    const url = await node.ready(1);
    // Somebody who waits is answered meanwhile.
    const live = await ask(`${url}/v1/completions`, {
      method: "POST",
      headers: { "content-type": "application/json" },
      body: JSON.stringify({ prompt: "The sea", max_tokens: 4 }),
    });
    assert.equal(live.usage.completion_tokens, 4);
    let batch = await ask(`${url}/v1/batches/${id}`);
    assert.ok(batch.request_counts.completed >= killed, "what was answered is kept");
    while (!over.includes(batch.status)) {
      await new Promise((resolve) => setTimeout(resolve, 20));
      batch = await ask(`${url}/v1/batches/${id}`);
    }
    assert.equal(batch.status, "completed");
    assert.deepEqual(batch.request_counts, { total: LINES, completed: 54, failed: 6 });
    const answered = await linesOf(url, batch.output_file_id);
    const refused = await linesOf(url, batch.error_file_id);
    const ids = [...answered, ...refused].map(({ custom_id }) => custom_id);
    assert.equal(ids.length, LINES);
    assert.equal(new Set(ids).size, LINES);
    for (const { response } of answered) {
      assert.equal(response.status_code, 200);
      assert.equal(response.body.usage.completion_tokens, 24);
    }
    for (const { response } of refused) {
      assert.equal(response.status_code, 400);
      assert.equal(response.body.error.param, "temperature");
    }
    node.kill("SIGTERM");
    assert.equal((await node.status()).code, 0);
  } finally {
    await Deno.remove(data, { recursive: true });
  }
});

import assert from "node:assert/strict";
import { join } from "node:path";
import type { AnswerLine, BatchObject } from "../api/mod.ts";
import { Batches, type BatchesOptions } from "./mod.ts";

/** Answers every line by its number; `n: -1` is refused. */
const answers: AnswerLine = (_endpoint, { n }) =>
  Promise.resolve({ status: n === -1 ? 400 : 200, requestId: "r", body: { n } });

async function inFolder(run: (folder: string) => Promise<void>): Promise<void> {
  const dir = await Deno.makeTempDir({ prefix: "orrery-test-" });
  try {
    await run(join(dir, "batches"));
  } finally {
    await Deno.remove(dir, { recursive: true });
  }
}

const open = (folder: string, more: Partial<BatchesOptions> = {}) =>
  new Batches({ folder, answer: answers, ...more });

async function* bytes(text: string): AsyncGenerator<Uint8Array> {
  yield new TextEncoder().encode(text);
}

async function upload(batches: Batches, text: string, purpose: "batch" | "user_data" = "batch") {
  await using received = await batches.receive(bytes(text));
  return await received.keep({ filename: "in.jsonl", purpose });
}

const line = (n: number, more: object = {}) =>
  JSON.stringify({
    custom_id: `c${n}`,
    method: "POST",
    url: "/v1/completions",
    body: { n },
    ...more,
  });

async function begin(batches: Batches, text: string): Promise<BatchObject> {
  const { id } = await upload(batches, text);
  return await batches.create({ endpoint: "/v1/completions", inputFile: id, metadata: null });
}

async function over(batches: Batches, id: string): Promise<BatchObject> {
  for (;;) {
    const batch = await batches.batch(id);
    if (["completed", "failed", "expired", "cancelled"].includes(batch.status)) return batch;
    await new Promise((resolve) => setTimeout(resolve, 5));
  }
}

async function linesOf(batches: Batches, id: string | null) {
  if (id === null) return [];
  const text = await new Response(await batches.content(id)).text();
  return text.trim().split("\n").map((line) => JSON.parse(line));
}

Deno.test("Batches.create() answers every line once, refusals apart", () =>
  inFolder(async (folder) => {
    await using batches = open(folder);
    const numbers = [...Array.from({ length: 40 }, (_, n) => n), -1];
    const { id, status } = await begin(batches, numbers.map((n) => line(n)).join("\n\n"));
    assert.equal(status, "validating");
    const batch = await over(batches, id);
    assert.equal(batch.status, "completed");
    assert.deepEqual(batch.request_counts, { total: 41, completed: 40, failed: 1 });
    const output = await linesOf(batches, batch.output_file_id);
    assert.deepEqual(
      output.map((l) => l.response.body.n).sort((a, b) => a - b),
      numbers.slice(0, 40),
    );
    for (const { custom_id, response, error } of output) {
      assert.equal(custom_id, `c${response.body.n}`);
      assert.deepEqual([response.status_code, error], [200, null]);
    }
    const [refused, ...others] = await linesOf(batches, batch.error_file_id);
    assert.deepEqual([refused.custom_id, refused.response.status_code], ["c-1", 400]);
    assert.deepEqual(others, []);
    assert.equal((await batches.file(batch.output_file_id!)).purpose, "batch_output");
    await assert.rejects(batches.cancel(id), { code: "batch_over" });
  }));

Deno.test("Batches goes on where another process ended, and answers no line twice in the output", () =>
  inFolder(async (folder) => {
    const texts = Array.from({ length: 30 }, (_, n) => line(n)).join("\n");
    const gates: (() => void)[] = [];
    let id = "", tried = 0;
    {
      // Ten lines are answered; those behind them hang until the node closes.
      await using batches = open(folder, {
        answer: (endpoint, body, signal) =>
          tried++ < 10 ? answers(endpoint, body, signal) : new Promise((_, reject) => {
            signal.addEventListener("abort", () => reject(signal.reason));
            gates.push(reject as () => void);
          }),
      });
      ({ id } = await begin(batches, texts));
      while ((await batches.batch(id)).request_counts.completed < 10) {
        await new Promise((resolve) => setTimeout(resolve, 5));
      }
      const { output } = JSON.parse(await Deno.readTextFile(join(folder, "jobs", `${id}.json`)));
      // A line that the process had begun to write when it was killed.
      const torn = `{"id":"batch_req_${id.slice(6)}_29","custom`;
      await Deno.writeTextFile(join(folder, "files", `${output}.jsonl`), torn, { append: true });
    }
    let again = 0;
    await using batches = open(folder, {
      answer: (...line) => {
        again++;
        return answers(...line);
      },
    });
    await batches.resume();
    const batch = await over(batches, id);
    assert.deepEqual(batch.request_counts, { total: 30, completed: 30, failed: 0 });
    assert.equal(again, 20, "only those without an answer are answered");
    const output = await linesOf(batches, batch.output_file_id);
    assert.equal(output.length, 30);
    assert.equal(new Set(output.map(({ custom_id }) => custom_id)).size, 30);
  }));

Deno.test("Batches.cancel() ends a batch, keeps what was answered, and goes on with the next", () =>
  inFolder(async (folder) => {
    let hang = true;
    await using batches = open(folder, {
      answer: (endpoint, body, signal) =>
        hang && Number(body.n) > 3
          ? new Promise((_, reject) =>
            signal.addEventListener("abort", () => reject(signal.reason))
          )
          : answers(endpoint, body, signal),
    });
    const texts = Array.from({ length: 12 }, (_, n) => line(n)).join("\n");
    const first = await begin(batches, texts);
    const queued = await begin(batches, texts);
    const last = await begin(batches, texts);
    while ((await batches.batch(first.id)).request_counts.completed < 4) {
      await new Promise((resolve) => setTimeout(resolve, 5));
    }
    await assert.rejects(batches.removeFile(first.input_file_id), { code: "file_in_use" });
    assert.equal((await batches.cancel(queued.id)).status, "cancelling");
    hang = false;
    await batches.cancel(first.id);
    const cancelled = await over(batches, first.id);
    assert.equal(cancelled.status, "cancelled");
    assert.equal((await linesOf(batches, cancelled.output_file_id)).length, 4);
    assert.equal((await over(batches, queued.id)).status, "cancelled");
    assert.equal((await over(batches, last.id)).request_counts.completed, 12);
    await batches.removeFile(first.input_file_id);
  }));

Deno.test("Batches writes for each line that is left when a batch's time is over that it expired", () =>
  inFolder(async (folder) => {
    let id: string, now = Date.now();
    {
      await using batches = open(folder, {
        now: () => now,
        answer: (endpoint, body, signal) =>
          body.n === 0
            ? answers(endpoint, body, signal)
            : new Promise((_, reject) =>
              signal.addEventListener("abort", () => reject(signal.reason))
            ),
      });
      ({ id } = await begin(batches, [0, 1, 2].map((n) => line(n)).join("\n")));
      while ((await batches.batch(id)).request_counts.completed < 1) {
        await new Promise((resolve) => setTimeout(resolve, 5));
      }
    }
    now += 25 * 3_600_000;
    await using batches = open(folder, { now: () => now });
    await batches.resume();
    const batch = await over(batches, id);
    assert.equal(batch.status, "expired");
    assert.deepEqual(batch.request_counts, { total: 3, completed: 1, failed: 2 });
    const late = await linesOf(batches, batch.error_file_id);
    assert.deepEqual(late.map((l) => [l.custom_id, l.response, l.error.code]), [
      ["c1", null, "batch_expired"],
      ["c2", null, "batch_expired"],
    ]);
  }));

Deno.test("Batches tries a line again while the node is busy, and a few times where it fails", () =>
  inFolder(async (folder) => {
    const tries = [0, 0];
    await using batches = open(folder, {
      answer: (_endpoint, body) => {
        const n = Number(body.n);
        const busy = n === 0 && ++tries[0] < 3;
        if (n === 1) tries[1]++;
        const status = busy ? 429 : n === 1 ? 502 : 200;
        return Promise.resolve({ status, requestId: "", body: {}, retryAfterS: 0.01 });
      },
    });
    const { id } = await begin(batches, `${line(0)}\n${line(1)}`);
    const { request_counts } = await over(batches, id);
    assert.deepEqual(request_counts, { total: 2, completed: 1, failed: 1 });
    assert.deepEqual(tries, [3, 3]);
  }));

Deno.test("Batches.create() fails a batch whose file is wrong, and says which line", () =>
  inFolder(async (folder) => {
    await using batches = open(folder, { mostLines: 3, mostLineBytes: 200 });
    const wrong: [text: string, code: string, at: number | null, param: string | null][] = [
      ["\n\n", "empty_file", null, null],
      [`${line(0)}\n{"custom_id":`, "invalid_json_line", 2, null],
      [line(0, { custom_id: 7 }), "invalid_request", 1, "custom_id"],
      [line(0, { method: "GET" }), "invalid_request", 1, "method"],
      [line(0, { body: [] }), "invalid_request", 1, "body"],
      [line(0, { url: "/v1/embeddings" }), "mismatched_endpoint", 1, "url"],
      [`${line(0)}\n${line(0)}`, "duplicate_custom_id", 2, "custom_id"],
      [line(0, { body: { n: "x".repeat(300) } }), "line_too_long", 1, null],
      [[0, 1, 2, 3].map((n) => line(n)).join("\n"), "too_many_tasks", null, null],
    ];
    for (const [text, code, at, param] of wrong) {
      const batch = await over(batches, (await begin(batches, text)).id);
      assert.equal(batch.status, "failed");
      const [fault] = batch.errors!.data;
      assert.deepEqual([fault.code, fault.line, fault.param], [code, at, param], fault.message);
    }
    const { id } = await upload(batches, line(0), "user_data");
    const create = (inputFile: string) =>
      batches.create({ endpoint: "/v1/completions", inputFile, metadata: null });
    await assert.rejects(create(id), { code: "invalid_value" });
    await assert.rejects(create("file-0"), { code: "not_found" });
    await assert.rejects(create("../lock"), { code: "not_found" });
  }));

Deno.test("Batches.receive() keeps to its limits, and drops what is not kept", () =>
  inFolder(async (folder) => {
    const files = { mostFileBytes: 10, mostBytes: 15, mostFiles: 3 };
    await using batches = open(folder, { files });
    await assert.rejects(upload(batches, "x".repeat(11)), { code: "body_too_large" });
    {
      await using _dropped = await batches.receive(bytes("x".repeat(10)));
    }
    const first = await upload(batches, "x".repeat(10));
    await assert.rejects(upload(batches, "x".repeat(6)), { code: "storage_full" });
    await batches.removeFile(first.id);
    for (const _ of [1, 2, 3]) await upload(batches, "x");
    await assert.rejects(upload(batches, "x"), { code: "storage_full" });
    assert.equal([...Deno.readDirSync(join(folder, "files"))].length, 6, "three files, two each");
  }));

Deno.test("Batches leaves a folder alone that another node has", () =>
  inFolder(async (folder) => {
    {
      await using one = open(folder);
      await upload(one, "x");
      await using two = open(folder);
      await two.resume();
      await assert.rejects(two.files(), { code: "batches_elsewhere" });
      await one[Symbol.asyncDispose]();
      assert.equal((await two.files()).length, 1);
    }
    await using none = open(join(folder, "nowhere"));
    await none.resume();
    await assert.rejects(Deno.stat(join(folder, "nowhere")), Deno.errors.NotFound);
  }));

Deno.test("FileStore.list() removes files whose time is over", () =>
  inFolder(async (folder) => {
    let now = Date.now();
    await using batches = open(folder, { now: () => now });
    await using received = await batches.receive(bytes("x"));
    const { id } = await received.keep({
      ...{ filename: "a", purpose: "batch", expiresAfterS: 3600 },
    });
    now += 3_601_000;
    await assert.rejects(batches.file(id), { code: "not_found" });
    assert.deepEqual(await batches.files(), []);
    assert.deepEqual([...Deno.readDirSync(join(folder, "files"))], []);
  }));

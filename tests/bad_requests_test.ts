/**
 * Sixty bad requests to a real node, over every dialect: each is refused with the status, type and
 * field that its clients look for and with words that help; the node goes on, and its memory is
 * where it was. Bad HTTP, keys and host names are in `hostile_client_test.ts`.
 */
import assert from "node:assert/strict";
import { join } from "node:path";
import { NodeProcess } from "./support/processes.ts";

/** Resident memory that the node may have more of afterwards, in bytes. */
const SLACK_BYTES = 64 * 2 ** 20;

/** A bad request, and what its refusal says. */
interface Bad {
  name: string;
  /** Path; the method is POST unless `init` says otherwise. */
  path: string;
  /** The body: text and bytes as they are, other values as JSON. */
  body?: unknown;
  init?: RequestInit;
  status: number;
  /** `type` of the error; undefined: the dialect has none. */
  type?: string;
  /** `param` of the error, where the dialect has one. */
  param?: string | null;
  says: RegExp;
}

const INVALID = "invalid_request_error";
const messages = [{ role: "user", content: "hi" }];
const chat = { messages, max_tokens: 1 };
const deep = (depth: number) => "[".repeat(depth) + "]".repeat(depth);
const deepObject = (depth: number) => '{"a":'.repeat(depth) + "1" + "}".repeat(depth);

/** Bad requests to `/v1/chat/completions`. */
function chats(): Bad[] {
  const wrong = (
    name: string,
    fields: object | string,
    param: string | null,
    says: RegExp,
  ): Bad => ({
    ...{ name: `chat: ${name}`, path: "/v1/chat/completions", status: 400, type: INVALID, param },
    ...{ says, body: typeof fields === "string" ? fields : { ...chat, ...fields } },
  });
  const raw = (text: string) => `{"messages":[{"role":"user","content":"hi"}],${text}}`;
  return [
    wrong("no messages", { messages: undefined }, "messages", /messages: .*array/),
    wrong("messages as text", { messages: "hi" }, "messages", /messages: expected array/),
    wrong("no message", { messages: [] }, "messages", /at least|>=1/),
    wrong("a null for a message", { messages: [null] }, "messages[0]", /messages\[0\]: expected/),
    wrong(
      "a role of nobody",
      { messages: [{ role: "god", content: "x" }] },
      "messages[0].role",
      /role/,
    ),
    wrong(
      "a schema that no grammar holds to",
      {
        response_format: {
          type: "json_schema",
          json_schema: { name: "x", schema: { type: "array", uniqueItems: true } },
        },
      },
      "response_format",
      /uniqueItems/,
    ),
    wrong("no content", { messages: [{ role: "user" }] }, "messages[0].content", /content/),
    wrong(
      "content as a number",
      { messages: [{ role: "user", content: 7 }] },
      "messages[0].content",
      /string or array/,
    ),
    wrong(
      "a picture",
      {
        messages: [{
          role: "user",
          content: [{ type: "image_url", image_url: { url: "data:image/png;base64,AA==" } }],
        }],
      },
      "messages[0].content[0].type",
      /not supported/,
    ),
    wrong("a temperature of 9", { temperature: 9 }, "temperature", /temperature: .*<=2.*9/),
    wrong("a temperature as text", { temperature: "hot" }, "temperature", /expected number/),
    wrong("max_tokens of -1", { max_tokens: -1 }, "max_tokens", /max_tokens: /),
    wrong("max_tokens of 1.5", { max_tokens: 1.5 }, "max_tokens", /expected int/),
    wrong("max_tokens of 1e300", raw('"max_tokens":1e300'), "max_tokens", /max_tokens: /),
    wrong("a number beyond all", raw('"temperature":1e999'), "temperature", /temperature: /),
    wrong("n of a million", { n: 1_000_000 }, "n", /n: .*<=8/),
    wrong("top_p of 0", { top_p: 0 }, "top_p", /top_p: /),
    wrong("too many stops", { stop: Array(17).fill("x") }, "stop", /stop: /),
    wrong("an empty stop", { stop: "" }, "stop", /stop: /),
    wrong("a bias for a word", { logit_bias: { the: 1 } }, "logit_bias.the", /token ids/),
    wrong(
      "a bias beyond the vocabulary",
      { logit_bias: { 99999999: 1 } },
      "logit_bias.99999999",
      /vocabulary of/,
    ),
    wrong("top_logprobs alone", { top_logprobs: 2 }, "top_logprobs", /logprobs is true/),
    wrong(
      "stream_options alone",
      { stream_options: { include_usage: true } },
      "stream_options",
      /stream is true/,
    ),
    wrong("a field of ours that is none", { orrery: { modee: "plain" } }, "orrery", /modee/),
    wrong(
      "an outline for plain mode",
      { orrery: { mode: "plain", points: ["a"] } },
      "orrery.points",
      /no outline/,
    ),
    wrong("audio", { audio: { voice: "alloy", format: "wav" } }, "audio", /not supported/),
    wrong(
      "a very long prompt",
      { messages: [{ role: "user", content: "word ".repeat(9_000) }] },
      "messages",
      /maximum context length/,
    ),
    wrong(
      "__proto__ for messages",
      '{"__proto__":{"messages":[{"role":"user","content":"hi"}]}}',
      "messages",
      /messages: /,
    ),
    wrong("a key twice, the last one wrong", raw('"n":1,"n":99'), "n", /n: .*<=8/),
    wrong("an array", "[1,2]", null, /request body: expected object/),
    wrong("null", "null", null, /request body: expected object/),
    wrong("no JSON", "{'messages':[]}", null, /not valid JSON/),
    wrong("half a body", '{"messages":[{"role":"user"', null, /not valid JSON/),
    wrong("nothing", "", null, /not valid JSON/),
    wrong("thirty thousand brackets", deep(30_000), null, /expected object/),
    {
      ...{
        name: "chat: a hundred thousand brackets",
        path: "/v1/chat/completions",
        body: deep(100_000),
      },
      ...{ status: 413, type: INVALID, param: null, says: /too many values.*150000/ },
    },
    wrong(
      "objects ten thousand deep",
      raw(`"metadata":${deepObject(10_000)}`),
      "metadata.a",
      /metadata\.a: expected string/,
    ),
    wrong(
      "brackets for content",
      raw(`"messages":${deep(30_000)}`),
      "messages[0]",
      /messages\[0\]/,
    ),
  ];
}

/** Bad requests to OpenAI's other routes. */
const others: Bad[] = [
  {
    ...{ name: "completions: no prompt", path: "/v1/completions", body: {}, status: 400 },
    ...{ type: INVALID, param: "prompt", says: /prompt: expected a string/ },
  },
  {
    ...{ name: "completions: a token that is none", path: "/v1/completions", status: 400 },
    ...{ body: { prompt: [99_999_999] }, type: INVALID, param: null, says: /99999999|vocabulary/ },
  },
  {
    ...{ name: "completions: 33 prompts", path: "/v1/completions", status: 400 },
    ...{
      body: { prompt: Array(33).fill("a") },
      type: INVALID,
      param: "prompt",
      says: /at most 32/,
    },
  },
  {
    ...{ name: "a model that is not served", path: "/v1/chat/completions", status: 404 },
    ...{
      body: { ...chat, model: "gpt-9" },
      type: INVALID,
      param: "model",
      says: /gpt-9.*embedded/,
    },
  },
  {
    ...{ name: "text for JSON", path: "/v1/chat/completions", status: 415, type: INVALID },
    ...{ body: "hi", init: { headers: { "content-type": "text/plain" } }, param: null },
    says: /content-type must be application\/json/,
  },
  {
    ...{ name: "UTF-16", path: "/v1/chat/completions", status: 400, type: INVALID, param: null },
    body: new Uint8Array([...JSON.stringify(chat)].flatMap((c) => [c.charCodeAt(0), 0])),
    says: /not valid JSON/,
  },
  {
    ...{ name: "five megabytes", path: "/v1/chat/completions", status: 413, type: INVALID },
    ...{ body: { ...chat, user: "u".repeat(5 << 20) }, param: null, says: /limit of \d+ bytes/ },
  },
  {
    ...{ name: "a route that is none", path: "/v1/chat/completion", body: chat, status: 404 },
    ...{ type: INVALID, param: null, says: /no such route: POST \/v1\/chat\/completion/ },
  },
  {
    ...{ name: "GET for POST", path: "/v1/chat/completions", status: 405, type: INVALID },
    ...{ init: { method: "GET" }, param: null, says: /takes POST, not GET/ },
  },
  {
    ...{ name: "files: JSON for a form", path: "/v1/files", body: {}, status: 415, type: INVALID },
    ...{ param: null, says: /multipart\/form-data with a boundary/ },
  },
  {
    ...{ name: "files: half a form", path: "/v1/files", status: 400, type: INVALID, param: null },
    body: '--x\r\ncontent-disposition: form-data; name="file"; filename="a"\r\n\r\nabc',
    init: { headers: { "content-type": "multipart/form-data; boundary=x" } },
    says: /ends before its last boundary/,
  },
  {
    ...{ name: "files: another purpose", path: "/v1/files", status: 400, type: INVALID },
    body:
      ["purpose", 'file"; filename="a'].map((name) =>
        `--x\r\ncontent-disposition: form-data; name="${name}"\r\n\r\nfine-tune\r\n`
      ).join("") + "--x--\r\n",
    init: { headers: { "content-type": "multipart/form-data; boundary=x" } },
    ...{ param: "purpose", says: /purpose: .*"batch"/ },
  },
  {
    ...{
      name: "files: a way out of the folder",
      path: "/v1/files/..%2F..%2Fnode-key",
      status: 404,
    },
    ...{ init: { method: "GET" }, type: INVALID, param: "file_id", says: /there is no file/ },
  },
  {
    ...{ name: "batches: no such file", path: "/v1/batches", status: 404, type: INVALID },
    body: { input_file_id: "file-1", endpoint: "/v1/completions", completion_window: "24h" },
    ...{ param: "file_id", says: /there is no file "file-1"/ },
  },
  {
    ...{ name: "batches: a week", path: "/v1/batches", status: 400, type: INVALID },
    body: { input_file_id: "file-1", endpoint: "/v1/completions", completion_window: "7d" },
    ...{ param: "completion_window", says: /"24h"/ },
  },
  {
    ...{ name: "batches: behind nothing", path: "/v1/batches?after=x", status: 400, type: INVALID },
    ...{ init: { method: "GET" }, param: "after", says: /no entry "x"/ },
  },
];

/** A request's method, headers and body. */
function initOf({ body, init }: Bad): RequestInit {
  const raw = body === undefined || typeof body === "string" || body instanceof Uint8Array;
  return {
    method: "POST",
    headers: { "content-type": "application/json" },
    ...(init?.method === "GET" ? {} : { body: (raw ? body : JSON.stringify(body)) as BodyInit }),
    ...init,
  };
}

/** Bad requests to Anthropic's and Ollama's routes. */
const dialects: Bad[] = [
  {
    ...{ name: "Anthropic: no max_tokens", path: "/v1/messages", body: { messages }, status: 400 },
    ...{ type: INVALID, param: "max_tokens", says: /max_tokens: .*integer/ },
  },
  {
    ...{ name: "Anthropic: a system message", path: "/v1/messages", status: 400, type: INVALID },
    body: { max_tokens: 1, messages: [{ role: "system", content: "x" }] },
    ...{ param: "messages[0].role", says: /field `system`/ },
  },
  {
    ...{ name: "Anthropic: a picture", path: "/v1/messages", status: 400, type: INVALID },
    body: { max_tokens: 1, messages: [{ role: "user", content: [{ type: "image" }] }] },
    ...{ param: "messages[0].content[0].type", says: /not supported/ },
  },
  {
    ...{ name: "Anthropic: another model", path: "/v1/messages", status: 404 },
    ...{ body: { model: "claude-9", max_tokens: 1, messages }, type: "not_found_error" },
    ...{ param: "model", says: /claude-9/ },
  },
  {
    ...{ name: "Anthropic: a tool without a schema", path: "/v1/messages", status: 400 },
    ...{ body: { max_tokens: 1, messages, tools: [{ name: "f" }] }, type: INVALID },
    ...{ param: "tools[0].input_schema", says: /input_schema: expected/ },
  },
  {
    ...{ name: "Anthropic: a tool that is not there", path: "/v1/messages", status: 400 },
    body: { max_tokens: 1, messages, tool_choice: { type: "tool", name: "f" } },
    ...{ type: INVALID, param: "tool_choice", says: /tool/ },
  },
  {
    ...{ name: "Anthropic: no JSON", path: "/v1/messages", body: "{", status: 400, type: INVALID },
    says: /not valid JSON/,
  },
  {
    ...{
      name: "Ollama: messages as text",
      path: "/api/chat",
      body: { messages: "a" },
      status: 400,
    },
    says: /messages: expected array/,
  },
  {
    ...{ name: "Ollama: another model", path: "/api/chat", status: 404 },
    ...{ body: { model: "llama3:8b", messages }, says: /llama3:8b/ },
  },
  {
    ...{ name: "Ollama: a temperature of -1", path: "/api/generate", status: 400 },
    ...{ body: { prompt: "a", options: { temperature: -1 } }, says: /options\.temperature: .*>=0/ },
  },
  {
    ...{ name: "Ollama: mirostat", path: "/api/generate", status: 400 },
    ...{
      body: { prompt: "a", options: { mirostat: 2 } },
      says: /options\.mirostat: .*not supported/,
    },
  },
  {
    ...{ name: "Ollama: a model to pull", path: "/api/pull", status: 400 },
    ...{ body: { model: "llama3" }, says: /llama3.*give owner\/name/ },
  },
  {
    ...{ name: "Ollama: GET for POST", path: "/api/chat", init: { method: "GET" }, status: 405 },
    says: /takes POST, not GET/,
  },
];

const BAD: Bad[] = [...chats(), ...others, ...dialects];

Deno.test("deno task start refuses sixty bad requests with words that help, and goes on", async (t) => {
  assert.ok(BAD.length >= 60, `${BAD.length} requests`);
  const dir = await Deno.makeTempDir({ prefix: "orrery-test-" });
  try {
    await using node = NodeProcess.start(["--data", join(dir, "data")]);
    const url = await node.ready(1);
    await answers(url);
    for (const bad of BAD) {
      await t.step(bad.name, async () => {
        const response = await fetch(url + bad.path, initOf(bad));
        const text = await response.text();
        assert.equal(response.status, bad.status, text);
        checkRefusal(JSON.parse(text), bad);
      });
    }
    await t.step("two thousand more take no memory", async () => {
      // Large bodies move the heap up and down by more than a leak of small ones would in a minute.
      const small = BAD.filter((bad) => JSON.stringify(bad.body ?? "").length < 20_000);
      assert.ok(small.length > 55, `${small.length} are small`);
      // The heap grows by 200 MiB in the first two thousand, and then no more.
      const ask = async () => {
        for (let round = 0; round < 32; round++) await askAll(url, small);
        return await residentBytes(node);
      };
      const before = await ask();
      const grown = await ask() - before;
      assert.ok(grown < SLACK_BYTES, `${(grown / 2 ** 20).toFixed(0)} MiB more are resident`);
    });
    await answers(url);
    assert.doesNotMatch(node.output, /\[ERR\]/, "no bad request is a failure of the node");
    node.kill("SIGTERM");
    assert.equal((await node.status()).code, 0);
  } finally {
    await Deno.remove(dir, { recursive: true });
  }
});

/** Checks what a refusal says, in the form of its dialect. */
// deno-lint-ignore no-explicit-any -- JSON as it came
function checkRefusal(body: any, { path, type, param, says }: Bad): void {
  if (path.startsWith("/api/")) return assert.match(body.error, says); // Ollama's: a text
  assert.match(body.error.message, says);
  assert.ok(body.error.message.length < 600, `${body.error.message.length} characters`);
  assert.equal(body.error.type, type);
  if (path.startsWith("/v1/messages")) assert.equal(body.type, "error");
  if (param !== undefined) assert.equal(body.error.param ?? null, param);
}

/** Sends requests, sixteen at a time. */
async function askAll(url: string, requests: Bad[]): Promise<void> {
  for (let at = 0; at < requests.length; at += 16) {
    await Promise.all(
      requests.slice(at, at + 16).map(async (bad) => {
        const response = await fetch(url + bad.path, initOf(bad));
        await response.body?.cancel();
      }),
    );
  }
}

/** Checks that a right request is answered. */
async function answers(url: string): Promise<void> {
  const response = await fetch(`${url}/v1/chat/completions`, {
    method: "POST",
    headers: { "content-type": "application/json" },
    body: JSON.stringify(chat),
  });
  assert.equal(response.status, 200, await response.clone().text());
  assert.ok((await response.json()).choices[0].message);
}

/** Resident memory of a node in bytes, as Linux tells it; 0 elsewhere. */
async function residentBytes({ pid }: NodeProcess): Promise<number> {
  if (Deno.build.os !== "linux") return 0;
  // Deno itself reads files of /proc only for programs with every permission.
  const { stdout } = await new Deno.Command("cat", { args: [`/proc/${pid}/status`] }).output();
  return 1024 * Number(/^VmRSS:\s+(\d+) kB$/m.exec(new TextDecoder().decode(stdout))![1]);
}

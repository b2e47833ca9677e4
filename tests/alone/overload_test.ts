/**
 * Real nodes under more than they can take: prompts of megabytes beside a stream.
 *
 * Times here are bounds that a loaded machine keeps, not those that are aimed at: the figures are
 * printed.
 */
// deno-lint-ignore-file no-console -- it prints what it measured
import assert from "node:assert/strict";
import { LAG_BOUNDS_MS } from "../../runtime/lag_meter.ts";
import { startCluster } from "../support/processes.ts";

/** Bytes of a prompt, just below the limit of a request's body. */
const PROMPT_BYTES = 3_900_000;
/** Milliseconds that a stream may pause, and the event loop may lag, on a loaded machine. */
const PAUSE_MS = 2_000;
const LAG_MS = 500;

function post(url: string, body: object, signal?: AbortSignal): Promise<Response> {
  return fetch(`${url}/v1/chat/completions`, {
    method: "POST",
    signal,
    headers: { "content-type": "application/json" },
    body: JSON.stringify(body),
  });
}

/**
 * A stream that never ends: where the context is full, it is asked for anew. It has log-probabilities,
 * so that each token is told: the model's end tokens, of which it makes 933 in a row, have no text.
 */
async function endless(url: string) {
  const leave = new AbortController();
  const ask = async () => {
    const response = await post(url, {
      messages: [{ role: "user", content: "Count." }],
      ...{ stream: true, logprobs: true, max_tokens: 100_000 },
      orrery: { ignore_eos: true, mode: "plain" },
    }, leave.signal);
    assert.equal(response.status, 200);
    return response;
  };
  const first = await ask();
  let parts = 0;
  let longestMs = 0;
  let last = performance.now();
  /** The longest time between two parts, or from the last one until now. */
  const note = () => {
    const now = performance.now();
    longestMs = Math.max(longestMs, now - last);
    return now;
  };
  const ended = (async () => {
    for (let response = first;; response = await ask()) {
      for await (const _ of response.body!) {
        last = note();
        parts++;
      }
    }
  })().catch((error) => {
    if (!leave.signal.aborted) throw error;
  });
  return {
    parts: () => parts,
    /** Forgets earlier pauses. */
    begin: () => longestMs = 0,
    /** Milliseconds of the longest pause, also of one that goes on. */
    longestMs: () => {
      note();
      return longestMs;
    },
    leave: () => {
      leave.abort();
      return ended;
    },
  };
}

/** How often the event loop of a node lagged, by {@linkcode LAG_BOUNDS_MS}. */
async function lagsOf(url: string): Promise<number[]> {
  return (await (await fetch(`${url}/api/load`)).json()).event_loop.counts;
}

/** The bound below which all lags were between two looks. */
const longest = (before: number[], after: number[]): number =>
  LAG_BOUNDS_MS[after.findLastIndex((count, i) => count > before[i])] ?? Infinity;

async function inFolder(run: (data: string) => Promise<void>): Promise<void> {
  const data = await Deno.makeTempDir({ prefix: "orrery-test-" });
  try {
    await run(data);
  } finally {
    await Deno.remove(data, { recursive: true });
  }
}

Deno.test("POST /v1/chat/completions refuses prompts of megabytes while streams and the cluster go on", () =>
  inFolder(async (data) => {
    await using cluster = await startCluster(2, data);
    const { url } = cluster;
    const words = "Rain falls because warm air rises and cools. ";
    const content = words.repeat(Math.ceil(PROMPT_BYTES / words.length)).slice(0, PROMPT_BYTES);
    const huge = { messages: [{ role: "user", content }], max_tokens: 1 };
    for (const count of [5, 14]) {
      const stream = await endless(url);
      while (stream.parts() < 3) await new Promise((resolve) => setTimeout(resolve, 10));
      const lags = await lagsOf(url);
      stream.begin();
      const before = performance.now();
      const answers = await Promise.all(Array.from({ length: count }, async () => {
        const response = await post(url, huge);
        return { status: response.status, body: await response.json() };
      }));
      const tookMs = performance.now() - before;
      for (const { status, body } of answers) {
        assert.equal(status, 400, JSON.stringify(body));
        assert.equal(body.error.code, "context_length_exceeded");
        assert.match(body.error.message, /maximum context length is \d+ tokens.* at least \d+/);
      }
      const longestMs = stream.longestMs();
      await stream.leave();
      const longestLag = longest(lags, await lagsOf(url));
      console.log(
        `${count} prompts of ${PROMPT_BYTES} bytes: refused in ${tookMs.toFixed()} ms, the stream ` +
          `paused for ${longestMs.toFixed()} ms, lags of at most ${longestLag} ms`,
      );
      assert.ok(longestMs < PAUSE_MS, `the stream paused for ${longestMs} ms`);
      assert.ok(longestLag <= LAG_MS, `the event loop lagged for up to ${longestLag} ms`);
    }
    const { nodes } = await (await fetch(`${url}/api/nodes`)).json();
    assert.deepEqual(nodes.map(({ state }: { state: string }) => state), ["serving", "serving"]);
    for (const { output } of cluster.nodes) {
      assert.doesNotMatch(output, /is gone|lost/);
      assert.doesNotMatch(output, /^ready .*layers 0-5/m, "none stood in for the other");
    }
  }));

/**
 * Asks nodes over HTTP, and how long they do not answer.
 *
 * @module
 */
import { setTimeout as sleep } from "node:timers/promises";

/** Longest wait for an answer, milliseconds. */
const PATIENCE_MS = 60_000;
/** Milliseconds after which a request is given up and made anew. */
const REQUEST_MS = 5_000;
/** Milliseconds between two requests of {@linkcode untilAnswered}. */
const PAUSE_MS = 20;

/** The text of a short answer, which is the same each time. Throws where there is none. */
export async function answerText(url: string, ms: number = PATIENCE_MS): Promise<string> {
  const response = await fetch(`${url}/v1/chat/completions`, {
    method: "POST",
    headers: { "content-type": "application/json" },
    body: JSON.stringify({
      messages: [{ role: "user", content: "Why does it rain?" }],
      max_tokens: 16,
      temperature: 0,
    }),
    signal: AbortSignal.timeout(ms),
  });
  const body = await response.json();
  if (response.status !== 200) throw new Error(`${response.status}: ${JSON.stringify(body)}`);
  return body.choices[0].message.content;
}

/** HTTP status of a request for a few tokens. */
export async function answerStatus(url: string): Promise<number> {
  const response = await fetch(`${url}/v1/chat/completions`, {
    method: "POST",
    headers: { "content-type": "application/json" },
    body: JSON.stringify({ messages: [{ role: "user", content: "Hi" }], max_tokens: 4 }),
  });
  await response.body?.cancel();
  return response.status;
}

/** Asks until an answer comes: after how many milliseconds, and how many requests failed before. */
export async function untilAnswered(
  url: string,
): Promise<{ text: string; ms: number; failed: number }> {
  const began = performance.now();
  for (let failed = 0;; failed++) {
    try {
      const text = await answerText(url, REQUEST_MS);
      return { text, ms: performance.now() - began, failed };
    } catch (error) {
      if (performance.now() - began > PATIENCE_MS) throw error;
    }
    await sleep(PAUSE_MS);
  }
}

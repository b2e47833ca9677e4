// deno-lint-ignore-file no-console -- its lines are its answers
/**
 * A client of the REST API that measures: reads requests as JSON lines, answers each with a line of
 * {@linkcode Measured}.
 *
 * It runs in a device's network namespace, where only processes of that device's side can reach the
 * API.
 *
 * @module
 */
import { createInterface } from "node:readline";
import process from "node:process";

/** One request for the client: what to post where. */
export interface ClientRequest {
  url: string;
  body: Record<string, unknown>;
  timeoutMs: number;
}

/** What the client saw. */
export interface Measured {
  /** Seconds to the first token. */
  ttftS: number;
  /** Seconds to the end. */
  totalS: number;
  tokens: number;
  text: string;
  /** The response's `orrery` field. */
  orrery?: Record<string, unknown>;
  error?: string;
}

/** Posts a streaming completion and measures it. */
export async function measure({ url, body, timeoutMs }: ClientRequest): Promise<Measured> {
  const started = performance.now();
  const result: Measured = { ttftS: NaN, totalS: NaN, tokens: 0, text: "" };
  const seconds = () => (performance.now() - started) / 1000;
  try {
    const response = await fetch(url, {
      method: "POST",
      headers: { "content-type": "application/json" },
      body: JSON.stringify({ ...body, stream: true, stream_options: { include_usage: true } }),
      signal: AbortSignal.timeout(timeoutMs),
    });
    if (!response.ok) throw new Error(`${response.status}: ${await response.text()}`);
    let rest = "";
    for await (const piece of response.body!.pipeThrough(new TextDecoderStream())) {
      const lines = (rest + piece).split("\n");
      rest = lines.pop()!;
      for (const line of lines) {
        if (!line.startsWith("data: {")) continue;
        const chunk = JSON.parse(line.slice(6));
        if (chunk.error) throw new Error(JSON.stringify(chunk.error));
        const choice = chunk.choices?.[0];
        if (choice && Number.isNaN(result.ttftS)) {
          const said = choice.text ?? choice.delta?.content;
          if (said !== undefined) result.ttftS = seconds();
        }
        result.text += choice?.text ?? choice?.delta?.content ?? "";
        if (chunk.usage) result.tokens = chunk.usage.completion_tokens;
        if (chunk.orrery?.mode) result.orrery = chunk.orrery;
      }
    }
  } catch (error) {
    result.error = String(error);
  }
  result.totalS = seconds();
  return result;
}

if (import.meta.main) {
  for await (const line of createInterface({ input: process.stdin })) {
    console.log(JSON.stringify(await measure(JSON.parse(line))));
  }
}

// deno-lint-ignore-file no-console -- its lines are its answers
/**
 * A client of the REST API that measures. It reads requests as lines of JSON and answers each with
 * a line of {@linkcode ClientMeasurement}.
 *
 * It runs in the network namespace of a device: the API can be reached from there only.
 *
 * @module
 */
import { createInterface } from "node:readline";
import process from "node:process";
import { keyHeaders } from "../../../runtime/access/mod.ts";

/** One request for the client: what to post, and where. */
export interface ClientRequest {
  url: string;
  body: Record<string, unknown>;
  timeoutMs: number;
  /** API key. @default none is sent */
  key?: string;
}

/** What the client measured. */
export interface ClientMeasurement {
  /** Seconds from the request to the first token. */
  ttftS: number;
  /** Seconds from the request to the end of the response. */
  totalS: number;
  tokens: number;
  text: string;
  /** Field `orrery` of the response; undefined: it had none. */
  orrery?: Record<string, unknown>;
  error?: string;
}

/** Posts a streaming completion and measures it. */
export async function measure(
  { url, body, timeoutMs, key }: ClientRequest,
): Promise<ClientMeasurement> {
  const started = performance.now();
  const result: ClientMeasurement = { ttftS: NaN, totalS: NaN, tokens: 0, text: "" };
  const seconds = () => (performance.now() - started) / 1000;
  try {
    const response = await fetch(url, {
      method: "POST",
      headers: { "content-type": "application/json", ...keyHeaders(key) },
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

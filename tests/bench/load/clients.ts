/**
 * Clients that send requests to a server at the same time, and what they measure.
 *
 * @module
 */
import { type ClientMeasurement, measure } from "../edge/client.ts";
import { randomPrompt } from "../edge/options.ts";
import { medianOf } from "../shared/figures.ts";
import { processorMs } from "./node_process.ts";

/** Longest time for one request, in milliseconds. */
const REQUEST_MS = 300_000;

/** A server, and how its requests look. */
export interface Server {
  name: string;
  url: string;
  /** Its process; undefined: it is not known, and its processor time is not measured. */
  pid?: number;
  /** Fields of the request that this server has of its own. */
  own: Record<string, unknown>;
  /** Its API key. @default none is sent */
  key?: string;
}

/** How many clients send what. */
export interface Load {
  clients: number;
  /** Requests that each client sends, one after the other. */
  each: number;
  /** Tokens of a prompt, all of them new. */
  promptTokens: number;
  /** Tokens of an answer. */
  newTokens: number;
  /** Uniform in [0, 1): draws the prompts. */
  random: () => number;
}

/** What was measured with a number of clients. */
export interface LoadFigures {
  server: string;
  clients: number;
  tokensPerS: number;
  /** Milliseconds to the first token. */
  ttftP50: number;
  ttftP99: number;
  /** Median over requests of the milliseconds for each token after the first. */
  tpotP50: number;
  /** Milliseconds of processor time for each token, its share of the prompts included. */
  processorMs: number;
  /** The same of the clients' process. */
  clientMs: number;
  /** Requests that were answered, and that failed. */
  requests: number;
  failed: number;
  /** What the first of these said. */
  error?: string;
}

/** Lets the clients send their requests, and measures. */
export async function measureLoad(
  { name, url, own, pid, key }: Server,
  { clients, each, promptTokens, newTokens, random }: Load,
): Promise<LoadFigures> {
  const measured: ClientMeasurement[] = [];
  const spent = async (of: number | "self" | undefined) =>
    of === undefined ? NaN : await processorMs(of) ?? NaN;
  const before = { server: await spent(pid), clients: await spent("self") };
  const started = performance.now();
  await Promise.all(Array.from({ length: clients }, async () => {
    for (let i = 0; i < each; i++) {
      const body = {
        model: "default",
        prompt: randomPrompt(random, promptTokens),
        max_tokens: newTokens,
        temperature: 0,
        ...own,
      };
      const path = `${url}/v1/completions`;
      measured.push(await measure({ url: path, body, timeoutMs: REQUEST_MS, key }));
    }
  }));
  const seconds = (performance.now() - started) / 1000;
  const failed = measured.filter((m) => m.error !== undefined);
  const answered = measured.filter((m) => m.error === undefined && m.tokens > 1);
  const ttft = answered.map((m) => 1000 * m.ttftS).sort((a, b) => a - b);
  const tokens = measured.reduce((n, m) => n + m.tokens, 0);
  return {
    server: name,
    clients,
    tokensPerS: tokens / seconds,
    ttftP50: ttft[ttft.length >> 1] ?? NaN,
    ttftP99: ttft[Math.ceil(0.99 * ttft.length) - 1] ?? NaN,
    tpotP50: medianOf(answered.map((m) => 1000 * (m.totalS - m.ttftS) / (m.tokens - 1))) ?? NaN,
    processorMs: (await spent(pid) - before.server) / tokens,
    clientMs: (await spent("self") - before.clients) / tokens,
    requests: measured.length,
    failed: failed.length,
    error: failed[0]?.error,
  };
}

/** Figures of repeats of the same load: medians, and sums of the requests. */
export function medianFigures(repeats: LoadFigures[]): LoadFigures {
  const of = (pick: (f: LoadFigures) => number) => medianOf(repeats.map(pick));
  const sum = (pick: (f: LoadFigures) => number) => repeats.reduce((n, f) => n + pick(f), 0);
  return {
    ...repeats[0],
    tokensPerS: of((f) => f.tokensPerS),
    ttftP50: of((f) => f.ttftP50),
    ttftP99: of((f) => f.ttftP99),
    tpotP50: of((f) => f.tpotP50),
    processorMs: of((f) => f.processorMs),
    clientMs: of((f) => f.clientMs),
    requests: sum((f) => f.requests),
    failed: sum((f) => f.failed),
    error: repeats.find((f) => f.error !== undefined)?.error,
  };
}

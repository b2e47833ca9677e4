/**
 * Requests without an end, of each kind, to nodes that may be asked at present: what each said, and
 * when it stood still.
 *
 * @module
 */
import { setTimeout as sleep } from "node:timers/promises";
import type { AnswerReport } from "../../actors/mod.ts";

/** A kind of request, with a text that is the same each time. */
export interface FaultRequest {
  kind: "plain" | "speculative" | "outline";
  body: Record<string, unknown>;
}

const about = (kind: FaultRequest["kind"], content: string, tokens: number): FaultRequest => ({
  kind,
  body: {
    messages: [{ role: "user", content }],
    temperature: 0,
    max_tokens: tokens,
    // Drafts from earlier answers would leave the drafter nothing to do.
    orrery: { mode: kind, reuse: kind !== "speculative" },
    // Without end tokens and the like, each of its tokens has a text.
    ...(kind !== "outline" && { logit_bias: { "0": -100, "1": -100, "2": -100 } }),
  },
});

/** What is asked, over and over. */
export const REQUESTS: readonly FaultRequest[] = [
  about("plain", "Why does it rain?", 160),
  about("speculative", "What is a rainbow?", 240),
  about("outline", "How can I sleep better?", 400),
  about("plain", "How do bees make honey?", 160),
];

/** One answer under way, or over. */
export interface FaultAnswer {
  request: FaultRequest;
  /** Node that was asked. */
  node: string;
  text: string;
  /** When it began, when it got something, and when it ended: milliseconds of `performance.now()`. */
  at: number[];
  over: boolean;
  /** How it was made; undefined: it is not over. */
  report?: AnswerReport;
  /** Why it failed; undefined: it did not. */
  error?: string;
}

/** Asks once, and hands the answer out while it comes. */
export async function ask(
  { name, url }: { name: string; url: string },
  request: FaultRequest,
  { begun = () => {} }: { begun?: (answer: FaultAnswer) => void } = {},
): Promise<FaultAnswer> {
  const answer: FaultAnswer = {
    request,
    node: name,
    text: "",
    at: [performance.now()],
    over: false,
  };
  try {
    const response = await fetch(`${url}/v1/chat/completions`, {
      method: "POST",
      headers: { "content-type": "application/json" },
      body: JSON.stringify({ ...request.body, stream: true }),
      signal: AbortSignal.timeout(120_000),
    });
    if (response.status !== 200) throw new Error(`${response.status} ${await response.text()}`);
    begun(answer);
    let rest = "";
    for await (const chunk of response.body!.pipeThrough(new TextDecoderStream())) {
      const lines = (rest + chunk).split("\n");
      rest = lines.pop()!;
      for (const line of lines) take(answer, line);
    }
    if (answer.error === undefined && !answer.over) answer.error = "the stream broke off";
  } catch (error) {
    answer.error = String(error);
  }
  answer.over = true;
  return answer;
}

function take(answer: FaultAnswer, line: string): void {
  if (!line.startsWith("data: ")) return;
  answer.at.push(performance.now());
  if (line === "data: [DONE]") {
    answer.over = true;
    return;
  }
  const { error, choices, orrery } = JSON.parse(line.slice("data: ".length));
  if (orrery?.why) answer.report = orrery;
  if (error) answer.error = error.message;
  else answer.text += choices[0]?.delta.content ?? "";
}

/** Longest milliseconds without anything that an answer has come to after `since`. */
export function pauseOf({ at }: FaultAnswer, since: number): number {
  let longest = 0;
  for (let i = 1; i < at.length; i++) {
    if (at[i] > since) longest = Math.max(longest, at[i] - at[i - 1]);
  }
  return longest;
}

/** Keeps one request of each kind under way. */
export class FaultLoad {
  /** Answers under way. */
  readonly running = new Set<FaultAnswer>();
  /** Names of the nodes that are being asked, once for each request. */
  readonly at: string[] = [];
  /** Answers that are over. */
  readonly over: FaultAnswer[] = [];
  /** Requests that were refused since nothing served, and sent again. */
  refused = 0;
  readonly #nodes: () => { name: string; url: string }[];
  #ended = false;
  readonly #loops: Promise<void>[];

  /** `nodes`: which may be asked now. */
  constructor(nodes: () => { name: string; url: string }[]) {
    this.#nodes = nodes;
    this.#loops = REQUESTS.map((request, i) => this.#loop(request, i));
  }

  async #loop(request: FaultRequest, turn: number): Promise<void> {
    while (!this.#ended) {
      const nodes = this.#nodes();
      const node = nodes[turn++ % nodes.length];
      this.at.push(node.name);
      const answer = await ask(node, request, { begun: (answer) => this.running.add(answer) });
      this.at.splice(this.at.indexOf(node.name), 1);
      this.running.delete(answer);
      // Until it has begun it can be sent again, as every client does; later nobody could.
      if (answer.error?.includes("503 ") || answer.error?.includes("429 ")) {
        this.refused++;
        await sleep(200);
      } else this.over.push(answer);
    }
  }

  /** Waits for the answers under way, and begins no more. */
  async end(): Promise<void> {
    this.#ended = true;
    await Promise.all(this.#loops);
  }
}

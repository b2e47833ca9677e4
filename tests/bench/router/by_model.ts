/**
 * Asks a model of the store whether a question suits an outline, as a node asks the model that it
 * serves.
 *
 * @module
 */
import { z } from "zod";
import { fill, readRouterAnswer, type Route, ROUTER_TURN } from "../../../actors/mod.ts";
import { askServed, openServedNode } from "../shared/served_node.ts";

const responseSchema = z.object({
  choices: z.array(z.object({
    logprobs: z.object({
      content: z.array(z.object({
        top_logprobs: z.array(z.object({ token: z.string(), logprob: z.number() })),
      })).length(1),
    }),
  })).length(1),
});

/** Longest wait for the node to close, in milliseconds. */
const CLOSE_MS = 5_000;

/** Starts a node that serves the model. `ask`: undefined where the model says neither yes nor no. */
export async function openModelRouter(
  model: string,
  data: string,
): Promise<AsyncDisposable & { ask: (question: string) => Promise<Route | undefined> }> {
  const node = await openServedNode(data, { model });
  return {
    async ask(question) {
      const body = await askServed(node, fill(ROUTER_TURN, { question }), {
        ...{ max_tokens: 1, logprobs: true, top_logprobs: 20 },
        orrery: { mode: "plain", ignore_eos: true },
      });
      const [{ logprobs: { content: [{ top_logprobs: top }] } }] =
        responseSchema.parse(body).choices;
      return readRouterAnswer(top.map(({ token, logprob }) => ({ text: token, logprob })));
    },
    [Symbol.asyncDispose]: () => node.close({ deadlineMs: CLOSE_MS }),
  };
}

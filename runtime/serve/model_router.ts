/**
 * Asks the served model itself whether a question suits an outline, where the graph says so
 * (`actors.outline.router: model`).
 *
 * @module
 */
import { fill, hasCode, readRouterAnswer, type Route, ROUTER_TURN } from "../../actors/mod.ts";
import type { GenerateRequest, GenerationEvent } from "../api/mod.ts";
import type { Experience } from "./experience.ts";
import type { Served } from "./running_requests.ts";

/** Most likely first tokens that are looked at for a yes or a no. */
const LOOKED_AT = 20;

/** What it needs. */
export interface ModelRouterParts {
  served: Served & { experience: Pick<Experience, "known"> };
  /** Runs a request on what serves. */
  answer: (request: GenerateRequest) => AsyncIterable<GenerationEvent>;
}

/**
 * What the model says of a request's question. Undefined: it is not asked, since no outline can come
 * of the request, it has no chat template of its own, or it refuses by a scope; or it said neither yes
 * nor no. The classifier decides then. Throws what `answer` throws, but for what says that the turn
 * has no room.
 */
export async function askModelRouter(
  request: GenerateRequest,
  { served: { model, deployment, experience }, answer }: ModelRouterParts,
): Promise<Route | undefined> {
  const { policy } = deployment.shape;
  if (policy?.router !== "model" || !model.answersQuestions) return undefined;
  const { prompt, sampling } = request;
  const open = (request.mode ?? policy.mode ?? "auto") === "auto" && !request.resumed &&
    !request.points && request.prediction === undefined && request.stop.length === 0 &&
    !request.constraint && !request.tools && request.promptLogprobs === undefined &&
    !sampling.logprobs && !sampling.presence_penalty && !sampling.frequency_penalty &&
    experience.known.answer_tokens !== undefined;
  if (!open || prompt.kind !== "chat" || !model.outlineText(prompt, policy)) return undefined;
  const last = prompt.messages.at(-1)!;
  const content = fill(ROUTER_TURN, { question: last.content });
  const { reuse, priority, trace } = request;
  const events = answer({
    model: request.model,
    reuse,
    priority,
    trace,
    prompt: { ...prompt, messages: [...prompt.messages.slice(0, -1), { ...last, content }] },
    sampling: { temperature: 0, logprobs: true, top_logprobs: LOOKED_AT },
    maxTokens: 1,
    stop: [],
    ignoreEos: true,
    mode: "plain",
  });
  let said: Route | undefined;
  try {
    for await (const event of events) {
      if (event.type !== "delta" || event.tokens.length === 0) continue;
      const [{ top = [], topText = [] }] = event.tokens;
      said = readRouterAnswer(top.map(([, logprob], i) => ({ text: topText[i] ?? "", logprob })));
    }
  } catch (error) {
    if (!hasCode(error, "context_exceeded") && !hasCode(error, "kv_exceeded")) throw error;
  }
  return said;
}

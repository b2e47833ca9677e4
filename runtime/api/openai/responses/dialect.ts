/**
 * `POST /v1/responses`: the task that a request describes, and the response.
 *
 * @module
 */
import { constraintOf } from "../../constraint.ts";
import type { AnswerPart, Dialect } from "../../dialect.ts";
import { apiError } from "../../errors.ts";
import type { GenerateRequest } from "../../generator.ts";
import { freshId } from "../../ids.ts";
import type { AnswerNames } from "../../answer_names.ts";
import { parseBody } from "../../parse_body.ts";
import { samplingOf, seedOf } from "../../sampling.ts";
import { SSE_TYPE } from "../../sse.ts";
import { templateTools, toolFunction, toolUse } from "../../tool_use.ts";
import { templateVariables } from "../chat.ts";
import { orrerySettings } from "../orrery_fields.ts";
import { priorityOf } from "../to_task.ts";
import { type ResponsesRequest, responsesSchema } from "./fields.ts";
import { type InputItem, resolved, toConversation } from "./input.ts";
import {
  callItem,
  messageItem,
  newState,
  type OutputItem,
  outputText,
  reasoningItem,
  responseObject,
  type ResponseState,
} from "./output.ts";
import type { ResponseStore } from "./store.ts";
import { ResponseWriter } from "./stream.ts";

/** OpenAI's responses dialect, whose responses are kept in `store`. */
export function responsesDialect(store: ResponseStore): Dialect {
  return {
    async parse(body, { again = false }) {
      const request = parseBody(responsesSchema, body);
      const input = await inputOf(request, store);
      const earlier = await earlierItems(request, store, again);
      const items = [...earlier ?? [], ...input];
      const logprobs = (request.top_logprobs ?? 0) > 0 ||
        (request.include ?? []).includes("message.output_text.logprobs");
      const model = request.model ?? "default";
      const keep = (state: ResponseState) => {
        if (request.store === false || !earlier) return;
        const response = responseObject(request, state);
        store.add({ response, input, items: [...items, ...state.output] }, state.output);
      };
      return {
        model,
        choices: [{ prompt: 0, request: generateRequest(request, { model, items, logprobs }) }],
        stream: request.stream ?? false,
        local: (earlier?.length ?? 0) > 0,
        wording: {
          streamType: SSE_TYPE,
          whole: ({ model, parts: [part], totals, names }) => {
            const state: ResponseState = {
              ...newState(model, names),
              output: outputOf(part, { logprobs, names }),
              ended: { finish: part.finishReason, totals },
            };
            keep(state);
            return responseObject(request, state);
          },
          stream: (model, names) =>
            new ResponseWriter({ request, model, names, logprobs, onEnd: keep }),
        },
      };
    },
  };
}

/** The request's own input, references resolved; each item gets an id if it has none. */
async function inputOf(
  { input }: ResponsesRequest,
  store: ResponseStore,
): Promise<(InputItem & { id: string })[]> {
  const items: InputItem[] = typeof input === "string"
    ? [{ type: "message", role: "user", content: [{ type: "input_text", text: input }] }]
    : await resolved(input, (id) => store.item(id));
  if (items.length === 0) throw apiError("invalid_value", "input: expected an item", "input");
  return items.map((item) => ({ ...item, id: item.id ?? freshId("item_") }));
}

/**
 * The conversation of the response that a request goes on from; undefined: it is not kept here, and
 * the request was read before, where it was.
 */
async function earlierItems(
  { previous_response_id: id }: ResponsesRequest,
  store: ResponseStore,
  again: boolean,
): Promise<InputItem[] | undefined> {
  if (id === null || id === undefined) return [];
  const previous = await store.get(id);
  if (previous) return previous.items;
  if (again) return undefined;
  throw apiError(
    "previous_response_not_found",
    `previous_response_id: no response ${JSON.stringify(id.slice(0, 80))} is kept here (any ` +
      "more): send the conversation as input",
    "previous_response_id",
  );
}

/** What the generator is asked. Throws group `api`, code `invalid_value`. */
function generateRequest(
  request: ResponsesRequest,
  { model, items, logprobs }: { model: string; items: InputItem[]; logprobs: boolean },
): GenerateRequest {
  const { instructions, tool_choice } = request;
  const use = toolUse(
    (request.tools ?? []).map(toolFunction),
    typeof tool_choice === "object" && tool_choice
      ? { name: tool_choice.name }
      : tool_choice ?? undefined,
    request.parallel_tool_calls,
  );
  const own = orrerySettings(request.orrery);
  const format = constraintOf(request.text?.format, "text.format");
  if (own.constraint && format.constraint) {
    const param = `orrery.${own.constraint.kind}`;
    throw apiError("invalid_value", `${param}: not together with text.format`, param);
  }
  return {
    model,
    prompt: {
      kind: "chat",
      messages: [
        ...(instructions ? [{ role: "system", content: instructions }] : []),
        ...toConversation(items),
      ],
      ...(use.tools && { tools: templateTools(use.tools) }),
      ...templateVariables(request.reasoning?.effort, undefined),
    },
    sampling: {
      logprobs,
      top_logprobs: request.top_logprobs ?? 0,
      ...samplingOf(request),
      seed: seedOf(undefined),
    },
    stop: [],
    ...(request.max_output_tokens && { maxTokens: request.max_output_tokens }),
    ...priorityOf(request.service_tier),
    ...use,
    ...format,
    ...own,
  };
}

/** The items of a whole answer; one without anything has an empty message. */
function outputOf(
  { text, tokens, reasoning, calls, finishReason }: AnswerPart,
  { logprobs, names }: { logprobs: boolean; names: AnswerNames },
): OutputItem[] {
  const status = finishReason === "length" ? "incomplete" : "completed";
  return [
    ...(reasoning === "" ? [] : [reasoningItem(names, status, reasoning)]),
    ...(text === "" && calls.length > 0
      ? []
      : [messageItem(names, status, [outputText(text, logprobs ? tokens : [])])]),
    ...calls.map(({ id, function: called }) => callItem(names, status, { call_id: id, ...called })),
  ];
}

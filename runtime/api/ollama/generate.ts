/**
 * `POST /api/generate`.
 *
 * @module
 */
import { z } from "zod";
import type { Dialect } from "../dialect.ts";
import { parseBody, unsupported } from "../parse_body.ts";
import { answerFields, answerSettings, modelField, thinkVariables } from "./fields.ts";
import { ollamaWording } from "./words.ts";

/** The body of the request. */
export const ollamaGenerateSchema = z.object({
  model: modelField,
  prompt: z.string().nullish().describe(
    "what the user says; with `raw`, the text to go on with; without it the model is only loaded",
  ),
  system: z.string().nullish().describe("the system prompt; without effect on a `raw` prompt"),
  raw: z.boolean().nullish().describe("the prompt passes no chat template"),
  ...answerFields,
  suffix: z.string().nullish().describe(
    "text that stands behind the answer: only for models that have infill tokens; no chat template then",
  ),
  template: z.string().max(0, unsupported).nullish().describe("not supported"),
  images: z.array(z.unknown()).max(0, unsupported).nullish().describe("not supported"),
  context: z.array(z.unknown()).max(0, unsupported).nullish()
    .describe("not supported: use `/api/chat`"),
});

/** Ollama's completion. */
export const ollamaGenerate: Dialect = {
  parse(body) {
    const request = parseBody(ollamaGenerateSchema, body);
    const { system, raw, suffix } = request;
    const prompt = request.prompt ?? "";
    const model = request.model ?? "default";
    return {
      model,
      choices: prompt === "" ? [] : [{
        prompt: 0,
        request: {
          model,
          prompt: raw || suffix ? { kind: "text", text: prompt, ...(suffix && { suffix }) } : {
            kind: "chat",
            messages: [
              ...(system ? [{ role: "system", content: system }] : []),
              { role: "user", content: prompt },
            ],
            ...thinkVariables(request),
          },
          ...answerSettings(request),
        },
      }],
      stream: request.stream ?? true,
      wording: ollamaWording({
        logprobs: request.logprobs ?? false,
        loads: prompt === "",
        text: ({ content, thinking }) => ({ response: content, ...(thinking && { thinking }) }),
      }),
    };
  },
};

/**
 * The model as an actor, for custom actors: `generate` at `graph/model/main` answers the whole
 * text. Its requests and texts pass no other custom actor: those stand between the API and the
 * model.
 *
 * @module
 */
import { z } from "zod";
import {
  defineActor,
  type GeneratedText,
  generateMessage,
  OrreryError,
  thisNode,
} from "../../actors/mod.ts";
import type { Generator } from "../api/mod.ts";

/**
 * See the module's text. Resource `generator`: the {@linkcode Generator} of this node's models;
 * `modelFor`: the name of the model that the actor with this address asks.
 */
export const modelActor = defineActor({
  kind: "model",
  config: z.object({}),
  messages: { generate: generateMessage },
  // Every node that hosts custom actors has one. Other nodes have the API.
  callers: { generate: thisNode },
  concurrent: ["generate"],
  policy: { mailbox: 32 },
  create(ctx) {
    const generator = ctx.resource<Generator>("generator");
    const modelFor = ctx.resource<(from: string) => string>("modelFor");
    return {
      async generate(
        { messages, prompt, sampling, max_tokens, stop },
        { signal, from },
      ): Promise<GeneratedText> {
        const events = generator.generate({
          model: modelFor(from),
          prompt: messages ? { kind: "chat", messages } : { kind: "text", text: prompt! },
          sampling,
          stop,
          ...(max_tokens !== undefined && { maxTokens: max_tokens }),
        }, signal);
        let text = "";
        for await (const event of events) {
          if (event.type === "delta") text += event.text;
          if (event.type !== "done") continue;
          const { promptTokens, completionTokens } = event.usage;
          return {
            text,
            // No functions were given, so none is called.
            finish_reason: event.finishReason === "length" ? "length" : "stop",
            prompt_tokens: promptTokens,
            completion_tokens: completionTokens,
          };
        }
        throw new OrreryError({
          group: "actor",
          code: "incomplete",
          message: "the generation ended without a reason",
        });
      },
    };
  },
});

/**
 * The model that a task asks for.
 *
 * @module
 */
import type { ApiTask } from "./dialect.ts";
import { apiError } from "./errors.ts";
import { findModel } from "./find_model.ts";
import type { Generator, ModelCard } from "./generator.ts";

/**
 * The card of the model that a task asks for; undefined while none is served: `generate` then says
 * why. Throws `model_not_found`, and `invalid_value` for a biased token id that it does not have.
 */
export function cardOf(generator: Generator, task: ApiTask): ModelCard | undefined {
  const cards = generator.models();
  if (cards.length === 0) return undefined;
  const card = findModel(cards, task.model);
  const wrong = task.choices[0]?.request.sampling.logit_bias?.find(([id]) => id >= card.vocab);
  if (wrong) {
    const message = `logit_bias: token ${
      wrong[0]
    } is outside the model's vocabulary of ${card.vocab}`;
    throw apiError("invalid_value", message, `logit_bias.${wrong[0]}`);
  }
  return card;
}

/**
 * Which served model the `model` field of a request means.
 *
 * @module
 */
import { OrreryError } from "../../actors/mod.ts";
import type { ModelCard } from "./generator.ts";

/**
 * The card of the model called `name`; `default` means the first card. Throws group `api`, code
 * `model_not_found` (metadata: `param`, `model`, `served`).
 *
 * The API asks before a request waits for its turn, so that a wrong name is refused at once. The
 * gateway asks again, because a custom actor may have put another name into the request.
 */
export function findModel(cards: ModelCard[], name: string): ModelCard {
  const card = name === "default" ? cards[0] : cards.find((card) => card.name === name);
  if (card) return card;
  const served = cards.map((card) => card.name);
  throw new OrreryError({
    group: "api",
    code: "model_not_found",
    message: served.length === 0
      ? "no model is served yet"
      : `no model is called ${JSON.stringify(name)}; served: ${served.join(", ")}`,
    metadata: { param: "model", model: name, served },
  });
}

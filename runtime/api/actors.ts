/**
 * `POST /api/actors/{name}`: a client asks an actor of the graph.
 *
 * @module
 */
import { z } from "zod";
import { type Message, OrreryError } from "../../actors/mod.ts";
import { parseBody } from "./parse_body.ts";

/**
 * Sends `message` to the custom actor `name` and resolves to its answer. Throws group `api`
 * (`not_found`, `invalid_value`) for a name that clients may not ask or a message that the actor
 * does not take, else what the actor threw.
 */
export type AskActor = (
  name: string,
  message: Message,
  signal: AbortSignal,
  /** The header `Idempotency-Key`. */
  idempotencyKey?: string,
) => Promise<unknown>;

const messageSchema = z.looseObject({ type: z.string().min(1).max(128) });

/**
 * The actor's answer as JSON text; the text is `null` where the actor answers nothing. Throws group
 * `api`, code `invalid_value` for a body without `type`; group `actor`, code `bad_answer` where the
 * answer cannot be written as JSON; and what `ask` throws.
 */
export async function actorAnswerJson(
  ask: AskActor,
  { name, body, signal, key }: {
    name: string;
    body: unknown;
    signal: AbortSignal;
    /** The header `Idempotency-Key`. */
    key?: string;
  },
): Promise<string> {
  const answer = await ask(name, parseBody(messageSchema, body), signal, key);
  try {
    return JSON.stringify(answer ?? null);
  } catch (error) {
    throw new OrreryError({
      group: "actor",
      code: "bad_answer",
      message: `the answer of actor ${name} cannot be written as JSON: ${(error as Error).message}`,
      cause: error,
    });
  }
}

/**
 * `POST /api/actors/{name}`: a client asks an actor of the graph.
 *
 * @module
 */
import { z } from "zod";
import { type Message, OrreryError } from "../../actors/mod.ts";
import { parseBody } from "./dialect.ts";

/**
 * Asks an actor that clients may ask. Throws group `api` for a name or message that it does not
 * take.
 */
export type AskActor = (name: string, message: Message, signal: AbortSignal) => Promise<unknown>;

const messageSchema = z.looseObject({ type: z.string().min(1).max(128) });

/**
 * The answer's JSON text; `null` for an actor that answers nothing. Throws `invalid_value` for a
 * body without `type`, group `actor`, code `bad_answer` where the answer has no JSON, and what
 * `ask` throws.
 */
export async function askedActor(
  ask: AskActor,
  { name, body, signal }: { name: string; body: unknown; signal: AbortSignal },
): Promise<string> {
  const answer = await ask(name, parseBody(messageSchema, body), signal);
  try {
    return JSON.stringify(answer ?? null);
  } catch (error) {
    throw new OrreryError({
      group: "actor",
      code: "bad_answer",
      message: `what actor ${name} answers has no JSON: ${(error as Error).message}`,
      cause: error,
    });
  }
}

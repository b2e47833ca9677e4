/**
 * How clients ask custom actors: only the actors that the graph exposes, and only with messages
 * that they take.
 *
 * @module
 */
import {
  type ActorSystem,
  customAddress,
  didYouMean,
  type Flow,
  OrreryError,
} from "../../actors/mod.ts";
import type { AskActor } from "../api/mod.ts";

/** Milliseconds in which an actor must answer a client. */
const DEADLINE_MS = 300_000;

/** Codes of errors that are the client's fault, not the actor's. */
const CLIENT_FAULTS = [
  ...["unknown_message", "invalid_message", "too_large", "bad_key", "keeps_no_answers"],
];

/**
 * The function behind `POST /api/actors/{name}`. `flows` gives the exposed actors of each graph
 * that is known. The function throws group `api`: `not_found`,
 * `invalid_value`; else what the actor threw.
 */
export function askExposedActor(
  { system, flows }: { system: Pick<ActorSystem, "ask">; flows: () => readonly Flow[] },
): AskActor {
  return async (name, message, signal, idempotencyKey) => {
    const exposed = [...new Set(flows().flatMap((flow) => flow.exposed))];
    if (!exposed.includes(name)) {
      const known = exposed.length === 0 ? "no graph exposes any" : didYouMean(name, exposed);
      throw new OrreryError({
        group: "api",
        code: "not_found",
        message: `no actor ${JSON.stringify(name)} may be asked here; ${known}`,
      });
    }
    try {
      return await system.ask(customAddress(name), message, {
        deadlineMs: DEADLINE_MS,
        signal,
        idempotencyKey,
      });
    } catch (error) {
      if (!(error instanceof OrreryError) || !CLIENT_FAULTS.includes(error.code)) throw error;
      const { message, metadata } = error;
      throw new OrreryError({
        group: "api",
        code: "invalid_value",
        message,
        metadata,
        cause: error,
      });
    }
  };
}

/**
 * The door through which clients ask custom actors: only those that the graph exposes, and only
 * what they take.
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

/** Milliseconds that a client's question to an actor may take. */
const DEADLINE_MS = 300_000;

/** Faults of the client rather than of the actor. */
const CLIENT_FAULTS = ["unknown_message", "invalid_message", "too_large"];

/**
 * What `POST /api/actors/{name}` asks. The function throws group `api`: `not_found`,
 * `invalid_value`; else what the actor threw.
 */
export function askDoor(
  { system, flow }: { system: Pick<ActorSystem, "ask">; flow: () => Flow | undefined },
): AskActor {
  return async (name, message, signal) => {
    const exposed = flow()?.exposed ?? [];
    if (!exposed.includes(name)) {
      const known = exposed.length === 0 ? "the graph exposes none" : didYouMean(name, exposed);
      throw new OrreryError({
        group: "api",
        code: "not_found",
        message: `no actor ${JSON.stringify(name)} may be asked here; ${known}`,
      });
    }
    try {
      return await system.ask(customAddress(name), message, { deadlineMs: DEADLINE_MS, signal });
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

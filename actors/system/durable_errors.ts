/**
 * Errors of durable actors (group `actor`).
 *
 * @module
 */
import { OrreryError } from "./errors.ts";

const durableError = (code: string, message: string, metadata: Record<string, unknown> = {}) =>
  new OrreryError({ group: "actor", code, message, metadata });

/** The definition does not declare what its actor uses. `what`: state or alarms. */
export const notDeclared = (self: string, what: "state" | "alarms"): OrreryError =>
  durableError(
    "not_declared",
    `actor ${self} uses ${
      what === "state" ? "ctx.state" : "ctx.alarm"
    }, and its definition has no ` +
      `${what}; add ${what === "state" ? "state: a schema with a default" : "alarms: true"}`,
    { actor: self, what },
  );

/** A state is declared, and nothing at this node keeps states. */
export const noStore = (self: string): OrreryError =>
  durableError(
    "no_store",
    `actor ${self} declares a state or alarms, and its system keeps none; give it a store ` +
      `(createSystem([...], { durable: await durableStore(registry) }))`,
    { actor: self },
  );

/** What is kept, or what is to be kept, does not fit the schema. */
export const badState = (self: string, when: "kept" | "set", why: string): OrreryError =>
  durableError(
    "bad_state",
    when === "kept"
      ? `the state that is kept of ${self} does not fit its schema: ${why}; give new fields a default`
      : `the state that ${self} sets does not fit: ${why}`,
    { actor: self },
  );

/** More than may be kept. */
export const stateTooLarge = (self: string, bytes: number, limit: number): OrreryError =>
  durableError(
    "too_large",
    `the state of ${self} has ${bytes} bytes as JSON, ${limit} are allowed; ` +
      `spread it over actors with other keys`,
    { actor: self, bytes, limit },
  );

/** An alarm that cannot be set. */
export const badAlarm = (self: string, why: string): OrreryError =>
  durableError("bad_alarm", `${self} cannot set this alarm: ${why}`, { actor: self });

/** Too many alarms. */
export const tooManyAlarms = (self: string, limit: number): OrreryError =>
  durableError(
    "too_many_alarms",
    `${self} has ${limit} alarms, which is the limit; set one alarm for the next event and ` +
      `keep the others in its state`,
    { actor: self, limit },
  );

/** What an actor did could not be saved, so it has not happened; or nobody knows. */
export const notSaved = (self: string, why: string, cause?: unknown): OrreryError =>
  new OrreryError({
    group: "actor",
    code: "state_not_saved",
    message: `what ${self} changed is not known to be saved, so it begins anew: ${why}`,
    metadata: { actor: self },
    cause,
  });

/** A message with a key to an actor that cannot remember it. */
export const keepsNoAnswers = (to: string, type: string): OrreryError =>
  durableError(
    "keeps_no_answers",
    `${type} to ${to} has an idempotency key, and that kind declares neither state nor alarms, ` +
      `so it could not tell a second delivery; leave the key out or declare a state`,
    { to, type },
  );

/** A message that was handled, and whose answer could not be kept. */
export const answerNotKept = (to: string, type: string, why: string): OrreryError =>
  durableError(
    "answer_not_kept",
    `${to} has handled ${type} with this key already, and its answer was not kept: ${why}`,
    { to, type },
  );

/**
 * What the registry holds of durable actors.
 *
 * | key                             | value                                    |
 * | ------------------------------- | ---------------------------------------- |
 * | `state/ADDRESS/EPOCH/actor`     | all that is kept of the actor            |
 * | `alarms/ADDRESS/EPOCH/first`    | when its first alarm is due (Unix time, milliseconds) |
 *
 * Of several epochs the greatest counts. `alarms/` only helps to find actors with alarms: whoever
 * finds too much there wakes an actor for nothing.
 *
 * @module
 */
import { z } from "zod";
import { ownerKey } from "../ownership/mod.ts";
import { readJson, type RegistryEntry } from "../registry/mod.ts";
import { type Address, type KeptActor, OrreryError } from "../system/mod.ts";

/** First part of the keys of states. */
export const STATES = "state";
/** First part of the keys that say when alarms are due. */
export const ALARMS_DUE = "alarms";
/** Most characters of the address of a durable actor, so that its keys fit. */
const MOST_ADDRESS_CHARS = 220;

/** Keys under which an activation keeps what it keeps. */
export function recordKeys(to: Address, epoch: number): { state: string; alarms: string } {
  return {
    state: ownerKey(STATES, to, epoch, "actor"),
    alarms: ownerKey(ALARMS_DUE, to, epoch, "first"),
  };
}

/** Throws `invalid_address` for one that is too long for a key. */
export function checkAddress(to: Address): void {
  if (to.length <= MOST_ADDRESS_CHARS) return;
  throw new OrreryError({
    group: "actor",
    code: "invalid_address",
    message: `address ${to} has ${to.length} characters; an actor with a state may have ` +
      `${MOST_ADDRESS_CHARS}, so choose a shorter key`,
    metadata: { to },
  });
}

const wireError = z.object({
  group: z.string(),
  code: z.string(),
  message: z.string(),
  metadata: z.record(z.string(), z.unknown()).optional(),
  actor: z.string().optional(),
});

const keptSchema = z.object({
  version: z.literal(1),
  state: z.unknown().optional(),
  alarms: z.array(z.object({
    name: z.string(),
    at: z.number(),
    message: z.looseObject({ type: z.string() }),
    crashes: z.int().nonnegative(),
  })),
  answers: z.array(z.object({
    id: z.string(),
    value: z.string().optional(),
    error: wireError.optional(),
  })),
});

/** What is kept, as bytes: JSON text. */
export function encodeKept({ state, alarms, answers }: KeptActor): Uint8Array {
  const rest = JSON.stringify({ version: 1, alarms, answers });
  // The state is JSON text already, and may be long.
  const text = state === undefined ? rest : `${rest.slice(0, -1)},"state":${state}}`;
  return new TextEncoder().encode(text);
}

/** Reads it. Throws `registry/wrong_data`. */
export function decodeKept(entry: RegistryEntry): KeptActor {
  const { state, alarms, answers } = readJson(keptSchema, entry);
  return {
    ...(state !== undefined && { state: JSON.stringify(state) }),
    alarms,
    answers,
  };
}

/** When the first alarm of an actor is due, as bytes. */
export const encodeDue = (at: number): Uint8Array => new TextEncoder().encode(String(at));

/** Reads an entry below {@linkcode ALARMS_DUE}; undefined: it is none. */
export function decodeDue({ key, value }: RegistryEntry): { to: Address; at: number } | undefined {
  const [, deployment, kind, name, ...rest] = key.split("/");
  const at = Number(new TextDecoder().decode(value));
  if (rest.length !== 2 || !Number.isFinite(at)) return undefined;
  return { to: `${deployment}/${kind}/${name}`, at };
}

/**
 * What an actor keeps beyond its activation, and the interface of what keeps it. The store itself
 * stands in `actors/durable/`; without one, a kind that declares a state cannot be activated.
 *
 * @module
 */
import type { Address } from "./address.ts";
import type { WireError } from "./errors.ts";
import type { Message } from "./messages.ts";

/** Most bytes of a state as JSON, where nothing else is said: four blocks of the registry. */
export const STATE_BYTES: number = 64 * 1024;
/** Most bytes of a state that may be granted: the registry's values are larger, but slow. */
export const MOST_STATE_BYTES: number = 1024 * 1024;
/** Most alarms that one actor has at a time, where nothing else is said. */
export const ALARMS = 64;
/** Most alarms that may be granted. */
export const MOST_ALARMS = 1024;
/** Most characters of an alarm's message as JSON. */
export const ALARM_CHARS = 4_096;
/** Answers that an actor keeps for messages with an idempotency key: the newest. */
export const KEPT_ANSWERS = 128;
/** Most bytes of the answers, as JSON, that one actor keeps: older ones go first. */
export const KEPT_ANSWER_BYTES: number = 64 * 1024;
/** Most characters of an idempotency key, and of an alarm's name. */
export const MOST_KEY_CHARS = 128;
/** How often an alarm is tried whose handler crashes. */
export const ALARM_TRIES = 6;

/** A value that JSON can write: what states hold. */
export type Json = null | boolean | number | string | Json[] | { [name: string]: Json };

/** A message that an actor has arranged to get at a time. */
export interface Alarm {
  /** Names it among the alarms of its actor. */
  readonly name: string;
  /** When it is due, milliseconds since 1970 (Unix time). */
  readonly at: number;
  /** What the actor gets then. */
  readonly message: Message;
}

/** An alarm as it is kept. */
export interface KeptAlarm extends Alarm {
  /** How often its handler has crashed. */
  readonly crashes: number;
}

/** What a message with an idempotency key was answered. */
export interface KeptAnswer {
  /** The message's name and its key. */
  readonly id: string;
  /** The answer as JSON text; undefined: there is none, or see `error`. */
  readonly value?: string;
  /** The error that the handler threw. */
  readonly error?: WireError;
}

/** All that is kept of one actor. It is never changed, only replaced. */
export interface KeptActor {
  /** The state as JSON text; undefined: none was set. */
  readonly state?: string;
  /** Its alarms, in the order in which they are due. */
  readonly alarms: readonly KeptAlarm[];
  /** The newest answers to messages with a key, oldest first. */
  readonly answers: readonly KeptAnswer[];
}

/** The record of one activation. */
export interface DurableRecord {
  /** What the activations before have left; undefined: nothing. */
  readonly kept: KeptActor | undefined;
  /**
   * Replaces the record, if no other activation has written since this one read it and the node
   * still owns the actor. Rejects where it was not saved, or nobody knows: the activation must end
   * then. Calls must not overlap.
   */
  save(actor: KeptActor): Promise<void>;
}

/** Keeps records of actors. */
export interface DurableStore {
  /** Reads the record for the activation with this epoch. */
  open(to: Address, options: { epoch: number; signal: AbortSignal }): Promise<DurableRecord>;
  /**
   * Addresses with alarms, and when the first one of each is due (Unix time, milliseconds). It may
   * name one that has none any more.
   */
  alarms(options: { signal: AbortSignal }): Promise<{ to: Address; at: number }[]>;
}

/** What the actors of a kind may keep, and where. */
export interface DurableOptions {
  /** Keeps it. */
  store: DurableStore;
  /** Most bytes of a state as JSON. @default STATE_BYTES */
  stateBytes?: number;
  /** Most alarms of one actor. @default ALARMS */
  alarms?: number;
}

/** An actor about which nothing is kept. */
export const NOTHING_KEPT: KeptActor = { alarms: [], answers: [] };

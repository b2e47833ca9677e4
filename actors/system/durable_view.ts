/**
 * What an actor sees of what is kept of it: its state and its alarms. Nothing here waits: whoever
 * made the view is told of each change, and saves it. It runs at the node, and in the worker of a
 * custom actor.
 *
 * @module
 */
import type { z } from "zod";
import type { ActorContext, AlarmOptions } from "./context.ts";
import {
  ALARM_CHARS,
  ALARMS,
  type KeptActor,
  type KeptAlarm,
  MOST_KEY_CHARS,
  NOTHING_KEPT,
  STATE_BYTES,
} from "./durable.ts";
import { badAlarm, badState, notDeclared, stateTooLarge, tooManyAlarms } from "./durable_errors.ts";
import { frozenJson, jsonText } from "./json_value.ts";
import type { Message, MessageSchemas } from "./messages.ts";

/** As much of a definition as a view needs. */
export interface DurableDefinition {
  /** The messages that an alarm may bring. */
  messages: MessageSchemas;
  /** Schema of the state; undefined: the kind has none. */
  state?: z.ZodType;
  /** May its actors set alarms? */
  alarms?: boolean;
}

/** The part of what is kept that a view shows. */
export type SeenActor = Pick<KeptActor, "state" | "alarms">;

/** What a view is made of. */
export interface ViewOptions {
  /** Address of the actor. */
  self: string;
  /** Epoch of the activation: it stands in the names of alarms. */
  epoch: number;
  definition: DurableDefinition;
  /** What is kept now. */
  kept: SeenActor;
  /** Resolves when all changes so far are saved. */
  saved(): Promise<void>;
  /** Told of each change, at once. */
  changed(kept: SeenActor): void;
  /** Most bytes of a state. @default STATE_BYTES */
  stateBytes?: number;
  /** Most alarms. @default ALARMS */
  alarms?: number;
}

/** The members of a context that a view provides. */
export type DurableContext = Pick<
  ActorContext<unknown>,
  "state" | "alarm" | "alarms" | "cancelAlarm"
>;

/** See the module's text. */
export class DurableView {
  readonly #options: ViewOptions;
  #kept: SeenActor;
  #value: unknown;
  /** Alarms that this activation has set without a name. */
  #named = 0;

  /** Throws `bad_state` where the state that is kept does not fit the schema. */
  constructor(options: ViewOptions) {
    this.#options = options;
    this.#kept = seen(options.kept);
    this.#value = this.#read(options.kept.state);
  }

  /** What the actor gets. */
  get context(): DurableContext {
    const { self, definition, saved } = this.#options;
    const declared = (what: "state" | "alarms") => {
      if (!definition[what]) throw notDeclared(self, what);
    };
    const value = () => {
      declared("state");
      return this.#value;
    };
    const set = (next: unknown) => {
      declared("state");
      this.#set(next);
    };
    return {
      state: {
        get value() {
          return value();
        },
        set,
        update: (change) => {
          set(change(value()));
          return this.#value;
        },
        clear: () => {
          declared("state");
          this.#change({ state: undefined });
          this.#value = this.#read(undefined);
        },
        saved,
      },
      alarm: (at, message, options = {}) => {
        declared("alarms");
        return this.#setAlarm(Number(at), message, options);
      },
      cancelAlarm: (name) => {
        declared("alarms");
        return this.drop(name);
      },
      alarms: () => {
        declared("alarms");
        return this.#kept.alarms.map(({ name, at, message }) => ({ name, at, message }));
      },
    };
  }

  /** Takes an alarm off the list and tells of it. Returns false where there is none with this name. */
  drop(name: string): boolean {
    const alarms = this.#kept.alarms.filter((alarm) => alarm.name !== name);
    if (alarms.length === this.#kept.alarms.length) return false;
    this.#change({ alarms });
    return true;
  }

  /** Shows something else from now on, without telling of a change. */
  show(kept: SeenActor): void {
    if (kept.state !== this.#kept.state) this.#value = this.#read(kept.state);
    this.#kept = seen(kept);
  }

  #read(text: string | undefined): unknown {
    const { self, definition } = this.#options;
    if (!definition.state) return undefined;
    const parsed = definition.state.safeParse(text === undefined ? undefined : JSON.parse(text));
    if (!parsed.success) throw badState(self, "kept", issueText(parsed.error));
    const read = this.#text(parsed.data);
    return read === undefined ? undefined : frozenJson(read);
  }

  #set(next: unknown): void {
    const { self, definition, stateBytes = STATE_BYTES } = this.#options;
    const parsed = definition.state!.safeParse(next);
    if (!parsed.success) throw badState(self, "set", issueText(parsed.error));
    const state = this.#text(parsed.data);
    if (state === this.#kept.state) return;
    if (state !== undefined) {
      const bytes = new TextEncoder().encode(state).length;
      if (bytes > stateBytes) throw stateTooLarge(self, bytes, stateBytes);
    }
    this.#value = state === undefined ? undefined : frozenJson(state);
    this.#change({ state });
  }

  /** The state as JSON text; undefined stays undefined. */
  #text(value: unknown): string | undefined {
    if (value === undefined) return undefined;
    try {
      return jsonText(value, "state");
    } catch (error) {
      throw badState(this.#options.self, "set", (error as Error).message);
    }
  }

  #setAlarm(at: number, { type, ...fields }: Message, { name }: AlarmOptions): string {
    const { self, definition, alarms: most = ALARMS } = this.#options;
    if (!Number.isFinite(at) || at < 0) {
      throw badAlarm(self, `its time is ${at}; expected a Date or milliseconds since 1970`);
    }
    if (name !== undefined && (name === "" || name.length > MOST_KEY_CHARS)) {
      throw badAlarm(
        self,
        `its name has ${name.length} characters; expected 1 to ${MOST_KEY_CHARS}`,
      );
    }
    if (!Object.hasOwn(definition.messages, type)) {
      const known = Object.keys(definition.messages).join(", ");
      throw badAlarm(self, `it has no message ${type}; it has ${known}`);
    }
    const parsed = definition.messages[type].safeParse(fields);
    if (!parsed.success) throw badAlarm(self, `message ${type}: ${issueText(parsed.error)}`);
    let message: Message;
    try {
      const text = jsonText({ ...fields, type }, `message ${type}`);
      if (text.length > ALARM_CHARS) {
        throw new TypeError(
          `its message has ${text.length} characters, ${ALARM_CHARS} are allowed`,
        );
      }
      message = JSON.parse(text);
    } catch (error) {
      throw badAlarm(self, (error as Error).message);
    }
    const others = this.#kept.alarms.filter((alarm) => alarm.name !== name);
    if (others.length >= most) throw tooManyAlarms(self, most);
    const given = name ?? `${this.#options.epoch.toString(36)}-${++this.#named}`;
    const alarm: KeptAlarm = { name: given, at, message, crashes: 0 };
    this.#change({ alarms: inOrder([...others, alarm]) });
    return given;
  }

  #change(change: Partial<SeenActor>): void {
    this.#kept = { ...this.#kept, ...change };
    this.#options.changed(this.#kept);
  }
}

/** What an actor gets that declares neither state nor alarms: errors that say so. */
export function undeclared(self: string): DurableContext {
  return new DurableView({
    self,
    epoch: 0,
    definition: { messages: {} },
    kept: NOTHING_KEPT,
    saved: () => Promise.resolve(),
    changed: () => {},
  }).context;
}

/** Alarms in the order in which they are due; those of one time in the order in which they were set. */
export function inOrder(alarms: readonly KeptAlarm[]): KeptAlarm[] {
  return alarms.toSorted((a, b) => a.at - b.at);
}

const seen = ({ state, alarms }: SeenActor): SeenActor => ({ state, alarms });

function issueText({ issues: [{ path, message }] }: z.ZodError): string {
  return `${path.join(".") || "the whole"}: ${message}`;
}

/**
 * The context that an activation gives its behaviour.
 *
 * @module
 */
import type { Address } from "./address.ts";
import type { ActorContext } from "./context.ts";
import { type DurableMemory, gateOf } from "./durable_memory.ts";
import { undeclared } from "./durable_view.ts";
import type { Clock, TraceContext } from "./envelope.ts";
import type { OrreryError } from "./errors.ts";
import type { AskOptions, Message, TellOptions } from "./messages.ts";
import { refsOver } from "./ref.ts";
import { noResource } from "./refusals.ts";
import type { Telemetry } from "./telemetry.ts";

/** What a context needs from the actor's system. */
export interface ContextHost {
  readonly clock: Clock;
  random(): number;
  /** Unix time, milliseconds. */
  date(): number;
  /** Sends for the actor at `from`; see `ActorContext.tell`. */
  tell(
    from: string,
    to: string,
    message: Message,
    options: TellOptions,
    trace?: TraceContext,
  ): Promise<void>;
  /** Asks for the actor at `from`; see `ActorContext.ask`. */
  ask(
    from: string,
    to: string,
    message: Message,
    options: AskOptions,
    trace?: TraceContext,
  ): Promise<unknown>;
  /** Takes what actors tell of their work; undefined: nobody does. */
  readonly telemetry?: Telemetry;
}

/** Options of {@linkcode contextOf}. */
export interface ContextInit extends Pick<ActorContext, "onStop" | "onIdle" | "stop"> {
  host: ContextHost;
  self: Address;
  /** Epoch of the behaviour. */
  epoch: number;
  /** Aborted when the behaviour ends. */
  signal: AbortSignal;
  /** What `resource` finds. */
  resources: Record<string, unknown>;
  /** What is kept of the actor; undefined: it declares neither state nor alarms. */
  memory?: DurableMemory;
  /** Why nothing may be sent any more; undefined: it may. */
  over(): OrreryError | undefined;
  /** The trace of the message that is being handled; undefined: none, or it has none. */
  trace(): TraceContext | undefined;
  /** Runs `turn` as a turn of the actor after `ms`; the result cancels that. */
  after(ms: number, turn: () => unknown): () => void;
}

/** See the module's text. */
export function contextOf(init: ContextInit): ActorContext {
  const { host, self, epoch, signal, resources, memory, onStop, onIdle, stop } = init;
  let followed: TraceContext | undefined;
  const trace = () => followed ?? init.trace();
  /** What a former owner says must not be taken for what the owner of now says. */
  const refused = () => {
    const over = init.over();
    return over && Promise.reject(over);
  };
  const gate = memory ? gateOf(memory) : <T>(send: () => Promise<T>) => send();
  const sender: Pick<ActorContext, "tell" | "ask"> = {
    tell: (to, message, options = {}) => {
      const now = trace();
      return refused() ?? gate(() => host.tell(self, to, message, options, now));
    },
    ask: (to, message, options = {}) => {
      const now = trace();
      const asked = { ...options, signal: either(options.signal, signal) };
      return refused() ?? gate(() => host.ask(self, to, message, asked, now));
    },
  };
  return {
    self,
    epoch,
    signal,
    ...sender,
    ...refsOver(sender),
    after: (ms, fn) => {
      let cancelled = false;
      // A message whose handler cancels it may come before its turn.
      const cancel = init.after(ms, () => cancelled ? undefined : fn());
      return () => {
        cancelled = true;
        cancel();
      };
    },
    now: () => host.clock.now(),
    date: () => host.date(),
    ...(memory?.view.context ?? undeclared(self)),
    random: () => host.random(),
    resource: <T>(name: string) => {
      // A resource that is there but undefined is as good as none: the actor would fail later,
      // and less clearly.
      if (resources[name] === undefined) throw noResource(self, name, Object.keys(resources));
      return resources[name] as T;
    },
    report: (report) => host.telemetry?.report(self, report),
    span: (name, init) => host.telemetry?.span(name, { start: host.clock.now(), ...init }),
    follow: (context) => void (followed = context),
    onStop,
    onIdle,
    stop,
  };
}

function either(a: AbortSignal | undefined, b: AbortSignal): AbortSignal {
  return a ? AbortSignal.any([a, b]) : b;
}

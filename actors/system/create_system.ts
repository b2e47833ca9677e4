/**
 * A system in one line.
 *
 * @module
 */
import type { AnyActor } from "./define.ts";
import { directoryOf } from "./directory.ts";
import type { DurableOptions, DurableStore } from "./durable.ts";
import { LocalNetwork } from "./local_transport.ts";
import { invalidConfig } from "./refusals.ts";
import { ActorSystem, type SystemOptions } from "./system.ts";
import { systemClock } from "./system_clock.ts";

/** A kind of actor, with what its actors are given. */
export interface Registration {
  /** The kind. */
  actor: AnyActor;
  /** What `create` gets, parsed by the kind's schema. @default {} */
  config?: unknown;
  /** What `ctx.resource` finds, by the actor's address. @default nothing */
  resources?: (address: string) => Record<string, unknown>;
  /** Keeps the states and alarms of its actors. @default what the system is given, no limits changed */
  durable?: DurableOptions;
}

/** Options of {@linkcode createSystem}. */
export interface CreateOptions extends Partial<SystemOptions> {
  /**
   * Keeps the states and alarms of the kinds that declare them, for instance that of
   * `durableStore(registry)`. @default none: such kinds are refused with `no_store`
   */
  durable?: DurableStore & {
    /** Becomes `leaseEpoch` of the system, where the options name none. */
    leaseEpoch?: () => number;
  };
}

/**
 * Makes a system that knows these kinds of actors.
 *
 * ```ts
 * const local = createSystem([counter]); // one node, real time
 *
 * const node = createSystem([counter], { // the same, as one node of several
 *   transport: await createMailbox({ node: "left", port: 8421 }),
 *   directory: directoryOf((address) => address.endsWith("/a") ? "left" : "right"),
 * });
 * ```
 *
 * Without options the system is alone: its transport is in process, and every actor lives in it.
 * Throws TypeError for a kind that is named twice, and `invalid_config` (group `actor`) for a
 * configuration that does not fit its kind: at once, not at the first message.
 */
export function createSystem(
  actors: Iterable<AnyActor | Registration>,
  { durable: store, ...options }: CreateOptions = {},
): ActorSystem {
  const registrations = [...actors].map((a) => "actor" in a ? a : { actor: a }).map(
    ({ actor, config = {}, resources, durable = store && { store } }: Registration) => {
      const parsed = actor.config.safeParse(config);
      if (!parsed.success) throw invalidConfig(actor.kind, parsed.error.issues[0]);
      // The schema parses it at each activation: what it made must not be parsed once more.
      return { actor, options: { config, resources, durable } };
    },
  );
  const { transport = new LocalNetwork().connect("local") } = options;
  const system = new ActorSystem({
    directory: directoryOf(() => transport.node),
    clock: systemClock,
    random: Math.random,
    leaseEpoch: store?.leaseEpoch,
    ...options,
    transport,
  });
  for (const { actor, options } of registrations) system.register(actor, options);
  return system;
}

/**
 * A system in one line.
 *
 * @module
 */
import type { AnyActor } from "./define.ts";
import { directoryOf } from "./directory.ts";
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
  options: Partial<SystemOptions> = {},
): ActorSystem {
  const registrations = [...actors].map((a) => "actor" in a ? a : { actor: a }).map(
    ({ actor, config = {}, resources }: Registration) => {
      const parsed = actor.config.safeParse(config);
      if (!parsed.success) throw invalidConfig(actor.kind, parsed.error.issues[0]);
      // The schema parses it at each activation: what it made must not be parsed once more.
      return { actor, options: { config, resources } };
    },
  );
  const { transport = new LocalNetwork().connect("local") } = options;
  const system = new ActorSystem({
    directory: directoryOf(() => transport.node),
    clock: systemClock,
    random: Math.random,
    ...options,
    transport,
  });
  for (const { actor, options } of registrations) system.register(actor, options);
  return system;
}

/**
 * Who on other nodes may send an actor a message: rules that a definition states by message.
 *
 * A message of this node always passes. A message of another node passes where the rule of its kind
 * says so; one without a rule is refused, so a kind that says nothing is reachable from its own
 * node alone. The rule is asked before the body is parsed.
 *
 * @module
 */
import type { NodeId } from "./envelope.ts";
import type { MessageSchemas } from "./messages.ts";

/** A message of another node, as a rule sees it. */
export interface RemoteMessage {
  /** The node at the other end of the link; the link has made sure of it. */
  readonly peer: NodeId;
  /**
   * Address of the sending actor, which lives at `peer`; "": the message comes from outside the
   * actors, or this node cannot tell where that address lives.
   */
  readonly from: string;
  /** Address of the receiving actor. */
  readonly to: string;
  /** Name of the message. */
  readonly type: string;
  /** Its fields. Nothing about them has been checked: read them with {@linkcode fieldOf}. */
  readonly body: unknown;
  /** The node of an address; undefined: this node does not know it, or not without waiting. */
  nodeOf(address: string): NodeId | undefined;
}

/** Says whether another node may send a message. */
export interface CallerRule {
  /** Who may, in words that complete "may be sent by": `the first node`. */
  readonly who: string;
  /** Whether this one may. It must not throw, whatever the body is. */
  allows(message: RemoteMessage): boolean;
}

/** One rule for every message of a kind, or one for each message by its name. */
export type Callers<M extends MessageSchemas = MessageSchemas> =
  | CallerRule
  | { [K in keyof M]?: CallerRule };

/** Nobody on other nodes may: also the rule of a message that has none. */
export const thisNode: CallerRule = { who: "actors of its own node", allows: () => false };

/** Every node of the cluster may. */
export const anyNode: CallerRule = { who: "any node of the cluster", allows: () => true };

/** The rule of a message; undefined: its definition states none, and {@linkcode thisNode} holds. */
export function callerRule(
  { callers }: { callers?: Callers },
  type: string,
): CallerRule | undefined {
  if (callers === undefined) return undefined;
  if (isRule(callers)) return callers;
  return Object.hasOwn(callers, type) ? callers[type] : undefined;
}

/** Whether it is one rule, and not rules by message: a message may be called `allows` too. */
export const isRule = (callers: Callers): callers is CallerRule =>
  typeof callers.allows === "function";

/** A field of a body that was not checked; undefined where it has none. */
export function fieldOf(body: unknown, name: string): unknown {
  if (typeof body !== "object" || body === null || !Object.hasOwn(body, name)) return undefined;
  return (body as Record<string, unknown>)[name];
}

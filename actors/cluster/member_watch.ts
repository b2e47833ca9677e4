/**
 * The cluster actor's watch over its members, and what it must know of them from outside the actors.
 *
 * @module
 */
import type { ActorContext } from "../system/mod.ts";
import { memberActor } from "./member.ts";
import type { HealthChange, NodeView, WatchOptions } from "./health.ts";
import { NodeWatch } from "./node_watch.ts";

/** Resource `nodes` of the cluster actor. */
export interface MembersView extends NodeView {
  /** What is the same in all lives of a node, and of no other; undefined: it is not known. */
  identity(node: string): string | undefined;
  /** Whether a later life of the same node has been seen. */
  isFormer(node: string): boolean;
  /** Told of each change, for the log. */
  changed(change: HealthChange): void;
}

/** What a {@linkcode memberWatch} needs. */
export interface MemberWatchOptions {
  /** What is known from outside the actors. */
  view: MembersView;
  /** The members by id of their node; the caller changes them. */
  members: ReadonlyMap<string, unknown>;
  /** This node's id: it need not be asked whether it reaches a member. */
  self: string;
  /** Called at the end of each look at all members. */
  looked(): void;
  /** Told of each change, after the view. */
  changed(change: HealthChange): void;
}

/** Watches members from the actor of `ctx`. */
export function memberWatch(
  ctx: ActorContext,
  { view, members, self, looked, changed }: MemberWatchOptions,
  options?: Partial<WatchOptions>,
): NodeWatch {
  const watch = new NodeWatch({
    self,
    now: () => ctx.now(),
    after: (ms, fn) => ctx.after(ms, fn),
    random: () => ctx.random(),
    silentMs: (node) => view.silentMs(node),
    refuses: (node, deadlineMs) => view.refuses(node, deadlineMs),
    ping: (node, deadlineMs) => ctx.get(memberActor, node).ping({}, { deadlineMs }),
    reach: (voter, node, within_ms) =>
      ctx.get(memberActor, voter).reach({ node, within_ms }, { deadlineMs: 2 * within_ms }),
    voters: (node) => [...members.keys()].filter((member) => member !== node && member !== self),
    looked,
    changed: (change) => {
      view.changed(change);
      changed(change);
    },
  }, options);
  ctx.onStop(() => watch.close());
  return watch;
}

/**
 * The errors with which an actor system refuses a message: one place for their codes and texts.
 *
 * @module
 */
import { OrreryError } from "./errors.ts";

const refusal = (code: string, message: string, metadata: Record<string, unknown>) =>
  new OrreryError({ group: "actor", code, message, metadata });

/** The address has no activation and the message does not make one. */
export const notActive = (to: string, type: string) =>
  refusal("not_active", `actor ${to} is not active and ${type} does not activate it`, { to, type });

/** The system is shutting down. */
export const closed = (to: string) =>
  refusal("closed", `the actor system with ${to} is closing`, { to });

/** An ask that got no answer in time. */
export const deadlineExceeded = (to: string, type: string, ms: number) =>
  refusal("deadline_exceeded", `${to} did not answer ${type} within ${ms} ms`, {
    to,
    type,
    deadline_ms: ms,
  });

/** A message that its receiver comes to, or still handles, when its deadline has passed. */
export const deadlinePassed = (to: string, type: string) =>
  refusal("deadline_exceeded", `deadline passed for ${type} to ${to}`, { to, type });

/** A message whose sender no longer waits for an answer. */
export const cancelled = (to: string, type: string) =>
  refusal("cancelled", `${type} to ${to} was cancelled`, { to, type });

/** The reason of `ctx.signal` after the activation has ended. */
export const actorStopped = (self: string) =>
  refusal("stopped", `actor ${self} stopped`, { actor: self });

/** A tell whose receiver had no place for it in time. */
export const notPlaced = (to: string, type: string, ms: number) =>
  refusal("deadline_exceeded", `${to} had no place for ${type} within ${ms} ms`, {
    to,
    type,
    deadline_ms: ms,
  });

/** The body does not fit the receiver's schema. */
export const invalidMessage = (
  to: string,
  type: string,
  issue: { path: PropertyKey[]; message: string },
) =>
  refusal(
    "invalid_message",
    `message ${type} to ${to}: ${issue.path.join(".") || "body"}: ${issue.message}`,
    {
      to,
      type,
      path: issue.path.join("."),
    },
  );

/** Nobody registered this kind here. */
export const unknownKind = (node: string, to: string, type: string, kind: string) =>
  refusal("unknown_kind", `node ${node} has no actors of kind ${kind} (message ${type} to ${to})`, {
    to,
    kind,
  });

/** The kind exists, the message does not. */
export const unknownMessage = (to: string, type: string, kind: string, known: string[]) =>
  refusal(
    "unknown_message",
    `actor kind ${kind} has no message ${type}; it has ${known.join(", ")}`,
    {
      to,
      type,
    },
  );

/** The sender believes in an earlier owner. */
export const staleEpoch = (to: string, type: string, epoch: number, current: number) =>
  refusal(
    "stale_epoch",
    `message ${type} to ${to} carries epoch ${epoch}, and the ownership of now has ${current}`,
    {
      to,
      type,
      epoch: current,
    },
  );

/** A message that would begin one activation more than a kind may have at a node. */
export const tooManyActivations = (to: string, type: string, kind: string, most: number) =>
  refusal(
    "too_many_activations",
    `${to} cannot begin for ${type}: ${most} actors of kind ${kind} are active at this node and ` +
      "none is idle; send it again later, or raise policy.activations",
    { to, type, limit: most },
  );

/** A message to an address that this node does not own for certain. */
export const fenced = (node: string, to: string, type: string) =>
  refusal(
    "fenced",
    `node ${node} does not handle ${type} to ${to}, since its ownership of that address is not ` +
      `certain; resolve the address again`,
    { to, type, node },
  );

/**
 * A message that waited for an actor that has moved: no handler had it, so its sender may send it to
 * the owner of now.
 */
export const movedOn = (node: string, to: string, type: string) =>
  refusal(
    "fenced",
    `${to} left node ${node} before it handled ${type}; resolve the address again`,
    { to, type, node, refused: true },
  );

/** What an actor does whose ownership ended. */
export const ownershipOver = (self: string, epoch: number) =>
  refusal("fenced", `actor ${self} ended, since this node's ownership of it (epoch ${epoch}) did`, {
    actor: self,
    epoch,
  });

/** A message in the name of an actor that lives on another node than the one that sent it. */
export const forgedSender = (
  { peer, from, to, type }: { peer: string; from: string; to: string; type: string },
  node: string,
) =>
  refusal(
    "forged_sender",
    `node ${peer} sent ${type} to ${to} in the name of ${from}, which lives on node ${node}`,
    { peer, from, node },
  );

/** A message to an actor that lives on another node. */
export const notHere = (node: string, to: string, type: string, owner: string | undefined) =>
  refusal(
    "not_here",
    `${type} came to node ${node}, but ${to} ${
      owner === undefined ? "has no node that is known there" : `lives on node ${owner}`
    }`,
    { to, type, node },
  );

/** A message with a newer epoch than the receiver's node knows of. */
export const unknownEpoch = (node: string, to: string, type: string, epoch: number) =>
  refusal(
    "unknown_epoch",
    `message ${type} to ${to} carries epoch ${epoch}, which node ${node} does not know of`,
    { to, type, epoch },
  );

/** The sender's node may not send this message. */
export const notAllowed = (
  { peer, to, type }: { peer: string; to: string; type: string },
  who: string,
) =>
  refusal(
    "not_allowed",
    `node ${peer} may not send ${type} to ${to}, which may be sent by ${who}`,
    { peer, to, type },
  );

/** A node that sends more than it has credit for. */
export const overCredit = (peer: string, to: string, type: string, limit: number) =>
  refusal(
    "over_credit",
    `node ${peer} has ${limit} messages in the mailbox of ${to} already, more than its credit`,
    { peer, to, type, limit },
  );

/** A node that does not take what it is answered, or asks too much at a time. */
export const flooded = (peer: string, owed: number) =>
  refusal(
    "flooded",
    `node ${peer} is owed ${owed} answers, so its messages are dropped until it takes some`,
    { peer, owed },
  );

/** An ask with the number of one that is not answered yet. */
export const idInUse = (peer: string, to: string, type: string, id: number) =>
  refusal("id_in_use", `node ${peer} sent ${type} to ${to} as ask ${id}, which is not over`, {
    peer,
    to,
    type,
    id,
  });

/** An actor that crashed too often. */
export const actorFailed = (to: string, crashes: number, withinMs: number) =>
  refusal(
    "actor_failed",
    `actor ${to} crashed ${crashes} times within ${withinMs} ms and refuses messages for that long`,
    {
      to,
      crashes,
      within_ms: withinMs,
    },
  );

/** The transport gave a peer up. */
export const peerLost = (peer: string, reason: string) =>
  new OrreryError({
    group: "mailbox",
    code: "peer_lost",
    message: `node ${peer} is gone: ${reason}`,
    metadata: { peer, reason },
  });

/** The node gives no such resource to actors of this kind. */
export const noResource = (self: string, resource: string, given: string[]) =>
  refusal(
    "no_resource",
    `actor ${self} asks for resource ${resource}, which this node does not give it; ` +
      `it gives ${given.join(", ") || "none"}`,
    { resource, given },
  );

/** The configuration with which a kind is registered does not fit its schema. */
export const invalidConfig = (kind: string, issue: { path: PropertyKey[]; message: string }) =>
  refusal(
    "invalid_config",
    `actor kind ${kind}: ${["config", ...issue.path].join(".")}: ${issue.message}`,
    {
      kind,
      path: issue.path.join("."),
    },
  );

/** An idempotency key of a wrong length. */
export const badKey = (to: string, type: string, chars: number) =>
  refusal(
    "bad_key",
    `the idempotency key of ${type} to ${to} has ${chars} characters; expected 1 to 128`,
    { to, type },
  );

/**
 * Why the journal refuses.
 *
 * @module
 */
import { type NodeId, OrreryError } from "../system/mod.ts";

/** Another node has gone on with the requests of this one. */
export const journalTaken = (node: NodeId): OrreryError =>
  new OrreryError({
    group: "journal",
    code: "taken_over",
    message:
      `node ${node} was taken for dead, and another node goes on with this request: ask again ` +
      "with Last-Event-ID or the same Idempotency-Key",
    metadata: { node, retry_after_s: 1 },
  });

/** No second node could be chosen in time. */
export const journalUnavailable = (waitedMs: number): OrreryError =>
  new OrreryError({
    group: "journal",
    code: "no_second_node",
    message: `the node that keeps this request's journal is gone, and no other could be chosen ` +
      `within ${Math.round(waitedMs / 1000)} s, as the cluster's registry did not answer: ask ` +
      "again with Last-Event-ID or the same Idempotency-Key",
    metadata: { retry_after_s: 5 },
  });

/** Nobody knows the request. */
export const requestUnknown = (id: string): OrreryError =>
  new OrreryError({
    group: "journal",
    code: "request_unknown",
    message: `no node keeps the journal of request ${id} (any more): send the request anew`,
    metadata: { id },
  });

/** The request is known, but nobody goes on with it yet. */
export const requestUndecided = (id: string, waitedMs: number): OrreryError =>
  new OrreryError({
    group: "journal",
    code: "request_undecided",
    message: `the node that ran request ${id} does not answer, and for ` +
      `${Math.round(waitedMs / 1000)} s no other has gone on with it: ask again`,
    metadata: { id, retry_after_s: 5 },
  });

/** The answer made again is another one than the one of which the client knows the beginning. */
export const answerDiffers = (id: string): OrreryError =>
  new OrreryError({
    group: "journal",
    code: "answer_differs",
    message:
      `request ${id} was begun with another model or other settings than those of now, and ` +
      "its answer cannot be gone on with: send the request anew",
    metadata: { id },
  });

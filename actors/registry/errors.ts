/**
 * Errors of the group `registry`.
 *
 * @module
 */
import { OrreryError } from "../system/mod.ts";

/** An error of the registry; docs/errors.md lists the codes. */
export function registryError(
  code: string,
  message: string,
  metadata: Record<string, unknown> = {},
  cause?: unknown,
): OrreryError {
  return new OrreryError({ group: "registry", code, message, metadata, cause });
}

/** No answer in time: `what` says which operation, `cause` is the last failure. */
export function noAnswer(what: string, deadlineMs: number, cause?: unknown): OrreryError {
  const why = cause === undefined ? "" : `: ${textOf(cause)}`;
  return registryError(
    "unavailable",
    `the registry did not answer ${what} within ${Math.round(deadlineMs)} ms${why}; ` +
      `see that it runs and can be reached`,
    { deadline_ms: deadlineMs },
    cause,
  );
}

/** A write was sent and nobody knows whether it landed. */
export function outcomeUnknown(id: string, deadlineMs: number, cause?: unknown): OrreryError {
  const why = cause === undefined ? "" : `: ${textOf(cause)}`;
  return registryError(
    "outcome_unknown",
    `the registry did not say within ${
      Math.round(deadlineMs)
    } ms whether write ${id} landed${why}; ` +
      `send it again with the same id, or read`,
    { id, deadline_ms: deadlineMs },
    cause,
  );
}

/** The lease has lapsed, was revoked or never was. */
export function leaseLost(lease: string): OrreryError {
  return registryError(
    "lease_lost",
    `lease ${lease} has lapsed or was revoked; its holder must stop and take a new one`,
    { lease },
  );
}

/** Changes since this revision are no longer known one by one. */
export function compacted(from: number, oldest: number): OrreryError {
  return registryError(
    "compacted",
    `changes after revision ${from} are no longer known (the oldest is ${oldest}); ` +
      `list the keys again and watch from the listing's revision`,
    { from, oldest },
  );
}

/** The registry was closed by its owner. */
export function registryClosed(): OrreryError {
  return registryError("closed", "this registry is closed, since its node is stopping");
}

/** What is stored under a key is not what this version writes. */
export function wrongData(key: string, why: string): OrreryError {
  return registryError(
    "wrong_data",
    `the registry holds something else than Orrery's data at ${key}: ${why}; ` +
      `use a registry, or a prefix of one, that no other program writes to`,
    { key },
  );
}

function textOf(cause: unknown): string {
  return cause instanceof Error ? cause.message : String(cause);
}

/**
 * Takes over what one registry holds into another, while nobody writes to either.
 *
 * @module
 */
import {
  MAX_CHANGES,
  type Registry,
  type RegistryEntry,
  registryError,
  type RegistryOptions,
} from "../../actors/mod.ts";

/** Key of the target that says that everything is there, and where it came from. */
const COPIED = "moved/here";
/** Key of the source that says that it is no longer the cluster's registry, and what is. */
const MOVED = "moved/away";
/** Bytes of values that one transaction writes, at most: one large value alone may have more. */
const MAX_BYTES_AT_ONCE = 262_144;

/** Options of {@linkcode copyRegistry}. */
export interface CopyRegistryOptions extends RegistryOptions {
  /** Names the source in messages, e.g. its file. */
  from: string;
  /** Names the target in messages and in the source's note. */
  to: string;
}

/**
 * Copies every key that belongs to no lease, and then marks the source: from then on
 * {@linkcode refuseMoved} refuses it. Keys of leases are left out, since whoever held them does not
 * run any more. Nobody may write to the source or the target meanwhile.
 *
 * If it is interrupted, call it again: what is there already is not written twice, and nothing is
 * copied once the target was complete. Gives the number of keys that the target got by this call.
 *
 * Throws `registry/copy_differs` when the target does not hold what was written to it, and what
 * the registries throw; the source is not marked then.
 */
export async function copyRegistry(
  source: Registry,
  target: Registry,
  { from, to, ...options }: CopyRegistryOptions,
): Promise<number> {
  let copied = 0;
  if (!await target.get(COPIED, options)) {
    const { entries } = await source.list("", options);
    const kept = entries.filter(({ key, lease }) => lease === undefined && key !== MOVED);
    const there = new Map((await target.list("", options)).entries.map((e) => [e.key, e]));
    const missing = kept.filter((entry) => !sameValue(entry, there.get(entry.key)));
    for (const sets of batches(missing)) {
      // A lost answer leads to a second try of the whole copy, which sees what is there.
      await target.transact({ sets }, options);
      copied += sets.length;
    }
    const now = new Map((await target.list("", options)).entries.map((e) => [e.key, e]));
    for (const entry of kept) {
      if (!sameValue(entry, now.get(entry.key))) throw differs(entry.key, to);
    }
    await target.transact({ sets: [{ key: COPIED, value: encode(from) }] }, options);
  }
  if (!await source.get(MOVED, options)) {
    await source.transact({ sets: [{ key: MOVED, value: encode(to) }] }, options);
  }
  return copied;
}

/** Throws `registry/moved` for a registry that {@linkcode copyRegistry} has marked. */
export async function refuseMoved(registry: Registry, name: string): Promise<void> {
  const moved = await registry.get(MOVED);
  if (!moved) return;
  const to = new TextDecoder().decode(moved.value);
  throw registryError(
    "moved",
    `what ${name} held was taken over by ${to}, which is the cluster's registry now: ` +
      `start this node with --registry ${to}`,
    { name, to },
  );
}

const encode = (text: string) => new TextEncoder().encode(text);

function sameValue(a: RegistryEntry, b: RegistryEntry | undefined): boolean {
  return b !== undefined && b.lease === undefined && a.value.byteLength === b.value.byteLength &&
    a.value.every((byte, i) => byte === b.value[i]);
}

/** Entries in groups that fit into one transaction each. */
function* batches(entries: RegistryEntry[]): Iterable<{ key: string; value: Uint8Array }[]> {
  let batch: { key: string; value: Uint8Array }[] = [];
  let bytes = 0;
  for (const { key, value } of entries) {
    const full = batch.length === MAX_CHANGES || bytes + value.byteLength > MAX_BYTES_AT_ONCE;
    if (full && batch.length > 0) {
      yield batch;
      [batch, bytes] = [[], 0];
    }
    batch.push({ key, value });
    bytes += value.byteLength;
  }
  if (batch.length > 0) yield batch;
}

function differs(key: string, to: string): Error {
  return registryError(
    "copy_differs",
    `${to} does not hold what was written to ${key}: see that nobody else writes to it, and start ` +
      `the node again`,
    { key },
  );
}

/**
 * A watch on etcd that goes on at another member where the one before left off.
 *
 * @module
 */
import { compacted, OrreryError, type RegistryChanges } from "../../actors/mod.ts";
import type { EtcdClient } from "./etcd_client.ts";
import { decodeText, encodeKey, entryOf, keysWith, rangeSchema, watchSchema } from "./etcd_wire.ts";
import { orAborted, Patience, pause, pauseAfter } from "./patience.ts";

/** A silent member is asked for a sign of life this often, milliseconds. */
const QUIET_MS = 1_500;
/** Milliseconds for that answer. */
const ANSWER_MS = 2_000;
/** A silent stream is opened anew after so many such answers. */
const QUIET_ROUNDS = 20;

/** What {@linkcode watchEtcd} watches. */
export interface EtcdWatch {
  /** What our names of keys begin with. */
  root: string;
  /** What the watched keys begin with, after `root`. */
  prefix: string;
  from: number;
  /** Ends it without an error. */
  signal?: AbortSignal;
  /** Ends it with the signal's reason. */
  closed: AbortSignal;
}

/** See `Registry.watch`. */
export async function* watchEtcd(
  client: EtcdClient,
  { root, prefix, from, signal, closed }: EtcdWatch,
): AsyncIterable<RegistryChanges> {
  const ended = AbortSignal.any([closed, ...signal ? [signal] : []]);
  let cursor = from;
  for (let failures = 0; !ended.aborted; failures++) {
    const { member } = client;
    const attempt = new AbortController();
    const stop = AbortSignal.any([ended, attempt.signal]);
    try {
      // A member that is cut off from the others would let us wait for ever, so it must first show
      // that it can read what the others wrote.
      const revision = await signOfLife(client, { root, member, signal: stop });
      if (revision < cursor) throw compacted(cursor, revision); // another cluster's data
      const lines = client.stream("/v3/watch", {
        create_request: { ...keysWith(root + prefix), start_revision: String(cursor + 1) },
      }, { schema: watchSchema, signal: stop })[Symbol.asyncIterator]();
      const read = () => {
        const line = lines.next();
        line.catch(() => {}); // it may fail after nobody waits for it any more
        return line;
      };
      let next = read();
      for (let quiet = 0; quiet < QUIET_ROUNDS;) {
        const line = await unlessSilent(next, stop);
        if (line === "silent") {
          quiet++;
          await signOfLife(client, { root, member, signal: stop });
          continue;
        }
        if (line.done) throw new Error("the watch ended");
        next = read();
        quiet = 0;
        failures = 0;
        const { events, canceled, compact_revision, cancel_reason } = line.value;
        if (compact_revision > 0) throw compacted(cursor, compact_revision);
        if (canceled) throw new Error(`the watch was canceled: ${cancel_reason}`);
        if (events.length === 0) continue;
        const changes = new Map<string, RegistryChanges["changes"][number]>();
        for (const { type, kv } of events) {
          const key = decodeText(kv.key).slice(root.length);
          changes.delete(key); // the last change of a key counts, at its place
          changes.set(key, { key, entry: type === "DELETE" ? undefined : entryOf(kv, root) });
        }
        // All events of a revision come in one line.
        cursor = Math.max(...events.map(({ kv }) => kv.mod_revision));
        yield { revision: cursor, changes: [...changes.values()] };
      }
    } catch (error) {
      if (ended.aborted) break;
      if (error instanceof OrreryError) throw error;
      client.leave(member);
      await pause(pauseAfter(Math.min(failures, 4)), ended).catch(() => {});
    } finally {
      attempt.abort();
    }
  }
  if (!signal?.aborted) throw closed.reason;
}

/** Reads what only a member of the majority can read; gives the revision. */
async function signOfLife(
  client: EtcdClient,
  { root, member, signal }: { root: string; member: string; signal: AbortSignal },
): Promise<number> {
  using patience = new Patience(ANSWER_MS, () => new Error("no sign of life"), signal);
  if (client.member !== member) throw new Error("another member is spoken to by now");
  const { header } = await client.call("/v3/kv/range", { key: encodeKey(root) }, {
    schema: rangeSchema,
    signal: patience.signal,
  });
  return header.revision;
}

/** The result of `promise`, unless nothing comes for a while. */
async function unlessSilent<T>(promise: Promise<T>, signal: AbortSignal): Promise<T | "silent"> {
  const silent = Symbol();
  using patience = new Patience(QUIET_MS, () => silent, signal);
  try {
    return await orAborted(promise, patience.signal);
  } catch (error) {
    if (error === silent) return "silent";
    throw error;
  }
}

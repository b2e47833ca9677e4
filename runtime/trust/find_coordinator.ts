/**
 * Finds out who coordinates the cluster, where the coordinator that was known is silent.
 *
 * Every node that is known is asked at the same time. Only the word of a node that holds the
 * cluster's authority is believed, which its certificate shows (`JOIN_NAME`). What another node says
 * is a hint of whom to ask besides. A first node of version 1 of the protocol knows of no terms: who
 * holds the authority there coordinates, for ever, in term 1.
 *
 * @module
 */
import type { NodeId } from "../../actors/system/mod.ts";
import { identify, type MailboxTls, speaks } from "../mailbox/mod.ts";
import { askCoordinator, type CoordinatorAsk, type CoordinatorPlace } from "./ask_coordinator.ts";

/** Most hints that are followed: a hostile node may give any number of them. */
const MOST_HINTS = 16;

/** A node that may know who coordinates. */
export interface KnownPlace {
  /** Where its mailbox listens. */
  host: string;
  port: number;
  /** Its id, where it is known. */
  node?: NodeId;
}

/** Options of {@linkcode findCoordinator}. */
export interface FindCoordinatorOptions {
  /** Whom to ask. */
  places: readonly KnownPlace[];
  /** This node's certificates. */
  tls: MailboxTls;
  /** Version of the protocol that the cluster's first node spoke when this node joined. */
  version: number;
  /** Milliseconds in which answers count. */
  withinMs: number;
  /** Ends the search. */
  signal: AbortSignal;
  /** A term with a larger number than this ends the search at once. @default none does */
  after?: number;
}

/** What {@linkcode findCoordinator} has found. */
export interface FoundCoordinator {
  /** The latest term that a node with the authority names; undefined: none does. */
  coordinator?: CoordinatorPlace;
  /** Why the last place did not answer; undefined: all did. */
  error?: Error;
}

/** Asks all places at once. Never rejects but with the reason of the signal. */
export async function findCoordinator(options: FindCoordinatorOptions): Promise<FoundCoordinator> {
  const { places, tls, version, withinMs, after = Infinity } = options;
  options.signal.throwIfAborted();
  const enough = new AbortController();
  const signal = AbortSignal.any([
    options.signal,
    enough.signal,
    AbortSignal.timeout(withinMs),
  ]);
  const found: FoundCoordinator = {};
  const asked = new Set<string>();

  /** Asks a node that must hold the authority. */
  async function believe({ host, port }: KnownPlace): Promise<boolean> {
    const where = `${host} ${port}`;
    if (asked.has(where)) return true;
    asked.add(where);
    try {
      const told = await coordinatorBy({ host, port, tls, signal }, version);
      if (told && told.epoch > (found.coordinator?.epoch ?? 0)) found.coordinator = told;
      if (told && told.epoch > after) enough.abort();
      return true;
    } catch (error) {
      if (!signal.aborted || !found.error) found.error = error as Error;
      return false;
    }
  }

  /** Asks a node that does not hold the authority, and then the one that it names. */
  async function followHint({ host, port, node: to }: KnownPlace): Promise<void> {
    const hint = await askCoordinator({ host, port, tls, to, signal }).catch(() => undefined);
    if (hint && asked.size < places.length + MOST_HINTS) await believe(hint);
  }

  await Promise.all(places.map(async (place) => {
    if (!await believe(place) && place.node !== undefined && !signal.aborted) {
      await followHint(place);
    }
  }));
  options.signal.throwIfAborted();
  return found;
}

/** Who coordinates, by the word of a node with the authority; undefined: it knows of nobody. */
async function coordinatorBy(
  ask: Omit<CoordinatorAsk, "to">,
  version: number,
): Promise<CoordinatorPlace | undefined> {
  if (speaks("terms", version)) return await askCoordinator(ask);
  // It may have been brought up to date since.
  const told = await askCoordinator(ask).catch(() => undefined);
  const { host, port } = ask;
  return told ?? { node: await identify(host, port, ask), host, port, epoch: 1 };
}

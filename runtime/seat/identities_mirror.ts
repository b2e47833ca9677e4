/**
 * The list of nodes that a first node took in, in its embedded registry: members copy it from there,
 * so that one of them can go on with it. The list itself is a file, which commands change too.
 *
 * @module
 */
import { getLogger } from "@logtape/logtape";
import { setTimeout as sleep } from "node:timers/promises";
import {
  decodeRecord,
  type Registry,
  type RegistryEntry,
  toOrreryError,
} from "../../actors/mod.ts";
import { z } from "zod";
import { IDENTITIES_KEY, type KnownIdentity, knownIdentitySchema } from "../trust/mod.ts";

const log = getLogger(["orrery", "coordinator"]);

/** Milliseconds between two looks at the list. */
const LOOK_MS = 1_000;

/** Writes the list whenever it has changed, until the signal aborts. */
export async function mirrorIdentities(
  registry: Registry,
  list: () => Promise<KnownIdentity[]>,
  signal: AbortSignal,
): Promise<void> {
  let written = "";
  while (!signal.aborted) {
    try {
      const text = JSON.stringify(await list());
      if (text !== written) {
        const value = new TextEncoder().encode(text);
        await registry.transact({ sets: [{ key: IDENTITIES_KEY, value }] }, { signal });
        written = text;
      }
    } catch (error) {
      if (signal.aborted) return;
      log.debug("the list of nodes is not in the registry yet: {message}", {
        message: toOrreryError(error).message,
      });
    }
    await sleep(LOOK_MS, undefined, { signal }).catch(() => {});
  }
}

/** The list among the entries of a copy; undefined: there is none. Throws `registry/wrong_data`. */
export function identitiesOf(entries: readonly RegistryEntry[]): KnownIdentity[] | undefined {
  const entry = entries.find(({ key }) => key === IDENTITIES_KEY);
  return entry && decodeRecord(z.array(knownIdentitySchema), entry);
}

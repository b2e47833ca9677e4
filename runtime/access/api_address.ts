/**
 * Where the API listens, and why.
 *
 * @module
 */
import { OrreryError } from "../../actors/mod.ts";

const LOOPBACK = "127.0.0.1";

/** Where the API listens, and who may ask it. */
export interface ApiAddress {
  /** Address to listen on. */
  host: string;
  /** Is that this machine alone? */
  loopback: boolean;
  /**
   * Did the API stay on this machine although the mailbox listens beyond it, since it has no keys?
   */
  kept: boolean;
}

/** What {@linkcode chooseApiAddress} decides by. */
export interface ApiAddressOptions {
  /** Address of `--host`, where the mailbox listens. */
  host: string;
  /** Address of `--api-host`. @default none: as `--host`, if the API may be opened */
  apiHost?: string;
  /** Are there API keys? */
  keys: boolean;
  /** Was the API opened without keys, by `--no-api-key`? */
  open: boolean;
}

/** Is this an address of this machine alone? */
export const isLoopback = (host: string): boolean =>
  host === "localhost" || host === "::1" || /^127(\.\d{1,3}){3}$/.test(host);

/**
 * `--host` opens the mailbox to other nodes; it opens the API too where that has keys, or where
 * `--no-api-key` says that it needs none. Otherwise the API stays on this machine, so that a node
 * can join a cluster without thinking about keys, and nothing is open that nobody asked for.
 *
 * Throws group `access`, code `key_needed`, where `--api-host` asks for an open API without either.
 */
export function chooseApiAddress({ host, apiHost, keys, open }: ApiAddressOptions): ApiAddress {
  const wanted = apiHost ?? host;
  if (isLoopback(wanted)) return { host: wanted, loopback: true, kept: false };
  if (keys || open) return { host: wanted, loopback: false, kept: false };
  if (apiHost === undefined) return { host: LOOPBACK, loopback: true, kept: true };
  throw new OrreryError({
    group: "access",
    code: "key_needed",
    message:
      `--api-host ${apiHost} opens the API beyond this machine, so it needs keys: make one with ` +
      "`deno task keys create NAME`, or say --no-api-key to let everybody ask who can reach it",
    metadata: { host: apiHost },
  });
}
